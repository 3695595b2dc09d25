"""Command: what is one, what is not, and what the handler gets."""

import re
import string
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.routing.events import dispatch, event_of, message_event, press_event, texts
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.filters import Command, CommandObject
from vkteams_bot.routing import Router

FILE = {"type": "file", "payload": {"fileId": "f", "caption": "/start now"}}


def command_of(filter_, event):
    """What a handler behind the filter gets; None when the event does not reach it."""
    event = message_event(event) if isinstance(event, str) else event
    got = []
    router = Router()

    @router.message(filter_)
    async def handler(message, command):
        got.append(command)

    outcome = dispatch(router, event)
    if outcome.error is not None:
        raise outcome.error
    return got[0] if got else None


def test_the_command_object():
    assert command_of(Command("start"), "/start  one  two ") == CommandObject(
        "/", "start", "one  two", "/start  one  two "
    )
    assert command_of(Command("start"), "/start") == CommandObject("/", "start", "", "/start")
    assert command_of(Command("start"), "/start\nnext line").args == "next line"
    assert command_of(Command("start"), "  /start x").args == "x"


@pytest.mark.parametrize(
    "text",
    ["start", "/stop", "/starting", "/start2", "x /start", "/ start", "//start", "", " ", "/", "/START", "/start@"],
)
def test_no_command(text):
    assert command_of(Command("start"), text) is None


def test_several_names():
    both = Command("start", "help")
    assert command_of(both, "/start").command == "start"
    assert command_of(both, "/help me").command == "help"
    assert command_of(both, "/other") is None


@pytest.mark.parametrize("prefix", [("/", "!", ""), ["", "!", "/"]])
def test_several_prefixes(prefix):
    command = Command("start", prefix=prefix)
    for text, used in [("/start x", "/"), ("!start x", "!"), ("start x", "")]:
        assert command_of(command, text) == CommandObject(used, "start", "x", text)
    assert command_of(command, "?start") is None
    assert command_of(Command("start", prefix="!"), "/start") is None


def test_patterns():
    command = Command("start", re.compile(r"cmd_(\d+)"))
    found = command_of(command, "/cmd_42 x")
    assert (found.command, found.args, found.match[1]) == ("cmd_42", "x", "42")
    assert command_of(command, "/start").match is None
    assert command_of(command, "/cmd_x") is None
    assert command_of(command, "/my_cmd_42") is None
    assert command_of(Command(re.compile("cmd"), prefix=("", "/")), "/cmd").prefix == "/"


def test_case():
    assert command_of(Command("Start"), "/start") is None
    assert command_of(Command("Start"), "/Start").command == "Start"
    assert command_of(Command("Start", ignore_case=True), "/sTART").command == "sTART"
    assert command_of(Command("СТАРТ", ignore_case=True), "/старт").command == "старт"
    assert command_of(Command(re.compile("start"), ignore_case=True), "/START") is None


def test_any_command():
    assert command_of(Command(), "/whatever x") == CommandObject("/", "whatever", "x", "/whatever x")
    assert command_of(Command(), "whatever") is None
    assert command_of(Command(), "/") is None
    assert command_of(Command(prefix=("", "/", "//")), "//x").prefix == "//"


class TestMention:
    class Bot:
        nick = "MyBot"

    def reached(self, filter_, text, bot):
        router = Router()
        router.message(filter_)(lambda message, command: bot and None)
        return dispatch(router, message_event(text), bot=bot).handler is not None

    def test_any_when_the_nick_is_unknown(self):
        assert command_of(Command("start"), "/start@bot x") == CommandObject(
            "/", "start", "x", "/start@bot x", mention="bot"
        )

    @pytest.mark.parametrize("command", [Command("start"), Command(), Command(re.compile("start"))])
    def test_its_own_alone_when_the_nick_is_known(self, command):
        assert self.reached(command, "/start", self.Bot())
        assert self.reached(command, "/start@mybot", self.Bot())
        assert self.reached(command, "/start@MyBot x", self.Bot())
        assert not self.reached(command, "/start@other", self.Bot())

    def test_a_nick_written_with_at(self):
        class AtBot:
            nick = "@mybot"

        assert self.reached(Command("start"), "/start@mybot", AtBot())


def test_captions_and_edits_and_nothing_else():
    command = Command("start")
    assert command_of(command, message_event("https://files/1", parts=[FILE])).args == "now"
    edited = Router()
    edited.edited_message(command)(lambda message, command: command.args)
    assert texts(dispatch(edited, message_event("/start x", kind="editedMessage"))) == ["x"]
    others = Router()
    others.callback_query(command)(lambda query: "no")
    others.pinned_message(command)(lambda event: "no")
    pinned = {"chat": {"chatId": "c", "type": "group"}, "msgId": "1", "text": "/start"}
    assert texts(dispatch(others, event_of("pinnedMessage", pinned))) == []
    assert texts(dispatch(others, press_event("/start"))) == []


def test_a_message_without_text():
    event = message_event()
    raw = {**event.raw["payload"]}
    del raw["text"]
    assert command_of(Command("start"), event_of("newMessage", raw)) is None


@pytest.mark.parametrize("wrong", ["", "two words", "a@b", " start", "/start"])
def test_names_that_can_never_match_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        Command(wrong)


def test_no_prefix_at_all_is_refused():
    with pytest.raises(ConfigurationError):
        Command("start", prefix=())


def test_fifty_handlers_read_the_same_message_right():
    router = Router()
    for number in range(50):
        router.message(Command(f"c{number}", ignore_case=number % 2 == 0))(lambda message, command: command.command)
    assert texts(dispatch(router, message_event("/C48"))) == ["C48"]
    assert texts(dispatch(router, message_event("/C49"))) == []
    assert texts(dispatch(router, message_event("/c49"))) == ["c49"]


def test_called_directly():
    assert Command("a")(message_event("/a x").payload) == {"command": CommandObject("/", "a", "x", "/a x")}
    assert Command("a")(message_event("a").payload) is False


names = st.text(string.ascii_letters + string.digits + "_абв", min_size=1, max_size=8)
prefixes = st.sampled_from(["/", "!", ".", "//", ""])


@given(names, st.lists(prefixes, min_size=1, unique=True), st.text(max_size=20), st.booleans(), st.data())
def test_a_command_written_is_the_command_read(name, prefix_list, args, ignore_case, data):
    prefix = data.draw(st.sampled_from(prefix_list))
    assume(not any(name.startswith(each) for each in prefix_list if each))
    written = name.swapcase() if ignore_case else name
    assume(written.casefold() == name.casefold())
    text = f"{prefix}{written} {args}"
    found = Command(name, prefix=prefix_list, ignore_case=ignore_case)(message_event(text).payload)
    assert found == {"command": CommandObject(prefix, written, args.strip(), text)}


@given(names, names, st.text(max_size=10))
def test_no_other_command_is_read(name, other, args):
    assume(name != other)
    assert Command(name)(message_event(f"/{other} {args}").payload) is False


@given(st.text(max_size=40))
def test_any_text_is_read_without_an_error_and_consistently(text):
    message = message_event(text).payload
    found: Any = Command(prefix=("/", "!", ""))(message)
    if found is False:
        assert not text.split()
    else:
        command = found["command"]
        mention = f"@{command.mention}" if command.mention else ""
        assert text.split()[0] == command.prefix + command.command + mention
        assert command.args == "".join(text.split(None, 1)[1:]).rstrip()
        assert command.raw_text == text
