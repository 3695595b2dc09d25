"""`manage.py broadcast … --local`: killed, interrupted and started again, nobody gets a message twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.process.bench import Bench
from tests.process.mailing import Mailing

pytestmark = pytest.mark.process

MANY, SOME = 2_000, 400
IN_FLIGHT = 100


@pytest.fixture
def mailing(bench: Bench, manage: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Mailing:
    return Mailing(bench, manage, tmp_path, getattr(request, "param", SOME))


@pytest.mark.parametrize("mailing", [MANY], indirect=True)
def test_killed_in_the_middle_and_started_again(mailing):
    mailing.bench.emulator.sends_take(0.3)
    first = mailing.send("--local")
    mailing.wait_sent(500, first)
    mailing.bench.emulator.hold_sends()
    first.kill()
    first.wait()
    mailing.bench.emulator.sends_take(0.02)
    assert mailing.broadcast.status == "running"

    second = mailing.run("start", "News", "--local")
    assert second.wait() == 0, second
    statuses = mailing.assert_everybody_got_it_once()
    assert set(statuses) <= {"sent", "unknown"}
    assert 0 < statuses["unknown"] <= IN_FLIGHT
    broadcast = mailing.broadcast
    assert (broadcast.status, broadcast.total, broadcast.counts) == ("finished", MANY, dict(statuses))
    assert f"finished: {statuses['sent']} of {MANY} sent, {statuses['unknown']} unknown" in second.output


def test_ctrl_c_pauses_and_says_how_to_go_on(mailing):
    mailing.bench.emulator.sends_take(1)
    first = mailing.send("--local")
    mailing.wait_sent(SOME // 4, first)
    first.interrupt()
    assert first.wait() == 130, first
    assert f"to go on: manage.py broadcast resume {mailing.broadcast.pk} --local" in first.output
    assert mailing.broadcast.status == "paused"
    assert not set(mailing.bench.database.call_statuses()) & {"sending", "unknown"}

    mailing.bench.emulator.sends_take(0.02)
    second = mailing.run("resume", str(mailing.broadcast.pk), "--local")
    assert second.wait() == 0, second
    assert mailing.assert_everybody_got_it_once() == {"sent": SOME}


def test_killed_while_it_is_prepared(mailing):
    first = mailing.run("create", "--text", "Number {{ number }}", "--template", "--list", str(mailing.list))
    assert first.wait() == 0, first
    key = str(mailing.broadcast.pk)
    second = mailing.run("start", key, "--local", TESTBOT_DIES_AFTER_CHUNKS="2")
    assert second.wait() < 0, second
    assert mailing.broadcast.status == "preparing"
    assert 0 < mailing.bench.database.calls.count() < SOME
    third = mailing.run("start", key, "--local")
    assert third.wait() == 0, third
    assert mailing.assert_everybody_got_it_once() == {"sent": SOME}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mailing", [50], indirect=True)
def test_a_file_is_uploaded_with_the_first_message_only(mailing, tmp_path):
    file = tmp_path / "Price.txt"
    file.write_text("1 rouble")
    sent = mailing.run("send", "--file", str(file), "--list", str(mailing.list), "--local")
    assert sent.wait() == 0, sent
    file_ids = {
        message["parts"][0]["payload"]["fileId"]
        for who in mailing.people
        for message in mailing.bench.emulator.said(who)
    }
    assert mailing.broadcast.counts == {"sent": 50}
    assert file_ids == {mailing.broadcast.file_id}
