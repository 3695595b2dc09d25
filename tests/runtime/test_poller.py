"""The poller and the handling of its updates, over the ORM and a transport that does what it is told."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from django.db import OperationalError

from tests.stores.factories import key, raw_message, store
from vkteams_bot import F, Router
from vkteams_bot.api import Bot
from vkteams_bot.fsm import FSMContext, StateRecord, Strategy
from vkteams_bot.models import Conversation, OutgoingCall, Update
from vkteams_bot.routing import Dispatcher
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.runtime.delivery import Delivery
from vkteams_bot.runtime.handler import UpdateHandler
from vkteams_bot.runtime.lanes import Lanes
from vkteams_bot.runtime.poller import Poller
from vkteams_bot.runtime.recovery import Recovery
from vkteams_bot.runtime.sweep import Sweep
from vkteams_bot.stores.bot_store import BotStore
from vkteams_bot.stores.threads import DatabaseThread, HandlerThreads

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


@router.message()
async def anything(message, state: FSMContext):
    state.update_data(seen=[*state.get_value("seen", []), message.text])
    return f"reply to {message.text}"


class Server(httpx.AsyncBaseTransport):
    """Gives each batch once, then nothing; takes every message."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.asked: list[int] = []
        self.texts: list[str] = []
        self.drained = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = {**parse_qs(request.url.query.decode()), **parse_qs((await request.aread()).decode())}
        if not request.url.path.endswith("events/get"):
            self.texts.append(params["text"][0])
            return httpx.Response(200, content=json.dumps({"ok": True, "msgId": str(len(self.texts))}))
        self.asked.append(int(params["lastEventId"][0]))
        if not self.batches:
            self.drained.set()
            await asyncio.sleep(3600)
        return httpx.Response(200, content=json.dumps({"ok": True, "events": self.batches.pop(0)}))


class FlakyThread(DatabaseThread):
    """Does what it is asked, then loses the answer, as often as `losses` says."""

    losses = 0

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = await super().run(work, *args, **kwargs)
        if self.losses:
            self.losses -= 1
            raise OperationalError("database is locked")
        return result


class Scene:
    """The parts of a session, without its lease and watchdog."""

    def __init__(self, server: Server, thread: FlakyThread, threads: HandlerThreads, found: BotStore) -> None:
        self.server = server
        self.thread = thread
        self.store = found
        self.failures: list[BaseException] = []
        bot = Bot("001.1:1", "http://example.com/bot/v1", transport=server)
        self.committer = Committer(found, thread)
        self.delivery = Delivery(bot, self.committer, resend_unknown=False)
        handling = UpdateHandler(bot, Dispatcher([router]), self.committer, self.delivery, threads)
        self.lanes = Lanes(handling, on_failure=self.failures.append)
        options: dict[str, Any] = {"strategy": Strategy.USER_IN_CHAT, "high_water": 1000}
        self.poller = Poller(bot, found, thread, self.lanes, **options)
        self.recovery = Recovery(bot, found, thread, self.lanes, self.delivery, **options)
        self.sweep = Sweep(found, thread, self.recovery, self.delivery)

    async def drained(self) -> None:
        await asyncio.wait_for(self.server.drained.wait(), 10)
        await asyncio.wait_for(self.lanes.wait_below(1), 10)


@pytest.fixture
def run() -> Iterator[Callable[..., None]]:
    thread, threads = FlakyThread("test"), HandlerThreads(2)

    def run(scenario: Callable[[Scene], Coroutine[Any, Any, None]], *batches: list[Any]) -> None:
        async def main() -> None:
            server = Server()
            server.batches = list(batches)
            scene = Scene(server, thread, threads, await thread.run(store))
            committing = asyncio.create_task(scene.committer.run())
            try:
                await scenario(scene)
                scene.committer.close()
                await committing
            finally:
                committing.cancel()

        asyncio.run(main())

    yield run
    thread.close()
    assert threads.close() == 0


async def poll(scene: Scene) -> None:
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
    monkeypatch.setattr("vkteams_bot.runtime.sweep.SWEEP_SECONDS", 0.01)

    async def scenario(scene: Scene) -> None:
        await poll(scene)
        await scene.thread.run(lambda: Update.objects.update(status="retry"))
        taken = asyncio.Event()
        take_work = scene.store.take_work

        def lose(*args: Any) -> Any:
            result = take_work(*args)
            if not taken.is_set():
                taken.set()
                raise OperationalError("database is locked")
            return result

        monkeypatch.setattr(scene.store, "take_work", lose)
        sweeping = asyncio.create_task(scene.sweep.run())
        async with asyncio.timeout(10):
            while len(scene.server.texts) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await scene.lanes.wait_below(1)
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
        await scene.recovery.run()

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
