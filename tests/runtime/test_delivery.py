"""Outcomes of stored calls, over a transport that does what it is told."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from tests.stores.factories import store
from vkteams_bot.api import Bot
from vkteams_bot.api.methods import GetChatInfo, Method, SendText
from vkteams_bot.api.retry import Backoff
from vkteams_bot.models import OutgoingCall
from vkteams_bot.runtime import delivery as module
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.runtime.delivery import Delivery
from vkteams_bot.stores import outbox
from vkteams_bot.stores.bot_store import Changes
from vkteams_bot.stores.outbox import NewCall, StoredCall
from vkteams_bot.stores.threads import DatabaseThread
from vkteams_bot.stores.uuid7 import uuid7

pytestmark = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]

CHAT = "a@example.com"
SENT = {"ok": True, "msgId": "57"}
Answer = httpx.Response | Exception | dict[str, Any]


class Server(httpx.AsyncBaseTransport):
    """Gives the answers in turn, the last one for ever; notes what was sent."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.texts: list[str] = []
        self.request_ids: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = {**parse_qs(request.url.query.decode()), **parse_qs((await request.aread()).decode())}
        self.texts.append(params.get("text", [""])[0])
        self.request_ids += params.get("request-id", [])
        self.arrived.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, content=json.dumps(answer)) if isinstance(answer, dict) else answer


Scenario = Callable[["Scene"], Coroutine[Any, Any, None]]


class Scene:
    def __init__(self, server: Server, thread: DatabaseThread, *, resend_unknown: bool) -> None:
        self.server = server
        self.thread = thread
        self.bot = Bot("001.1:1", "http://example.com/bot/v1", transport=server)
        self.committer = Committer(store(), thread)
        self.delivery = Delivery(self.bot, self.committer, resend_unknown=resend_unknown)

    async def new(self, text: str = "hello", method: Method[Any] | None = None, chat: str = CHAT) -> NewCall:
        call = StoredCall(uuid7(), method or SendText(chat, text))
        new = NewCall(call, outbox.storable(call.method, None), self.delivery.reserve(call))
        await self.committer.commit(Changes(calls=[new]))
        return new

    async def rows(self) -> list[tuple[str, str, str]]:
        await self.committer.commit(Changes())
        return await self.thread.run(
            lambda: list(OutgoingCall.objects.order_by("id").values_list("status", "msg_id", "error"))
        )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(module, "BACKOFF", Backoff(first=0.01, longest=0.01))

    def run(scenario: Scenario, *answers: Answer, resend_unknown: bool = False) -> None:
        thread = DatabaseThread("test")
        made: list[Scene] = []

        async def main() -> None:
            scene = await thread.run(lambda: Scene(server, thread, resend_unknown=resend_unknown))
            made.append(scene)
            committing = asyncio.create_task(scene.committer.run())
            await scenario(scene)
            scene.committer.close()
            await committing

        server = Server(*answers)
        try:
            asyncio.run(main())
        finally:
            thread.close()

    return run


async def send(scene: Scene) -> list[tuple[str, str, str]]:
    new = await scene.new()
    assert new.status == "sending"
    await scene.delivery.deliver(new.call, claimed=True)
    assert new.call.id not in scene.delivery.known
    assert set(scene.server.request_ids) <= {new.call.id.hex}
    return await scene.rows()


UNKNOWN = [
    httpx.ReadTimeout("late"),
    httpx.ReadError("cut"),
    httpx.RemoteProtocolError("cut"),
    httpx.Response(502, content=b"<html>"),
    httpx.Response(200, content=b"<html>"),
    {"ok": False, "description": "Server error: id=0x1"},
]


@pytest.mark.parametrize("answer", UNKNOWN, ids=repr)
def test_without_a_proper_answer_it_is_unknown_and_not_repeated(run, answer):
    async def scenario(scene: Scene) -> None:
        [(status, msg_id, error)] = await send(scene)
        assert (status, msg_id) == ("unknown", "")
        assert error
        assert len(scene.server.texts) == 1

    run(scenario, answer, SENT)


@pytest.mark.parametrize("answer", UNKNOWN, ids=repr)
def test_resend_repeats_the_unknown(run, answer):
    async def scenario(scene: Scene) -> None:
        assert await send(scene) == [("sent", "57", "")]
        assert len(scene.server.texts) == 2

    run(scenario, answer, SENT, resend_unknown=True)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("full"),
        {"ok": False, "description": "Ratelimit"},
        httpx.Response(429, headers={"retry-after": "0.02"}),
    ],
    ids=repr,
)
def test_what_never_left_or_came_too_early_is_sent_later(run, answer, monkeypatch):
    monkeypatch.setattr("vkteams_bot.limits.bucket.PAUSE_SECONDS", 0.01)

    async def scenario(scene: Scene) -> None:
        assert await send(scene) == [("sent", "57", "")]
        assert len(scene.server.texts) == 4

    run(scenario, answer, answer, answer, SENT)


def test_a_refusal_is_final(run):
    async def scenario(scene: Scene) -> None:
        [(status, _, error)] = await send(scene)
        assert status == "failed"
        assert "Permission denied" in error
        assert len(scene.server.texts) == 1

    run(scenario, {"ok": False, "description": "Permission denied"}, SENT)


def test_a_question_may_be_repeated(run):
    async def scenario(scene: Scene) -> None:
        new = await scene.new(method=GetChatInfo(CHAT))
        await scene.delivery.deliver(new.call, claimed=True)
        assert (await scene.rows())[0][0] == "sent"

    run(scenario, httpx.ReadTimeout("late"), {"ok": True, "type": "private", "firstName": "A"})


def test_one_that_was_dropped_meanwhile_is_not_sent(run):
    async def scenario(scene: Scene) -> None:
        new = await scene.new()
        await scene.thread.run(lambda: OutgoingCall.objects.update(status="dropped"))
        await scene.delivery.deliver(new.call, claimed=False)
        assert scene.server.texts == []
        assert (await scene.rows())[0][0] == "dropped"

    run(scenario, SENT)


def test_calls_of_a_chat_go_in_order_and_chats_side_by_side(run):
    async def scenario(scene: Scene) -> None:
        scene.bot.limiter.pause(3600)
        calls = [(await scene.new(f"{chat}{n}", chat=chat)).call for n in range(3) for chat in ("a", "b")]
        assert {status for status, _, _ in await scene.rows()} == {"queued"}
        scene.bot.limiter._paused_until = 0.0  # type: ignore[attr-defined]
        await scene.delivery.deliver_all(calls)
        for chat in ("a", "b"):
            assert [text for text in scene.server.texts if text[0] == chat] == [f"{chat}{n}" for n in range(3)]
        assert scene.server.texts != sorted(scene.server.texts)

    run(scenario, SENT)


def test_after_a_stop_nothing_more_leaves(run):
    async def scenario(scene: Scene) -> None:
        scene.delivery.stop()
        new = await scene.new()
        assert new.status == "queued"
        await scene.delivery.deliver(new.call, claimed=False)
        assert scene.server.texts == []
        assert (await scene.rows())[0][0] == "queued"

    run(scenario, SENT)


def test_a_stop_ends_waiting_for_a_turn(run):
    async def scenario(scene: Scene) -> None:
        scene.bot.limiter.pause(3600)
        new = await scene.new()
        delivering = asyncio.create_task(scene.delivery.deliver(new.call, claimed=False))
        await asyncio.sleep(0.02)
        scene.delivery.stop()
        await asyncio.wait_for(delivering, 5)
        assert (await scene.rows())[0][0] == "queued"

    run(scenario, SENT)


@pytest.mark.parametrize(("seconds", "status"), [(5, "sent"), (0.05, "unknown")])
def test_what_is_on_its_way_at_a_stop_is_awaited_for_a_while(run, seconds, status):
    """Though whoever started it is cancelled at once."""

    async def scenario(scene: Scene) -> None:
        scene.bot.limiter.pause(0.5)  # longer than storing the calls may take
        first, second = await scene.new("one"), await scene.new("two")
        scene.server.gate.clear()
        asking = asyncio.create_task(scene.delivery.deliver_all([first.call, second.call]))
        await scene.server.arrived.wait()
        scene.delivery.stop()
        asking.cancel()
        if status == "sent":
            asyncio.get_running_loop().call_later(0.05, scene.server.gate.set)
        await scene.delivery.finish(seconds)
        assert [row[0] for row in await scene.rows()] == [status, "queued"]
        assert scene.server.texts == ["one"]

    run(scenario, SENT)
