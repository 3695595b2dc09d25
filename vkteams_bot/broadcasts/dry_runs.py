"""Before it starts: a message to oneself, and a run that sends nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from vkteams_bot.api.types import SentMessage
from vkteams_bot.broadcasts import recipients
from vkteams_bot.broadcasts.content import Content, ContentError, FileUnreadable, markup_problem
from vkteams_bot.broadcasts.lifecycle import record
from vkteams_bot.broadcasts.lists import Recipient
from vkteams_bot.broadcasts.validation import Problem, problems
from vkteams_bot.exceptions import BroadcastError
from vkteams_bot.models import BotAccount, Broadcast, BroadcastAction, Contact
from vkteams_bot.registry import bots

SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """What one recipient would get, or why they would not."""

    chat_id: str
    text: str = ""
    problem: str = ""


@dataclass(slots=True)
class DryRun:
    """`recipients` would get it; `unreachable` are left out of them."""

    problems: list[Problem]
    recipients: int = 0
    unreachable: int = 0
    samples: list[Sample] = field(default_factory=list)


def dry_run(broadcast: Broadcast, *, samples: int = SAMPLES) -> DryRun:
    """Count the audience and render its first recipients; nothing is sent or written.

    Raises ConfigurationError for a segment that gives no recipients.
    """
    result = DryRun(problems(broadcast))
    if any(problem.field in ("segment", "recipients") for problem in result.problems):
        return result
    try:
        content: Content | None = Content(broadcast)
    except ContentError:
        content = None  # stands among the problems
    for page in recipients.pages(broadcast):
        reached = recipients.reachable(broadcast, page)
        if content is not None and len(result.samples) < samples:
            result.samples += _samples(content, reached[: samples - len(result.samples)])
        result.recipients += len(reached)
        result.unreachable += len(page) - len(reached)
    return result


def send_test(broadcast: Broadcast, chat_id: str, *, user: Any = None) -> SentMessage:
    """Send it to one chat now, with that chat's values; it counts nowhere, and no column of a list is filled in.

    Raises BroadcastError for what cannot be sent, CallError for what was not.
    """
    bot = bots[broadcast.account.alias]
    if BotAccount.objects.id_for(bot.alias, bot.user_id) != broadcast.account_id:
        raise BroadcastError(
            _("The settings have another token for “%(alias)s” now: the broadcast belongs to the bot before.")
            % {"alias": bot.alias}
        )
    contact = Contact.objects.select_related("django_user").filter(user_id=chat_id).first()
    try:
        method = Content(broadcast).method_for(chat_id, contact=contact)
    except (ContentError, FileUnreadable) as error:
        raise BroadcastError(str(error)) from error
    sent: SentMessage = bot.execute_sync(method)
    record(broadcast, BroadcastAction.Action.TEST, user, note=chat_id)
    return sent


def _samples(content: Content, page: recipients.Page) -> list[Sample]:
    chat_ids = [recipient.chat_id for recipient in page]
    contacts = Contact.objects.select_related("django_user").filter(user_id__in=chat_ids)
    people = {contact.user_id: contact for contact in contacts}
    return [_sample(content, recipient, people.get(recipient.chat_id)) for recipient in page]


def _sample(content: Content, recipient: Recipient, contact: Contact | None) -> Sample:
    try:
        text = content.text_for(recipient.chat_id, recipient.vars, contact)
    except ContentError as error:
        return Sample(recipient.chat_id, problem=str(error))
    return Sample(recipient.chat_id, text, markup_problem(text, content.parse_mode))
