"""Inline keyboards as people type them: a row per line, buttons between ` | `."""

from __future__ import annotations

import json
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from vkteams_bot.admin.display import pretty
from vkteams_bot.broadcasts.content import keyboard_problem
from vkteams_bot.keyboards import ButtonStyle

CALLBACK = "callback:"
_BETWEEN = re.compile(r"\s\|\s")
_BUTTON = re.compile(
    rf"(?:\[(?P<style>[a-z]+)\]\s*)?(?P<text>.+?)\s+=\s+(?:{CALLBACK}(?P<callback>.+)|(?P<url>[a-zA-Z][\w+.-]*:\S+))"
)
_JSON = re.compile(r"\[\s*[\[\]]")

Rows = list[list[dict[str, str]]]


class KeyboardField(forms.CharField):
    """`Label = https://…` or `Label = callback:data`, with `[primary]` or `[attention]` before the label.

    JSON is taken, too, and shown for what lines cannot say. Gives rows as Broadcast.keyboard holds them, None without
    buttons.
    """

    widget = forms.Textarea

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"required": False, **options})

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else written(value)

    def to_python(self, value: Any) -> Rows | None:  # type: ignore[override]  # text comes, rows go
        text = str(value or "").strip()
        rows = _decoded(text) if _JSON.match(text) else parsed(text)
        if not _is_storable(rows):
            raise ValidationError(_("There is a character that cannot be stored."))
        if problem := keyboard_problem(rows):
            raise ValidationError(problem)
        return rows or None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or None))
        except ValidationError:
            return True


def parsed(text: str) -> Rows:
    """Raises ValidationError with a line for each button that cannot be read."""
    rows: Rows = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        row: list[dict[str, str]] = []
        for source in _BETWEEN.split(line.strip()) if line.strip() else ():
            try:
                row.append(_button(source.strip()))
            except ValueError as error:
                problems.append(_("line %(number)s: %(problem)s") % {"number": number, "problem": error})
        if row:
            rows.append(row)
    if problems:
        raise ValidationError(problems)
    return rows


def written(rows: Any) -> str:
    """As lines; as JSON if lines would not say the same."""
    if not rows:
        return ""
    try:
        text = "\n".join(" | ".join(map(_line, row)) for row in rows)
        if parsed(text) == rows:
            return text
    except (AttributeError, KeyError, TypeError, ValidationError):
        pass  # whoever wrote it in code knew more than lines can say
    return pretty(rows)


def _button(source: str) -> dict[str, str]:
    match = _BUTTON.fullmatch(source)
    if match is None:
        problem = _("“%(button)s” is neither like “Label = https://…” nor like “Label = callback:data”")
        raise ValueError(problem % {"button": source[:40]})
    action = {"callbackData": match["callback"], "url": match["url"]}
    button = {"text": match["text"], **{name: value for name, value in action.items() if value}}
    if match["style"]:
        if match["style"] not in set(ButtonStyle):
            problem = _("“%(style)s” is no style; there are: %(styles)s")
            raise ValueError(problem % {"style": match["style"], "styles": ", ".join(ButtonStyle)})
        button["style"] = match["style"]
    return button


def _line(button: dict[str, str]) -> str:
    style = f"[{button['style']}] " if "style" in button else ""
    target = button["url"] if "url" in button else CALLBACK + button["callbackData"]
    return f"{style}{button['text']} = {target}"


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationError(_("This is not JSON: %(problem)s.") % {"problem": error}) from error


def _is_storable(rows: Any) -> bool:
    """Neither NUL, which PostgreSQL does not take, nor half of a surrogate pair."""
    try:
        return b"\\u0000" not in json.dumps(rows, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
