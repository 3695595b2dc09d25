"""The thread beside polling: one broadcast that cannot be prepared, or takes long, holds up nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from tests.worker.conftest import Office
from vkteams_bot.broadcasts import expansion
from vkteams_bot.models import Broadcast
from vkteams_bot.runtime.due_delivery import DueDelivery

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def prepared(office: Office) -> Broadcast:
    return Broadcast.objects.create(account_id=office.account_id, name="n", text="news", status="preparing")


def test_a_broadcast_that_cannot_be_prepared_holds_up_nothing_else(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: Any
):
    tries: list[int] = []

    def broken(broadcast_id: int, **_: Any) -> bool:
        tries.append(broadcast_id)
        raise KeyError("recipients")

    office.delay("1")
    broadcast = prepared(office)
    monkeypatch.setattr(expansion, "prepare", broken)
    delivery = DueDelivery(office.account_id, office.bot)
    delivery._round()
    office.delay("2")
    delivery._round()
    assert office.server.texts == ["1", "2"]
    assert tries == [broadcast.pk]
    assert "could not be prepared" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_table_that_is_missing_is_told_in_one_line(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    delivery = DueDelivery(0, office.bot)

    def broken() -> None:
        delivery._stop.set()
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM nowhere")

    monkeypatch.setattr(delivery, "_round", broken)
    delivery._work()
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage().startswith("what is due could not be delivered, next try in ")
    assert record.getMessage().endswith(": run manage.py migrate")
    assert record.exc_info is None


def test_what_is_due_leaves_while_a_long_broadcast_is_prepared(office: Office, monkeypatch: pytest.MonkeyPatch):
    sent: list[list[str]] = []

    def long(broadcast_id: int, *, report: Any) -> bool:
        for number in (1, 2):
            office.delay(str(number))
            report(5_000)
            sent.append(list(office.server.texts))
        return True

    office.delay("0")
    prepared(office)
    monkeypatch.setattr(expansion, "prepare", long)
    DueDelivery(office.account_id, office.bot)._round()
    assert [sorted(texts) for texts in sent] == [["0", "1"], ["0", "1", "2"]]
