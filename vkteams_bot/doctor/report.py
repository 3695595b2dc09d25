"""Findings and attempts as lines for people, and as one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from django.core.management.color import Style
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from vkteams_bot.doctor.attempts import Attempt, Verdict
from vkteams_bot.doctor.findings import Result, Status
from vkteams_bot.doctor.trial import Trial

NAME_WIDTH = 12
STATUS_WIDTH = 8
LABELS = {
    Verdict.SUPPORTED: gettext_lazy("supported"),
    Verdict.KNOWN: gettext_lazy("known to the server, tried without effect"),
    Verdict.REFUSED: gettext_lazy("refused by the server"),
    Verdict.UNKNOWN_METHOD: gettext_lazy("unknown method: this server is too old for it"),
    Verdict.NOT_ALLOWED: gettext_lazy("not allowed: the installation's administrator can allow it to the bot"),
    Verdict.PERMISSION_DENIED: gettext_lazy("permission denied: make the bot an admin of the chat"),
    Verdict.NO_ANSWER: gettext_lazy("no answer"),
    Verdict.NOT_TRIED: gettext_lazy("not tried"),
}
WITH_DETAIL = (Verdict.REFUSED, Verdict.NO_ANSWER, Verdict.NOT_TRIED)


def can_run(results: Sequence[Result]) -> bool:
    """Whether no check failed."""
    return not any(result.finding.status is Status.FAIL for result in results)


def lines_of_check(result: Result, style: Style) -> Iterator[str]:
    finding = result.finding
    paint = {Status.OK: style.SUCCESS, Status.WARN: style.WARNING, Status.FAIL: style.ERROR}.get(finding.status)
    word = f"{finding.status:<{STATUS_WIDTH}}"
    seconds = f"  ({result.seconds:.2f} s)" if finding.status is not Status.SKIPPED else ""
    yield f"{paint(word) if paint else word}{result.name:<{NAME_WIDTH}}{finding.detail}{seconds}"
    if finding.remedy:
        yield f"{'':{STATUS_WIDTH + NAME_WIDTH}}→ {finding.remedy}"


def lines_of_trial(trial: Trial, style: Style) -> Iterator[str]:
    """A table of methods, and what the trial could not clean up."""
    rows = [(_use(attempt), attempt) for attempt in trial.attempts]
    width = max((len(use) for use, _attempt in rows), default=0)
    for use, attempt in rows:
        text = str(LABELS[attempt.verdict])
        if attempt.verdict in WITH_DETAIL:
            text = f"{text}: {attempt.detail}"
        paint = style.SUCCESS if attempt.verdict in (Verdict.SUPPORTED, Verdict.KNOWN) else style.WARNING
        yield f"{use:<{width}}  {paint(text) if attempt.verdict is not Verdict.NOT_TRIED else text}"
    if trial.left_behind:
        ids = ", ".join(trial.left_behind)
        yield style.ERROR(_("These messages could not be deleted, do it by hand: %(ids)s") % {"ids": ids})


def as_json(alias: str, results: Sequence[Result], trial: Trial | None) -> str:
    """`methods` is null when none was tried."""
    checks = [
        {
            "name": result.name,
            "status": result.finding.status,
            "detail": result.finding.detail,
            "remedy": result.finding.remedy,
            "seconds": round(result.seconds, 3),
        }
        for result in results
    ]
    document = {
        "alias": alias,
        "can_run": can_run(results),
        "checks": checks,
        "methods": [_as_dict(attempt) for attempt in trial.attempts] if trial is not None else None,
        "left_behind": trial.left_behind if trial is not None else [],
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


def _as_dict(attempt: Attempt) -> dict[str, str]:
    return {
        "method": attempt.method,
        "variant": attempt.variant,
        "verdict": attempt.verdict,
        "detail": attempt.detail,
    }


def _use(attempt: Attempt) -> str:
    return f"{attempt.method} ({attempt.variant})" if attempt.variant else attempt.method
