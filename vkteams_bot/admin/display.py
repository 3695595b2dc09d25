"""Pieces of pages: badges, code, moments, links. All of them escape what they show."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.db.models import Model
from django.template.defaultfilters import date as format_date
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

EMPTY = "–"
LONGEST_LINE = 100
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def badge(text: object, kind: str, hint: object = "") -> SafeString:
    """A coloured label; `kind` is good, busy, bad, doubt or quiet."""
    return format_html('<span class="vkt-badge vkt-{}" title="{}">{}</span>', kind, hint, text)


def code(text: str, label: object) -> SafeString:
    """A monospaced block that scrolls by itself, also by keyboard."""
    return format_html('<pre class="vkt-code" tabindex="0" role="region" aria-label="{}">{}</pre>', label, text)


def folded(title: object, text: str, *, is_open: bool) -> SafeString:
    """A block of code that can be folded away."""
    opened = SafeString(" open") if is_open else ""
    block = code(text, title)
    return format_html('<details class="vkt-fold"{}><summary>{}</summary>{}</details>', opened, title, block)


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def one_line(text: str | None) -> str:
    """The beginning of a text, on one line."""
    line = " ".join((text or "").split())
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1].rstrip() + "…"


def said(text: str | None, *, problem: str) -> str | SafeString:
    """A line of text, and what went wrong with it below."""
    if not problem:
        return one_line(text) or EMPTY
    return format_html('{} <span class="vkt-error vkt-below">{}</span>', one_line(text), problem)


def ids(chat_id: str, user_id: str) -> SafeString:
    """The ids of a chat and a person, a line each; in a private chat they are the same."""
    lines = [(line,) for line in dict.fromkeys((chat_id, user_id)) if line]
    return format_html_join(SafeString("<br>"), "{}", lines) if lines else SafeString(EMPTY)


def last_line(text: str) -> str:
    """The last line of a traceback, which is the error itself."""
    lines = text.strip().splitlines()
    return one_line(lines[-1]) if lines else ""


def ago(moment: datetime | None) -> str | SafeString:
    """How long ago, with the moment itself as a hint."""
    if moment is None:
        return EMPTY
    seconds = int((timezone.now() - moment).total_seconds())
    if seconds < 1:
        text = _("just now")
    elif seconds < MINUTE:
        text = ngettext("%(count)d second ago", "%(count)d seconds ago", seconds) % {"count": seconds}
    elif seconds < HOUR:
        count = seconds // MINUTE
        text = ngettext("%(count)d minute ago", "%(count)d minutes ago", count) % {"count": count}
    elif seconds < DAY:
        count = seconds // HOUR
        text = ngettext("%(count)d hour ago", "%(count)d hours ago", count) % {"count": count}
    else:
        count = seconds // DAY
        text = ngettext("%(count)d day ago", "%(count)d days ago", count) % {"count": count}
    return _time(moment, text)


def coming(moment: datetime | None) -> str | SafeString:
    """How long until a moment; when it is over, how long ago."""
    if moment is None or moment <= timezone.now():
        return ago(moment)
    seconds = int((moment - timezone.now()).total_seconds())
    if seconds < HOUR:
        count = seconds // MINUTE + 1
        text = ngettext("in %(count)d minute", "in %(count)d minutes", count) % {"count": count}
    elif seconds < DAY:
        count = round(seconds / HOUR)
        text = ngettext("in %(count)d hour", "in %(count)d hours", count) % {"count": count}
    else:
        count = round(seconds / DAY)
        text = ngettext("in %(count)d day", "in %(count)d days", count) % {"count": count}
    return _time(moment, text)


def _time(moment: datetime, text: str) -> SafeString:
    hint = exact(timezone.localtime(moment))
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), hint, text)


def exact(moment: datetime) -> str:
    """A moment to the second, in the reader's time zone and language."""
    return f"{format_date(moment, 'DATE_FORMAT')} {format_date(moment, 'H:i:s')}"


def lasted(start: datetime, end: datetime | None) -> str:
    """How long something took: 0.05 s, 12 s, 3:05:00."""
    if end is None:
        return EMPTY
    seconds = max(0.0, (end - start).total_seconds())
    if seconds >= MINUTE:
        return str(timedelta(seconds=int(seconds)))
    return _("%(seconds)s s") % {"seconds": f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"}


def link(url: str, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)


def row_link(row: Model | None, site: AdminSite) -> str | SafeString:
    """A link to the page of a row; a dash for none."""
    if row is None:
        return EMPTY
    return link(page_url(type(row), site, "change", row.pk), row)


def page_url(model: type[Model], site: AdminSite, page: str, *args: Any) -> str:
    options = model._meta
    name = f"admin:{options.app_label}_{options.model_name}_{page}"
    return reverse(name, args=args, current_app=site.name)


def list_url(model: type[Model], site: AdminSite, **query: Any) -> str:
    """The address of a list, filtered."""
    url = page_url(model, site, "changelist")
    return f"{url}?{urlencode(query)}" if query else url
