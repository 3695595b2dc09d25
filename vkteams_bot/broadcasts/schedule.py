"""When a broadcast may send: quiet hours of a time zone, start and expiry."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta, tzinfo

from django.utils import timezone

from vkteams_bot.models import Broadcast


def time_zone(broadcast: Broadcast) -> tzinfo:
    """Of its quiet hours: its own, or the project's TIME_ZONE, also where this host does not know its own."""
    try:
        return zoneinfo.ZoneInfo(broadcast.time_zone) if broadcast.time_zone else timezone.get_default_timezone()
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return timezone.get_default_timezone()


def is_quiet(broadcast: Broadcast, now: datetime) -> bool:
    """Whether nothing may be sent because of the hour. Hours that begin and end at one time are none."""
    begin, end = broadcast.quiet_from, broadcast.quiet_until
    if begin is None or end is None:
        return False
    here = now.astimezone(time_zone(broadcast)).time()
    if begin <= end:
        return begin <= here < end
    return here >= begin or here < end


def quiet_ends_at(broadcast: Broadcast, now: datetime) -> datetime | None:
    """When the quiet hours end in which `now` falls; None outside of them."""
    if not is_quiet(broadcast, now) or broadcast.quiet_until is None:
        return None
    zone = time_zone(broadcast)
    here = now.astimezone(zone)
    end = datetime.combine(here.date(), broadcast.quiet_until, zone)
    return end if end > here else datetime.combine(here.date() + timedelta(days=1), broadcast.quiet_until, zone)


def is_expired(broadcast: Broadcast, now: datetime) -> bool:
    return broadcast.expires_at is not None and broadcast.expires_at <= now


def starts_later(broadcast: Broadcast, now: datetime) -> bool:
    return broadcast.starts_at is not None and broadcast.starts_at > now
