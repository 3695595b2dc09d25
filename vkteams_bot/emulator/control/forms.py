"""What the control API takes, as values. A name that is not here is an error."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
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
    """`addError`: whoever adds this person to a chat is told this, and nothing is done."""

    user_id: str
    first_name: str | None = None
    last_name: str | None = None
    nick: str | None = None
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
    text: str = ""
    parts: list[dict[str, Any]] | None = None
    format: dict[str, list[dict[str, Any]]] | None = None
    reply_msg_id: str | None = None


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
