"""How broadcasts look in the admin: badges and stacked bars."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from vkteams_bot.admin.display import badge
from vkteams_bot.broadcasts.progress import BAR_WIDTH, Progress
from vkteams_bot.models import Broadcast

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


def status_badge(broadcast: Broadcast) -> SafeString:
    return badge(broadcast.get_status_display(), KINDS[Broadcast.Status(broadcast.status)], broadcast.error)


def progress_bar(progress: Progress) -> SafeString:
    """A part for each outcome; the progress page's script moves them."""
    parts = [(name, name, start, width) for name, (start, width) in progress.bar().items()]
    rects = format_html_join(
        "", '<rect class="vkt-part-{}" data-part="{}" x="{}" width="{}" height="10"></rect>', parts
    )
    return format_html(
        '<svg class="vkt-bar" viewBox="0 0 {} 10" preserveAspectRatio="none" role="progressbar" '
        'aria-label="{}" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{}">{}</svg>',
        BAR_WIDTH,
        _("Progress"),
        int(100 * progress.share),
        rects,
    )
