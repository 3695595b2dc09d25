"""Answering in a thread: two requests, or one for a message that is in a thread."""

import asyncio
import gc
import json
from pathlib import Path

import httpx
import pytest

from tests.api.fakes import MSG_ID, FakeTransport, answer, bot_over, refusal
from vkteams_bot.api import CallNeverSent
from vkteams_bot.api.methods import SendText
from vkteams_bot.api.types import SentMessage, Thread
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.exceptions import BadRequest, InvalidCall, NotFound, OutcomeUnknown, RoutingError
from vkteams_bot.routing.replies import replies_of

CAPTURES = json.loads((Path(__file__).parent / "captures.json").read_text())
GROUP = {"chatId": "87654@chat.agent", "msgId": "7513184000000097128"}
THREAD_ID = "2601@chat.agent"
ADDED, SENT = answer(threadId=THREAD_ID), answer(msgId=MSG_ID)


def received(name, transport, **changes):
    raw = json.loads(json.dumps(CAPTURES[name]))
    raw["payload"] |= changes
    return decode_event(raw, bot_over(transport, retries=0)).payload


def run(made, face):
    async def main():
        return await made

    return asyncio.run(main()) if face == "async" else made.send()


def asked(transport):
    return [
        (request.url.path.removeprefix("/bot/v1/"), {name: texts[0] for name, texts in form.items() if name != "token"})
        for request, form in zip(transport.requests, transport.forms, strict=True)
    ]


def test_thread_is_opened_and_answered_in(face):
    transport = FakeTransport(ADDED, SENT)
    sent = run(received("group", transport).answer_thread("t", parse_mode="HTML"), face)
    assert asked(transport) == [
        ("threads/add", GROUP),
        ("messages/sendText", {"chatId": THREAD_ID, "text": "t", "parseMode": "HTML"}),
    ]
    assert (type(sent), sent.msg_id, sent.chat_id) == (SentMessage, MSG_ID, THREAD_ID)


def test_message_of_a_thread_is_answered_there(face):
    transport = FakeTransport(SENT)
    assert run(received("thread", transport).answer_thread("t"), face).chat_id == THREAD_ID
    assert asked(transport) == [("messages/sendText", {"chatId": THREAD_ID, "text": "t"})]


def test_thread_that_the_server_does_not_call_one_is_found_by_its_refusal(face):
    transport = FakeTransport(refusal("Bad request"), SENT)
    assert run(received("thread", transport, parent_topic=None).answer_thread("t"), face).chat_id == THREAD_ID
    assert [path for path, _ in asked(transport)] == ["threads/add", "messages/sendText"]


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (refusal("Bad request"), BadRequest),
        (refusal("msgId not found"), NotFound),
        (httpx.ReadTimeout("late"), OutcomeUnknown),
    ],
)
def test_thread_that_cannot_be_opened_gets_no_answer_elsewhere(failure, error, face):
    transport = FakeTransport(failure, SENT)
    with pytest.raises(error):
        run(received("group", transport).answer_thread("t"), face)
    assert [path for path, _ in asked(transport)] == ["threads/add"]


def test_text_that_cannot_be_sent_opens_no_thread():
    transport = FakeTransport(ADDED)
    with pytest.raises(InvalidCall, match="text"):
        received("group", transport).answer_thread(None)
    assert transport.requests == []


def test_dropped_answer_warns():
    with pytest.warns(CallNeverSent, match="threads/add"):
        received("group", FakeTransport(ADDED)).answer_thread("t")
    gc.collect()


@pytest.mark.parametrize("name", ["group", "thread"])
@pytest.mark.filterwarnings("ignore::vkteams_bot.api.CallNeverSent")
def test_handler_cannot_return_it(name):
    answer_thread = received(name, FakeTransport(ADDED)).answer_thread("t")
    with pytest.raises(RoutingError, match="ThreadAnswer"):
        replies_of(answer_thread, bot=None, chat_id="c", handler="h")
    del answer_thread
    gc.collect()


def test_thread_can_be_answered_in(face):
    transport = FakeTransport(ADDED, SENT)
    bot = bot_over(transport)
    thread = run(bot.threads_add("c", 1), face)
    assert thread.answer("t", reply_msg_id=5).take() == SendText(THREAD_ID, "t", reply_msg_id=5)
    with pytest.raises(InvalidCall, match="not received by a bot"):
        Thread(thread_id="1").answer("t")
