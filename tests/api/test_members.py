"""Walking over all members of a chat, page by page."""

import asyncio
import logging

import pytest

from tests.api.fakes import FakeTransport, answer, bot_over, refusal
from vkteams_bot.api.types import ChatMember
from vkteams_bot.exceptions import InvalidCall, PermissionDenied


def page(*user_ids, **more):
    return answer(members=[{"userId": user_id} for user_id in user_ids], **more)


def walk(bot, face, chat_id="c"):
    async def main():
        return [member.user_id async for member in bot.iter_chat_members(chat_id)]

    return asyncio.run(main()) if face == "async" else [member.user_id for member in bot.iter_chat_members(chat_id)]


def cursors(transport):
    return [form.get("cursor", [None])[0] for form in transport.forms]


def test_all_pages_are_read_in_their_order(face):
    transport = FakeTransport(page("a", "b", cursor="1a"), page(cursor=7), page("c", cursor="0"), page("d"))
    assert walk(bot_over(transport), face) == ["a", "b", "c", "d"]
    assert cursors(transport) == [None, "1a", "7", "0"]
    assert {form["chatId"][0] for form in transport.forms} == {"c"}


def test_chat_of_nobody(face):
    assert walk(bot_over(FakeTransport(page())), face) == []


@pytest.mark.parametrize("circle", [["x"], ["x", "y"], ["x", "y", "z"]])
def test_cursor_that_comes_again_ends_the_walk_and_is_logged(face, circle, caplog):
    pages = [page(str(number), cursor=cursor) for number, cursor in enumerate([*circle, "x"])]
    transport = FakeTransport(*pages, page("never", cursor="x"))
    with caplog.at_level(logging.WARNING, logger="vkteams_bot.api"):
        assert walk(bot_over(transport), face) == [str(number) for number in range(len(pages))]
    assert cursors(transport) == [None, *circle]
    assert "same cursor twice" in caplog.text


def test_last_page_is_no_reason_to_warn(face, caplog):
    walk(bot_over(FakeTransport(page("a", cursor="1"), page("b"))), face)
    assert caplog.records == []


def test_a_page_is_asked_for_only_when_it_is_needed():
    transport = FakeTransport(page("a", "b", cursor="1"), page("c"))
    members = iter(bot_over(transport).iter_chat_members("c"))
    assert transport.requests == []
    assert (next(members), next(members)) == (ChatMember(user_id="a"), ChatMember(user_id="b"))
    assert len(transport.requests) == 1


def test_a_walk_can_be_made_again(face):
    bot = bot_over(FakeTransport(page("a", cursor="1"), page("b"), page("a", cursor="1"), page("b")))
    members = bot.iter_chat_members("c")

    async def main():
        return [member async for member in members]

    for _ in range(2):
        found = asyncio.run(main()) if face == "async" else list(members)
        assert [member.user_id for member in found] == ["a", "b"]


def test_errors_come_out(face):
    with pytest.raises(PermissionDenied):
        walk(bot_over(FakeTransport(page("a", cursor="1"), refusal("Permission denied"))), face)
    with pytest.raises(InvalidCall, match="chat_id"):
        walk(bot_over(FakeTransport(page())), face, chat_id=5)


def test_synchronous_walk_is_refused_inside_a_loop():
    async def main():
        return list(bot_over(FakeTransport(page("a"))).iter_chat_members("c"))

    with pytest.raises(RuntimeError, match="inside async code"):
        asyncio.run(main())


def test_creator_is_an_admin_too():
    assert ChatMember(user_id="1", creator=True).is_admin
    assert ChatMember(user_id="1", admin=True).is_admin
    assert not ChatMember(user_id="1").is_admin
