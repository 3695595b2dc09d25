"""A process whose clock is wrong."""

import time
from datetime import datetime, timedelta

from django.utils import timezone

_time, _now = time.time, timezone.now


def set_ahead(seconds: float) -> None:
    """From now on this process believes that it is so much later."""

    def now() -> datetime:
        return _now() + timedelta(seconds=seconds)

    time.time = lambda: _time() + seconds
    timezone.now = now
