"""Ids that ascend with time, so that index pages fill in order (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A new id, greater than all that this process made before."""
    global _last
    with _lock:
        # 48 bits of milliseconds, then 12 bits that count within one, then random.
        _last = max((time.time_ns() // 1_000_000) << 12, _last + 1)
        stamp = _last
    random = int.from_bytes(os.urandom(8)) >> 2
    return UUID(int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random)
