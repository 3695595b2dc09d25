"""What the control API takes, as values. A name that is not here is an error."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from vkteams_bot.emulator.refusal import Refusal

T = TypeVar("T")

AddError = Literal[
    "user_waiting_for_approve",
    "user_must_join_by_link",
    "user_blocked_confirmation_required",
    "user_must_be_added_by_admin",
    "user_already_added",
    "bot_setjoingroups_false",
    "user_captcha",
    "user_not_found",
]


class Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class NewUser(Form):
    """`addError`: whoever adds this person, or this bot, to a chat is told this, and nothing is done.

    Of a bot nothing else can be said here.
    """

    user_id: str
    first_name: str | None = None
    last_name: str | None = None
    nick: str | None = None
    about: str | None = None
    photo: str | None = None
    add_error: AddError | None = None


class NewChat(Form):
    """With no bot among the members, and `withBot` not false, the first bot becomes one."""

    chat_id: str | None = None
    type: Literal["group", "channel"] = "group"
    title: str = ""
    members: list[str] = []
    admins: list[str] = []
    about: str | None = None
    rules: str | None = None
    public: bool = False
    join_moderation: bool = False
    parent_topic: dict[str, Any] | None = None
    with_bot: bool = True


class ChatInfo(Form):
    """What an admin changes."""

    chat_id: str
    by: str = Field(alias="from")
    title: str | None = None
    about: str | None = None
    rules: str | None = None


class Membership(Form):
    """Without `from` the people come and go by themselves. `admins` and `notAdmins` are roles of members."""

    chat_id: str
    add: list[str] = []
    remove: list[str] = []
    admins: list[str] = []
    not_admins: list[str] = []
    by: str | None = Field(default=None, alias="from")


class NewThread(Form):
    chat_id: str
    msg_id: str
    by: str = Field(alias="from")


class Pin(NewThread):
    pinned: bool = True


class InChat(Form):
    """A private chat is named by its person's id; `token` says with which bot, the first one if absent."""

    chat_id: str
    from_user: str = Field(alias="from")
    token: str | None = None


class NewMessage(InChat):
    """Written or, with `forwardChatId` and `forwardMsgId`, forwarded from another chat of the person."""

    text: str = ""
    parts: list[dict[str, Any]] | None = None
    format: dict[str, list[dict[str, Any]]] | None = None
    reply_msg_id: str | None = None
    forward_chat_id: str | None = None
    forward_msg_id: str | list[str] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.forward_chat_id is None) != (not self.forward_msg_id):
            raise ValueError("forwardChatId and forwardMsgId go together")
        if self.forward_chat_id is not None and (self.parts or self.format or self.reply_msg_id):
            raise ValueError("what is forwarded takes no parts, format or replyMsgId")
        return self


class NewCallback(InChat):
    msg_id: str
    callback_data: str


class Edit(InChat):
    msg_id: str
    text: str


class Deletion(InChat):
    msg_id: str


class RawEvents(Form):
    token: str | None = None
    event: Any = None
    events: list[Any] | None = None
    raw: bool = False


def read(shape: type[T], value: Any) -> T:
    """Raises Refusal that names each wrong field."""
    try:
        return TypeAdapter(shape).validate_python(value)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()[:5]]
        raise Refusal("; ".join(problems)) from None
