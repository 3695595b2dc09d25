"""manage.py broadcast: what it writes, tells and refuses. Delivery is tested with processes."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.broadcasts.conftest import Mailing, mark, statuses
from vkteams_bot import broadcasts
from vkteams_bot.api.types import SentMessage
from vkteams_bot.broadcasts import audience
from vkteams_bot.management.bar import Bar
from vkteams_bot.management.broadcasting import Watch
from vkteams_bot.management.commands.broadcast import Command
from vkteams_bot.models import Broadcast, Chat

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def run(*words: str, err: io.StringIO | None = None, **parts: Any) -> str:
    out = io.StringIO()
    call_command(Command(**parts), *words, stdout=out, stderr=err or io.StringIO())
    return out.getvalue()


def test_create_takes_every_field(mailing, tmp_path, settings):
    settings.TIME_ZONE = "Europe/Moscow"
    file = tmp_path / "Price.pdf"
    file.write_bytes(b"pdf")
    people = tmp_path / "people.csv"
    people.write_text("\ufeffchat_id,sum\na,1\n", encoding="utf-8")
    words = [
        *("create", "--text", "*Hi* {{ sum }}", "--format", "markdown", "--template", "--file", str(file)),
        *("--keyboard", '[[{"text": "Yes", "callbackData": "y"}]]', "--list", str(people), "--include-unreachable"),
        *("--starts-at", "2030-01-01T09:00", "--expires-at", "2030-01-02T09:00+00:00", "--rate-share", "25"),
        *("--quiet", "22:00-08:30", "--time-zone", "Asia/Omsk"),
    ]
    told = run(*words)
    broadcast = Broadcast.objects.get()
    assert told == f"broadcast {broadcast.pk}: *Hi* {{{{ sum }}}}\n"
    assert broadcast.account == mailing.account
    assert (broadcast.text, broadcast.parse_mode, broadcast.is_template) == ("*Hi* {{ sum }}", "MarkdownV2", True)
    assert broadcast.file.read() == b"pdf"
    assert broadcast.keyboard == [[{"text": "Yes", "callbackData": "y"}]]
    assert (broadcast.audience, broadcast.recipients) == ("list", "chat_id,sum\na,1\n")
    assert not broadcast.exclude_unreachable
    assert broadcast.starts_at == datetime(2030, 1, 1, 6, tzinfo=UTC)
    assert broadcast.expires_at == datetime(2030, 1, 2, 9, tzinfo=UTC)
    assert (broadcast.quiet_from, broadcast.quiet_until) == (time(22), time(8, 30))
    assert (broadcast.time_zone, broadcast.rate_share, broadcast.status) == ("Asia/Omsk", 25, "draft")
    broadcast.file.close()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--audience", "groups"], ("groups", "", "")),
        (["--segment", "paying"], ("segment", "paying", "")),
        (["--chat", "a", "--chat", "b"], ("list", "", "a\nb")),
    ],
)
def test_audiences(mailing, words, expected):
    audience("paying")(lambda: Chat.objects.all())
    run("create", "--text", "Hi", *words)
    broadcast = Broadcast.objects.get()
    assert (broadcast.audience, broadcast.segment, broadcast.recipients) == expected


def test_a_bot_that_never_ran_has_broadcasts_too(db):
    run("create", "--text", "Hi", "--chat", "a")
    account = Broadcast.objects.get().account
    assert (account.alias, account.user_id) == ("default", "1000000001")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", "--text", "<b>", "--format", "html", "--chat", "a"], "“<b>” has no partner"),
        (["create", "--text", "x", "--segment", "nobody"], "segment: choose one of: —"),
        (["create", "--text", "x", "--list", "/nowhere.csv"], "cannot read /nowhere.csv"),
        (["create", "--chat", "a", "--file", "/nowhere.pdf"], "cannot read /nowhere.pdf"),
        (["create", "--text", "x", "--chat", "a", "--bot", "nobody"], "has no bot 'nobody'"),
        (["create", "--text", "x"], "one of the arguments --audience --segment --chat --list is required"),
        (["create", "--text", "x", "--chat", "a", "--quiet", "22"], "are no hours"),
        (["create", "--text", "x", "--chat", "a", "--rate-share", "0"], "no percentage"),
        (["create", "--text", "x", "--chat", "a", "--starts-at", "soon"], "no time such as"),
        (["create", "--text", "x", "--chat", "a", "--keyboard", "["], "no JSON"),
        (["pause", "7"], "there is no broadcast '7'"),
        (["status", "Two"], "several broadcasts are called 'Two'"),
        (["resume", "Draft"], "“resume” is not possible: the broadcast is draft"),
    ],
)
def test_what_cannot_be_is_told(mailing, words, message):
    for name in ("Two", "Two", "Draft"):
        mailing.broadcast(name=name)
    with pytest.raises(CommandError, match=message):
        run(*words)
    assert Broadcast.objects.count() == 3


def test_verbs(mailing, monkeypatch):
    broadcast = mailing.prepared(*"abc")
    key = str(broadcast.pk)

    def status():
        broadcast.refresh_from_db()
        return broadcast.status

    run("pause", "News")
    assert status() == "paused"
    run("resume", key, "--no-follow")
    assert status() == "running"
    mark(broadcast, "failed", "a")
    mark(broadcast, "unknown", "b")
    assert run("retry", key, "--unknown", "--no-follow") == "2 wait again\n"
    assert statuses(broadcast) == {"queued": 3}
    run("cancel", key)
    assert status() == "cancelled"
    draft = mailing.broadcast(name="Draft")
    run("start", "Draft", "--no-follow")
    draft.refresh_from_db()
    assert draft.status == "preparing"


def test_list_and_status(mailing):
    mailing.broadcast(name="First")
    broadcast = mailing.prepared(*"abc", name="Second")
    mark(broadcast, "sent", "a")
    mark(broadcast, "failed", "b")
    assert [line.split("\t")[2:] for line in run("list").splitlines()] == [["draft", "First"], ["running", "Second"]]
    assert [line.split("\t")[3] for line in run("list", "--status", "running").splitlines()] == ["Second"]
    assert run("status", "Second") == f"{broadcast.pk}\tSecond\trunning\t1 of 3 sent, 1 failed\n"
    Broadcast.objects.filter(pk=broadcast.pk).update(status="paused", error="the token is wrong")
    assert run("status", "Second").endswith("\nthe token is wrong\n")


def test_export(mailing, tmp_path: Path):
    broadcast = mailing.prepared(*"ab")
    rows = list(csv.reader(io.StringIO(run("export", str(broadcast.pk)))))
    assert [row[0] for row in rows] == ["chat_id", "a", "b"]
    file = tmp_path / "results.csv"
    run("export", "News", "--output", str(file))
    assert file.read_bytes().startswith(b"\xef\xbb\xbfchat_id,name")
    assert list(csv.reader(io.StringIO(file.read_text("utf-8-sig")))) == rows
    with pytest.raises(CommandError, match="cannot write"):
        run("export", "News", "--output", str(tmp_path / "no" / "where.csv"))


def test_dry_run_and_test(mailing, monkeypatch):
    people = {"audience": "list", "recipients": "chat_id,sum\na,1\nb,2"}
    broadcast = mailing.broadcast(text="{{ sum }}", is_template=True, **people)
    assert run("dry-run", "News", "--samples", "1") == "--- a\n1\n2 recipients, 0 left out: unreachable\n"
    Broadcast.objects.filter(pk=broadcast.pk).update(recipients="chat_id,sum\na,1\nb,")
    with pytest.raises(CommandError, match="some texts cannot be sent"):
        run("dry-run", "News")
    monkeypatch.setattr(broadcasts, "send_test", lambda found, chat_id: SentMessage(msg_id=f"{found.pk}-{chat_id}"))
    assert run("test", "News", "me") == f"sent: message {broadcast.pk}-me\n"


def test_following_ends_when_it_is_over(mailing):
    broadcast = mailing.prepared(*"ab")
    left = list("ab")

    class Workers(Bar):
        """Each look sees one more sent."""

        def show(self, name: str, text: str, share: float) -> None:
            super().show(name, text, share)
            if left:
                mark(broadcast, "sent", [left.pop()])
            else:
                Broadcast.objects.filter(pk=broadcast.pk).update(status="finished")

    Broadcast.objects.filter(pk=broadcast.pk).update(status="paused")
    assert run("resume", "News", bar=Workers, watch=partial(Watch, look_seconds=0.0)) == "finished: 2 of 2 sent\n"


def test_a_pause_by_somebody_else_is_a_failure(mailing):
    broadcast = mailing.prepared("a")

    class Halted(Bar):
        """It is paused while one looks."""

        def show(self, *_: Any) -> None:
            Broadcast.objects.filter(pk=broadcast.pk).update(status="paused", error="the token is wrong")

    Broadcast.objects.filter(pk=broadcast.pk).update(status="paused")
    with pytest.raises(CommandError, match="the token is wrong"):
        run("resume", "News", bar=Halted)


@pytest.mark.parametrize("starts_at", [None, datetime(2099, 1, 1, tzinfo=UTC)])
def test_where_no_worker_runs_it_says_so(mailing: Mailing, starts_at):
    broadcast = mailing.prepared("a", starts_at=starts_at)
    shown: list[str] = []

    class Cancelled(Bar):
        """Somebody loses patience at the fifth look."""

        def show(self, name: str, text: str, share: float) -> None:
            shown.append(text)
            if len(shown) == 5:
                Broadcast.objects.filter(pk=broadcast.pk).update(status="cancelled", finished_at=timezone.now())

    Broadcast.objects.filter(pk=broadcast.pk).update(status="paused")
    err = io.StringIO()
    run("resume", "News", err=err, bar=Cancelled, watch=partial(Watch, look_seconds=0.0, stuck_seconds=-1.0))
    hint = "nothing moves: does runbot or a Celery worker run? Or deliver it here with --local\n"
    assert err.getvalue() == ("" if starts_at else hint)
