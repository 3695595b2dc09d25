"""What the queue asks about broadcasts while it sends, and what it tells them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from vkteams_bot.api.methods import Method
from vkteams_bot.broadcasts.content import Content, ContentError, FileUnreadable
from vkteams_bot.broadcasts.lifecycle import halt
from vkteams_bot.broadcasts.schedule import is_quiet
from vkteams_bot.exceptions import CallError, FormatError, InvalidToken, MethodNotAllowed, UnknownMethod
from vkteams_bot.models import Broadcast, Contact
from vkteams_bot.stores.outages import is_outage

SHARED_FAULTS = (InvalidToken, MethodNotAllowed, UnknownMethod)


@dataclass(frozen=True, slots=True)
class Sendable:
    """A broadcast that may send now. `share`: of the bot's rate limit, above 0 and up to 1.

    `alone`: its file has no id yet, so only one of its messages may be on its way, which uploads it.
    """

    id: int
    share: float
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """A claimed row of a broadcast."""

    call_id: UUID
    broadcast_id: int
    chat_id: str
    params: dict[str, Any]


class _QueryRefused(Exception):
    """The database refused what a template of this broadcast asked it."""

    def __init__(self, broadcast_id: int, error: DatabaseError) -> None:
        super().__init__(_("the text cannot be made: %(problem)r") % {"problem": error})
        self.broadcast_id = broadcast_id


def sendable(account_id: int, now: datetime) -> list[Sendable]:
    """Those of a bot that run, have not expired and are not in their quiet hours. One statement."""
    rows = Broadcast.objects.filter(account=account_id).running().unexpired(now).only(*_SENDABLE_FIELDS).order_by("pk")
    return [
        Sendable(row.pk, row.rate_share / 100, alone=bool(row.file) and not row.file_id)
        for row in rows
        if not is_quiet(row, now)
    ]


_SENDABLE_FIELDS = ("rate_share", "file", "file_id", "quiet_from", "quiet_until", "time_zone")


def methods_for(recipients: Sequence[Recipient]) -> dict[UUID, Method[Any] | str | None]:
    """What to send for each row: the method, or the reason why it cannot be made. Two statements, and a savepoint.

    None: not now, let the row wait; its broadcast has been paused with the reason.
    """
    ids = {recipient.broadcast_id for recipient in recipients}
    contents: dict[int, Content | str] = {}
    for broadcast in Broadcast.objects.filter(pk__in=ids).defer("recipients"):
        try:
            contents[broadcast.pk] = Content(broadcast)
        except ContentError as error:
            contents[broadcast.pk] = str(error)
    people = _people(recipients, contents)
    try:
        # Of people a template may ask the database; after a refusal the transaction must still be good for the others.
        with transaction.atomic() if people else nullcontext():
            return {recipient.call_id: _method_for(recipient, contents, people) for recipient in recipients}
    except _QueryRefused as refusal:
        halt(refusal.broadcast_id, str(refusal))
        others = [recipient for recipient in recipients if recipient.broadcast_id != refusal.broadcast_id]
        return dict.fromkeys(recipient.call_id for recipient in recipients) | methods_for(others)


def _people(recipients: Sequence[Recipient], contents: dict[int, Content | str]) -> dict[str, Contact]:
    asking = {key for key, content in contents.items() if isinstance(content, Content) and content.needs_people}
    chat_ids = [recipient.chat_id for recipient in recipients if recipient.broadcast_id in asking]
    if not chat_ids:
        return {}
    contacts = Contact.objects.select_related("django_user").filter(user_id__in=chat_ids)
    return {contact.user_id: contact for contact in contacts}


def _method_for(
    recipient: Recipient, contents: dict[int, Content | str], people: dict[str, Contact]
) -> Method[Any] | str | None:
    content = contents.get(recipient.broadcast_id, _("the broadcast was deleted"))
    if isinstance(content, str):
        return content
    try:
        return content.method_for(recipient.chat_id, recipient.params.get("vars"), people.get(recipient.chat_id))
    except ContentError as error:
        return str(error)
    except FileUnreadable as error:
        halt(recipient.broadcast_id, str(error))
        return None
    except DatabaseError as error:
        if is_outage(error):
            raise
        raise _QueryRefused(recipient.broadcast_id, error) from error
    except (AttributeError, TypeError, ValueError) as error:  # a row that nobody of us wrote
        return _("the message cannot be made: %(problem)s") % {"problem": type(error).__name__}


def uploaded(broadcast_id: int, file_id: str) -> None:
    """The first message has brought the file to the server: from now on it goes by its id."""
    Broadcast.objects.filter(pk=broadcast_id, file_id="").update(file_id=file_id)


def refused(broadcast_id: int, error: CallError) -> bool:
    """Whether everybody's message would be refused so; then the broadcast is paused, and the row should wait."""
    shared = isinstance(error, SHARED_FAULTS) or (
        isinstance(error, FormatError) and Broadcast.objects.filter(pk=broadcast_id, is_template=False).exists()
    )
    if shared:
        halt(broadcast_id, str(error))
    return shared
