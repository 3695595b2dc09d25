"""What is wrong with a broadcast, before anybody gets it."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.translation import gettext as _

from vkteams_bot.api import ParseMode
from vkteams_bot.api.files import MAX_BYTES
from vkteams_bot.broadcasts.audiences import segments
from vkteams_bot.broadcasts.content import LONGEST_TEXT, Content, ContentError, keyboard_problem, markup_problem
from vkteams_bot.broadcasts.lists import RecipientList
from vkteams_bot.broadcasts.rendering import syntax_problem
from vkteams_bot.broadcasts.schedule import is_expired
from vkteams_bot.conf import conf
from vkteams_bot.models import Broadcast, Contact


class Problem(NamedTuple):
    """`field` is the name of the field of Broadcast that has it."""

    field: str
    message: str

    @property
    def label(self) -> str:
        field: Any = Broadcast._meta.get_field(self.field)
        return str(field.verbose_name)

    def __str__(self) -> str:
        return f"{self.label}: {self.message}"


def problems(broadcast: Broadcast) -> list[Problem]:
    """All that can be known without sending it. Reads the list and the file's size; asks no recipient."""
    return [
        *_of_bot(broadcast),
        *_of_text(broadcast),
        *_of_attachments(broadcast),
        *_of_audience(broadcast),
        *_of_schedule(broadcast),
    ]


def _of_bot(broadcast: Broadcast) -> Iterator[Problem]:
    if broadcast.account_id is not None and broadcast.account.alias not in conf.aliases:
        yield Problem("account", _("the settings have no bot “%(alias)s”") % {"alias": broadcast.account.alias})


def _of_text(broadcast: Broadcast) -> Iterator[Problem]:
    if not broadcast.text.strip():
        if not broadcast.file:
            yield Problem("text", _("write a text or attach a file"))
        return
    if broadcast.is_template and (wrong := syntax_problem(broadcast.text)):
        yield Problem("text", wrong)
        return
    text = broadcast.text
    if broadcast.is_template:
        try:
            text = Content(_only_text(broadcast)).text_for("", {}, Contact(user_id="", first_name="A", last_name="B"))
        except ContentError:
            return  # it may need the columns of the list; the dry run renders real recipients
    elif len(text) > LONGEST_TEXT:
        yield Problem("text", _("longer than %(longest)s characters") % {"longest": LONGEST_TEXT})
    parse_mode = ParseMode(broadcast.parse_mode) if broadcast.parse_mode else None
    if wrong := markup_problem(text, parse_mode):
        yield Problem(
            "text",
            _("“%(markup)s” has no partner or may not stand in %(format)s")
            % {"markup": wrong[:40], "format": broadcast.get_parse_mode_display()},
        )


def _only_text(broadcast: Broadcast) -> Broadcast:
    return Broadcast(text=broadcast.text, parse_mode=broadcast.parse_mode, is_template=broadcast.is_template)


def _of_attachments(broadcast: Broadcast) -> Iterator[Problem]:
    if wrong := keyboard_problem(broadcast.keyboard):
        yield Problem("keyboard", wrong)
    if broadcast.file:
        try:
            size = broadcast.file.size
        except OSError:
            yield Problem("file", _("it cannot be read"))
        else:
            if not 0 < size <= MAX_BYTES:
                yield Problem("file", _("it is empty, or larger than 50 MB"))


def _of_audience(broadcast: Broadcast) -> Iterator[Problem]:
    if broadcast.audience == Broadcast.Audience.LIST:
        for problem in RecipientList(broadcast.recipients).check():
            yield Problem("recipients", problem)
    elif broadcast.audience == Broadcast.Audience.SEGMENT and broadcast.segment not in (declared := segments()):
        yield Problem("segment", _("choose one of: %(names)s") % {"names": ", ".join(declared) or "—"})


def _of_schedule(broadcast: Broadcast) -> Iterator[Problem]:
    if is_expired(broadcast, timezone.now()):
        yield Problem("expires_at", _("it has passed"))
    if broadcast.starts_at and broadcast.expires_at and broadcast.starts_at >= broadcast.expires_at:
        yield Problem("expires_at", _("it comes before the start"))
    if (broadcast.quiet_from is None) != (broadcast.quiet_until is None):
        yield Problem("quiet_until", _("give both ends of the quiet hours, or none"))
    if broadcast.time_zone and broadcast.time_zone not in zoneinfo.available_timezones():
        yield Problem("time_zone", _("there is no such time zone"))
