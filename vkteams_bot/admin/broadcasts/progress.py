"""How far broadcasts are: badges and stacked bars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from vkteams_bot.admin.display import badge
from vkteams_bot.broadcasts.progress import Progress
from vkteams_bot.models import Broadcast, OutgoingCall

KINDS = {
    Broadcast.Status.DRAFT: "quiet",
    Broadcast.Status.PREPARING: "busy",
    Broadcast.Status.SCHEDULED: "busy",
    Broadcast.Status.RUNNING: "busy",
    Broadcast.Status.PAUSED: "doubt",
    Broadcast.Status.FINISHED: "good",
    Broadcast.Status.CANCELLED: "quiet",
    Broadcast.Status.EXPIRED: "quiet",
}
PARTS = ("sent", "failed", "unknown", "dropped")
WIDTH = 1000


def status_badge(broadcast: Broadcast) -> SafeString:
    return badge(broadcast.get_status_display(), KINDS[Broadcast.Status(broadcast.status)], broadcast.error)


def progress_bar(now: Progress) -> SafeString:
    """Its parts are scaled to WIDTH; the page's script moves them."""
    at = 0.0
    parts = []
    for name in PARTS:
        width = WIDTH * getattr(now, name) / now.total if now.total else 0.0
        parts.append((name, f"{at:.1f}", f"{width:.1f}"))
        at += width
    rects = format_html_join("", '<rect class="vkt-part-{}" x="{}" width="{}" height="10"></rect>', parts)
    return format_html(
        '<svg class="vkt-bar" viewBox="0 0 {} 10" preserveAspectRatio="none" role="progressbar" '
        'aria-label="{}" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{}">{}</svg>',
        WIDTH,
        _("Progress"),
        int(100 * now.share),
        rects,
    )


def progress_of(rows: Iterable[Broadcast]) -> dict[int, Progress]:
    """Of many, by one statement; of drafts none."""
    shown = [row for row in rows if row.status != Broadcast.Status.DRAFT]
    counts: dict[int, dict[str, int]] = {row.pk: row.counts or {} for row in shown}
    unfinished = [row.pk for row in shown if row.counts is None]
    if unfinished:
        calls: Any = OutgoingCall.objects.filter(broadcast__in=unfinished).order_by()
        for key, status, count in calls.values_list("broadcast", "status").annotate(count=Count("*")):
            counts[key][status] = count
    now = timezone.now()
    return {
        row.pk: Progress(
            row.status, row.total if row.total is not None else sum(counts[row.pk].values()), counts[row.pk], now
        )
        for row in shown
    }
