"""Fakes at the transport: everything above them is the real thing."""

import asyncio
import json
from urllib.parse import parse_qs

import httpx

from vkteams_bot.api import Bot
from vkteams_bot.limits import LocalLimiter, RatePolicy

TOKEN = "001.2659914704.0218887601:747432131"
API_URL = "https://bots.example.ru/bot/v1"
MSG_ID = "57883346846815032"


def answer(status=200, /, *, headers=None, **body):
    """An answer as the API writes it; `ok` is true unless given."""
    return httpx.Response(status, headers=headers, content=json.dumps({"ok": True, **body}).encode())


def refusal(description, status=200, **headers):
    return answer(status, headers=headers, ok=False, description=description)


class FakeTransport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """Gives `answers` in turn, the last one for ever; an exception is raised. Keeps requests and their bodies."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.bodies = []

    def _handle(self, request):
        self.requests.append(request)
        self.bodies.append(b"".join(request.stream))
        item = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(item, Exception):
            raise item
        return httpx.Response(item.status_code, headers=item.headers, content=item.content)

    def handle_request(self, request):
        return self._handle(request)

    async def handle_async_request(self, request):
        return self._handle(request)

    @property
    def forms(self):
        """The decoded body of each urlencoded request."""
        return [parse_qs(body.decode(), keep_blank_values=True) for body in self.bodies]


class FakeClock:
    """A clock that only sleeping moves. `naps` are the sleeps."""

    def __init__(self):
        self.now = 1000.0
        self.naps = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds

    async def asleep(self, seconds):
        self.sleep(seconds)

    def install(self, monkeypatch):
        monkeypatch.setattr("asyncio.sleep", self.asleep)
        monkeypatch.setattr("time.sleep", self.sleep)
        return self


def bot_over(transport, *, clock=None, **options):
    """A Bot over a fake transport, with a limiter on the fake clock."""
    if clock is not None:
        options.setdefault("limiter", LocalLimiter(RatePolicy(), clock=clock))
    return Bot(TOKEN, API_URL, transport=transport, sync_transport=transport, **options)


def send(bot, method, face):
    """Send by `face`, "async" or "sync"."""
    if face == "sync":
        return bot.execute_sync(method)
    return asyncio.run(bot.execute(method))
