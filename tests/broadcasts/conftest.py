"""Broadcasts, and people who may get them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from vkteams_bot import broadcasts
from vkteams_bot.broadcasts import audiences
from vkteams_bot.broadcasts.expansion import prepare
from vkteams_bot.models import BotAccount, Broadcast, Chat, Contact, OutgoingCall


@dataclass
class Mailing:
    """A bot with private chats, and broadcasts made with sensible defaults."""

    account: BotAccount
    operator: User
    names: list[str] = field(default_factory=list)

    def chats(self, *chat_ids: str, type: str = "private", **fields: Any) -> list[Chat]:
        now = timezone.now() - timedelta(days=1)
        return [
            Chat.objects.create(**{"account": self.account, "created_at": now} | fields, chat_id=chat_id, type=type)
            for chat_id in chat_ids
        ]

    def contact(self, user_id: str, **fields: Any) -> Contact:
        return Contact.objects.create(user_id=user_id, created_at=timezone.now(), **fields)

    def broadcast(self, **fields: Any) -> Broadcast:
        return Broadcast.objects.create(**{"account": self.account, "name": "News", "text": "Hello"} | fields)

    def prepared(self, *chat_ids: str, **fields: Any) -> Broadcast:
        """One that runs, to an explicit list."""
        given = {"audience": "list", "recipients": "\n".join(chat_ids)} | fields
        broadcast = self.broadcast(**given)
        broadcasts.start(broadcast)
        assert prepare(broadcast.pk)
        broadcast.refresh_from_db()
        return broadcast


def statuses(broadcast: Broadcast) -> dict[str, int]:
    return dict(Counter(broadcast.calls.values_list("status", flat=True)))


def recipients_of(broadcast: Broadcast) -> list[str]:
    """In the order of sending."""
    return list(broadcast.calls.order_by("pk").values_list("chat_id", flat=True))


def mark(broadcast: Broadcast, status: str, chat_ids: Iterable[str], **fields: Any) -> None:
    OutgoingCall.objects.filter(broadcast=broadcast, chat_id__in=list(chat_ids)).update(status=status, **fields)


@pytest.fixture
def mailing(db: None, settings: Any, tmp_path: Any) -> Mailing:
    settings.MEDIA_ROOT = tmp_path
    account = BotAccount.objects.create(alias="default", user_id="1000000001", nick="test_bot")
    return Mailing(account, User.objects.create_user("operator"))


@pytest.fixture(autouse=True)
def _own_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audiences, "_segments", {})
