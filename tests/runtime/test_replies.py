"""Replies on their way, over a transport that does what it is told."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.stores.factories import store
from vkteams_bot.api import Bot
from vkteams_bot.api.methods import EditText, GetChatInfo, Method, SendText
from vkteams_bot.api.retry import RetryStrategy
from vkteams_bot.backoff import Backoff
from vkteams_bot.models import Chat, OutgoingCall
from vkteams_bot.runtime.bot_store import Changes
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.runtime.replies import ReplyDelivery
from vkteams_bot.stores.outbox import ClaimedCall, NewCall
from vkteams_bot.stores.payloads import stored
from vkteams_bot.stores.threads import DatabaseThread
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.worker.sender import InFlight

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


@dataclass
class New:
    """A reply that a handler has just returned."""

    flight: InFlight
    claimed: bool


class Scene:
    def __init__(self, server: Server, thread: DatabaseThread, strategy: RetryStrategy) -> None:
        self.server = server
        self.thread = thread
        self.bot = Bot("001.1:1", "http://example.com/bot/v1", transport=server)
        self.committer = Committer(store(), thread)
        self.delivery = ReplyDelivery(self.bot, self.committer, strategy=strategy, claim_seconds=30)

    async def new(self, text: str = "hello", method: Method[Any] | None = None, chat: str = CHAT) -> New:
        method = method or SendText(chat, text)
        row = NewCall(
            id=uuid7(),
            method=method.path,
            chat_id=method.chat or "",
            params=stored(method, None),
            origin=OutgoingCall.Origin.REPLY,
            claimed=self.delivery.reserve(method.chat),
        )
        await self.committer.commit(Changes(calls=[row]))
        call = ClaimedCall(id=row.id, method=row.method, chat_id=row.chat_id, origin=row.origin)
        return New(InFlight(call, method), row.claimed)

    async def rows(self) -> list[tuple[str, str, str]]:
        await self.committer.commit(Changes())
        return await self.thread.run(
            lambda: list(OutgoingCall.objects.order_by("id").values_list("status", "msg_id", "error"))
        )

    async def row(self) -> OutgoingCall:
        await self.committer.commit(Changes())
        return await self.thread.run(OutgoingCall.objects.get)


@pytest.fixture
def run() -> Callable[..., None]:
    def run(scenario: Scenario, *answers: Answer, **strategy: Any) -> None:
        thread = DatabaseThread("test")

        async def main() -> None:
            retries = RetryStrategy(backoff=Backoff(first=0.01, longest=0.01), **strategy)
            scene = await thread.run(lambda: Scene(server, thread, retries))
            committing = asyncio.create_task(scene.committer.run())
            try:
                await scenario(scene)
            finally:
                scene.committer.close()
                await committing
                await thread.close()

        server = Server(*answers)
        asyncio.run(main())

    return run


async def send(scene: Scene) -> list[tuple[str, str, str]]:
    new = await scene.new()
    assert new.claimed
    await scene.delivery.deliver(new.flight, claimed=True)
    assert new.flight.call.id not in scene.delivery.known
    assert set(scene.server.request_ids) <= {new.flight.call.id.hex}
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
        await scene.delivery.deliver(new.flight, claimed=True)
        assert (await scene.rows())[0][0] == "sent"

    run(scenario, httpx.ReadTimeout("late"), {"ok": True, "type": "private", "firstName": "A"})


def test_one_that_was_dropped_meanwhile_is_not_sent(run):
    async def scenario(scene: Scene) -> None:
        new = await scene.new()
        await scene.thread.run(lambda: OutgoingCall.objects.update(status="dropped"))
        await scene.delivery.deliver(new.flight)
        assert scene.server.texts == []
        assert (await scene.rows())[0][0] == "dropped"

    run(scenario, SENT)


class CountedTurns:
    """The turns that were taken and not given back."""

    def __init__(self, scene: Scene) -> None:
        self.taken = 0
        limiter = scene.bot.limiter
        reserve, try_take, give_back = limiter.reserve, limiter.try_take, limiter.give_back

        def counted(change: int, work: Any) -> Any:
            def call(*args: Any) -> Any:
                self.taken += change
                return work(*args)

            return call

        for name, change, work in (("reserve", 1, reserve), ("try_take", 1, try_take), ("give_back", -1, give_back)):
            setattr(limiter, name, counted(change, work))


def test_the_turn_of_a_reply_that_is_not_claimed_is_given_back(run):
    async def scenario(scene: Scene) -> None:
        new = await scene.new()
        await scene.thread.run(lambda: OutgoingCall.objects.update(status="dropped"))
        turns = CountedTurns(scene)
        await scene.delivery.deliver(new.flight)
        assert turns.taken == 0

    run(scenario, SENT)


def test_a_claim_that_times_out_is_tried_again_and_ends_no_bot(run, monkeypatch):
    async def scenario(scene: Scene) -> None:
        new = await scene.new()
        await scene.thread.run(lambda: OutgoingCall.objects.update(status="queued", claimed_by="", claimed_until=None))
        commit = scene.committer._store.commit
        failures = [OperationalError("canceling statement due to statement timeout")]

        def timing_out_once(changes: Changes) -> Any:
            if changes.claims and failures:
                raise failures.pop()
            return commit(changes)

        monkeypatch.setattr(scene.committer._store, "commit", timing_out_once)
        turns = CountedTurns(scene)
        await scene.delivery.deliver(new.flight)
        assert scene.server.texts == ["hello"]
        assert (await scene.rows())[0][0] == "sent"
        assert (turns.taken, failures) == (1, [])

    run(scenario, SENT)


def test_claims_are_kept_only_for_what_is_on_its_way(run):
    """A row whose result nobody could write was renewed with the others, and stood as being sent for ever."""

    async def scenario(scene: Scene) -> None:
        lost, new = await scene.new("lost"), await scene.new()
        scene.server.gate.clear()
        scene.delivery._claim_seconds = 0.03
        await scene.thread.run(lambda: OutgoingCall.objects.update(claimed_until=timezone.now()))
        keeping = asyncio.create_task(scene.delivery.keep_claims())
        delivering = asyncio.create_task(scene.delivery.deliver(new.flight, claimed=True))
        await scene.server.arrived.wait()
        await asyncio.sleep(0.1)
        await scene.rows()
        ids = await scene.thread.run(
            lambda: list(OutgoingCall.objects.filter(claimed_until__gt=timezone.now()).values_list("pk", flat=True))
        )
        assert ids == [new.flight.call.id]
        assert lost.flight.call.id not in ids
        scene.server.gate.set()
        await delivering
        keeping.cancel()

    run(scenario, SENT)


def test_after_a_stop_nothing_more_leaves(run):
    async def scenario(scene: Scene) -> None:
        scene.delivery.stop()
        new = await scene.new()
        assert not new.claimed
        await scene.delivery.deliver(new.flight)
        assert scene.server.texts == []
        assert (await scene.rows())[0][0] == "queued"

    run(scenario, SENT)


def test_a_stop_ends_waiting_for_a_turn(run):
    async def scenario(scene: Scene) -> None:
        scene.bot.limiter.pause(3600)
        new = await scene.new()
        delivering = asyncio.create_task(scene.delivery.deliver(new.flight))
        await asyncio.sleep(0.02)
        scene.delivery.stop()
        await asyncio.wait_for(delivering, 5)
        assert (await scene.rows())[0][0] == "queued"

    run(scenario, SENT)


def test_what_is_on_its_way_when_it_is_cut_short_is_unknown(run):
    async def scenario(scene: Scene) -> None:
        new = await scene.new()
        scene.server.gate.clear()
        delivering = asyncio.create_task(scene.delivery.deliver(new.flight, claimed=True))
        await scene.server.arrived.wait()
        scene.delivery.stop()
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        [(status, _, error)] = await scene.rows()
        assert status == "unknown"
        assert "stopped before the answer" in error

    run(scenario, SENT)


@pytest.mark.parametrize("resend_unknown", [False, True])
def test_repeating_the_unknown_ends(run, resend_unknown):
    """It went on for ever, held its conversation, and kept a bot that was started again from polling."""

    async def scenario(scene: Scene) -> None:
        method = SendText(CHAT, "hello") if resend_unknown else EditText(CHAT, "1", "hello")
        new = await scene.new(method=method)
        async with asyncio.timeout(10):
            await scene.delivery.deliver(new.flight, claimed=True)
        row = await scene.row()
        assert (row.status, row.attempts) == ("unknown", 3)
        assert "Server error" in row.error
        assert len(scene.server.texts) == 3

    error = {"ok": False, "description": "Server error: id=0x1"}
    run(scenario, error, resend_unknown=resend_unknown, attempts=3)


@pytest.mark.parametrize("answer", [httpx.ConnectError("refused"), {"ok": False, "description": "Ratelimit"}], ids=repr)
def test_repeating_what_never_left_ends(run, answer):
    async def scenario(scene: Scene) -> None:
        new = await scene.new()
        async with asyncio.timeout(10):
            await scene.delivery.deliver(new.flight, claimed=True)
        row = await scene.row()
        assert row.status == "failed"
        assert row.attempts == len(scene.server.texts) > 1
        assert row.finished_at is not None

    run(scenario, answer, reply_seconds=0.2)


def test_one_that_is_told_to_come_in_hours_is_given_up_at_once_if_that_is_too_late(run):
    async def scenario(scene: Scene) -> None:
        new = await scene.new()
        async with asyncio.timeout(10):
            await scene.delivery.deliver(new.flight, claimed=True)
        assert (await scene.row()).status == "failed"

    run(scenario, httpx.Response(429, headers={"retry-after": "7200"}))


def test_a_reply_waits_while_the_token_is_wrong(run):
    async def scenario(scene: Scene) -> None:
        assert await send(scene) == [("sent", "57", "")]
        assert (await scene.row()).attempts == 3

    wrong = {"ok": False, "description": "Invalid token"}
    run(scenario, wrong, wrong, SENT)


def test_one_that_is_due_later_waits_and_ends_waiting_at_a_stop(run):
    async def scenario(scene: Scene) -> None:
        new = await scene.new()
        due_at = timezone.now() + timedelta(hours=1)
        delivering = asyncio.create_task(scene.delivery.deliver(new.flight, due_at=due_at))
        await asyncio.sleep(0.02)
        scene.delivery.stop()
        await asyncio.wait_for(delivering, 5)
        assert scene.server.texts == []

    run(scenario, SENT)


def test_a_reply_that_finds_nobody_marks_the_chat(run):
    async def scenario(scene: Scene) -> None:
        await send(scene)
        chat = await scene.thread.run(Chat.objects.get)
        assert (chat.chat_id, chat.unreachable_reason) == (CHAT, "Permission denied")

    run(scenario, {"ok": False, "description": "Permission denied"})
