"""Behaviour: a switch for each open question about the real server (botapi.md §8)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from vkteams_bot.emulator.refusal import Refusal

Paths = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: tuple(filter(None, value.split(","))) if isinstance(value, str) else value),
]
"""Paths of methods or patterns such as `threads/*`; as one text, with commas."""

Limit = Annotated[int, Field(ge=0)]
"""0: none."""

Seconds = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Behaviour:
    """The defaults are what was observed; where nothing was, what a bot must be ready for (docs/emulator.md)."""

    acknowledge: Literal["monotonic", "stateless"] = "monotonic"
    """stateless: a smaller lastEventId brings acknowledged events back (the last 10 000)."""

    zero_returns: Literal["unacknowledged", "kept"] = "unacknowledged"
    """kept: lastEventId=0 brings back all that there is (the last 10 000)."""

    beyond_newest: Literal["acknowledge", "ignore"] = "acknowledge"
    """What a lastEventId above the newest id does; ignored, it is like the highest one before it."""

    pollers: Literal["duplicate", "split", "newest"] = "duplicate"
    """Two polls of one bot at once: both get an event, the older poll gets it, or the older poll ends."""

    batch_limit: Annotated[int, Field(ge=1)] = 100
    keep_events: Limit = 0
    """Older events beyond so many are gone, acknowledged or not."""

    keep_seconds: Seconds = 0
    """Older events are gone, acknowledged or not. 0: never."""

    longest_poll: Seconds = 0
    """A longer pollTime ends after these seconds. 0: as the client says."""

    long_poll_end: Literal["empty", "504"] = "empty"
    """How a poll that was too long ends: as with its time over, or as a proxy cuts it."""

    negative_poll: Literal["immediate", "refuse"] = "immediate"

    parent_topic: bool = True
    """Events of a thread chat carry `parent_topic`."""

    ghost_twin: bool = True
    """A deletion in a private chat is followed by a newMessage of the same msgId without text."""

    deleted_in_groups: bool = False
    """Bots that are admins hear of deletions in groups and channels."""

    file_url_as_text: bool = True
    """The address of a file, sticker or voice without caption stands in `text`."""

    changed_chat_info: bool = True
    """A new title, description, set of rules or picture gives a changedChatInfo."""

    chat_info_names: Literal["seen", "new"] = "seen"
    """new: a changedChatInfo has `from` and `newTitle`, as one client knows it; seen: `title`, as was observed."""

    echo_changes: bool = True
    """Members, pins and chat info that a bot changed itself give it an event, too; its own messages never do."""

    own_membership: bool = True
    """A bot hears of its own joining and leaving."""

    pinned_from: Literal["author", "pinner"] = "author"
    channel_from: Literal["author", "channel"] = "author"
    """`from` of a post in a channel."""

    private_methods: bool = True
    """False: chats/createChat and chats/members/add are `Method not allowed`, as without the administrator's leave."""

    threads: bool = True
    """False: an older server, to which threads/* is an `Unknown method`."""

    not_allowed: Paths = ()
    """Further methods that the administrator does not allow: `Method not allowed`."""

    unknown_methods: Paths = ()
    """Further methods that the server is too old for: `Unknown method`."""

    json_bodies: bool = False
    enum_case: Literal["exact", "any"] = "exact"
    comma_ids: bool = False
    """replyMsgId and forwardMsgId take several ids in one text, with commas."""

    empty_text: Literal["quotes", "keyboard", "refuse"] = "quotes"
    """What may stand without text: a reply or forward; these or a keyboard; nothing."""

    dedupe_request_id: bool = False
    """A second send of one bot with the same request-id has no effect and answers as the first."""

    parent_topic_sends: bool = False
    """A send with `parent_topic` goes to the thread under that message."""

    write_first: bool = True
    """False: a bot may not write to a person who has not written to it: `Permission denied`."""

    longest_text: Limit = 0
    longest_caption: Limit = 0
    longest_callback_data: Limit = 0
    """In bytes; the texts in characters."""

    longest_button_text: Limit = 0
    most_rows: Limit = 0
    most_buttons_in_row: Limit = 0
    limit_error: str = "Bad request"
    """What exceeding one of the limits above is answered with."""

    strict_escapes: bool = False
    r"""MarkdownV2 takes a backslash only before ``\ _ * ~ ` [ ] ( )``."""

    unknown_tags: Literal["refuse", "drop", "keep"] = "refuse"
    """HTML tags that are not documented: a `Format error`, left out, or text."""

    format_errors: Literal["refuse", "plain"] = "refuse"
    """plain: what would be a `Format error` is shown as it came."""

    offset_unit: Literal["utf16", "codepoints"] = "utf16"
    """What offsets and lengths count, in requests and events."""

    edit_without_keyboard: Literal["remove", "keep"] = "remove"
    empty_keyboard: Literal["remove", "keep", "refuse"] = "remove"
    """What an edit with a keyboard of no buttons does to the one there is."""

    ratelimit_status: Literal[200, 429] = 200
    """How rate limits and the fault `ratelimit` answer: 200 and `Ratelimit` in the body, or 429 and Retry-After."""

    rate_limit: Rate = 0
    """Messages and edits a second of a bot in private chats. 0: any number."""

    chat_rate_limit: Rate = 0
    """The same for each group and channel."""

    ratelimit_seconds: Seconds = 0
    """After a refusal everything is refused so long."""

    resend_file_id: bool = True
    """A send of a file by its id answers with `fileId`, too."""

    several_msg_ids: bool = False
    """Each forwarded message becomes one of its own, and `msgId` a list when there are several."""

    members_page_size: Annotated[int, Field(ge=1)] = 100
    files_need_token: bool = False
    """Downloads want `?token=`, with a literal colon: `%3A` gives HTTP 500."""

    file_url_seconds: Seconds = 0
    """So long after files/getInfo, or after the upload, a file can be downloaded. 0: always."""

    def knows(self, path: str) -> bool:
        """Whether the server has this method at all."""
        return not _listed(path, self.unknown_methods) and (self.threads or not path.startswith("threads/"))

    def allows(self, path: str, *, private: bool) -> bool:
        """Whether the administrator lets bots use it."""
        return not _listed(path, self.not_allowed) and (self.private_methods or not private)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """A copy with these switches; text is converted. Raises Refusal that names the wrong one."""
        try:
            return type(self)(**{**dataclasses.asdict(self), **changes})
        except ValidationError as error:
            raise Refusal("; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())) from None

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _listed(path: str, patterns: Paths) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


SWITCHES = tuple(field.name for field in dataclasses.fields(Behaviour))
