"""chats/*: who is in a chat, who may come in, who may not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from vkteams_bot.api.methods.base import Method, endpoint
from vkteams_bot.api.types import AddedMembers, ChatAdmins, ChatMembers, ChatUsers
from vkteams_bot.exceptions import InvalidCall


class _UserIdList(tuple[str, ...]):
    __slots__ = ()

    def wire(self) -> str:
        """The JSON text of the parameter."""
        return json.dumps([{"sn": user_id} for user_id in self], ensure_ascii=False, separators=(",", ":"))


def _ids(value: Any) -> Any:
    """Several ids, or the JSON text of the wire."""
    if isinstance(value, str):
        if not value.startswith("["):
            raise ValueError("give a list of user ids")
        value = [item.get("sn") if isinstance(item, dict) else None for item in json.loads(value)]
    return value


UserIds = Annotated[Sequence[str], BeforeValidator(_ids), Field(min_length=1), AfterValidator(_UserIdList)]


@endpoint("chats/getAdmins", ChatAdmins, safe_to_repeat=True)
class GetChatAdmins(Method[ChatAdmins]):
    """The admins of a group or channel, its creator among them."""

    chat_id: str


@endpoint("chats/getMembers", ChatMembers, safe_to_repeat=True)
class GetChatMembers(Method[ChatMembers]):
    """One page of members, by their ids; `cursor` is that of the page before."""

    chat_id: str
    cursor: str | None = None


@endpoint("chats/getBlockedUsers", ChatUsers, safe_to_repeat=True)
class GetBlockedUsers(Method[ChatUsers]):
    """Who is banned from the chat. The bot must be an admin."""

    chat_id: str


@endpoint("chats/getPendingUsers", ChatUsers, safe_to_repeat=True)
class GetPendingUsers(Method[ChatUsers]):
    """Who waits for approval to join. The bot must be an admin."""

    chat_id: str


# Not safe to repeat: the second answer would call those that the first one added failures.
@endpoint("chats/members/add", AddedMembers)
class AddChatMembers(Method[AddedMembers]):
    """Add people; look into `failures` of the result. Only for bots that the administrator allows it."""

    chat_id: str
    members: UserIds


@endpoint("chats/members/delete", safe_to_repeat=True)
class DeleteChatMembers(Method[bool]):
    """Remove people; they may come back. The bot must be an admin."""

    chat_id: str
    members: UserIds


@endpoint("chats/blockUser", safe_to_repeat=True)
class BlockUser(Method[bool]):
    """Remove a person and keep them out, with `del_last_messages` also what they wrote. The bot must be an admin."""

    chat_id: str
    user_id: str
    del_last_messages: bool | None = dataclasses.field(default=None, kw_only=True)


@endpoint("chats/unblockUser", safe_to_repeat=True)
class UnblockUser(Method[bool]):
    """Let a blocked person join again. The bot must be an admin."""

    chat_id: str
    user_id: str


# Not safe to repeat: `everyone` would let in who came in between, and a second time is refused.
@endpoint("chats/resolvePending")
class ResolvePending(Method[bool]):
    """Let in (`approve`), or turn away, one person who waits, or everyone. The bot must be an admin."""

    chat_id: str
    approve: bool
    user_id: str | None = dataclasses.field(default=None, kw_only=True)
    everyone: bool | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if bool(self.user_id) == bool(self.everyone):
            raise InvalidCall("give exactly one of user_id and everyone")
