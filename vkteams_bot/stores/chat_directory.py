"""Chats and contacts of events, written once and remembered: a busy chat costs no query per message."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from vkteams_bot.api.types import Chat as ApiChat
from vkteams_bot.api.types import User as ApiUser
from vkteams_bot.api.types.events import Payload
from vkteams_bot.models import Chat, Contact
from vkteams_bot.stores import sql

K = TypeVar("K")
V = TypeVar("V")
REMEMBERED = 20_000

Profile = tuple[str, str, str]
NAMELESS: Profile = ("", "", "")
"""Some events name a person by the id alone: what is known of them stays."""


class Remembered(Generic[K, V]):
    """A bounded map that forgets what was used least recently."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._items: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        value = self._items.get(key)
        if value is not None:
            self._items.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._size:
            self._items.popitem(last=False)

    def clear(self) -> None:
        self._items.clear()


class ChatDirectory:
    """Primary keys of the chats and contacts of one account, made on first sight and kept up to date."""

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self._chats: Remembered[str, tuple[int, str]] = Remembered()
        self._contacts: Remembered[str, tuple[int, Profile]] = Remembered()

    def forget(self) -> None:
        """After a failure: rows may be gone."""
        self._chats.clear()
        self._contacts.clear()

    def note(self, payloads: Sequence[Payload], now: datetime) -> None:
        """Make known the chats of events, and the people whom they name."""
        self.chats([payload.chat for payload in payloads], now)
        self.contacts([user for payload in payloads for user in _named_by(payload)], now)

    def chats(self, seen: Sequence[ApiChat], now: datetime) -> dict[str, int]:
        """chat id -> primary key, for all of `seen`; new ones are inserted, changed titles written."""
        found: dict[str, int] = {}
        unknown: dict[str, ApiChat] = {}
        names = {chat.chat_id: sql.identifier(chat.chat_id) for chat in seen}
        for chat in seen:
            name = names[chat.chat_id]
            known = self._chats.get(name)
            if known is not None and (chat.title is None or known[1] == _title(chat)):
                found[name] = known[0]
            else:
                unknown[name] = chat
        if unknown:
            for key, name, title in self._upsert_chats(unknown, now):
                found[name] = key
                self._chats.put(name, (key, title))
        return {chat_id: found[name] for chat_id, name in names.items()}

    def contacts(self, seen: Sequence[ApiUser], now: datetime) -> dict[str, int]:
        """user id -> primary key, for all of `seen`; new ones are linked to the site's user with that e-mail."""
        found: dict[str, int] = {}
        unknown: dict[str, ApiUser] = {}
        names = {user.user_id: sql.identifier(user.user_id) for user in seen}
        for user in seen:
            name = names[user.user_id]
            known = self._contacts.get(name)
            if known is not None and _profile(user) in (known[1], NAMELESS):
                found[name] = known[0]
            else:
                unknown[name] = user
        if unknown:
            for key, name in self._upsert_contacts(unknown, now):
                found[name] = key
                self._contacts.put(name, (key, _profile(unknown[name])))
        return {user_id: found[name] for user_id, name in names.items()}

    def _upsert_chats(self, chats: Mapping[str, ApiChat], now: datetime) -> list[tuple[int, str, str]]:
        created = sql.time_parameter(now)
        rows = [(self.account_id, name, chat.type[:32], _title(chat), created) for name, chat in chats.items()]
        chat = sql.table(Chat)
        # A channel's id looks as a group's does: an event that does not say the type makes no group of it.
        changed = (
            "ON CONFLICT (account_id, chat_id) DO UPDATE SET "
            f"type = CASE WHEN excluded.type = 'group' AND {chat}.type = 'channel' THEN 'channel' "
            f"ELSE COALESCE(NULLIF(excluded.type, ''), {chat}.type) END, "
            f"title = COALESCE(NULLIF(excluded.title, ''), {chat}.title) RETURNING id, chat_id, title"
        )
        written: list[Any] = sql.insert(
            Chat, ("account_id", "chat_id", "type", "title", "created_at"), rows, then=changed
        )
        return written

    def _upsert_contacts(self, users: Mapping[str, ApiUser], now: datetime) -> list[tuple[int, str]]:
        known = set(Contact.objects.filter(user_id__in=users).values_list("user_id", flat=True))
        created = sql.time_parameter(now)
        rows = [(name, *_profile(user), created) for name, user in users.items()]
        contact = sql.table(Contact)
        names_nothing = "excluded.first_name = '' AND excluded.last_name = '' AND excluded.nick = ''"
        changes = ", ".join(
            f"{name} = CASE WHEN {names_nothing} THEN {contact}.{name} ELSE excluded.{name} END"
            for name in ("first_name", "last_name", "nick")
        )
        changed = f"ON CONFLICT (user_id) DO UPDATE SET {changes} RETURNING id, user_id"
        names = ("user_id", "first_name", "last_name", "nick", "created_at")
        written: list[Any] = sql.insert(Contact, names, rows, then=changed)
        Contact.objects.filter(user_id__in=[user_id for _, user_id in written if user_id not in known]).link()
        return written


def _named_by(payload: Payload) -> Iterator[ApiUser]:
    for name in ("from_user", "added_by", "removed_by"):
        user = getattr(payload, name, None)
        if user is not None:
            yield user
    yield from getattr(payload, "new_members", ())
    yield from getattr(payload, "left_members", ())


def mark_unreachable(account_id: int, reasons: Mapping[str, str], now: datetime) -> None:
    """Chats (id -> reason) to which a send was refused for good."""
    moment = sql.time_parameter(now)
    rows = [
        (account_id, chat_id, "", moment, moment, sql.storable(reason, 255))
        for chat_id, reason in sorted(reasons.items())
    ]
    marked = (
        "ON CONFLICT (account_id, chat_id) DO UPDATE SET unreachable_at = excluded.unreachable_at, "
        "unreachable_reason = excluded.unreachable_reason"
    )
    names = ("account_id", "chat_id", "type", "created_at", "unreachable_at", "unreachable_reason")
    sql.insert(Chat, names, rows, then=marked)


def _title(chat: ApiChat) -> str:
    return sql.storable(chat.title or "", 500)


def _profile(user: ApiUser) -> Profile:
    first, last, nick = (sql.storable(name or "", 255) for name in (user.first_name, user.last_name, user.nick))
    return first, last, nick


async def django_user_of(data: Mapping[str, Any]) -> Any:
    """The site's user linked to the person behind an event, or None."""
    person = getattr(data["event"], "from_user", None)
    if person is None:
        return None
    contacts = Contact.objects.select_related("django_user").filter(user_id=sql.identifier(person.user_id))
    contact = await contacts.afirst()
    return contact.django_user if contact is not None else None
