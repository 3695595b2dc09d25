"""A broadcast's message as the messenger shows it to one recipient."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from vkteams_bot.api import ParseMode
from vkteams_bot.broadcasts import recipients
from vkteams_bot.broadcasts.content import Content, ContentError, keyboard_markup, keyboard_problem, markup_problem
from vkteams_bot.broadcasts.lists import Recipient, RecipientList
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.keyboards import Button
from vkteams_bot.models import Broadcast, Contact
from vkteams_bot.text.parsing import MarkupError, parse_html, parse_markdown
from vkteams_bot.text.ranges import Ranges

BLOCKS = {"pre": "pre", "quote": "blockquote", "ordered_list": "ol", "unordered_list": "ul"}
# From the inside out.
INLINE = {"strikethrough": "s", "underline": "u", "italic": "em", "bold": "strong", "inline_code": "code"}
TOKEN = re.compile(r"""(?P<url>https?://[^\s<>"']*[^\s<>"'.,;:!?)\]}»…])|@\[(?P<mention>[^\]\s]{1,200})\]""")


@dataclass(frozen=True, slots=True)
class Preview:
    """`recipient` is empty when the message is the same for everybody."""

    body: SafeString
    file_name: str
    rows: tuple[tuple[Button, ...], ...]
    recipient: str
    problems: list[str]


def preview(broadcast: Broadcast, chat_id: str = "") -> Preview:
    """For this recipient; without one, and with variables, for the first. `broadcast` need not be saved."""
    problems: list[str] = []
    recipient = Recipient(chat_id)
    text = broadcast.text
    if broadcast.is_template:
        try:
            recipient = _recipient(broadcast, chat_id)
        except ConfigurationError as error:
            problems.append(str(error))
    try:
        contact = _contact(recipient.chat_id) if broadcast.is_template else None
        content = Content(broadcast)
        text = content.text_for(recipient.chat_id, recipient.vars, contact)
        if wrong := markup_problem(text, content.parse_mode):
            problems.append(_("“%(markup)s” cannot stand there") % {"markup": wrong})
    except ContentError as error:
        problems.append(str(error))
    keyboard = () if keyboard_problem(broadcast.keyboard) else keyboard_markup(broadcast.keyboard) or ()
    return Preview(
        shown(text, broadcast),
        PurePath(str(broadcast.file.name or "")).name,
        tuple(keyboard),
        recipient.chat_id if broadcast.is_template else "",
        problems,
    )


def shown(text: str, broadcast: Broadcast) -> SafeString:
    """A text in the format of the broadcast; what is wrong in it shows as it is."""
    try:
        return preview_html(text, ParseMode(broadcast.parse_mode) if broadcast.parse_mode else None)
    except MarkupError:
        return preview_html(text, None)


def _recipient(broadcast: Broadcast, chat_id: str) -> Recipient:
    """With the columns of their line. Raises ConfigurationError for a wrong segment."""
    if not chat_id:
        if broadcast.audience == Broadcast.Audience.SEGMENT and not broadcast.segment:
            return Recipient("")
        return next((page[0] for page in recipients.pages(broadcast, 1)), Recipient(""))
    if broadcast.audience == Broadcast.Audience.LIST:
        matching = (listed for listed in RecipientList(broadcast.recipients) if listed.chat_id == chat_id)
        return next(matching, Recipient(chat_id))
    return Recipient(chat_id)


def _contact(chat_id: str) -> Contact | None:
    return Contact.objects.select_related("django_user").filter(user_id=chat_id).first()


def preview_html(text: str, parse_mode: ParseMode | None) -> SafeString:
    """What people see of a text, as HTML. Raises MarkupError for markup that no server takes."""
    ranges: Ranges = {}
    if parse_mode is ParseMode.HTML:
        text, ranges = parse_html(text, measure=len)
    elif parse_mode is ParseMode.MARKDOWNV2:
        text, ranges = parse_markdown(text, measure=len)
    return _Shown(text, ranges).html()


@dataclass(frozen=True, slots=True)
class _Shown:
    text: str
    ranges: Ranges

    def html(self) -> SafeString:
        return _joined(self._pieces())

    def _pieces(self) -> Iterator[SafeString]:
        at = 0
        for start, end, style in self._blocks():
            # A block stands on lines of its own.
            yield self._inline(at, start - self.text[at:start].endswith("\n"))
            yield self._block(style, start, end - self.text[start:end].endswith("\n"))
            at = end + (self.text[end : end + 1] == "\n")
        yield self._inline(at, len(self.text))

    def _blocks(self) -> list[tuple[int, int, str]]:
        return sorted((*_span(item), style) for style in BLOCKS for item in self.ranges.get(style, ()))

    def _block(self, style: str, start: int, end: int) -> SafeString:
        if not style.endswith("list"):
            inside = self._inline(start, end)
        else:
            lines = re.finditer(r"[^\n]*\n?", self.text[start:end])
            spans = [
                (start + line.start(), start + line.start() + len(line[0].rstrip("\n"))) for line in lines if line[0]
            ]
            inside = format_html_join("", "<li>{}</li>", ((self._inline(*span),) for span in spans))
        return format_html("<{0}>{1}</{0}>", SafeString(BLOCKS[style]), inside)

    def _inline(self, start: int, end: int) -> SafeString:
        places = {place for style in ("link", *INLINE) for item in self.ranges.get(style, ()) for place in _span(item)}
        cuts = [start, *sorted(place for place in places if start < place < end), end]
        return _joined(self._run(*cut) for cut in pairwise(cuts))

    def _run(self, start: int, end: int) -> SafeString:
        """A piece of text that is styled alike."""
        link, code = self._at("link", start), self._at("inline_code", start)
        piece = self.text[start:end]
        html = format_html("{}", piece) if link or code else _with_links(piece)
        for style, tag in INLINE.items():
            if self._at(style, start):
                html = format_html("<{0}>{1}</{0}>", SafeString(tag), html)
        return _link(str(link["url"]), html) if link else html

    def _at(self, style: str, place: int) -> dict[str, Any] | None:
        return next((item for item in self.ranges.get(style, ()) if _covers(item, place)), None)


def _with_links(text: str) -> SafeString:
    pieces: list[SafeString] = []
    at = 0
    for token in TOKEN.finditer(text):
        pieces.append(format_html("{}", text[at : token.start()]))
        if token["url"]:
            pieces.append(_link(token["url"], token["url"]))
        else:
            pieces.append(format_html('<span class="vkt-mention">@{}</span>', token["mention"]))
        at = token.end()
    return _joined([*pieces, format_html("{}", text[at:])])


def _link(url: str, label: str) -> SafeString:
    if not url.lower().startswith(("http://", "https://")):
        return format_html('<span class="vkt-mention" title="{}">{}</span>', url, label)
    return format_html('<a href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>', url, label)


def _joined(pieces: Any) -> SafeString:
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def _span(item: dict[str, Any]) -> tuple[int, int]:
    return item["offset"], item["offset"] + item["length"]


def _covers(item: dict[str, Any], place: int) -> bool:
    start, end = _span(item)
    return bool(start <= place < end)
