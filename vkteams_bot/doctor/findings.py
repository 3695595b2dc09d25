"""What a check is, what it finds, and how one that fails spares those that build on it."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _


class Status(enum.StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw, in a sentence, and what to do about it. Neither holds a token or a password."""

    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """`needs` names the checks without which this one makes no sense."""

    name: str
    look: Callable[[], Finding]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A check with its finding; it took so many `seconds`."""

    name: str
    finding: Finding
    seconds: float


def examine(checks: Iterable[Check]) -> Iterator[Result]:
    """Run the checks in order. What needs a failed check is skipped, and what needs that one as well."""
    missing: set[str] = set()
    for check in checks:
        lacks = next((name for name in check.needs if name in missing), None)
        if lacks is not None:
            missing.add(check.name)
            yield Result(check.name, skipped(_("needs %(check)s") % {"check": lacks}), 0.0)
            continue
        started = time.perf_counter()
        finding = check.look()
        if finding.status is Status.FAIL:
            missing.add(check.name)
        yield Result(check.name, finding, time.perf_counter() - started)


def ok(detail: str) -> Finding:
    return Finding(Status.OK, detail)


def warn(detail: str, remedy: str) -> Finding:
    return Finding(Status.WARN, detail, remedy)


def fail(detail: str, remedy: str) -> Finding:
    return Finding(Status.FAIL, detail, remedy)


def skipped(detail: str) -> Finding:
    return Finding(Status.SKIPPED, detail)
