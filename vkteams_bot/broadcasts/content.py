"""What a broadcast sends: from its fields to the method of one recipient."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from django.db import DatabaseError
from django.template import TemplateSyntaxError
from django.utils.translation import gettext as _
from pydantic import TypeAdapter, ValidationError

from vkteams_bot.api import InputFile, ParseMode
from vkteams_bot.api.methods import Method, SendFile, SendText
from vkteams_bot.broadcasts.rendering import TextTemplate
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.keyboards import InlineKeyboardMarkup, NewButton
from vkteams_bot.models import Broadcast, Contact
from vkteams_bot.text.parsing import MarkupError, parse_html, parse_markdown

logger = logging.getLogger("vkteams_bot.broadcasts")

# No limit is documented (botapi.md §1.7); clients of other authors cut here.
LONGEST_TEXT = 4096

_KEYBOARD: TypeAdapter[tuple[tuple[NewButton, ...], ...]] = TypeAdapter(tuple[tuple[NewButton, ...], ...])


class ContentError(ValueError):
    """This recipient's message cannot be made; the text says why."""


class FileUnreadable(Exception):
    """The broadcast's file cannot be read here; the text says why."""


def method_path(broadcast: Broadcast) -> str:
    """The path of the method that it sends to everyone."""
    return SendFile.path if broadcast.file else SendText.path


def keyboard_markup(rows: Any) -> InlineKeyboardMarkup | None:
    """From the JSON of the field. Raises ValidationError of pydantic, which tells no text of a button."""
    buttons = _KEYBOARD.validate_python(rows or ())
    return InlineKeyboardMarkup(tuple(row for row in buttons if row)) if any(buttons) else None


def keyboard_problem(rows: Any) -> str:
    """What is wrong with the JSON of a keyboard; "" = nothing."""
    try:
        keyboard_markup(rows)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = " → ".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        return f"{place}: {first['msg'].removeprefix('Value error, ')}" if place else first["msg"]
    return ""


def markup_problem(text: str, parse_mode: ParseMode | None) -> str:
    """The first markup that cannot stand there; "" = nothing was found. The server has the last word."""
    try:
        if parse_mode is ParseMode.HTML:
            parse_html(text)
        elif parse_mode is ParseMode.MARKDOWNV2:
            parse_markdown(text)
    except MarkupError as error:
        return error.piece
    return ""


class Content:
    """Made once for many recipients. Raises ContentError when the template or the keyboard is wrong."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._is_logged = False
        self.parse_mode = ParseMode(broadcast.parse_mode) if broadcast.parse_mode else None
        try:
            self._template = TextTemplate(broadcast.text, self.parse_mode) if broadcast.is_template else None
            self._keyboard = keyboard_markup(broadcast.keyboard)
        except TemplateSyntaxError as error:
            raise ContentError(_("the template is wrong: %(problem)s") % {"problem": error}) from error
        except ValidationError as error:
            raise ContentError(_("the keyboard is wrong")) from error

    @property
    def needs_people(self) -> bool:
        """Whether the text may name the contact or the user behind a chat."""
        return self._template is not None

    def method_for(
        self, chat_id: str, variables: Mapping[str, str] | None = None, contact: Contact | None = None
    ) -> Method[Any]:
        """What is sent to this chat. Raises ContentError, and FileUnreadable for a file that is to be uploaded."""
        text = self.text_for(chat_id, variables, contact)
        if not self._broadcast.file:
            return SendText(chat_id, text, parse_mode=self.parse_mode, inline_keyboard_markup=self._keyboard)
        file_id = self._broadcast.file_id or None
        return SendFile(
            chat_id,
            None if file_id else self._upload,
            file_id=file_id,
            caption=text or None,
            parse_mode=self.parse_mode,
            inline_keyboard_markup=self._keyboard,
        )

    def text_for(self, chat_id: str, variables: Mapping[str, str] | None = None, contact: Contact | None = None) -> str:
        """Raises ContentError, and DatabaseError for a value that asks the database in vain."""
        text = self._broadcast.text
        if self._template is not None:
            values = {
                **(variables or {}),
                "chat_id": chat_id,
                "contact": contact,
                "user": contact.django_user if contact is not None else None,
            }
            try:
                text = self._template.render(values)
            except DatabaseError:  # an attribute asked the database, which is in no recipient's hands
                raise
            except Exception as error:  # code of the project ran: this recipient fails, and its author needs the place
                self._log(error)
                raise ContentError(_("the text cannot be made: %(problem)r") % {"problem": error}) from error
        if not text.strip() and not self._broadcast.file:
            raise ContentError(_("the text is empty"))
        if len(text) > LONGEST_TEXT:
            raise ContentError(
                _("the text has %(length)s characters, more than %(longest)s")
                % {"length": len(text), "longest": LONGEST_TEXT}
            )
        return text

    def _log(self, error: Exception) -> None:
        """With the place, for the project's author; once, since all recipients are likely to fail alike."""
        if not self._is_logged:
            self._is_logged = True
            logger.warning("a text cannot be made", exc_info=error, extra={"broadcast": self._broadcast.pk})

    @functools.cached_property
    def _upload(self) -> InputFile:
        file = self._broadcast.file
        try:
            upload = InputFile(file)
            if upload.is_far:
                file.size  # noqa: B018  asks the storage whether it is there
            else:
                upload.open().close()
        except (InvalidCall, OSError) as error:
            name = PurePath(str(file.name)).name
            raise FileUnreadable(_("the file %(name)s cannot be read") % {"name": name}) from error
        return upload
