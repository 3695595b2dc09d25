"""The poller and the handling of its updates, over the ORM and a transport that does what it is told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from django.db import InterfaceError, OperationalError

from tests.stores.factories import key, raw_message, store
from vkteams_bot import F, Router
from vkteams_bot.api import Bot
from vkteams_bot.api.retry import RetryStrategy
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.backoff import Backoff
from vkteams_bot.emulator.eventqueue import EventQueue
from vkteams_bot.fsm import FSMContext, StateRecord, Strategy
from vkteams_bot.models import BotAccount, Conversation, OutgoingCall, Update
from vkteams_bot.routing import Dispatcher
from vkteams_bot.runtime.backlog import Backlog
from vkteams_bot.runtime.bot_store import BotStore, Changes, WaitingReply
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.runtime.handler import UpdateHandler
from vkteams_bot.runtime.lanes import Lanes
from vkteams_bot.runtime.poller import Poller
from vkteams_bot.runtime.replies import ReplyDelivery
from vkteams_bot.stores.conditions import Conditions
from vkteams_bot.stores.outbox import NewCall
from vkteams_bot.stores.threads import DatabaseThread, HandlerThreads
from vkteams_bot.stores.uuid7 import uuid7

pytestmark = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]

router = Router()


@router.message(F.text == "unstorable state")
async def unstorable_state(message, state: FSMContext):
    state.update_data(bad={1, 2})
    return "never sent"


@router.message(F.text == "unstorable reply")
async def unstorable_reply(message, state: FSMContext):
    state.update_data(seen="never kept")
    return message.bot.send_file(message.chat.chat_id, file=b"bytes without a path")


@router.message(F.text == "unstorable second reply")
async def unstorable_second_reply(message):
    return ["first", message.bot.send_file(message.chat.chat_id, file=b"x" * 2**21)]


@router.message()
async def anything(message, state: FSMContext):
    state.update_data(seen=[*state.get_value("seen", []), message.text])
    return f"reply to {message.text}"


class Server(httpx.AsyncBaseTransport):
    """Gives each batch once, then nothing; takes every message. With a `queue` it gives what that holds instead."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.queue: EventQueue | None = None
        self.switches: dict[str, bool] = {}
        self.fails = False
        self.asked: list[int] = []
        self.texts: list[str] = []
        self.drained = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = {**parse_qs(request.url.query.decode()), **parse_qs((await request.aread()).decode())}
        if not request.url.path.endswith("events/get"):
            self.texts.append(params["text"][0])
            return httpx.Response(200, content=json.dumps({"ok": True, "msgId": str(len(self.texts))}))
        self.asked.append(int(params["lastEventId"][0]))
        if self.fails:
            self.fails = False
            return httpx.Response(502)
        if self.queue is not None:
            return httpx.Response(200, content=json.dumps({"ok": True, "events": await self._held(self.queue)}))
        if not self.batches:
            self.drained.set()
            await asyncio.sleep(3600)
        return httpx.Response(200, content=json.dumps({"ok": True, "events": self.batches.pop(0)}))

    async def _held(self, queue: EventQueue) -> list[Any]:
        """As the emulator polls, but for at most 0.1 s."""
        after = self.asked[-1]
        if not (events := queue.take(after, 100, **self.switches)):
            await queue.arrival(0.1)
            events = queue.take(after, 100, **self.switches)
        return events


class FlakyThread(DatabaseThread):
    """Does what it is asked, then loses the answer, as often as `losses` says."""

    losses = 0

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = await super().run(work, *args, **kwargs)
        if self.losses:
            self.losses -= 1
            raise InterfaceError("connection already closed")
        return result


class Scene:
    """The parts of a session, without its lease and watchdog."""

    def __init__(
        self,
        server: Server,
        thread: FlakyThread,
        threads: HandlerThreads,
        found: BotStore,
        *,
        high_water: int = 1000,
        longest: int = 100,
        silence: float = 60.0,
    ) -> None:
        self.server = server
        self.thread = thread
        self.store = found
        self.failures: list[BaseException] = []
        bot = Bot("001.1:1", "http://example.com/bot/v1", transport=server)
        self.committer = Committer(found, thread)
        self.delivery = ReplyDelivery(bot, self.committer, strategy=RetryStrategy(), claim_seconds=30)
        handling = UpdateHandler(bot, Dispatcher([router]), self.committer, self.delivery, threads)
        self.lanes = Lanes(
            handling, refill=lambda *args: self.backlog.refill(*args), on_failure=self.failures.append, longest=longest
        )
        options: dict[str, Any] = {"strategy": Strategy.USER_IN_CHAT, "high_water": high_water}
        conditions = Conditions("default")
        self.backlog = Backlog(
            bot,
            found,
            thread,
            self.lanes,
            self.delivery,
            conditions,
            page=7,
            alone_seconds=0.3,
            look_seconds=0.01,
            backoff=Backoff(first=0.01),
            **options,
        )
        self.poller = Poller(
            bot, found, thread, self.lanes, self.backlog, conditions, patience=0.05, silence=silence, **options
        )

    async def drained(self) -> None:
        await asyncio.wait_for(self.server.drained.wait(), 10)
        await asyncio.wait_for(self.lanes.wait_idle(), 10)


@pytest.fixture
def run() -> Iterator[Callable[..., None]]:
    thread, threads = FlakyThread("test"), HandlerThreads(2)

    def run(scenario: Callable[[Scene], Coroutine[Any, Any, None]], *batches: list[Any], **limits: Any) -> None:
        async def main() -> None:
            server = Server()
            server.batches = list(batches)
            scene = Scene(server, thread, threads, await thread.run(store), **limits)
            committing = asyncio.create_task(scene.committer.run())
            try:
                await scenario(scene)
                scene.committer.close()
                await committing
            finally:
                committing.cancel()

        asyncio.run(main())

    yield run
    assert asyncio.run(thread.close())
    assert threads.close() == 0


async def poll(scene: Scene) -> None:
    scene.backlog.caught_up = True
    polling = asyncio.create_task(scene.poller.run())
    done = asyncio.create_task(scene.drained())
    await asyncio.wait((polling, done), return_when=asyncio.FIRST_COMPLETED)
    polling.cancel()
    await done
    assert not scene.failures


def texts(*numbers: int) -> list[str]:
    return [f"text {number}" for number in numbers]


def test_a_batch_is_stored_before_the_next_poll_acknowledges_it(run):
    run(poll, [raw_message(5), raw_message(6)], [raw_message(7)])

    assert dict(Update.objects.values_list("event_id", "status")) == {5: "done", 6: "done", 7: "done"}
    assert Conversation.objects.get().data == {"seen": texts(5, 6, 7)}
    assert set(OutgoingCall.objects.values_list("status", flat=True)) == {"sent"}


def test_the_offset_is_asked_for_and_kept(run):
    async def scenario(scene: Scene) -> None:
        await poll(scene)
        assert scene.server.asked == [0, 6, 7]
        assert scene.server.texts == [f"reply to {text}" for text in texts(5, 6, 7)]

    run(scenario, [raw_message(5), raw_message(6)], [raw_message(7)])


@pytest.mark.parametrize("where", [0, 1, 2])
def test_an_event_that_the_database_does_not_take_loses_no_other(run, where):
    batch = [raw_message(1), raw_message(2)]
    batch.insert(where, {**raw_message(9), "extra": float("nan")})

    run(poll, batch, [raw_message(10)])

    found = dict(Update.objects.values_list("event_id", "status"))
    assert found == {1: "done", 2: "done", 9: "invalid", 10: "done"}
    bad = Update.objects.get(event_id=9)
    assert "could not be stored" in bad.error
    assert "nan" in bad.payload["unreadable"]


def test_a_batch_whose_commit_was_not_answered_is_handled_once(run):
    async def scenario(scene: Scene) -> None:
        scene.thread.losses = 3  # the offset, and two tries of the first batch
        await poll(scene)
        assert scene.thread.losses == 0
        assert scene.server.texts == [f"reply to {text}" for text in texts(1, 2, 3)]

    run(scenario, [raw_message(1), raw_message(2)], [raw_message(3)])

    assert set(Update.objects.values_list("status", flat=True)) == {"done"}
    assert Conversation.objects.get().data == {"seen": texts(1, 2, 3)}


def test_a_retry_whose_commit_was_not_answered_is_handled_once(run, monkeypatch):
    async def scenario(scene: Scene) -> None:
        await poll(scene)
        await scene.thread.run(lambda: Update.objects.update(status="retry"))
        taken = asyncio.Event()
        take_retried = scene.store.take_retried

        def lose(*args: Any) -> Any:
            result = take_retried(*args)
            if not taken.is_set():
                taken.set()
                raise InterfaceError("connection already closed")
            return result

        monkeypatch.setattr(scene.store, "take_retried", lose)
        sweeping = asyncio.create_task(scene.backlog.run())
        async with asyncio.timeout(10):
            while len(scene.server.texts) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await scene.lanes.wait_idle()
        sweeping.cancel()
        assert scene.server.texts == ["reply to text 1"] * 2

    run(scenario, [raw_message(1)])

    assert Update.objects.get().status == "done"


@pytest.mark.parametrize("text", ["unstorable state", "unstorable reply"])
def test_what_a_handler_leaves_and_nobody_can_store_is_its_failure(run, text):
    run(poll, [raw_message(1, text=text), raw_message(2)])

    assert dict(Update.objects.values_list("event_id", "status")) == {1: "failed", 2: "done"}
    assert "Traceback" in Update.objects.get(event_id=1).error
    assert Conversation.objects.get().data == {"seen": texts(2)}
    assert OutgoingCall.objects.get().params["text"] == "reply to text 2"


def test_a_stored_update_that_cannot_be_read_is_marked(run):
    async def scenario(scene: Scene) -> None:
        await poll(scene)
        await scene.thread.run(lambda: Update.objects.update(status="pending", payload={"eventId": 1}))
        await scene.backlog.requeue(await scene.thread.run(lambda: scene.store.pending(0, 10)))

    run(scenario, [raw_message(1)])

    found = Update.objects.get()
    assert found.status == "invalid"
    assert "no type" in found.error


def test_an_operator_wins_over_a_handler_that_runs_meanwhile(run):
    async def scenario(scene: Scene) -> None:
        await scene.thread.run(lambda: scene.store.storage.save({key(): StateRecord("asked", {"seen": ["old"]})}))
        ingest = scene.store.ingest

        def edited(*args: Any, **kwargs: Any) -> Any:
            result = ingest(*args, **kwargs)
            Conversation.objects.reset()
            return result

        scene.store.ingest = edited  # type: ignore[method-assign]
        await poll(scene)
        assert scene.server.texts == ["reply to text 1"]

    run(scenario, [raw_message(1)])

    found = Conversation.objects.get()
    assert (found.state, found.data) == (None, {})


def test_what_is_left_in_the_database_is_handled_in_order_and_once(run):
    """More than the lanes take, of few conversations and in small pages, while polling goes on."""
    people = ["a@example.com", "b@example.com", "c@example.com"]
    events = [raw_message(number, people[number % 3]) for number in range(1, 121)]
    batches = [events[start : start + 20] for start in range(0, 120, 20)]

    async def scenario(scene: Scene) -> None:
        working = [asyncio.create_task(part) for part in (scene.backlog.run(), scene.poller.run())]
        try:
            async with asyncio.timeout(30):
                await scene.server.drained.wait()
                while len(scene.server.texts) < 120:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await scene.lanes.wait_idle()
        finally:
            for part in working:
                part.cancel()
        assert not scene.failures

    run(scenario, *batches, high_water=10, longest=3)

    assert set(Update.objects.values_list("status", flat=True)) == {"done"}
    for conversation in Conversation.objects.all():
        mine = [number for number in range(1, 121) if people[number % 3] == conversation.chat_id]
        assert conversation.data == {"seen": texts(*mine)}


def test_a_conversation_that_hangs_stops_neither_polling_nor_the_others(run, monkeypatch):
    async def scenario(scene: Scene) -> None:
        gate = asyncio.Event()
        deliver = scene.delivery.deliver

        async def held(flight: Any, **options: Any) -> None:
            if flight.call.chat_id == "slow@example.com":
                await gate.wait()
            await deliver(flight, **options)

        monkeypatch.setattr(scene.delivery, "deliver", held)
        working = [asyncio.create_task(part) for part in (scene.backlog.run(), scene.poller.run())]
        try:
            async with asyncio.timeout(30):
                while "reply to text 50" not in scene.server.texts:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert len(scene.server.texts) == 1
            gate.set()
            async with asyncio.timeout(30):
                while len(scene.server.texts) < 50:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await scene.lanes.wait_idle()
        finally:
            for part in working:
                part.cancel()

    slow = [raw_message(number, "slow@example.com") for number in range(1, 50)]
    run(scenario, slow, [raw_message(50, "quick@example.com")], high_water=20, longest=5)

    assert set(Update.objects.values_list("status", flat=True)) == {"done"}
    assert Conversation.objects.get(chat_id="slow@example.com").data == {"seen": texts(*range(1, 50))}


async def store_suspects(scene: Scene, people: dict[int, str]) -> None:
    """Updates that were running in three crashes."""
    for number, who in people.items():
        found = scene.poller._incoming(decode_event(raw_message(number, who), None))
        await scene.thread.run(partial(scene.store.ingest, [found], number, ()))
    await scene.thread.run(lambda: Update.objects.update(attempts=3))


async def statuses(scene: Scene) -> list[str]:
    rows = Update.objects.order_by("event_id").values_list("status", flat=True)
    found: list[str] = await scene.thread.run(lambda: list(rows))
    return found


@contextlib.asynccontextmanager
async def working(scene: Scene) -> AsyncIterator[None]:
    parts = [asyncio.create_task(part) for part in (scene.backlog.run(), scene.poller.run())]
    try:
        async with asyncio.timeout(20):
            yield
            await scene.lanes.wait_idle()
    finally:
        for part in parts:
            part.cancel()
    assert not scene.failures


async def until(ready: Callable[[], bool]) -> None:
    while not ready():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_while_a_suspect_runs_alone_nothing_runs_beside_it(run, monkeypatch):
    """Neither what the poller stores, nor what an operator retries, nor the next suspect."""

    async def scenario(scene: Scene) -> None:
        gate = asyncio.Event()
        monkeypatch.setattr(scene.lanes, "_handle", _held(scene.lanes._handle, gate))
        scene.backlog._alone_seconds = 15
        await store_suspects(scene, {1: "a@example.com", 2: "b@example.com", 3: "c@example.com"})
        await scene.thread.run(lambda: Update.objects.filter(event_id=3).update(status="retry", attempts=0))
        async with working(scene):
            await scene.server.drained.wait()
            await asyncio.sleep(0.2)
            assert await statuses(scene) == ["alone", "pending", "retry", "pending"]
            assert scene.server.texts == []
            gate.set()
            await until(lambda: len(scene.server.texts) == 4)
        assert scene.server.texts[:2] == [f"reply to {text}" for text in texts(1, 2)]

    run(scenario, [raw_message(4, "d@example.com")])

    assert set(Update.objects.values_list("status", flat=True)) == {"done"}
    assert dict(Update.objects.values_list("event_id", "alone_runs")) == {1: 1, 2: 1, 3: 0, 4: 0}


def test_an_update_that_hangs_alone_after_crashes_holds_up_nobody_for_long(run, monkeypatch):
    """And once others run beside it, neither it nor the suspects that have not had their turn stand as alone."""

    async def scenario(scene: Scene) -> None:
        gate = asyncio.Event()
        monkeypatch.setattr(scene.lanes, "_handle", _held(scene.lanes._handle, gate))
        await store_suspects(scene, {1: "a@example.com", 2: "b@example.com"})
        async with working(scene):
            await until(lambda: len(scene.server.texts) == 2)
            assert await statuses(scene) == ["running", "done", "done"]
            gate.set()

    run(scenario, [raw_message(3, "quick@example.com")])

    assert set(Update.objects.values_list("status", flat=True)) == {"done"}
    assert dict(Update.objects.values_list("event_id", "alone_runs")) == {1: 1, 2: 0, 3: 0}


def test_a_suspect_behind_a_reply_that_waits_is_not_marked_before_it_runs(run, monkeypatch):
    async def scenario(scene: Scene) -> None:
        gate = asyncio.Event()
        handle = scene.lanes._handle

        async def held(lane: Any, work: Any) -> None:
            if isinstance(work, WaitingReply):
                await gate.wait()
            await handle(lane, work)

        monkeypatch.setattr(scene.lanes, "_handle", held)
        await store_suspects(scene, {1: "a@example.com", 2: "b@example.com", 3: "a@example.com"})
        update_id = await scene.thread.run(lambda: Update.objects.get(event_id=1).pk)
        call = NewCall(
            id=uuid7(),
            method="messages/sendText",
            chat_id="a@example.com",
            params={"chatId": "a@example.com", "text": "from before"},
            origin=OutgoingCall.Origin.REPLY,
            update_id=update_id,
        )
        await scene.thread.run(lambda: scene.store.commit(Changes(calls=[call])))
        async with working(scene):
            await until(lambda: scene.server.texts == ["reply to text 2"])
            await until(lambda: scene.backlog.caught_up)
            assert await statuses(scene) == ["pending", "done", "pending"]
            gate.set()

    run(scenario)

    assert dict(Update.objects.values_list("event_id", "alone_runs")) == {1: 0, 2: 1, 3: 0}
    assert Conversation.objects.get(chat_id="a@example.com").data == {"seen": texts(1, 3)}


def _held(handle: Any, gate: asyncio.Event) -> Any:
    async def handled(lane: Any, work: Any) -> None:
        if work.event.event_id == 1:
            await gate.wait()
        await handle(lane, work)

    return handled


def test_what_a_lane_takes_from_the_database_before_the_poller_offers_it_is_handled_once(run, monkeypatch):
    """A lane that was refilled got an update of a batch whose last one was not stored yet, and then got it again."""

    async def scenario(scene: Scene) -> None:
        store_batch = scene.poller._store_batch

        async def slowly(incoming: Any, wanted: Any) -> Any:
            stored = await store_batch(incoming, wanted)
            if [item.event.event_id for item in incoming] in ([1], [2]):
                lane = scene.lanes._lanes[key()]
                lane.surplus = True
                await scene.lanes._fill(lane)
                assert not lane.queue
            return stored

        monkeypatch.setattr(scene.poller, "_store_batch", slowly)
        await poll(scene)

    run(scenario, [raw_message(1), raw_message(2), {**raw_message(9), "extra": float("nan")}], [raw_message(10)])

    assert Conversation.objects.get().data == {"seen": texts(1, 2, 10)}


def test_when_a_later_reply_cannot_be_stored_no_turn_and_no_id_is_kept(run, monkeypatch):
    async def scenario(scene: Scene) -> None:
        turns: list[Any] = []
        reserve, give_back = scene.delivery.reserve, scene.delivery.give_back

        def counted_reserve(chat: str | None) -> bool:
            turns.append(chat)
            return reserve(chat)

        def counted_give_back() -> None:
            turns.pop()
            give_back()

        monkeypatch.setattr(scene.delivery, "reserve", counted_reserve)
        monkeypatch.setattr(scene.delivery, "give_back", counted_give_back)
        await poll(scene)
        assert (turns, scene.delivery.known, scene.server.texts) == ([], set(), [])

    run(scenario, [raw_message(1, text="unstorable second reply")])

    assert Update.objects.get().status == "failed"
    assert not OutgoingCall.objects.exists()


def test_when_a_reply_cannot_be_committed_no_turn_and_no_id_is_kept(run, monkeypatch):
    async def scenario(scene: Scene) -> None:
        given_back: list[None] = []
        commit = scene.store.commit

        def refusing(changes: Any) -> Any:
            if changes.calls:
                raise OperationalError("canceling statement due to statement timeout")
            return commit(changes)

        monkeypatch.setattr(scene.store, "commit", refusing)
        monkeypatch.setattr(scene.delivery, "give_back", lambda: given_back.append(None))
        await poll(scene)
        assert (len(given_back), scene.delivery.known, scene.server.texts) == (1, set(), [])

    run(scenario, [raw_message(1)])

    assert Update.objects.get().status == "failed"


def test_an_update_whose_failure_cannot_be_written_waits_and_ends_no_bot(run, monkeypatch):
    """As while somebody holds a lock on its row."""

    async def scenario(scene: Scene) -> None:
        commit = scene.store.commit

        def refusing(changes: Any) -> Any:
            if changes.finished and changes.finished[0].id == Update.objects.get(event_id=1).pk:
                raise OperationalError("canceling statement due to lock timeout")
            return commit(changes)

        monkeypatch.setattr(scene.store, "commit", refusing)
        await poll(scene)

    run(scenario, [raw_message(1)], [raw_message(2)])

    assert list(Update.objects.order_by("pk").values_list("status", flat=True)) == ["pending", "done"]
    assert Conversation.objects.get().data == {"seen": texts(2)}


def test_what_an_operator_asks_for_while_pages_are_read_is_handled_once(run, monkeypatch):
    async def scenario(scene: Scene) -> None:
        requeue = scene.backlog.requeue
        feeding: list[asyncio.Task[None]] = []

        async def slowly(page: Any) -> None:
            if not feeding:
                feeding.append(asyncio.create_task(scene.backlog.feed()))
                await asyncio.sleep(0.1)
            await requeue(page)

        monkeypatch.setattr(scene.backlog, "requeue", slowly)
        incoming = [scene.poller._incoming(decode_event(raw_message(number), None)) for number in (1, 2)]
        await scene.thread.run(lambda: scene.store.ingest(incoming, 2, ()))
        await scene.thread.run(lambda: Update.objects.filter(event_id=2).update(status="retry"))
        assert await scene.backlog.look() == 1
        await feeding[0]
        await asyncio.wait_for(scene.lanes.wait_idle(), 10)
        assert not scene.failures

    run(scenario)

    assert sorted(Conversation.objects.get().data["seen"]) == texts(1, 2)


def test_a_statement_that_times_out_stops_no_bot(run, monkeypatch, caplog):
    """Neither at the start nor later: what is no outage was raised through, and ended the process."""

    async def scenario(scene: Scene) -> None:
        for name in ("recover", "crashing", "pending", "has_work", "waiting_replies"):
            monkeypatch.setattr(scene.store, name, _timing_out_once(getattr(scene.store, name)))
        working = [asyncio.create_task(part) for part in (scene.backlog.run(), scene.poller.run())]
        try:
            async with asyncio.timeout(20):
                while len(scene.server.texts) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                while "operators" not in caplog.text:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert not any(part.done() for part in working)
        finally:
            for part in working:
                part.cancel()

    run(scenario, [raw_message(1), raw_message(2)])

    assert set(Update.objects.values_list("status", flat=True)) == {"done"}


def _timing_out_once(work: Any) -> Any:
    failures = [OperationalError("canceling statement due to statement timeout")]

    def timing_out(*args: Any, **options: Any) -> Any:
        if failures:
            raise failures.pop()
        return work(*args, **options)

    return timing_out


def test_a_batch_that_is_stored_one_by_one_beside_the_backlog_is_handled_once(run, monkeypatch):
    """The backlog read the first ones before the last was stored, and then the poller queued them, too."""

    async def scenario(scene: Scene) -> None:
        store_batch = scene.poller._store_batch

        async def slowly(incoming: Any, wanted: Any) -> Any:
            stored = await store_batch(incoming, wanted)
            if len(incoming) == 1:
                scene.backlog.leave()
                await scene.backlog.feed()
            return stored

        monkeypatch.setattr(scene.poller, "_store_batch", slowly)
        await poll(scene)

    run(scenario, [raw_message(1), raw_message(2), {**raw_message(9), "extra": float("nan")}], [raw_message(10)])

    assert Conversation.objects.get().data == {"seen": texts(1, 2, 10)}


def offset() -> tuple[int, int]:
    return BotAccount.objects.values_list("epoch", "last_event_id").get()


def told_anew(caplog) -> int:
    return [getattr(record, "condition", None) for record in caplog.records].count("events_reset")


def test_ids_that_begin_anew_are_noticed_and_followed(run, caplog):
    async def scenario(scene: Scene) -> None:
        await poll(scene)
        assert scene.server.asked == [0, 5001, 2, 3]
        assert scene.server.texts == [f"reply to {text}" for text in texts(5000, 5001, 1, 2, 3)]

    run(scenario, [raw_message(5000), raw_message(5001)], [raw_message(1), raw_message(2)], [raw_message(3)])

    assert offset() == (1, 3)
    assert dict(Update.objects.values_list("event_id", "epoch")) == {5000: 0, 5001: 0, 1: 1, 2: 1, 3: 1}
    assert told_anew(caplog) == 1
    (line,) = [record for record in caplog.records if getattr(record, "condition", None)]
    assert "at 5001" in line.getMessage()
    assert "from 1." in line.getMessage()


@pytest.mark.parametrize("losses", [0, 3])
def test_other_events_under_known_numbers_are_handled_and_known_ones_are_not(run, caplog, losses):
    """As after a backup: the server shows what was handled, and counts on from there once more."""
    other = [{**raw_message(n), "payload": raw_message(n + 100)["payload"]} for n in (2, 3)]

    async def scenario(scene: Scene) -> None:
        store_batch = scene.poller._store_batch

        async def losing(incoming: Any, wanted: Any) -> Any:
            if [item.event.event_id for item in incoming] == [2, 3]:
                scene.thread.losses = losses  # the answers of its commit
            return await store_batch(incoming, wanted)

        scene.poller._store_batch = losing  # type: ignore[method-assign]
        await poll(scene)
        assert scene.server.texts == [f"reply to {text}" for text in texts(1, 2, 3, 102, 103, 4)]

    known = [raw_message(n) for n in (1, 2, 3)]
    run(scenario, known, [known[0], *other], [*other, raw_message(4)])

    assert offset() == (1, 4)
    assert told_anew(caplog) == 1
    assert set(Update.objects.values_list("status", flat=True)) == {"done"}


def test_events_of_the_old_numbering_that_are_shown_after_the_new_ones_are_not_handled_again(run):
    async def scenario(scene: Scene) -> None:
        await poll(scene)
        assert len(scene.server.texts) == 4

    run(scenario, [raw_message(5000), raw_message(5001)], [raw_message(1)], [raw_message(2), raw_message(5000)])
    run(poll, [raw_message(5001), raw_message(5002)])

    assert Update.objects.count() == Update.objects.filter(status="done").count() == 5
    assert offset() == (1, 5002)


@pytest.mark.parametrize("pruned", [False, True])
def test_events_that_are_only_shown_again_begin_no_numbering_and_are_not_handled_again(run, caplog, pruned):
    async def scenario(scene: Scene) -> None:
        await poll(scene)
        if pruned:
            await scene.thread.run(lambda: Update.objects.filter(event_id__lt=5).delete())
            await scene.thread.run(
                lambda: Update.objects.update(payload={**raw_message(5), "payload": {"timestamp": 1_700_000_001}})
            )
        scene.server.batches = [first[:2], first, [*first[2:], raw_message(6)], [raw_message(7)]]
        scene.server.drained.clear()
        await poll(scene)
        assert scene.server.texts == [f"reply to {text}" for text in texts(1, 2, 3, 4, 5, 6, 7)]

    first = [raw_message(number) for number in (1, 2, 3, 4)]
    run(scenario, first, [raw_message(5)])

    assert offset() == (0, 7)
    assert told_anew(caplog) == 0


async def _until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not ready():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("fails", [True, False])
def test_a_server_that_takes_the_old_offset_for_an_acknowledgement_is_heard(run, fails):
    """After a failed poll at once; else as soon as nothing came for a while."""

    async def scenario(scene: Scene) -> None:
        scene.backlog.caught_up = True
        scene.server.queue = EventQueue(5000)
        scene.server.queue.put_raw(raw_message(5000))
        polling = asyncio.create_task(scene.poller.run())
        await _until(lambda: scene.server.texts == ["reply to text 5000"])
        scene.server.queue = EventQueue(1)
        scene.server.fails = fails
        count = len(scene.server.asked)
        await _until(lambda: 0 in scene.server.asked[count:])
        for number in range(1, 31):
            scene.server.queue.put_raw(raw_message(number))
        await _until(lambda: len(scene.server.texts) == 31)
        polling.cancel()

    run(scenario, silence=60.0 if fails else 0.3)

    assert offset() == (1, 30)
    assert set(Update.objects.values_list("status", flat=True)) == {"done"}


def test_skipping_skips_a_new_numbering_whole(run):
    async def scenario(scene: Scene) -> None:
        await poll(scene)
        scene.server.queue, scene.server.switches = EventQueue(1), {"ignore_beyond": True}
        for number in range(1, 251):
            scene.server.queue.put_raw(raw_message(number))
        assert await scene.poller.skip_backlog() == 250

    run(scenario, [raw_message(5000)])

    assert offset() == (1, 250)
    assert Update.objects.filter(status="skipped").count() == 250
