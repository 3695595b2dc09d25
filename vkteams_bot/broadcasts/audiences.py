"""Segments: named audiences that a project declares in `<app>/audiences.py` (or beside its handlers)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils.module_loading import autodiscover_modules

from vkteams_bot.conf import conf
from vkteams_bot.exceptions import ConfigurationError

MODULE = "audiences"

Members = Callable[[], QuerySet[Any]]
F = TypeVar("F", bound=Members)


@dataclass(frozen=True, slots=True)
class Segment:
    """`members()` gives chats, contacts, users of this site, or `values_list(field, flat=True)` of chat ids."""

    name: str
    label: str
    members: Members


_segments: dict[str, Segment] = {}


def audience(name: str, *, label: str = "") -> Callable[[F], F]:
    """Declare a segment: `@audience("paying")` above a function that returns a queryset.

    A queryset of Chat, of Contact, of the site's users (those with a linked contact), or a flat `values_list` of
    chat ids. It is asked anew for every broadcast. `label` is what the admin shows. Raises ConfigurationError for a
    name that another function has.
    """

    def declare(members: F) -> F:
        other = _segments.get(name)
        if other is not None and _place(other.members) != _place(members):
            raise ConfigurationError(f"two segments are called {name!r}: {_place(other.members)}, {_place(members)}")
        _segments[name] = Segment(name, label or name, members)
        return members

    return declare


def segments() -> dict[str, Segment]:
    """All segments of the apps of this project, by name."""
    autodiscover_modules(MODULE, conf.handlers_module)
    return dict(sorted(_segments.items()))


def segment(name: str) -> Segment:
    """The segment of this name. Raises ConfigurationError for a name that no app declares."""
    declared = segments()
    if name not in declared:
        raise ConfigurationError(f"no app declares the segment {name!r} (there are: {', '.join(declared) or 'none'})")
    return declared[name]


def _place(members: Members) -> str:
    return f"{members.__module__}.{members.__qualname__}"
