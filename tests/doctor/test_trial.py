"""Every method is tried in a chat of an emulated installation, and the chat is as it was afterwards."""

import asyncio

import pytest

from tests.emulator.serving import ALICE, BOT_ID, TEAM, served
from vkteams_bot.api import Bot
from vkteams_bot.api.methods import METHODS
from vkteams_bot.api.retry import RetryPolicy
from vkteams_bot.backoff import Backoff
from vkteams_bot.doctor.attempts import Verdict
from vkteams_bot.doctor.trial import Trial
from vkteams_bot.emulator.behaviour import Behaviour
from vkteams_bot.emulator.faults import Faults, parse_short
from vkteams_bot.emulator.world import DEFAULT_TOKEN, World

NOT_TRIED_ANYWHERE = {"events/get", "chats/createChat"}


def try_all(emulator, chat_id=TEAM, *, stop_after=None):
    """A trial that ran; `stop_after` the first attempt of this method it was asked to stop."""
    bot = Bot(DEFAULT_TOKEN, f"{emulator.origin}/bot/v1", timeout=10)
    bot.retry = RetryPolicy(retries=1, backoff=Backoff(first=0.01, longest=0.01))

    async def main():
        stop = asyncio.Event()
        trial = Trial(bot, chat_id, stop)
        if stop_after is not None:
            trial.attempts = _Watched(stop, stop_after)
        async with bot:
            await trial.run()
        return trial

    return asyncio.run(main())


class _Watched(list):
    """Sets `stop` when it gets an attempt of this method."""

    def __init__(self, stop, method):
        super().__init__()
        self._stop = stop
        self._method = method

    def append(self, attempt):
        super().append(attempt)
        if attempt.method == self._method:
            self._stop.set()


def verdicts(trial):
    """The worst is what counts for a method that was tried in several ways."""
    found: dict[str, set[str]] = {}
    for attempt in trial.attempts:
        found.setdefault(attempt.method, set()).add(attempt.verdict)
    return found


def shown(emulator, chat_id=TEAM):
    return [message for message in emulator.shown(chat_id) if not message.get("deleted")]


def described_world(**behaviour):
    world = World(behaviour=Behaviour(**behaviour))
    group = world.directory.group(TEAM)
    group.about, group.rules = "What we do", "Be kind"
    return world


def test_every_method_is_tried_or_named_with_a_reason():
    world = described_world()
    with served(world) as emulator:
        before = emulator.write("hello", TEAM)
        trial = try_all(emulator)
        assert [message["msgId"] for message in shown(emulator)] == [before]
        requests = emulator.ask("state")["requests"]
    found = verdicts(trial)
    assert set(found) == set(METHODS)
    assert {path for path, how in found.items() if Verdict.NOT_TRIED in how} == NOT_TRIED_ANYWHERE
    assert set(requests) == set(METHODS) - NOT_TRIED_ANYWHERE
    assert {verdict for how in found.values() for verdict in how} == {
        Verdict.SUPPORTED,
        Verdict.KNOWN,
        Verdict.NOT_TRIED,
    }
    assert all(attempt.detail for attempt in trial.attempts if attempt.verdict is Verdict.NOT_TRIED)
    assert trial.left_behind == []
    group = world.directory.group(TEAM)
    assert (group.title, group.about, group.rules) == ("Team", "What we do", "Be kind")
    assert set(group.members) == {ALICE, "bob@example.com", BOT_ID}
    assert not group.blocked


def test_what_could_not_be_restored_is_not_set():
    with served() as emulator:
        found = verdicts(try_all(emulator))
        assert "chats/setAbout" not in emulator.ask("state")["requests"]
    assert found["chats/setTitle"] == {Verdict.SUPPORTED}
    assert found["chats/setAbout"] == found["chats/setRules"] == {Verdict.NOT_TRIED}


def test_a_private_chat():
    with served() as emulator:
        trial = try_all(emulator, ALICE)
        assert shown(emulator, ALICE) == []
    found = verdicts(trial)
    assert set(found) == set(METHODS)
    assert found["chats/pinMessage"] == found["chats/getMembers"] == found["threads/add"] == {Verdict.NOT_TRIED}
    assert found["messages/editText"] == found["messages/deleteMessages"] == {Verdict.SUPPORTED}


def test_an_older_server():
    with served(described_world(threads=False, private_methods=False)) as emulator:
        found = verdicts(try_all(emulator))
    assert found["threads/add"] == found["threads/autosubscribe"] == {Verdict.UNKNOWN_METHOD}
    assert found["threads/subscribers/get"] == {Verdict.NOT_TRIED}
    assert found["chats/members/add"] == {Verdict.NOT_ALLOWED}


def test_a_bot_that_is_no_admin():
    world = described_world()
    world.set_admins(TEAM, [BOT_ID], admin=False)
    with served(world) as emulator:
        found = verdicts(try_all(emulator))
        assert shown(emulator) == []
    assert found["chats/pinMessage"] == found["chats/setTitle"] == {Verdict.PERMISSION_DENIED}
    assert found["messages/deleteMessages"] == {Verdict.SUPPORTED}


def test_a_chat_that_is_not_there():
    with served() as emulator:
        found = verdicts(try_all(emulator, "999@chat.agent"))
    assert set(found) == set(METHODS)
    assert found["messages/sendText"] == {Verdict.REFUSED}
    assert found["messages/editText"] == found["messages/deleteMessages"] == {Verdict.NOT_TRIED}


def test_a_refused_format_is_named():
    with served(faults=Faults([parse_short("refuse=Format error@messages/sendText#1")])) as emulator:
        trial = try_all(emulator)
    [refused] = [attempt for attempt in trial.attempts if attempt.verdict is Verdict.REFUSED]
    assert (refused.method, refused.detail) == ("messages/sendText", "Format error")


@pytest.mark.parametrize(
    ("method", "never"),
    [
        ("self/get", "chats/getInfo"),
        ("messages/sendText", "messages/editText"),
        ("messages/sendFile", "files/getInfo"),
        ("chats/pinMessage", "threads/add"),
        ("threads/add", "threads/subscribers/get"),
    ],
)
def test_stopped_in_the_middle_it_cleans_up(method, never):
    world = described_world()
    with served(world) as emulator:
        trial = try_all(emulator, stop_after=method)
        assert shown(emulator) == []
        requests = emulator.ask("state")["requests"]
    assert never not in requests
    assert requests.get("chats/unpinMessage") == requests.get("chats/pinMessage")
    assert not world.directory.group(TEAM).pinned
    assert set(verdicts(trial)) == set(METHODS)
    assert "stopped" in trial.attempts[-1].detail


def test_a_failure_in_the_middle_is_cleaned_up_too(monkeypatch):
    with served(described_world()) as emulator:

        async def explode(self):
            raise ZeroDivisionError

        monkeypatch.setattr(Trial, "_send_files", explode)
        with pytest.raises(ZeroDivisionError):
            try_all(emulator)
        assert emulator.ask("state")["requests"]["messages/sendText"] > 3
        assert shown(emulator) == []


def test_what_cannot_be_unpinned_at_once_is_unpinned_in_the_end():
    with served(described_world(), Faults([parse_short("refuse=Bad request@chats/unpinMessage#1")])) as emulator:
        trial = try_all(emulator)
        unpinned = [attempt.verdict for attempt in trial.attempts if attempt.method == "chats/unpinMessage"]
        assert emulator.ask("state")["requests"]["chats/unpinMessage"] == 2
    assert unpinned == [Verdict.REFUSED, Verdict.SUPPORTED]


def test_messages_are_deleted_one_by_one_when_together_does_not_work():
    with served(faults=Faults([parse_short("refuse=Bad request@messages/deleteMessages#2")])) as emulator:
        trial = try_all(emulator)
        [left] = shown(emulator)
    assert trial.left_behind == [left["msgId"]]


def test_a_send_that_was_not_answered_may_have_left_a_message():
    with served(faults=Faults([parse_short("disconnect_after@messages/sendFile#1")])) as emulator:
        trial = try_all(emulator)
        assert len(shown(emulator)) == 1
    [lost] = [attempt for attempt in trial.attempts if attempt.verdict is Verdict.NO_ANSWER]
    assert lost.method == "messages/sendFile"
    assert "delete it by hand" in lost.detail
