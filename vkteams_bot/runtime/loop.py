"""The event loop that bots run in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # the extra `speed` is not installed
    new_event_loop = asyncio.new_event_loop


def run_in_loop(main: Coroutine[Any, Any, T]) -> T:
    """asyncio.run, over uvloop where there is one: about a tenth less CPU per event."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
