"""The loop that sends for threads ends in time."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from vkteams_bot.api.methods import SendText
from vkteams_bot.stores.outbox import ClaimedCall
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.worker.sender import InFlight, Sender


def test_a_connection_that_cannot_be_closed_holds_up_no_end():
    class Hanging:
        """A bot whose request and whose connection never end."""

        async def execute(self, *_: Any, **options: Any) -> Any:
            arrived.set()
            await asyncio.sleep(3600)

        async def aclose(self) -> None:
            await asyncio.sleep(3600)

    arrived = threading.Event()
    outcomes: list[str] = []
    bot: Any = Hanging()
    sender = Sender(close_seconds=0.2)
    call = ClaimedCall(id=uuid7(), method="messages/sendText", chat_id="a", origin="delayed")
    sender.send(bot, [InFlight(call, SendText("a", "1"))], lambda completed: outcomes.append(completed.outcome.kind))
    assert arrived.wait(10)
    closing = threading.Thread(target=sender.close, daemon=True)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
    assert outcomes == ["unknown"]
