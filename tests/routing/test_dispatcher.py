"""From an event to its handler and its outcome."""

import asyncio
import functools
import threading
from typing import Any

import pytest

from tests.routing.events import ANN, BOT, conversation, dispatch, event_of, message_event, press_event, texts
from vkteams_bot.api.methods import DeleteMessages, SendText
from vkteams_bot.api.types import EventType, SentMessage
from vkteams_bot.exceptions import ConfigurationError, HandlerTimeout, RoutingError
from vkteams_bot.fsm import State, StatesGroup
from vkteams_bot.routing import UNHANDLED, CancelHandler, Dispatched, Dispatcher, Router, SkipHandler, Status
from vkteams_bot.routing.filters import Command, StateFilter

CHAT = {"chatId": "7@chat.agent", "type": "group"}
PAYLOADS = {
    "newMessage": {"chat": CHAT, "from": ANN, "msgId": "1", "timestamp": 1},
    "editedMessage": {"chat": CHAT, "from": ANN, "msgId": "1", "timestamp": 1, "editedTimestamp": 2},
    "deletedMessage": {"chat": CHAT, "msgId": "1"},
    "pinnedMessage": {"chat": CHAT, "msgId": "1"},
    "unpinnedMessage": {"chat": CHAT, "msgId": "1"},
    "newChatMembers": {"chat": CHAT, "newMembers": [ANN]},
    "leftChatMembers": {"chat": CHAT, "leftMembers": [ANN]},
    "changedChatInfo": {"chat": CHAT, "newTitle": "t"},
    "callbackQuery": {"queryId": "1", "from": ANN, "callbackData": "x"},
}
OBSERVERS = {
    "newMessage": "message",
    "editedMessage": "edited_message",
    "deletedMessage": "deleted_message",
    "pinnedMessage": "pinned_message",
    "unpinnedMessage": "unpinned_message",
    "newChatMembers": "new_chat_members",
    "leftChatMembers": "left_chat_members",
    "changedChatInfo": "changed_chat_info",
    "callbackQuery": "callback_query",
}


def replying(text):
    async def handler(event):
        return text

    return handler


def test_every_kind_of_event_has_an_observer():
    assert set(PAYLOADS) == set(OBSERVERS) == set(EventType)


@pytest.mark.parametrize("kind", PAYLOADS)
def test_an_event_goes_to_the_observer_of_its_kind_alone(kind):
    router = Router()
    for observer in OBSERVERS.values():
        getattr(router, observer).register(replying(observer))
    outcome = dispatch(router, event_of(kind, PAYLOADS[kind]))
    assert texts(outcome) == [OBSERVERS[kind]]


def test_no_handler_no_payload_unknown_kind():
    router = Router()
    router.message(Command("start"))(replying("x"))
    assert dispatch(router, message_event("hi")) == Dispatched(Status.UNHANDLED)
    assert dispatch(router, event_of("newMessage", {"broken": 1})).status is Status.UNHANDLED
    assert dispatch(router, event_of("reactionAdded", {})).status is Status.UNHANDLED
    assert dispatch([], message_event("/start")).status is Status.UNHANDLED


def test_the_first_handler_that_fits_wins_over_later_and_included_ones():
    root, below, other = Router(), Router(), Router()
    below.message()(replying("below"))
    root.include_router(below)
    other.message()(replying("other"))
    assert texts(dispatch([root, other])) == ["below"]
    root.message(lambda message: False)(replying("no"))
    root.message()(replying("root"))
    root.message()(replying("later"))
    assert texts(dispatch([root, other])) == ["root"]
    assert texts(dispatch([other])) == ["other"]


def test_routers_are_tried_depth_first():
    order = []

    def note(name):
        def filter_(message):
            order.append(name)
            return False

        return filter_

    routers = {name: Router(name) for name in "abcde"}
    for name, router in routers.items():
        router.message(note(name))(replying(name))
    routers["a"].include_routers(routers["b"], routers["d"])
    routers["b"].include_router(routers["c"])
    assert dispatch([routers["a"], routers["e"]]).status is Status.UNHANDLED
    assert order == ["a", "b", "c", "d", "e"]


class TestReplies:
    def test_a_text_goes_to_the_chat(self):
        router = Router()
        router.message()(replying("hello"))
        outcome = dispatch(router, message_event(chat=CHAT))
        assert outcome.status is Status.HANDLED
        assert outcome.replies == (SendText("7@chat.agent", "hello"),)

    def test_a_text_to_a_press_is_a_message_to_its_chat(self):
        router = Router()
        router.callback_query()(replying("hello"))
        assert dispatch(router, press_event(chat=CHAT)).replies == (SendText("7@chat.agent", "hello"),)

    @pytest.mark.parametrize("empty", [None, [], ()])
    def test_nothing(self, empty):
        router = Router()
        router.message()(replying(empty))
        outcome = dispatch(router)
        assert (outcome.status, outcome.replies) == (Status.HANDLED, ())

    def test_calls_methods_and_several(self):
        router = Router()

        @router.message()
        async def handler(message):
            return [message.answer("one"), DeleteMessages("c", "5"), "three"]

        assert dispatch(router).replies == (
            SendText("ann@corp", "one"),
            DeleteMessages("c", "5"),
            SendText("ann@corp", "three"),
        )

    def test_one_call(self):
        router = Router()
        router.message()(lambda message: message.reply("one"))
        assert dispatch(router).replies == (SendText("ann@corp", "one", reply_msg_id="1"),)

    def test_generators_of_all_kinds(self):
        router = Router()

        @router.message(Command("plain"))
        def plain(message):
            yield "a"
            yield message.answer("b")

        @router.message(Command("async"))
        async def asynchronous(message):
            yield "a"
            await asyncio.sleep(0)
            yield message.answer("b")

        @router.message(Command("expression"))
        async def expression(message):
            return (text for text in ("a", "b"))

        for name in ("plain", "async", "expression"):
            assert texts(dispatch(router, message_event(f"/{name}"))) == ["a", "b"], name

    def test_the_generator_of_a_plain_handler_runs_in_its_thread(self):
        router = Router()

        @router.message()
        def handler(message):
            yield threading.current_thread().name

        assert texts(dispatch(router)) != [threading.current_thread().name]

    def test_a_generator_that_raises_fails_the_event_and_drops_all_replies(self):
        router = Router()

        @router.message()
        async def handler(message):
            yield "a"
            raise ValueError("no")

        outcome = dispatch(router)
        assert (outcome.status, outcome.replies) == (Status.FAILED, ())
        assert isinstance(outcome.error, ValueError)

    @pytest.mark.parametrize("wrong", [5, b"x", {"a": 1}, {"a"}, object(), ["ok", None], [["nested"]]])
    def test_anything_else_is_refused_by_name(self, wrong):
        router = Router()
        state = conversation("Form:a")

        @router.message()
        async def handler(message, state):
            state.set_state("Form:b")
            return wrong

        outcome = dispatch(router, state=state)
        assert (outcome.status, outcome.replies) == (Status.FAILED, ())
        assert isinstance(outcome.error, RoutingError)
        assert "test_anything_else_is_refused_by_name.<locals>.handler" in str(outcome.error)
        inner = wrong[-1] if isinstance(wrong, list) else wrong
        assert type(inner).__name__ in str(outcome.error)
        assert state.state == "Form:a"

    @pytest.mark.parametrize("done", [True, False, SentMessage(msg_id="1")])
    def test_the_result_of_an_awaited_call_adds_nothing(self, done):
        router = Router()
        router.message()(lambda message: done)
        assert dispatch(router) == Dispatched(Status.HANDLED, handler=dispatch(router).handler)

        router = Router()
        router.message()(lambda message: [done, "more"])
        assert [reply.text for reply in dispatch(router).replies] == ["more"]

    def test_a_coroutine_of_a_plain_handler_is_refused(self):
        async def inner():
            return "x"

        router = Router()
        router.message()(lambda message: inner())
        assert "coroutine" in str(dispatch(router).error)


class TestKindsOfHandlers:
    def test_plain_functions_run_outside_of_the_loop(self):
        router = Router()

        @router.message()
        def handler(message, bot):
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            return f"{message.text} {bot.alias}"

        assert texts(dispatch(router)) == ["hi default"]

    def test_async_functions_run_in_the_loop(self):
        router = Router()

        @router.message()
        async def handler(message):
            return threading.current_thread().name

        assert texts(dispatch(router)) == [threading.current_thread().name]

    def test_methods_objects_and_partials(self):
        class Shop:
            async def method(self, message, bot):
                return f"method {bot.alias}"

            def plain_method(self, message):
                return "plain method"

        class Async:
            async def __call__(self, message, bot):
                return f"object {bot.alias}"

        class Plain:
            def __call__(self, message):
                return "plain object"

        async def with_more(first, message, *, bot, text):
            return f"{first} {message.text} {bot} {text}"

        def plain_with_more(message, text):
            return text

        cases: dict[Any, str] = {
            Shop().method: "method default",
            Shop().plain_method: "plain method",
            Async(): "object default",
            Plain(): "plain object",
            functools.partial(with_more, "given", bot="mine", text="t"): "given hi mine t",
            functools.partial(plain_with_more, text="t"): "t",
            functools.partial(Async(), bot=BOT): "object default",
        }
        for handler, expected in cases.items():
            router = Router()
            router.message.register(handler)
            assert texts(dispatch(router)) == [expected]

    def test_stop_iteration_in_a_plain_handler_fails_the_event_instead_of_hanging(self):
        router = Router()
        router.message()(lambda message: next(iter(())))
        outcome = dispatch(router)
        assert outcome.status is Status.FAILED
        assert isinstance(outcome.error, RuntimeError)

    def test_the_outcome_names_the_handler(self):
        router = Router()

        @router.message(Command("text"))
        @router.message(Command("nothing"))
        async def named(message):
            return "x" if message.text == "/text" else None

        for text in ("/text", "/nothing"):
            name = dispatch(router, message_event(text)).handler
            assert name == f"{__name__}:{named.__qualname__}"


class TestSkipAndCancel:
    @pytest.mark.parametrize("plain", [False, True])
    def test_skip_goes_on_with_the_next_handler(self, plain):
        router = Router()

        async def skipping(message):
            raise SkipHandler

        def skipping_in_a_thread(message):
            raise SkipHandler

        router.message()(skipping_in_a_thread if plain else skipping)
        router.message()(replying("next"))
        outcome = dispatch(router)
        assert texts(outcome) == ["next"]
        assert "replying" in str(outcome.handler)

    def test_skip_by_the_last_handler_leaves_the_event_unhandled(self):
        router = Router()

        @router.message()
        async def handler(message):
            raise SkipHandler

        assert dispatch(router) == Dispatched(Status.UNHANDLED)

    def test_skip_reaches_included_routers_and_other_roots(self):
        root, below, other = Router(), Router(), Router()
        root.include_router(below)

        async def skipping(message):
            raise SkipHandler

        root.message()(skipping)
        below.message()(skipping)
        other.message()(replying("other"))
        assert texts(dispatch([root, other])) == ["other"]

    def test_skip_by_a_filter_means_no(self):
        router = Router()

        def skipping(message):
            raise SkipHandler

        router.message(skipping)(replying("no"))
        router.message()(replying("yes"))
        assert texts(dispatch(router)) == ["yes"]

    def test_unhandled_as_a_result_is_skip(self):
        router = Router()
        router.message()(replying(UNHANDLED))
        router.message()(replying("next"))
        assert texts(dispatch(router)) == ["next"]

    def test_cancel_stops_and_counts_as_handled(self):
        router = Router()
        state = conversation()

        @router.message()
        async def handler(message, state):
            state.set_state("Form:a")
            raise CancelHandler

        router.message()(replying("never"))
        outcome = dispatch(router, state=state)
        assert (outcome.status, outcome.replies, outcome.error) == (Status.HANDLED, (), None)
        assert state.state == "Form:a"

    def test_cancel_by_a_filter_stops_too(self):
        router = Router()

        def cancelling(message):
            raise CancelHandler

        router.message(cancelling)(replying("no"))
        router.message()(replying("never"))
        assert dispatch(router) == Dispatched(Status.HANDLED)


class TestEditedAsMessage:
    EDITED = message_event("/start", kind="editedMessage", editedTimestamp=2)

    def router(self):
        router = Router()
        router.message()(replying("message"))
        return router

    def test_off_by_default(self):
        assert dispatch(self.router(), self.EDITED).status is Status.UNHANDLED

    def test_goes_to_message_handlers(self):
        assert texts(dispatch(self.router(), self.EDITED, edited_as_message=True)) == ["message"]

    def test_edited_handlers_of_any_router_come_first(self):
        other = Router()
        other.edited_message(Command("start"))(replying("edited"))
        assert texts(dispatch([self.router(), other], self.EDITED, edited_as_message=True)) == ["edited"]
        edit = message_event("other", kind="editedMessage")
        assert texts(dispatch([self.router(), Router()], edit, edited_as_message=True)) == ["message"]

    def test_middleware_for_all_kinds_runs_once_when_nobody_handles_edits(self):
        router = self.router()
        seen = []

        @router.outer_middleware
        async def note(handler, event, data):
            seen.append(data["event_type"])
            return await handler(event, data)

        dispatch(router, self.EDITED, edited_as_message=True)
        assert seen == ["editedMessage"]

    def test_middleware_of_edits_runs_without_handlers(self):
        router = self.router()
        seen = []

        @router.edited_message.outer_middleware
        async def note(handler, event, data):
            seen.append(event.text)
            return await handler(event, data)

        assert texts(dispatch(router, self.EDITED, edited_as_message=True)) == ["message"]
        assert seen == ["/start"]


def test_state_steers_a_dialog():
    class Form(StatesGroup):
        name = State()
        age = State()

    router = Router()

    @router.message(Command("start"))
    async def start(message, state):
        await state.set_state(Form.name)
        return "name?"

    @router.message(Form.name)
    async def name(message, state):
        state.update_data(name=message.text)
        state.set_state(Form.age)
        return "age?"

    @router.message(Form)
    def age(message, state):
        text = f"{state.data['name']} is {message.text}"
        state.clear()
        return text

    @router.message(StateFilter(None))
    async def otherwise(message):
        return "write /start"

    state = conversation()
    dialog = [("hm", "write /start"), ("/start", "name?"), ("Ann", "age?"), ("5", "Ann is 5"), ("5", "write /start")]
    for said, answered in dialog:
        assert texts(dispatch(router, message_event(said), state=state)) == [answered]


def test_cancellation_passes_through():
    router = Router()
    started = asyncio.Event()

    @router.message()
    async def handler(message):
        started.set()
        await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(Dispatcher([router]).dispatch(message_event(), BOT, conversation()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_handler_that_was_given_up_fails_and_error_handlers_answer_for_it():
    router = Router()
    started = asyncio.Event()

    @router.message()
    async def handler(message):
        started.set()
        await asyncio.sleep(60)

    @router.error(HandlerTimeout)
    async def apologise(event):
        await asyncio.sleep(0)
        return f"Sorry: {event.exception}"

    async def main():
        dispatcher = Dispatcher([router])
        run = dispatcher.new_run()
        task = asyncio.create_task(dispatcher.dispatch(message_event(), BOT, conversation(), run))
        await started.wait()
        run.give_up(task, 3)
        outcome = await task
        assert task.cancelling() == 0
        return outcome

    outcome = asyncio.run(main())
    assert outcome.status is Status.FAILED
    assert isinstance(outcome.error, HandlerTimeout)
    [text] = texts(outcome)
    assert text.startswith("Sorry: ")
    assert text.endswith("handler ran for longer than 3 s and was given up")


def test_an_error_handler_that_hangs_is_given_up_and_so_is_a_handler_that_swallows_it_once():
    router = Router()
    reached: list[str] = []

    @router.message()
    async def handler(message):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            reached.append("swallowed")
        await asyncio.sleep(60)

    @router.error()
    async def hangs(event):
        reached.append("error handler")
        await asyncio.sleep(60)

    async def main():
        dispatcher = Dispatcher([router])
        run = dispatcher.new_run()
        task = asyncio.create_task(dispatcher.dispatch(message_event(), BOT, conversation(), run))
        for _ in range(3):
            await asyncio.sleep(0.01)
            run.give_up(task, 3)
        outcome = await task
        assert task.cancelling() == 0
        return outcome

    outcome = asyncio.run(main())
    assert reached == ["swallowed", "error handler"]
    assert isinstance(outcome.error, HandlerTimeout)
    assert outcome.replies == ()


def test_a_stop_passes_through_a_handler_that_was_given_up():
    router = Router()

    @router.message()
    async def handler(message):
        await asyncio.sleep(60)

    async def main():
        dispatcher = Dispatcher([router])
        run = dispatcher.new_run()
        task = asyncio.create_task(dispatcher.dispatch(message_event(), BOT, conversation(), run))
        await asyncio.sleep(0.01)
        run.give_up(task, 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


@pytest.mark.parametrize("timeout", ["5", 0, -1, True, [5]])
def test_a_timeout_that_is_no_number_of_seconds_is_refused_where_it_is_written(timeout):
    with pytest.raises(ConfigurationError, match="the flag `timeout`"):
        Router().message.register(lambda message: None, flags={"timeout": timeout})


def test_a_cancelled_task_that_a_handler_awaits_is_a_failure_of_the_handler():
    router, state = Router(), conversation("Form:a")

    @router.message()
    async def handler(message, state):
        state.set_state("half way")
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    @router.error()
    async def apologise(event):
        return str(event.exception)

    outcome = dispatch(router, state=state)
    assert outcome.status is Status.FAILED
    assert isinstance(outcome.error.__cause__, asyncio.CancelledError)
    assert texts(outcome) == ["something that the handler awaited was cancelled"]
    assert state.state == "Form:a"


def test_events_side_by_side_do_not_mix():
    router = Router()

    @router.message(Command("say"))
    async def say(message, command, state):
        await asyncio.sleep(0.01 if command.args == "1" else 0)
        state.set_state(command.args)
        return command.args

    async def main():
        dispatcher = Dispatcher([router])
        states = [conversation() for _ in range(20)]
        outcomes = await asyncio.gather(
            *(dispatcher.dispatch(message_event(f"/say {n}"), BOT, states[n]) for n in range(20))
        )
        assert [texts(outcome) for outcome in outcomes] == [[str(n)] for n in range(20)]
        assert [state.state for state in states] == [str(n) for n in range(20)]

    asyncio.run(main())
