"""What type checkers see of the facade: `make check` reads this; a `type: ignore` that hides nothing fails it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import pytest

from tests.api.fakes import FakeTransport, answer, bot_over
from vkteams_bot.api import Bot, Call, InputFile
from vkteams_bot.api.methods import GetMe, SendText
from vkteams_bot.api.types import (
    AddedMembers,
    BotInfo,
    ChatAdmins,
    ChatInfo,
    ChatMember,
    ChatMembers,
    ChatUsers,
    CreatedChat,
    Event,
    FileInfo,
    Message,
    SentMessage,
    Thread,
    ThreadSubscribers,
    UserProfile,
)
from vkteams_bot.api.types.shortcuts import Sendable
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text import Bold, FormatBuilder


def calls(bot: Bot) -> list[Call[Any]]:
    """Every attribute of the facade with the type of its call."""
    return [
        assert_type(bot.get_me(), Call[BotInfo]),
        assert_type(bot.get_events(0, 60), Call[list[Event]]),
        assert_type(bot.send_text("c", "t", reply_msg_id=[1, "2"], parse_mode=None), Call[SentMessage]),
        assert_type(bot.send_text_with_deeplink("c", "t", "d"), Call[SentMessage]),
        assert_type(bot.send_file("c", InputFile("f"), caption="x"), Call[SentMessage]),
        assert_type(bot.send_voice("c", file_id="I"), Call[SentMessage]),
        assert_type(bot.edit_text("c", 1, "t", parse_mode="HTML"), Call[bool]),
        assert_type(bot.edit_text("c", 1, "t", format=FormatBuilder("t").bold(0, 1).build()), Call[bool]),
        assert_type(bot.delete_messages("c", ["1"]), Call[bool]),
        assert_type(bot.answer_callback_query("q", show_alert=True), Call[bool]),
        assert_type(bot.get_chat_info("c"), Call[ChatInfo]),
        assert_type(bot.send_actions("c", ["typing"]), Call[bool]),
        assert_type(bot.get_file_info("Z"), Call[FileInfo]),
        assert_type(bot.create_chat("n", members=["a"], default_role="readonly"), Call[CreatedChat]),
        assert_type(bot.set_chat_title("c", "t"), Call[bool]),
        assert_type(bot.set_chat_about("c", "t"), Call[bool]),
        assert_type(bot.set_chat_rules("c", "t"), Call[bool]),
        assert_type(bot.set_chat_avatar("c", InputFile("f")), Call[bool]),
        assert_type(bot.pin_message("c", 1), Call[bool]),
        assert_type(bot.unpin_message("c", "1"), Call[bool]),
        assert_type(bot.get_chat_admins("c"), Call[ChatAdmins]),
        assert_type(bot.get_chat_members("c", cursor="1"), Call[ChatMembers]),
        assert_type(bot.get_blocked_users("c"), Call[ChatUsers]),
        assert_type(bot.get_pending_users("c"), Call[ChatUsers]),
        assert_type(bot.add_chat_members("c", ["a", "b"]), Call[AddedMembers]),
        assert_type(bot.delete_chat_members("c", ("a",)), Call[bool]),
        assert_type(bot.block_user("c", "a", del_last_messages=True), Call[bool]),
        assert_type(bot.unblock_user("c", "a"), Call[bool]),
        assert_type(bot.resolve_pending("c", True, user_id="a"), Call[bool]),
        assert_type(bot.threads_add("c", 1), Call[Thread]),
        assert_type(bot.threads_get_subscribers("t", page_size=10), Call[ThreadSubscribers]),
        assert_type(bot.threads_autosubscribe("c", True, with_existing=False), Call[bool]),
    ]


async def results(bot: Bot, message: Message) -> None:
    assert_type(await bot.send_text("c", "t"), SentMessage)
    assert_type(bot.send_text("c", "t").send(), SentMessage)
    assert_type(await bot.execute(GetMe()), BotInfo)
    assert_type(bot.execute_sync(SendText("c", "t")), SentMessage)
    assert_type(message.answer("t"), Sendable[SentMessage])
    assert_type(await message.reply("t", parse_mode="HTML"), SentMessage)
    assert_type(await message.answer("t", format=FormatBuilder("t").bold(0, 1).build()), SentMessage)
    assert_type(await message.answer(Bold("t")), SentMessage)
    assert_type(await message.answer_file(InputFile("f"), caption=Bold("c")), SentMessage)
    assert_type(message.answer_voice(file_id="I").send(), SentMessage)
    assert_type(await (await message.answer("t")).edit_text(Bold("t")), bool)
    assert_type(await message.download(), bytes)
    assert_type(await message.download("dir/", max_size=None), Path)
    assert_type(await message.download_all("dir"), list[Path])
    assert_type(await bot.get_user("@nick"), UserProfile)
    assert_type(bot.get_user_name("a").send(), str)
    assert_type(message.delete().send(), bool)
    assert_type((await message.answer("t")).msg_id, str)
    assert_type(message.pin().send(), bool)
    assert_type(await message.answer_thread("t", parse_mode="HTML"), SentMessage)
    assert_type(message.answer_thread("t").send(), SentMessage)
    assert_type(await (await bot.threads_add("c", 1)).answer("t"), SentMessage)
    assert_type([member async for member in bot.iter_chat_members("c")], list[ChatMember])
    assert_type(list(bot.iter_chat_members("c")), list[ChatMember])


def mistakes(bot: Bot) -> list[Callable[[], object]]:
    """Each is an error for the type checker, and an InvalidCall at run time."""
    return [
        lambda: bot.send_text("c"),  # type: ignore[call-arg]
        lambda: bot.send_text("c", 5),  # type: ignore[arg-type]
        lambda: bot.send_text("c", "t", reply_to=1),  # type: ignore[call-arg]
        lambda: bot.send_file("c", "path"),  # type: ignore[arg-type]
        lambda: bot.edit_text("c", None, "t"),  # type: ignore[arg-type]
        lambda: bot.create_chat("c", default_role="moder"),  # type: ignore[arg-type]
        lambda: bot.add_chat_members("c", 5),  # type: ignore[arg-type]
        lambda: bot.resolve_pending("c"),  # type: ignore[call-arg]
    ]


def test_types_of_the_facade_are_true_at_run_time() -> None:
    made = calls(bot_over(FakeTransport(answer())))
    assert [type(call) for call in made] == [Call] * 32
    assert len({call.take().path for call in made}) == 31


@pytest.mark.parametrize("number", range(8))
def test_what_the_type_checker_refuses_is_refused_at_run_time(number: int) -> None:
    with pytest.raises(InvalidCall):
        mistakes(bot_over(FakeTransport(answer())))[number]()
