"""Whatever a server says to `events/get`: the poller goes on, and good events beside bad ones are handled."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.fakes import FakeTransport, answer, bot_over
from tests.stores.factories import raw_message, store
from vkteams_bot import Router
from vkteams_bot.api import Bot
from vkteams_bot.api.methods import GetEvents
from vkteams_bot.api.responses import read_answer
from vkteams_bot.api.retry import RetryStrategy
from vkteams_bot.api.types import Event
from vkteams_bot.backoff import Backoff
from vkteams_bot.exceptions import CallError
from vkteams_bot.fsm import Strategy
from vkteams_bot.models import BotAccount, Update
from vkteams_bot.routing import Dispatcher
from vkteams_bot.runtime.backlog import Backlog
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.runtime.handler import UpdateHandler
from vkteams_bot.runtime.lanes import Lanes
from vkteams_bot.runtime.poller import Poller
from vkteams_bot.runtime.replies import ReplyDelivery
from vkteams_bot.stores.conditions import Conditions
from vkteams_bot.stores.threads import DatabaseThread, HandlerThreads

FIRST_GOOD = 10**6

# JSON as text, so that it may be what Python's own writer would not write.
strings = st.text().map(json.dumps) | st.sampled_from(
    ['"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"a\\u0000b"', json.dumps("x" * 100_000), '"newMessage"', '"1"']
)
numbers = st.sampled_from(
    ["0", "-1", "1.5", "1e400", "-1e400", "NaN", "Infinity", "-0.0", str(2**63), str(2**64), "9" * 5000, "1e-999"]
) | st.integers(max_value=FIRST_GOOD - 1).map(str)
scalars = strings | numbers | st.sampled_from(["null", "true", "false"])
keys = strings | st.sampled_from(
    [f'"{key}"' for key in ("eventId", "type", "payload", "chat", "chatId", "from", "userId", "msgId", "parts", "text")]
)


def written(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Lists and objects, keys may come twice."""
    pairs = st.tuples(keys, inner).map(": ".join)
    return st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]") | st.lists(pairs, max_size=5).map(
        lambda items: f"{{{','.join(items)}}}"
    )


values = st.recursive(scalars, written, max_leaves=8) | st.sampled_from(
    ["[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500]
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A good event in which something is replaced, missing, or there twice."""
    event = raw_message(draw(st.integers(1, FIRST_GOOD - 1)))
    place: Any = draw(st.sampled_from([event, event["payload"], event["payload"]["chat"], event["payload"]["from"]]))
    key = draw(st.sampled_from(sorted(place)))
    mark = "here it is damaged"
    how = draw(st.sampled_from(["replaced", "missing", "twice"]))
    if how == "missing":
        del place[key]
        return json.dumps(event)
    if how == "twice":
        place[mark] = 0
        return json.dumps(event).replace(f'"{mark}": 0', f'"{key}": {draw(values)}')
    place[key] = mark
    return json.dumps(event).replace(f'"{mark}"', draw(values))


bad_ids = st.sampled_from(["-5", "0", "1.5", '"7"', '"x"', "true", "null", str(2**63), "-" + "9" * 30, "[1]", "{}"])
bad_events = (
    values
    | damaged()
    | bad_ids.map(lambda bad: json.dumps({**raw_message(1), "eventId": 0}).replace('"eventId": 0', f'"eventId": {bad}'))
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, list[int]]:
    """The text of a batch, and the ids of the good events in it."""
    items = draw(st.lists(bad_events, max_size=5))
    good = list(range(FIRST_GOOD, FIRST_GOOD + draw(st.integers(0, 3))))
    for event_id in good:
        items.insert(draw(st.integers(0, len(items))), json.dumps(raw_message(event_id)))
    return f'{{"ok": true, "events": [{",".join(items)}]}}', good


@st.composite
def broken_bodies(draw: st.DrawFn) -> bytes:
    """Anything else: cut off, of another shape, no JSON, no UTF-8."""
    body = draw(batches())[0].encode("utf-8", "surrogatepass")
    how = draw(st.sampled_from(["cut", "bytes", "shape", "events"]))
    if how == "cut":
        return body[: draw(st.integers(0, len(body) - 1))]
    if how == "bytes":
        return draw(st.binary(max_size=200))
    if how == "events":
        return b'{"ok": true, "events": %b}' % draw(values).encode("utf-8", "surrogatepass")
    return draw(values).encode("utf-8", "surrogatepass")


def read(body: bytes) -> list[Event]:
    return read_answer(GetEvents(), 200, None, body, bot_over(FakeTransport(answer())))


@settings(max_examples=400, deadline=None)
@given(batches())
def test_good_events_are_read_whatever_stands_beside_them(batch):
    body, good = batch
    events = read(body.encode("utf-8", "surrogatepass"))
    found = {event.event_id: event for event in events if event.event_id is not None and event.event_id >= FIRST_GOOD}
    assert [getattr(found[event_id].payload, "text", None) for event_id in good] == [f"text {n}" for n in good]
    for event in events:
        assert (event.payload is None) == (event.problem is not None)
        assert event.event_id is None or (type(event.event_id) is int and 0 < event.event_id < 2**63)


@settings(max_examples=400, deadline=None)
@given(broken_bodies(), st.sampled_from([200, 200, 200, 404, 429, 500, 504]))
def test_answer_of_any_shape_is_events_or_a_call_error(body, status):
    try:
        events = read_answer(GetEvents(), status, None, body, bot_over(FakeTransport(answer())))
    except CallError:
        return
    assert all(isinstance(event, Event) for event in events)


# The real poller, over the database.

router = Router()
handled: list[str] = []


@router.message()
async def anything(message: Any) -> None:
    handled.append(message.text)


class Server(httpx.AsyncBaseTransport):
    """Gives each body once, then nothing."""

    def __init__(self, bodies: list[bytes]) -> None:
        self.bodies = bodies
        self.drained = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.bodies:
            self.drained.set()
            await asyncio.Event().wait()
        return httpx.Response(200, content=self.bodies.pop(0))


@pytest.fixture(scope="module")
def threads() -> Iterator[tuple[DatabaseThread, HandlerThreads]]:
    database, handlers = DatabaseThread("test"), HandlerThreads(2)
    yield database, handlers
    assert asyncio.run(database.close())
    assert handlers.close() == 0


async def poll(bodies: list[bytes], database: DatabaseThread, handlers: HandlerThreads) -> None:
    server = Server(bodies)
    bot = Bot("001.1:1", "http://example.com/bot/v1", transport=server)
    found = await database.run(store)
    committer = Committer(found, database)
    delivery = ReplyDelivery(bot, committer, strategy=RetryStrategy(), claim_seconds=30)
    failures: list[BaseException] = []
    handling = UpdateHandler(bot, Dispatcher([router]), committer, delivery, handlers)
    lanes = Lanes(handling, refill=lambda *args: backlog.refill(*args), on_failure=failures.append)
    limits: dict[str, Any] = {"strategy": Strategy.USER_IN_CHAT, "high_water": 1000}
    conditions = Conditions("default")
    backlog = Backlog(bot, found, database, lanes, delivery, conditions, **limits)
    backlog.caught_up = True
    at_once = Backoff(first=0, longest=0)
    limits = {"backoff": at_once, "empty_backoff": at_once, **limits}
    poller = Poller(bot, found, database, lanes, backlog, conditions, **limits)
    committing, running = asyncio.create_task(committer.run()), asyncio.create_task(poller.run())
    drained = asyncio.create_task(server.drained.wait())
    try:
        await asyncio.wait((running, committing, drained), timeout=20, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        assert server.drained.is_set()
        await asyncio.wait_for(lanes.wait_idle(), 10)
        committer.close()
        await committing
    finally:
        for task in (running, committing, drained):
            task.cancel()
    assert failures == []


@pytest.mark.orm
@pytest.mark.django_db(transaction=True)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.tuples(batches(), st.none()) | st.tuples(st.none(), broken_bodies()), min_size=1, max_size=3))
def test_poller_goes_on_and_handles_the_good_events(bodies, threads):
    clear()
    sent = [batch[0].encode("utf-8", "surrogatepass") if batch else broken for batch, broken in bodies]
    good = {event_id for batch, _ in bodies if batch for event_id in batch[1]}
    after = json.dumps({"ok": True, "events": [raw_message(FIRST_GOOD + 9)]}).encode()
    asyncio.run(poll([*sent, after], *threads))
    assert {f"text {event_id}" for event_id in {*good, FIRST_GOOD + 9}} <= set(handled)
    stored = Update.objects.filter(event_id__in={*good, FIRST_GOOD + 9})
    assert set(stored.values_list("event_id", "status")) == {(event_id, "done") for event_id in {*good, FIRST_GOOD + 9}}


def clear() -> None:
    handled.clear()
    Update.objects.all().delete()
    BotAccount.objects.update(last_event_id=0)
