"""A form field for JSON that people edit."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from vkteams_bot.admin.display import pretty


class JSONTextarea(forms.Textarea):
    """A monospaced input; static/vkteams_bot/admin/json.js checks it while somebody types."""

    def __init__(self) -> None:
        super().__init__({"class": "vkt-json", "rows": 14, "spellcheck": "false", "autocomplete": "off"})

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["widget"]["attrs"] |= {
            "data-format": _("Format"),
            "data-valid": _("Valid JSON"),
            "data-not-object": _("This must be an object: {…}"),
        }
        return context


class JSONObjectField(forms.JSONField):
    """A JSON object, shown indented. Empty means {}."""

    widget = JSONTextarea

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Returns what was typed, as it was typed."""
        return data

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else pretty(value)

    def to_python(self, value: Any) -> Any:
        """Raises ValidationError for what is no JSON object, or what PostgreSQL could not keep."""
        text = str(value or "").strip() or "{}"
        try:
            decoded = json.loads(text, parse_constant=_no_constants)
        except json.JSONDecodeError as error:
            place = {"line": error.lineno, "column": error.colno, "problem": error.msg}
            raise ValidationError(_("Line %(line)d, column %(column)d: %(problem)s.") % place) from error
        except (ValueError, RecursionError) as error:
            raise ValidationError(_("This is not JSON: %(problem)s.") % {"problem": error}) from error
        if not isinstance(decoded, dict):
            raise ValidationError(_("This must be an object: {…}"))
        try:
            storable = "\0" not in _all_text(decoded)
        except UnicodeEncodeError:
            storable = False
        if not storable:
            raise ValidationError(_("There is a character that cannot be stored: NUL or half of a surrogate pair."))
        return decoded

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


def _no_constants(name: str) -> NoReturn:
    raise ValueError(name)


def _all_text(value: dict[str, Any]) -> str:
    """All strings of a JSON value, joined. Raises UnicodeEncodeError for a string that no encoding has."""
    pieces: list[str] = []
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            item.encode()
            pieces.append(item)
        elif isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
    return "".join(pieces)
