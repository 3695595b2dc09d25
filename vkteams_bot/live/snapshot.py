"""Where a broadcast stands, as the progress page is told it, and who may see it."""

from __future__ import annotations

from typing import Any

from vkteams_bot.broadcasts import Progress
from vkteams_bot.models import BroadcastAction

SEEING = ("view_broadcast", "change_broadcast", "send_broadcast")


def may_see(user: Any) -> bool:
    """Whether this user of the site may follow broadcasts: staff, with one of the permissions."""
    return bool(user.is_active and user.is_staff and any(user.has_perm(f"vkteams_bot.{name}") for name in SEEING))


def snapshot(broadcast_id: int) -> dict[str, Any]:
    """JSON, by at most three statements. Raises Broadcast.DoesNotExist."""
    now = Progress.of(broadcast_id)
    actions = BroadcastAction.objects.filter(broadcast=broadcast_id)
    return {
        "status": now.status,
        "error": now.error,
        "total": now.total,
        "sent": now.sent,
        "failed": now.failed,
        "unknown": now.unknown,
        "dropped": now.dropped,
        "done": now.done,
        "action": actions.order_by("-pk").values_list("pk", flat=True).first(),
        "at": now.at.timestamp(),
    }
