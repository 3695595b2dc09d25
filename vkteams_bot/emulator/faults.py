"""Faults: what goes wrong, how often, and for whom."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from vkteams_bot.api.methods import METHODS
from vkteams_bot.emulator.refusal import Refusal

FaultKind = Literal[
    "latency",
    "status",
    "hang",
    "disconnect",
    "disconnect_after",
    "garbage",
    "ratelimit",
    "server_error",
    "refuse",
]
SHORT = re.compile(
    r"(?P<kind>[a-z_]+|[1-5]\d\d)(?:=(?P<value>[^@]+?))?(?:@(?P<method>[\w/*]+))?"
    r"(?::(?P<probability>[\d.]+))?(?:#(?P<times>\d+))?"
)
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)?")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
SHORT_VALUE = {"latency": "seconds", "hang": "seconds", "garbage": "body", "refuse": "description"}


class Fault(BaseModel):
    """One rule. `times`: how often it strikes at most. `match`: parameters that must have these values."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    kind: FaultKind
    method: str = "*"
    probability: float = Field(default=1.0, ge=0, le=1)
    times: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, ge=0)
    status: int | None = Field(default=None, ge=200, le=599)
    description: str | None = None
    body: str | None = None
    retry_after: float | None = Field(default=None, ge=0)
    match: dict[str, str] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "latency" and self.seconds is None:
            raise ValueError("latency needs seconds")
        if self.kind == "status" and self.status is None:
            raise ValueError("the kind status needs status")
        if self.kind == "ratelimit" and self.status not in (None, 200, 429):
            raise ValueError("ratelimit answers with status 200 or 429")
        if not any(fnmatchcase(path, self.method) for path in METHODS):
            raise ValueError(f"there is no method {self.method}")
        return self

    def fits(self, path: str, params: Mapping[str, Sequence[str]]) -> bool:
        if self.method not in ("*", path) and not fnmatchcase(path, self.method):
            return False
        return all(value in params.get(name, ()) for name, value in self.match.items())


@dataclass(slots=True)
class Rule:
    fault: Fault
    applied: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.applied >= self.fault.times


@dataclass(frozen=True, slots=True)
class Verdict:
    """Wait so many seconds; then `fault`, if there is one."""

    delay: float
    fault: Fault | None


NOTHING = Verdict(0.0, None)


class Faults:
    """The rules in force. Latencies add up; of the others the first that strikes counts."""

    def __init__(self, faults: Iterable[Fault] = (), *, rng: random.Random | None = None) -> None:
        self._first = tuple(faults)
        self._random = rng or random.Random()
        self.rules = [Rule(fault) for fault in self._first]

    def add(self, faults: Iterable[Fault]) -> None:
        self.rules.extend(Rule(fault) for fault in faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        self.rules = [Rule(fault) for fault in faults]

    def reset(self) -> None:
        """Back to the rules of the beginning."""
        self.replace(self._first)

    def outcome_of(self, path: str, params: Mapping[str, Sequence[str]]) -> Verdict:
        """What befalls this request."""
        if not self.rules:
            return NOTHING
        delay = 0.0
        for rule in self.rules:
            fault = rule.fault
            if rule.spent or not fault.fits(path, params) or self._random.random() >= fault.probability:
                continue
            rule.applied += 1
            if fault.kind != "latency":
                return Verdict(delay, fault)
            delay += fault.seconds or 0.0
        return Verdict(delay, None)

    def as_list(self) -> list[dict[str, Any]]:
        """Every rule and how often it struck."""
        shown = [rule.fault.model_dump(mode="json", by_alias=True, exclude_none=True) for rule in self.rules]
        return [{**fault, "applied": rule.applied} for fault, rule in zip(shown, self.rules, strict=True)]


def read_faults(value: Any) -> list[Fault]:
    """Faults from JSON: one object or a list. Raises Refusal that names what is wrong."""
    items = value if isinstance(value, list) else [value]
    try:
        return [Fault.model_validate(item) for item in items]
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, item['loc']))} {item['msg']}".strip() for item in error.errors())
        raise Refusal("; ".join(problems)) from None


def parse_short(text: str) -> Fault:
    """`KIND[=VALUE][@METHOD][:PROBABILITY][#TIMES]`, e.g. `502:0.1`, `latency=2s@events/get`. Raises Refusal."""
    match = SHORT.fullmatch(text)
    if match is None:
        raise Refusal(f"{text!r} is not KIND[=VALUE][@METHOD][:PROBABILITY][#TIMES]")
    fields = {key: value for key, value in match.groupdict().items() if value is not None}
    value = fields.pop("value", None)
    if fields["kind"].isdigit():
        fields |= {"kind": "status", "status": fields["kind"]}
    if value is not None:
        name = SHORT_VALUE.get(fields["kind"], "status")
        fields[name] = str(parse_seconds(value)) if name == "seconds" else value
    try:
        return read_faults(fields)[0]
    except Refusal as refusal:
        raise Refusal(f"{text!r}: {refusal.description}") from None


def parse_seconds(text: str) -> float:
    """`30ms`, `2s`, `1m`, or a plain number of seconds. Raises Refusal."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise Refusal(f"{text!r} is not a time such as 30ms or 2s")
    return float(match[1]) * UNITS[match[2] or "s"]
