"""A Bot over real connections: loops, threads, closing, servers that hang; and how it is made."""

import asyncio
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.fakes import API_URL, TOKEN, FakeTransport, answer
from tests.api.serving import HttpServer, padded, slowly
from tests.processes import wait_until
from vkteams_bot.api import Bot, InputFile, ParseMode
from vkteams_bot.exceptions import ConfigurationError, NotSent, OutcomeUnknown


@pytest.fixture
def server():
    with HttpServer() as server:
        server.answer = answer(userId="1", msgId="1", events=[])
        yield server


@pytest.fixture
def bot(server):
    bot = Bot(TOKEN, server.url, timeout=10)
    yield bot
    bot.close()


def run(bot, main):
    """Runs `main(bot)` in a loop of its own and closes the bot's connections there."""

    async def closing():
        async with bot:
            return await main(bot)

    return asyncio.run(asyncio.wait_for(closing(), 30))


def get_me(bot, face):
    async def main(bot):
        return await bot.get_me()

    return run(bot, main) if face == "async" else bot.get_me().send()


def test_request_and_answer(server, bot, face):
    assert get_me(bot, face).user_id == "1"
    (request,) = server.requests
    assert request.path == "/bot/v1/self/get"
    assert request.body == b"token=001.2659914704.0218887601%3A747432131"
    assert TOKEN not in str(request.headers)
    assert request.headers["User-Agent"] == "django-vkteams-bot"


def test_upload_from_disk(server, bot, face, tmp_path):
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(3_000_000))

    async def main(bot):
        return await bot.send_file("c", InputFile(path))

    run(bot, main) if face == "async" else bot.send_file("c", InputFile(path)).send()
    assert path.read_bytes() in server.requests[0].body


def test_many_requests_at_once_in_one_loop(server, bot):
    server.answer = slowly(0.05)

    async def main(bot):
        return await asyncio.gather(*(bot.send_text("c", str(number)) for number in range(60)))

    assert len(run(bot, main)) == 60
    assert server.most_in_flight > 10


def test_connection_is_kept_between_requests(server, bot, face):
    async def main(bot):
        for _ in range(5):
            await bot.get_me()

    if face == "async":
        run(bot, main)
    else:
        for _ in range(5):
            bot.get_me().send()
    assert (len(server.requests), server.connections) == (5, 1)


def test_one_bot_in_several_loops_and_threads_at_once(server, bot):
    server.answer = slowly(0.01)
    barrier = threading.Barrier(8)

    async def several(bot):
        return [await bot.get_me() for _ in range(5)] + await asyncio.gather(*(bot.get_me() for _ in range(5)))

    async def in_a_loop():
        try:
            return await several(bot)
        finally:
            await bot._transports.pop(asyncio.get_running_loop()).aclose()

    def work(number):
        barrier.wait()
        if number % 2:
            return [bot.get_me().send() for _ in range(10)]
        return asyncio.run(in_a_loop())

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert [len(result) for result in results] == [10] * 8
    assert len(server.requests) == 80


def test_one_loop_after_another(server, bot):
    async def main(bot):
        return await bot.get_me()

    for _ in range(3):
        assert run(bot, main).user_id == "1"
    assert server.connections == 3


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_loops_that_ended_without_closing_are_not_kept(server, bot):
    """They were: each loop held its connections, and they the loop, for ever (async_to_sync makes one per call)."""

    async def main():
        return await bot.get_me()

    def open_files():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    try:
        asyncio.run(main())
        before = open_files()
        for _ in range(20):
            asyncio.run(main())
        assert len(bot._transports) == 1
        # The server's ends are closed by its own threads.
        wait_until(lambda: open_files() <= before + 4, 10, "connections of ended loops to be closed")
    finally:
        bot._transports.clear()
        gc.collect()


def test_bot_works_again_after_closing(server, bot, face):
    assert get_me(bot, face).user_id == "1"
    bot.close()
    bot.close()
    assert get_me(bot, face).user_id == "1"
    assert server.connections == 2


def test_async_with_closes_what_synchronous_code_opened(server, bot):
    bot.get_me().send()

    async def main(bot):
        assert bot._sync_transport is not None

    run(bot, main)
    assert bot._sync_transport is None


def test_given_transport_stays_open_and_in_use(face):
    class Guarded(FakeTransport):
        def close(self):
            raise AssertionError("not ours to close")

        async def aclose(self):
            self.close()

    transport = Guarded(answer(userId="1"))
    bot = Bot(TOKEN, API_URL, transport=transport, sync_transport=transport)
    for _ in range(2):
        get_me(bot, face)
        bot.close()
    assert len(transport.requests) == 2


def test_server_that_says_nothing_is_an_unknown_outcome_in_time(server, face):
    server.answer = lambda received: None
    bot = Bot(TOKEN, server.url, timeout=0.2, retries=0)

    async def main(bot):
        await bot.send_text("c", "t")

    started = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
        run(bot, main) if face == "async" else bot.send_text("c", "t").send()
    assert 0.1 < time.monotonic() - started < 2
    assert len(server.requests) == 1
    bot.close()


def test_long_poll_may_take_its_poll_time_on_top(server, face):
    server.answer = slowly(0.4, answer(events=[]))
    bot = Bot(TOKEN, server.url, timeout=0.2, retries=0)

    async def main(bot):
        return await bot.get_events(0, 1)

    assert (run(bot, main) if face == "async" else bot.get_events(0, 1).send()) == []
    bot.close()


def test_nobody_listens(face):
    bot = Bot(TOKEN, "http://127.0.0.1:1/bot/v1", retries=0)
    with pytest.raises(NotSent, match="could not connect"):
        get_me(bot, face)
    bot.close()


def test_big_answer_is_read(server, bot, face):
    server.answer = padded(5_000_000)
    assert len(get_me(bot, face).about) == 5_000_000


def test_huge_answer_is_given_up(server, face):
    bot = Bot(TOKEN, server.url, timeout=10, max_answer_bytes=1_000_000)
    server.answer = padded(5_000_000)
    with pytest.raises(OutcomeUnknown, match="longer than 1000000 bytes"):
        get_me(bot, face)
    server.answer = answer(userId="2")
    assert get_me(bot, face).user_id == "2"
    bot.close()


# How it is made.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": ""}, "a bot needs a token"),
        ({"api_url": ""}, "API_URL must look like"),
        ({"api_url": "bots.example.ru/bot/v1"}, "API_URL must look like"),
        ({"api_url": "ftp://bots.example.ru"}, "API_URL must look like"),
        ({"api_url": "https:///bot/v1"}, "API_URL must look like"),
        ({"api_url": "https://[::1/bot"}, "API_URL must look like"),
        ({"api_url": "https://host:99999/"}, "API_URL must look like"),
        ({"api_url": "https://host/\x00"}, "API_URL must look like"),
        ({"api_url": "https://host/bot/v1?a=1"}, "API_URL must look like"),
        ({"parse_mode": "html"}, "'html' is not a valid ParseMode"),
        ({"rate_limit": -1}, "rate must be positive"),
        ({"rate_limit": 0}, "rate must be positive"),
        ({"burst": 0}, "burst must be at least 1"),
        ({"chat_rate_limit": 0}, "chat_rate must be positive"),
        ({"proxy": "socks5://proxy:1080"}, "PROXY must look like"),
        ({"proxy": "proxy:3128"}, "PROXY must look like"),
        ({"proxy": "http://"}, "PROXY must look like"),
    ],
)
def test_wrong_setting_is_told_when_the_bot_is_made(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Bot(**{"token": TOKEN, "api_url": API_URL, **options})


def test_address_may_end_with_a_slash_and_hold_a_port():
    transport = FakeTransport(answer(userId="1"))
    for url in ("https://host:8443/bot/v1/", "https://host:8443/bot/v1"):
        Bot(TOKEN, url, sync_transport=transport).get_me().send()
    assert {str(request.url) for request in transport.requests} == {"https://host:8443/bot/v1/self/get"}
    assert transport.requests[0].headers["host"] == "host:8443"


def test_parse_mode_may_be_text():
    assert Bot(TOKEN, API_URL, parse_mode="HTML").parse_mode is ParseMode.HTML
    assert Bot(TOKEN, API_URL).parse_mode is None


def test_repr_names_alias_and_address():
    assert repr(Bot(TOKEN, API_URL, alias="sales")) == f"<Bot 'sales' at {API_URL}>"


@pytest.mark.parametrize("how", ["option", "variable"])
def test_requests_go_through_the_proxy(server, face, how, monkeypatch):
    proxy = server.url.removesuffix("/bot/v1")
    if how == "variable":
        monkeypatch.setenv("VKT_PROXY", proxy)
    bot = Bot(TOKEN, "http://nowhere.invalid/bot/v1", proxy=proxy if how == "option" else None, retries=0)
    assert get_me(bot, face).user_id == "1"
    assert server.requests[0].path == "http://nowhere.invalid/bot/v1/self/get"
    bot.close()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxies_of_other_programs_are_not_used(server, bot, face, name, monkeypatch):
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert get_me(bot, face).user_id == "1"


def test_wrong_proxy_variable_is_told_when_the_bot_is_made(monkeypatch):
    monkeypatch.setenv("VKT_PROXY", "nonsense")
    with pytest.raises(ConfigurationError, match="PROXY"):
        Bot(TOKEN, API_URL)
