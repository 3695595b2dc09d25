"""Who may see and who may steer broadcasts: asked by the admin, its socket and its CSV alike."""

from __future__ import annotations

from typing import Any

SEEING = ("view_broadcast", "change_broadcast", "send_broadcast")


def may_see(user: Any) -> bool:
    """Whether this user of the site may look at broadcasts, their progress and results: staff with one permission."""
    return bool(user.is_active and user.is_staff and any(user.has_perm(f"vkteams_bot.{name}") for name in SEEING))


def may_send(user: Any) -> bool:
    """Whether this user may test, start, pause and cancel them."""
    return bool(user.has_perm("vkteams_bot.send_broadcast"))
