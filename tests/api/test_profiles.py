"""Who somebody is: one question, remembered, shared, bounded."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.fakes import FakeTransport, answer, bot_over, refusal
from tests.api.serving import HttpServer
from vkteams_bot.api import Bot
from vkteams_bot.api.profiles import Profiles
from vkteams_bot.api.types import Photo, UserProfile
from vkteams_bot.exceptions import InvalidCall, NotFound, OutcomeUnknown

ANN = answer(
    type="private", firstName="Ann", lastName="Lee", nick="ann", about="x", language="ru", photo=[{"url": "https://e"}]
)
ANN_PROFILE = UserProfile(
    user_id="ann@corp",
    first_name="Ann",
    last_name="Lee",
    nick="ann",
    about="x",
    language="ru",
    photo=(Photo(url="https://e"),),
)


def ask(call, face):
    async def main():
        return await call

    return asyncio.run(main()) if face == "async" else call.send()


def test_profile_by_id(face):
    transport = FakeTransport(ANN)
    assert ask(bot_over(transport).get_user("ann@corp"), face) == ANN_PROFILE
    assert transport.requests[0].url.path.endswith("/chats/getInfo")
    assert transport.forms[0]["chatId"] == ["ann@corp"]


def test_profile_by_nick_has_the_nick_for_an_id(face):
    profile = ask(bot_over(FakeTransport(ANN)).get_user("@ann"), face)
    assert (profile.user_id, profile.full_name, profile.nick) == ("@ann", "Ann Lee", "ann")


def test_name_and_profile_are_one_question(face):
    transport = FakeTransport(ANN)
    bot = bot_over(transport)
    assert ask(bot.get_user_name("ann@corp"), face) == "Ann Lee"
    assert ask(bot.get_user("ann@corp"), face) == ANN_PROFILE
    assert len(transport.requests) == 1


def test_somebody_without_a_name_is_called_by_the_id(face):
    assert ask(bot_over(FakeTransport(answer(type="private"))).get_user_name("1000"), face) == "1000"


def test_nobody_is_asked_for_again(face):
    transport = FakeTransport(refusal("Invalid chatId"), ANN)
    bot = bot_over(transport, retries=0)
    with pytest.raises(NotFound, match="Invalid chatId"):
        ask(bot.get_user("ann@corp"), face)
    assert ask(bot.get_user("ann@corp"), face) == ANN_PROFILE


def test_group_is_nobody(face):
    with pytest.raises(NotFound, match="no person"):
        ask(bot_over(FakeTransport(answer(type="group", title="T", public=True))).get_user("1@chat.agent"), face)


def test_failure_is_told_to_all_who_wait_for_the_same_answer():
    class Slow(FakeTransport):
        async def handle_async_request(self, request):
            await asyncio.sleep(0.01)
            return self._handle(request)

    async def main():
        bot = bot_over(transport)
        return await asyncio.gather(*(bot.get_user("1@chat.agent") for _ in range(5)), return_exceptions=True)

    transport = Slow(refusal("chatId not found"))
    assert [type(error) for error in asyncio.run(main())] == [NotFound] * 5
    assert len(transport.requests) == 1


def test_what_can_be_no_id_is_refused():
    with pytest.raises(InvalidCall, match="chat_id"):
        bot_over(FakeTransport(ANN)).get_user(5)


def test_old_profiles_are_asked_for_anew_and_the_unused_go_first():
    now = 0.0
    remembered = Profiles(max_size=2, ttl=600, clock=lambda: now)
    for user_id in ("a", "b"):
        remembered.keep(UserProfile(user_id=user_id))
    assert remembered.find("a") is not None
    remembered.keep(UserProfile(user_id="c"))
    assert [remembered.find(user_id) is not None for user_id in "abc"] == [True, False, True]
    now = 601
    assert [remembered.find(user_id) for user_id in "abc"] == [None, None, None]


@pytest.fixture
def server():
    with HttpServer() as server:
        server.release = threading.Event()

        def respond(received):
            assert server.release.wait(20)
            return ANN

        server.answer = respond
        yield server


def test_requests_at_the_same_time_are_one(server):
    bot = Bot("001.1:1", server.url)

    async def several(number):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(finish(bot.get_user("ann@corp"))) for _ in range(number)]
            await asyncio.sleep(0)
            server.release.set()
        await bot.aclose()
        return [task.result() for task in tasks]

    async def finish(call):
        return await call

    assert asyncio.run(several(10)) == [ANN_PROFILE] * 10
    assert len(server.requests) == 1


def test_threads_share_a_request_too(server):
    bot = Bot("001.1:1", server.url)
    asking = threading.Barrier(5)

    def work():
        asking.wait()
        return bot.get_user("ann@corp").send()

    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(work) for _ in range(4)]
        asking.wait()
        server.release.set()
        assert [future.result(20) for future in futures] == [ANN_PROFILE] * 4
    bot.close()
    assert len(server.requests) == 1


def test_failure_is_shared_and_not_remembered():
    transport = FakeTransport(refusal("Server error: id=0x1"))
    bot = bot_over(transport, retries=0)

    async def main():
        calls = [bot.get_user("a") for _ in range(3)]
        return await asyncio.gather(*(call._awaited() for call in calls), return_exceptions=True)

    assert [type(error) for error in asyncio.run(main())] == [OutcomeUnknown] * 3
    transport.answers = [ANN]
    assert bot.get_user("a").send().nick == "ann"


def test_who_waits_asks_again_when_who_asked_was_cancelled(server):
    bot = Bot("001.1:1", server.url)

    async def finish():
        return await bot.get_user("ann@corp")

    async def main():
        first = asyncio.create_task(finish())
        await asyncio.sleep(0)
        second = asyncio.create_task(finish())
        await asyncio.sleep(0)
        first.cancel()
        server.release.set()
        profile = await asyncio.wait_for(second, 10)
        await bot.aclose()
        return first.cancelled(), profile

    assert asyncio.run(main()) == (True, ANN_PROFILE)


def test_who_gives_up_waiting_disturbs_nobody(server):
    bot = Bot("001.1:1", server.url)

    async def finish():
        return await bot.get_user("ann@corp")

    async def main():
        first = asyncio.create_task(finish())
        await asyncio.sleep(0)
        second = asyncio.create_task(finish())
        await asyncio.sleep(0)
        second.cancel()
        server.release.set()
        profile = await asyncio.wait_for(first, 10)
        await bot.aclose()
        return profile

    assert asyncio.run(main()) == ANN_PROFILE
    assert len(server.requests) == 1


def test_send_inside_a_running_loop_is_refused():
    bot = bot_over(FakeTransport(ANN))

    async def main():
        bot.get_user("a").send()

    with pytest.raises(RuntimeError, match="await the call"):
        asyncio.run(main())
