"""From the sending process to the pages: through the channel layer, and never at its mercy."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from channels.layers import BaseChannelLayer, InMemoryChannelLayer

from vkteams_bot.backoff import Backoff
from vkteams_bot.circuit_breaker import CircuitBreaker
from vkteams_bot.live import receivers
from vkteams_bot.live.receivers import PageNotifier, group_of
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


def use(monkeypatch: pytest.MonkeyPatch, layer: Any) -> Any:
    monkeypatch.setattr(receivers, "get_channel_layer", lambda: layer)
    return layer


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def notifier(clock: Clock) -> PageNotifier:
    breaker = CircuitBreaker(failures=1, backoff=Backoff(first=30.0, longest=30.0), clock=clock)
    return PageNotifier(patience=0.05, breaker=breaker)


def test_pages_of_each_broadcast_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the deliverer tells it."""
    layer = use(monkeypatch, Layer())
    monkeypatch.setattr(receivers.pages, "_breaker", CircuitBreaker(failures=1))
    answers = outbox_progress.send_robust(OutgoingCall, account_id=1, broadcast_ids=frozenset([1, 2]))
    assert (receivers.pages.notify, None) in answers
    assert sorted(layer.sent) == [(group_of(1), {"type": "look"}), (group_of(2), {"type": "look"})]
    assert BaseChannelLayer().require_valid_group_name(group_of(1))


@pytest.mark.parametrize("failure", ["raises", "hangs"])
def test_a_layer_that_fails_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    clock = Clock()
    pages = notifier(clock)
    layer = use(monkeypatch, Layer(hangs=True) if failure == "hangs" else Layer(ConnectionError("redis://:secret@x")))
    with caplog.at_level(logging.INFO):
        for tries in (1, 2):
            pages.notify([1])
            pages.notify([1])
            assert layer.tries == tries
            clock.seconds += 30
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "pages cannot be told" in record.getMessage()
        assert "in _send" in record.getMessage(), "the traceback"
        assert "secret" not in caplog.text

        layer = use(monkeypatch, Layer())
        pages.notify([1])
        pages.notify([2])
    assert [message for message, _ in layer.sent] == [group_of(1), group_of(2)]
    assert [record.getMessage() for record in caplog.records[1:]] == ["pages are told of progress again"]


@pytest.mark.parametrize("layer", [None, InMemoryChannelLayer()])
def test_no_layer_or_one_of_this_process_is_not_told(monkeypatch: pytest.MonkeyPatch, layer: Any) -> None:
    """A layer in memory belongs to the loop of the website, and this may be another thread."""
    told: list[str] = []

    async def group_send(_self: Any, group: str, _message: Any) -> None:
        told.append(group)

    monkeypatch.setattr(InMemoryChannelLayer, "group_send", group_send)
    use(monkeypatch, layer)
    notifier(Clock()).notify([1])
    assert told == []
