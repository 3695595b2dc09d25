"""A call: made, and then awaited, sent, taken or dropped; and the facade that makes it."""

import asyncio
import gc
import inspect
import warnings
from typing import Any

import pytest

from tests.api.fakes import MSG_ID, FakeTransport, answer, bot_over
from vkteams_bot.api import Bot, Call, CallNeverSent, InputFile
from vkteams_bot.api.call import Endpoint
from vkteams_bot.api.facade import Facade
from vkteams_bot.api.methods import METHODS, EditText, GetEvents, SendActions, SendFile, SendText
from vkteams_bot.api.types import SentMessage
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.keyboards import Button, NewButton

ENDPOINTS: dict[str, Any] = {name: value for name, value in vars(Facade).items() if isinstance(value, Endpoint)}


@pytest.fixture
def transport():
    return FakeTransport(answer(msgId=MSG_ID))


@pytest.fixture
def bot(transport):
    return bot_over(transport)


def test_awaited(bot, transport):
    async def main():
        return await bot.send_text("c", "t")

    assert asyncio.run(main()).msg_id == MSG_ID
    assert len(transport.requests) == 1


def test_gathered_and_waited_for(bot, transport):
    async def main():
        first, second = await asyncio.gather(bot.send_text("c", "1"), bot.send_text("c", "2"))
        third = await asyncio.wait_for(bot.send_text("c", "3"), 5)
        return [first, second, third]

    assert all(isinstance(sent, SentMessage) for sent in asyncio.run(main()))
    assert [form["text"] for form in transport.forms] == [["1"], ["2"], ["3"]]


def test_sent_from_synchronous_code(bot, transport):
    assert bot.send_text("c", "t").send().msg_id == MSG_ID
    assert len(transport.requests) == 1


def test_taken(bot, transport):
    assert bot.send_text("c", "t").take() == SendText("c", "t")
    gc.collect()
    assert transport.requests == []


def test_dropped_call_warns_and_says_which(bot, transport):
    with pytest.warns(CallNeverSent, match="<Call messages/sendText> was never sent: await it") as warned:
        bot.send_text("c", "a secret text")
    gc.collect()
    assert len(warned) == 1
    assert "secret" not in str(warned[0].message)
    assert transport.requests == []


def test_send_inside_a_running_loop_is_refused_without_a_second_complaint(bot, transport):
    async def main():
        bot.send_text("c", "t").send()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError, match=r"await the call instead of \.send\(\)"):
            asyncio.run(main())
        gc.collect()
    assert [str(item.message) for item in caught] == []
    assert transport.requests == []


def test_send_in_a_thread_beside_a_loop_works(bot, transport):
    async def main():
        return await asyncio.to_thread(bot.send_text("c", "t").send)

    assert asyncio.run(main()).msg_id == MSG_ID


def test_invalid_call_is_not_also_a_dropped_one(bot):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidCall):
            bot.send_text("c")
        gc.collect()


def test_repr_holds_no_text(bot):
    call = bot.send_text("c", "a secret text")
    assert repr(call) == "<Call messages/sendText>"
    call.take()


@pytest.mark.parametrize(
    ("make", "method"),
    [
        (lambda bot: bot.send_text("c", "t"), SendText("c", "t")),
        (lambda bot: bot.send_text(text="t", chat_id="c"), SendText("c", "t")),
        (lambda bot: bot.send_text("c", text="t", reply_msg_id=1), SendText("c", "t", reply_msg_id=1)),
        (lambda bot: bot.edit_text("c", 1, "t"), EditText(chat_id="c", msg_id=1, text="t")),
        (lambda bot: bot.get_events(5, poll_time=6), GetEvents(last_event_id=5, poll_time=6)),
        (lambda bot: bot.get_events(), GetEvents(0, 0)),
        (lambda bot: bot.send_actions("c", ["typing"]), SendActions("c", ["typing"])),
        (lambda bot: bot.send_file("c", file_id="Z"), SendFile("c", None, file_id="Z")),
    ],
)
def test_parameters_go_by_place_and_by_name(bot, make, method):
    assert make(bot).take() == method


SECRET = "what a person wrote"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda bot: bot.send_text("c"), "SendText: text: Field required"),
        (lambda bot: bot.send_text(), "SendText: chat_id: Field required; text: Field required"),
        (lambda bot: bot.send_text("c", None), "SendText: text: Input should be a valid string"),
        (lambda bot: bot.send_text("c", [SECRET]), "SendText: text: Input should be a valid string"),
        (lambda bot: bot.send_text(5, SECRET), "SendText: chat_id: Input should be a valid string"),
        (lambda bot: bot.send_text("c", SECRET, "HTML"), "SendText: parameter 3: Unexpected positional argument"),
        (lambda bot: bot.send_actions("c", "typing", SECRET), "SendActions: parameter 3: Unexpected positional"),
        (lambda bot: bot.get_me(SECRET), "GetMe: parameter 1: Unexpected positional argument"),
        (lambda bot: bot.send_text("c", SECRET, reply_to=1), "SendText: reply_to: Unexpected keyword argument"),
        (lambda bot: bot.send_text("c", "t", parse_mode=SECRET), "SendText: parse_mode: Input should be 'MarkdownV2'"),
        (lambda bot: bot.send_text("c", SECRET, reply_msg_id=1.5), "SendText: reply_msg_id: "),
        (lambda bot: bot.send_text("c", SECRET, format=SECRET), "SendText: format: Expecting value"),
        (lambda bot: bot.send_text("c", SECRET, format={"bold": [{"offset": -1, "length": 1}]}), "SendText: format: "),
        (
            lambda bot: bot.send_text("c", SECRET, format={}, parse_mode="HTML"),
            "SendText: give either format or parse_mode, not both",
        ),
        (
            lambda bot: bot.send_text("c", "t", inline_keyboard_markup=[[{"text": 1, "url": SECRET}]]),
            "SendText: inline_keyboard_markup: ",
        ),
        (lambda bot: bot.send_file("c"), "SendFile: give exactly one of file and file_id"),
        (
            lambda bot: bot.send_file("c", InputFile(b"x", filename="f"), file_id=SECRET),
            "SendFile: give exactly one of file and file_id",
        ),
        (lambda bot: bot.send_file("c", SECRET), "SendFile: file: Input should be an instance of InputFile"),
        (lambda bot: bot.send_voice("c", file_id=["a"]), "SendVoice: file_id: Input should be a valid string"),
        (lambda bot: bot.get_events("soon"), "GetEvents: last_event_id: Input should be a valid integer"),
        (lambda bot: bot.delete_messages("c", None), "DeleteMessages: msg_id: "),
        (
            lambda bot: bot.answer_callback_query("q", show_alert=SECRET),
            "AnswerCallbackQuery: show_alert: Input should be a valid boolean",
        ),
    ],
)
def test_call_that_cannot_be_made_names_the_parameter_and_shows_no_text(bot, transport, make, message):
    with pytest.raises(InvalidCall) as raised:
        make(bot)
    assert str(raised.value).startswith(message)
    assert SECRET not in str(raised.value)
    assert raised.value.__suppress_context__
    assert transport.requests == []


def test_method_made_by_hand_shows_no_text_either():
    with pytest.raises(ValueError, match="SendText") as raised:
        SendText("c", [SECRET])  # type: ignore[arg-type]
    assert SECRET not in str(raised.value)


def test_methods_are_frozen_values():
    method = SendText("c", "t")
    with pytest.raises(AttributeError):
        method.text = "u"  # type: ignore[misc]
    assert method == SendText("c", "t") != SendText("c", "u")
    assert hash(method) == hash(SendText("c", "t"))


# The facade.


def test_facade_has_every_method_once():
    assert sorted(endpoint.make.path for endpoint in ENDPOINTS.values()) == sorted(METHODS)
    assert len(ENDPOINTS) >= 31


@pytest.mark.parametrize("name", ENDPOINTS)
def test_facade_is_documented_as_its_method_is(name, bot):
    method = ENDPOINTS[name].make
    for found in (getattr(Bot, name), getattr(bot, name)):
        assert found.__name__ == name
        assert found.__qualname__ == f"Facade.{name}"
        assert inspect.getdoc(found) == inspect.getdoc(method)
        assert len(found.__doc__) > 10
        signature = inspect.signature(found)
        assert signature.return_annotation is Call
        names = [parameter for parameter in signature.parameters if parameter != "self"]
        assert names == list(inspect.signature(method).parameters)


def test_method_of_the_class_takes_the_bot_first(bot):
    assert Bot.send_text(bot, "c", "t").take() == SendText("c", "t")


def test_new_button_shows_no_text():
    with pytest.raises(ValueError, match="exactly one of url and callback_data") as raised:
        NewButton(text=SECRET)
    assert SECRET not in str(raised.value)
    assert Button(text=SECRET).url is None
