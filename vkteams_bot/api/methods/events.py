"""events/*"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vkteams_bot.api.methods.base import Method, endpoint
from vkteams_bot.api.types import Event
from vkteams_bot.api.types.events import decode_event


@endpoint("events/get", list, safe_to_repeat=True, charged=False)
class GetEvents(Method[list[Event]]):
    """Events after `last_event_id`, which it acknowledges; waits up to `poll_time` seconds for the first."""

    last_event_id: int = 0
    poll_time: int = 0

    def decode(self, answer: Mapping[str, Any], bot: Any) -> list[Event]:
        """One bad event does not cost the others: it comes back with `problem`."""
        events = answer.get("events")
        if not isinstance(events, list):
            raise ValueError("the answer has no list of events")
        return [decode_event(event, bot) for event in events]
