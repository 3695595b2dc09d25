"""From the sending process to the pages: through the channel layer, and never at its mercy."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from channels.layers import BaseChannelLayer, InMemoryChannelLayer

from vkteams_bot.live import receivers
from vkteams_bot.live.receivers import group_of
from vkteams_bot.models import OutgoingCall
from vkteams_bot.signals import outbox_progress


class Layer(BaseChannelLayer):
    def __init__(self, failure: Exception | None = None, *, hangs: bool = False) -> None:
        super().__init__()
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.tries = 0
        self._failure = failure
        self._hangs = hangs

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.tries += 1
        if self._hangs:
            await asyncio.Event().wait()
        if self._failure is not None:
            raise self._failure
        self.sent.append((group, message))


@pytest.fixture(autouse=True)
def _nothing_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "_away_until", 0.0)


def use(monkeypatch: pytest.MonkeyPatch, layer: Any) -> Any:
    monkeypatch.setattr(receivers, "get_channel_layer", lambda: layer)
    return layer


def progress(*broadcast_ids: int) -> None:
    """As the deliverer tells it."""
    answers = outbox_progress.send_robust(OutgoingCall, account_id=1, broadcast_ids=frozenset(broadcast_ids))
    assert receivers.tell in [receiver for receiver, _answer in answers]
    assert not [answer for _receiver, answer in answers if isinstance(answer, Exception)]


def test_pages_of_each_broadcast_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = use(monkeypatch, Layer())
    progress(1, 2)
    assert sorted(layer.sent) == [(group_of(1), {"type": "look"}), (group_of(2), {"type": "look"})]
    assert BaseChannelLayer().require_valid_group_name(group_of(1))


@pytest.mark.parametrize("failure", ["raises", "hangs"])
def test_a_layer_that_fails_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    monkeypatch.setattr(receivers, "PATIENCE_SECONDS", 0.05)
    layer = use(monkeypatch, Layer(hangs=True) if failure == "hangs" else Layer(ConnectionError("redis://:secret@x")))
    with caplog.at_level(logging.WARNING):
        progress(1)
        progress(1)
    assert layer.tries == 1
    (record,) = caplog.records
    assert "pages cannot be told" in record.getMessage()
    assert "secret" not in caplog.text


@pytest.mark.parametrize("layer", [None, InMemoryChannelLayer()])
def test_no_layer_or_one_of_this_process_is_not_told(monkeypatch: pytest.MonkeyPatch, layer: Any) -> None:
    """A layer in memory belongs to the loop of the website, and this may be another thread."""

    async def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(InMemoryChannelLayer, "group_send", never)
    use(monkeypatch, layer)
    progress(1)
    assert receivers._away_until == 0.0
