"""What goes first when there is not room for all."""

from __future__ import annotations

import enum


class Priority(enum.IntEnum):
    """Replies go before notifications, notifications before bulk; bulk leaves a reserve to the others."""

    REPLY = 0
    NOTIFICATION = 1
    BULK = 2
