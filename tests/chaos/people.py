"""People at the emulator, over its HTTP: what they write, and what they see of the bot."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request
from collections.abc import Iterable
from typing import Any, Self

from tests.processes import wait_until

TOKEN = "001.1234567890.0987654321:1000000001"
BOT_ID = TOKEN.rpartition(":")[2]
PROBE = "probe@example.com"
WORDS = ("echo", "echo", "slow", "rows")


class Messenger:
    """The emulator at this origin."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.written: dict[str, list[str]] = {}
        """What each person wrote, in order."""
        self._lock = threading.Lock()

    def ask(self, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/emulator/{path}", data, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def introduce(self, people: Iterable[str]) -> None:
        self.ask("users", [{"userId": who} for who in people])

    def write(self, texts: Iterable[tuple[str, str]]) -> None:
        """Pairs of a person and a word; the number of the person's message is added."""
        with self._lock:
            messages = []
            for who, word in texts:
                mine = self.written.setdefault(who, [])
                mine.append(f"{word} {len(mine)}")
                messages.append({"chatId": who, "from": who, "text": mine[-1]})
            self.ask("messages", messages)

    def count(self) -> int:
        with self._lock:
            return sum(map(len, self.written.values()))

    def said(self, who: str) -> list[str]:
        """The bot's messages there, oldest first."""
        shown = self.ask(f"messages?chatId={who}")["messages"]
        return [message["text"] for message in shown if message["from"]["userId"] == BOT_ID]

    def sends_take(self, seconds: float) -> None:
        self.ask("faults", [{"kind": "latency", "method": "messages/sendText", "seconds": seconds}])

    def sends(self) -> int:
        requests: dict[str, int] = self.ask("state")["requests"]
        return requests.get("messages/sendText", 0)

    def acknowledged(self) -> bool:
        """The bot has acknowledged all that was written."""
        state = self.ask("state")
        return not state["pending"] and not state["unacknowledged"]

    def until_answered(self, since: float, timeout: float = 90, what: str = "a person is answered") -> float:
        """Somebody writes now: seconds from `since` until the bot's answer is there."""
        self.write([(PROBE, "echo")])
        wanted = len(self.written[PROBE])

        def answered() -> bool:
            said = self.said(PROBE)
            return bool(said) and said[-1].split()[1] == str(wanted - 1)

        wait_until(answered, timeout, what)
        return time.monotonic() - since


class Stream:
    """While it is open, people write: so many messages in a second, chosen by the seed."""

    def __init__(self, messenger: Messenger, people: list[str], rng: random.Random, rate: float) -> None:
        self._messenger, self._people, self._rng, self._rate = messenger, people, rng, rate
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._write, name="stream", daemon=True)
        self._error: BaseException | None = None

    def _write(self) -> None:
        tick = 0.2
        try:
            while not self._done.wait(tick):
                chosen = self._rng.choices(self._people, k=max(1, round(self._rate * tick)))
                self._messenger.write((who, self._rng.choice(WORDS)) for who in chosen)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        self._thread.join(60)
        if self._error is not None and exc_info[0] is None:
            raise self._error


class RateWatch:
    """How many sends the server was asked for, sampled: the fastest stretch of two seconds."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self._samples: list[tuple[float, int]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="rate", daemon=True)

    def _sample(self) -> None:
        while not self._done.wait(0.2):
            sends = self._messenger.sends()
            self._samples.append((time.monotonic(), sends))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        self._thread.join(60)

    def fastest(self, burst: int, seconds: float = 2.0) -> float:
        """Requests per second, without the burst that may go at once."""
        best = 0.0
        for i, (began, before) in enumerate(self._samples):
            for ended, after in self._samples[i + 1 :]:
                if ended - began >= seconds:
                    best = max(best, (after - before - burst) / (ended - began))
                    break
        return best
