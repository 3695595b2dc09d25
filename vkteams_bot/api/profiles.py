"""Who somebody is: asked once, then remembered for a while."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from vkteams_bot.api.call import in_event_loop
from vkteams_bot.api.methods import Method
from vkteams_bot.api.types import ChatInfo, UserProfile
from vkteams_bot.exceptions import NotFound

R = TypeVar("R")
Answer: TypeAlias = Future[UserProfile | None]


class Profiles:
    """A cache of at most `max_size` profiles, each for `ttl` seconds; failures are not remembered.

    The profile that was unused for longest goes first. Requests for one person at the same time are one request,
    whichever loops and threads they come from.
    """

    def __init__(
        self, *, max_size: int = 10_000, ttl: float = 600.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_size = max_size
        self._ttl = ttl
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, UserProfile]] = OrderedDict()
        self._asked: dict[str, Answer] = {}
        self._lock = threading.Lock()

    def find(self, user_id: str) -> UserProfile | None:
        """The profile, if it is remembered."""
        with self._lock:
            return self._find(user_id)

    def ask(self, user_id: str) -> tuple[Answer, bool]:
        """The answer to wait for, and whether it is the caller who has to ask, within `answering`.

        An answer of None means that who asked was cancelled: look and ask again.
        """
        mine: Answer = Future()
        mine.set_running_or_notify_cancel()  # Who waits for it and gives up does not cancel it for the others.
        with self._lock:
            if (profile := self._find(user_id)) is not None:  # The answer came since the caller looked.
                mine.set_result(profile)
                return mine, False
            answer = self._asked.setdefault(user_id, mine)
            return answer, answer is mine

    @contextmanager
    def answering(self, user_id: str, answer: Answer) -> Iterator[None]:
        """Whatever happens inside, who waits for the answer hears of it."""
        try:
            yield
        except Exception as error:  # whatever it is, the others who wait for this answer get it, too
            answer.set_exception(error)
            raise
        finally:
            del self._asked[user_id]
            if not answer.done():
                answer.set_result(None)

    def keep(self, profile: UserProfile) -> UserProfile:
        with self._lock:
            self._known[profile.user_id] = (self._clock() + self._ttl, profile)
            self._known.move_to_end(profile.user_id)
            if len(self._known) > self._max_size:
                self._known.popitem(last=False)
        return profile

    def _find(self, user_id: str) -> UserProfile | None:
        until, profile = self._known.get(user_id, (0.0, None))
        if profile is None:
            return None
        if until < self._clock():
            del self._known[user_id]
            return None
        self._known.move_to_end(user_id)
        return profile


class ProfileSource(Protocol):
    """A bot, as far as it knows people."""

    @property
    def profiles(self) -> Profiles: ...
    async def execute(self, method: Method[R]) -> R: ...
    def execute_sync(self, method: Method[R]) -> R: ...


class Lookup(Generic[R]):
    """Something of a profile: await it, or `.send()` it from synchronous code."""

    def __init__(
        self, bot: ProfileSource, user_id: str, method: Method[ChatInfo], read: Callable[[UserProfile], R]
    ) -> None:
        self._bot = bot
        self._user_id = user_id
        self._method = method
        self._read = read

    def __await__(self) -> Generator[Any, Any, R]:
        return self._awaited().__await__()

    async def _awaited(self) -> R:
        profiles = self._bot.profiles
        while (profile := profiles.find(self._user_id)) is None:
            answer, is_mine = profiles.ask(self._user_id)
            if is_mine:
                with profiles.answering(self._user_id, answer):
                    answer.set_result(self._kept(await self._bot.execute(self._method)))
            if (profile := await asyncio.wrap_future(answer)) is not None:
                break
        return self._read(profile)

    def send(self) -> R:
        """Look it up now. Raises CallError; RuntimeError inside a running event loop."""
        if in_event_loop():
            raise RuntimeError("inside async code await the call instead of .send(): it would block the event loop")
        profiles = self._bot.profiles
        while (profile := profiles.find(self._user_id)) is None:
            answer, is_mine = profiles.ask(self._user_id)
            if is_mine:
                with profiles.answering(self._user_id, answer):
                    answer.set_result(self._kept(self._bot.execute_sync(self._method)))
            if (profile := answer.result()) is not None:
                break
        return self._read(profile)

    def _kept(self, info: ChatInfo) -> UserProfile:
        profile = UserProfile.of(self._user_id, info)
        if profile is None:
            raise NotFound("this is no person", method=self._method, hint="Ask get_chat_info for groups and channels")
        return self._bot.profiles.keep(profile)
