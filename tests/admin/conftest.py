"""Rows for the admin's pages, and a way to act as somebody with few permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from vkteams_bot.models import BotAccount, Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update
from vkteams_bot.stores.uuid7 import uuid7

HOSTILE = "</textarea></pre><script>alert('x')</script>\"'><img src=x onerror=alert(1)>"
APP = "/admin/vkteams_bot"


@dataclass
class World:
    """A bot, a private chat and a group, and rows made with sensible defaults."""

    account: BotAccount
    contact: Contact
    chat: Chat
    group: Chat
    events: int = 0

    def update(self, **fields: Any) -> Update:
        self.events += 1
        event_id = fields.pop("event_id", self.events)
        defaults = {
            "account": self.account,
            "event_id": event_id,
            "type": "newMessage",
            "chat_id": "anna@corp.example",
            "user_id": "anna@corp.example",
            "payload": {"eventId": event_id, "type": "newMessage", "payload": {"text": f"text {event_id}"}},
            "status": Update.Status.DONE,
            "created_at": timezone.now(),
        }
        return Update.objects.create(**defaults | fields)

    def call(self, **fields: Any) -> OutgoingCall:
        defaults = {
            "id": uuid7(),
            "account": self.account,
            "method": "messages/sendText",
            "chat_id": "anna@corp.example",
            "params": {"chatId": "anna@corp.example", "text": "an answer"},
            "status": OutgoingCall.Status.SENT,
            "created_at": timezone.now(),
        }
        return OutgoingCall.objects.create(**defaults | fields)

    def message(self, **fields: Any) -> ChatMessage:
        self.events += 1
        defaults = {
            "chat": self.chat,
            "msg_id": str(self.events),
            "direction": ChatMessage.Direction.IN,
            "contact": self.contact,
            "text": f"message {self.events}",
            "sent_at": timezone.now(),
        }
        return ChatMessage.objects.create(**defaults | fields)

    def conversation(self, **fields: Any) -> Conversation:
        defaults = {
            "account": self.account,
            "chat_id": "anna@corp.example",
            "user_id": "anna@corp.example",
            "state": "OrderForm:address",
            "data": {"item": "kettle"},
        }
        return Conversation.objects.create(**defaults | fields)


@pytest.fixture
def world(db: None) -> World:
    now = timezone.now()
    account = BotAccount.objects.create(
        alias="default",
        user_id="1000000001",
        nick="shop_bot",
        lease_owner="host-1:4242:abcd",
        lease_until=now + timedelta(minutes=5),
        polled_at=now - timedelta(seconds=12),
    )
    contact = Contact.objects.create(user_id="anna@corp.example", first_name="Anna", created_at=now)
    chat = Chat.objects.create(
        account=account, chat_id="anna@corp.example", type="private", title="Anna", created_at=now
    )
    group = Chat.objects.create(account=account, chat_id="1@chat.agent", type="group", title="Sales", created_at=now)
    return World(account, contact, chat, group)


@pytest.fixture
def client_with(db: None) -> Callable[[Iterable[str]], Client]:
    """A client of a staff user with these permissions of the app, such as "view_update"."""

    def make(names: Iterable[str]) -> Client:
        user = User.objects.create_user(f"staff-{User.objects.count()}", is_staff=True)
        wanted = set(names)
        permissions = Permission.objects.filter(content_type__app_label="vkteams_bot", codename__in=wanted)
        assert {permission.codename for permission in permissions} == wanted
        user.user_permissions.set(permissions)
        client = Client()
        client.force_login(user)
        return client

    return make


def messages_of(response: Any) -> list[str]:
    """What the admin told the user, after a redirect was followed."""
    return [str(message) for message in response.context["messages"]]
