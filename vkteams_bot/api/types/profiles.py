"""People's profiles."""

from __future__ import annotations

from vkteams_bot.api.types.chats import ChatInfo, ChatType, Photo, User


class UserProfile(User):
    """What `chats/getInfo` says of a person or bot.

    Its answers hold no id: `user_id` is what was asked for, so after asking for `@nick` it is that nick.
    """

    about: str | None = None
    language: str | None = None
    phone: str | None = None
    is_bot: bool = False
    photo: tuple[Photo, ...] = ()

    @classmethod
    def of(cls, user_id: str, info: ChatInfo) -> UserProfile | None:
        """None if this is a group or channel."""
        if info.type != ChatType.PRIVATE:
            return None
        names = cls.model_fields.keys() & ChatInfo.model_fields.keys()
        return cls(user_id=user_id, **{name: getattr(info, name) for name in names})
