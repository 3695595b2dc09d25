"""What the queue is told while it sends."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.broadcasts.conftest import Mailing
from vkteams_bot.broadcasts.sending import Recipient, Sendable, methods_for, refused, sendable, uploaded
from vkteams_bot.exceptions import BadRequest, FormatError, InvalidToken, MethodNotAllowed, NotFound
from vkteams_bot.models import BotAccount, Broadcast

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def rows(*running: Broadcast) -> list[Recipient]:
    return [
        Recipient(row.pk, row.broadcast_id or 0, row.chat_id, row.params)
        for broadcast in running
        for row in broadcast.calls.order_by("pk")
    ]


def texts(found: dict[Any, Any]) -> list[Any]:
    return [method if method is None or isinstance(method, str) else method.text for method in found.values()]


def test_which_broadcasts_may_send(mailing, settings):
    settings.TIME_ZONE = "UTC"
    now = timezone.now().replace(hour=12)
    running = mailing.prepared("a", rate_share=25)
    awake = mailing.prepared("a", quiet_from=time(22), quiet_until=time(8), expires_at=now + timedelta(days=9))
    mailing.prepared("a", quiet_from=time(11), quiet_until=time(13))
    with_file = mailing.prepared("a", file=ContentFile(b"x", name="x.txt"))
    known_file = mailing.prepared("a", file=ContentFile(b"x", name="x.txt"), file_id="Z1")
    expired = mailing.prepared("a")
    Broadcast.objects.filter(pk=expired.pk).update(expires_at=now)
    paused = mailing.prepared("a")
    Broadcast.objects.filter(pk=paused.pk).update(status="paused")
    other = mailing.prepared("a", account=BotAccount.objects.create(alias="default", user_id="2"))
    with CaptureQueriesContext(connection) as queries:
        found = sendable(mailing.account.pk, now)
    assert found == [
        Sendable(running.pk, 0.25),
        Sendable(awake.pk, 0.8),
        Sendable(with_file.pk, 0.8, alone=True),
        Sendable(known_file.pk, 0.8),
    ]
    assert len(queries) == 1
    assert [one.id for one in sendable(other.account_id, now)] == [other.pk]


def test_methods_of_several_broadcasts_in_a_lot(mailing):
    user = User.objects.create_user("anna", email="a@corp.example")
    mailing.contact("a", first_name="Anna", django_user=user)
    plain = mailing.prepared("a", "b", text="Hello")
    source = "{{ contact.first_name|default:'you' }} {{ user.email }} {{ sum }}"
    template = mailing.prepared(text=source, is_template=True, recipients="chat_id,sum\na,1\nb,2")
    with CaptureQueriesContext(connection) as queries:
        found = methods_for(rows(plain, template))
    assert texts(found) == ["Hello", "Hello", "Anna a@corp.example 1", "you  2"]
    # Two that list the rows; then the broadcasts, the contacts with their users, and a savepoint's two.
    assert len(queries) == 6
    assert methods_for([]) == {}


def test_a_row_that_cannot_be_made_fails_alone(mailing):
    broadcast = mailing.prepared(text="{{ sum }}", is_template=True, recipients="chat_id,sum\na,1\nb,\nc,3")
    assert texts(methods_for(rows(broadcast))) == ["1", "the text is empty", "3"]


def test_a_row_that_nobody_of_us_wrote_fails_alone(mailing):
    broadcast = mailing.prepared("a", "b", "c", text="Hello {{ n }}", is_template=True)
    good, *bad = rows(broadcast)
    bad[0].params.update(vars="x")
    bad[1] = replace(bad[1], params=[1])  # type: ignore[arg-type]
    assert texts(methods_for([good, *bad])) == [
        "Hello ",
        "the message cannot be made: TypeError",
        "the message cannot be made: AttributeError",
    ]


def test_a_template_that_the_database_refuses_pauses_its_broadcast_alone(mailing, monkeypatch):
    def balance(user: User) -> int:
        return User.objects.filter(pk=RawSQL("no_such_function()", ())).count()

    monkeypatch.setattr(User, "balance", property(balance), raising=False)
    mailing.contact("a", first_name="Anna", django_user=User.objects.create_user("anna"))
    broken = mailing.prepared("a", "b", text="Hi {{ user.balance }}", is_template=True)
    good = mailing.prepared("a", text="Hi {{ contact.first_name }}", is_template=True)
    assert texts(methods_for(rows(broken, good))) == [None, None, "Hi Anna"]
    broken.refresh_from_db()
    assert broken.status == "paused"
    assert "no_such_function" in broken.error
    assert [one.id for one in sendable(mailing.account.pk, timezone.now())] == [good.pk]


def test_a_broadcast_that_was_deleted_meanwhile(mailing):
    broadcast = mailing.prepared("a")
    claimed = rows(broadcast)
    Broadcast.objects.filter(pk=broadcast.pk).update(status="cancelled")
    broadcast.delete()
    assert texts(methods_for(claimed)) == ["the broadcast was deleted"]


def test_a_file_that_is_gone_pauses_the_broadcast(mailing):
    broadcast = mailing.prepared("a", "b", file=ContentFile(b"x", name="x.txt"))
    assert {type(method).__name__ for method in methods_for(rows(broadcast)).values()} == {"SendFile"}
    Path(broadcast.file.path).unlink()
    assert texts(methods_for(rows(broadcast))) == [None, None]
    broadcast.refresh_from_db()
    assert broadcast.status == "paused"
    assert "cannot be read" in broadcast.error
    assert sendable(mailing.account.pk, timezone.now()) == []


def test_the_file_is_uploaded_once(mailing):
    broadcast = mailing.prepared("a", "b", file=ContentFile(b"x", name="x.txt"))
    uploaded(broadcast.pk, "Z1")
    uploaded(broadcast.pk, "Z2")
    assert [method.file_id for method in methods_for(rows(broadcast)).values()] == ["Z1", "Z1"]  # type: ignore[union-attr]
    assert not sendable(mailing.account.pk, timezone.now())[0].alone


@pytest.mark.parametrize(
    ("error", "is_template", "shared"),
    [
        (InvalidToken("Invalid token"), False, True),
        (MethodNotAllowed("Method not allowed"), True, True),
        (FormatError("Format error"), False, True),
        (FormatError("Format error"), True, False),
        (NotFound("Invalid chatId"), False, False),
        (BadRequest("Bad request"), False, False),
    ],
)
def test_a_refusal_that_everybody_would_get_pauses_the_broadcast(mailing: Mailing, error, is_template, shared):
    broadcast = mailing.prepared("a", is_template=is_template)
    assert refused(broadcast.pk, error) is shared
    broadcast.refresh_from_db()
    assert broadcast.status == ("paused" if shared else "running")
    assert broadcast.error == (str(error) if shared else "")
