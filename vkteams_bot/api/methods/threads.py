"""threads/*: a thread is a chat of its own, under a message of a group or channel. Older servers have none."""

from __future__ import annotations

import dataclasses

from vkteams_bot.api.methods.base import Method, MsgId, endpoint
from vkteams_bot.api.types import Thread, ThreadSubscribers
from vkteams_bot.exceptions import InvalidCall


@endpoint("threads/add", Thread, safe_to_repeat=True)
class ThreadsAdd(Method[Thread]):
    """The thread under a message; it is made if there is none."""

    chat_id: str
    msg_id: MsgId


@endpoint("threads/subscribers/get", ThreadSubscribers, safe_to_repeat=True)
class ThreadsGetSubscribers(Method[ThreadSubscribers]):
    """One page of a thread's subscribers: give `page_size`, `cursor` (that of the page before), or both."""

    thread_id: str
    page_size: int | None = dataclasses.field(default=None, kw_only=True)
    cursor: str | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.page_size is None and self.cursor is None:
            raise InvalidCall("give page_size, cursor, or both")


@endpoint("threads/autosubscribe", safe_to_repeat=True)
class ThreadsAutosubscribe(Method[bool]):
    """Get events of new threads of a group, with `with_existing` also of those that there are; or no longer."""

    chat_id: str
    enable: bool
    with_existing: bool | None = dataclasses.field(default=None, kw_only=True)
