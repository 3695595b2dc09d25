"""Behaviour: a switch for each open question about the real server (botapi.md §8)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from vkteams_bot.emulator.refusal import Refusal


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Behaviour:
    """The defaults are what was observed; where nothing was, what a bot must be ready for."""

    acknowledge: Literal["monotonic", "stateless"] = "monotonic"
    """stateless: a smaller lastEventId brings acknowledged events back (the last 10 000)."""

    dedupe_request_id: bool = False
    """A second send of one bot with the same request-id has no effect and answers as the first."""

    ratelimit_status: Literal[200, 429] = 200
    """What the fault `ratelimit` answers: 200 and `Ratelimit` in the body, or 429 and Retry-After."""

    edit_without_keyboard: Literal["remove", "keep"] = "remove"
    parent_topic: bool = True
    """Events of a thread chat carry `parent_topic`."""

    ghost_twin: bool = True
    """A deletion in a private chat is followed by a newMessage of the same msgId without text."""

    strict_escapes: bool = False
    r"""MarkdownV2 takes a backslash only before ``\ _ * ~ ` [ ] ( )``."""

    files_need_token: bool = False
    """Downloads want `?token=`, with a literal colon: `%3A` gives HTTP 500."""

    private_methods: bool = True
    """False: chats/createChat and chats/members/add are `Method not allowed`, as without the administrator's leave."""

    threads: bool = True
    """False: an older server, to which threads/* is an `Unknown method`."""

    changed_chat_info: bool = True
    """A new title, description, set of rules or picture gives a changedChatInfo."""

    echo_changes: bool = True
    """Members, pins and chat info that a bot changed itself give it an event, too; its own messages never do."""

    own_membership: bool = True
    """A bot hears of its own joining and leaving."""

    pinned_from: Literal["author", "pinner"] = "author"
    members_page_size: Annotated[int, Field(ge=1)] = 100

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """A copy with these switches; text is converted. Raises Refusal that names the wrong one."""
        try:
            return type(self)(**{**dataclasses.asdict(self), **changes})
        except ValidationError as error:
            raise Refusal("; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())) from None

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


SWITCHES = tuple(field.name for field in dataclasses.fields(Behaviour))
