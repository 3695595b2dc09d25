"""Every method as a typed `bot.name(...)`. The names are those of FEATURES: what peers' users know."""

from __future__ import annotations

import os
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, overload

from vkteams_bot.api import methods
from vkteams_bot.api.call import Endpoint, Executor
from vkteams_bot.api.chat_action import INTERVAL, ActionSender, Typing
from vkteams_bot.api.destinations import Destination, FileSaver
from vkteams_bot.api.downloads import Download, Downloadable, Downloader
from vkteams_bot.api.files import MAX_BYTES
from vkteams_bot.api.profiles import Lookup, ProfileSource
from vkteams_bot.api.types import MemberWalk, UserProfile

W = TypeVar("W", bound=BinaryIO)


class Facade:
    """Mixin of Bot. Each attribute takes the parameters of its method and returns a Call."""

    get_me = Endpoint(methods.GetMe)
    get_events = Endpoint(methods.GetEvents)

    send_text = Endpoint(methods.SendText)
    send_text_with_deeplink = Endpoint(methods.SendTextWithDeeplink)
    send_file = Endpoint(methods.SendFile)
    send_voice = Endpoint(methods.SendVoice)
    edit_text = Endpoint(methods.EditText)
    delete_messages = Endpoint(methods.DeleteMessages)
    answer_callback_query = Endpoint(methods.AnswerCallbackQuery)

    create_chat = Endpoint(methods.CreateChat)
    get_chat_info = Endpoint(methods.GetChatInfo)
    send_actions = Endpoint(methods.SendActions)
    set_chat_title = Endpoint(methods.SetChatTitle)
    set_chat_about = Endpoint(methods.SetChatAbout)
    set_chat_rules = Endpoint(methods.SetChatRules)
    set_chat_avatar = Endpoint(methods.SetChatAvatar)
    pin_message = Endpoint(methods.PinMessage)
    unpin_message = Endpoint(methods.UnpinMessage)

    get_chat_admins = Endpoint(methods.GetChatAdmins)
    get_chat_members = Endpoint(methods.GetChatMembers)
    get_blocked_users = Endpoint(methods.GetBlockedUsers)
    get_pending_users = Endpoint(methods.GetPendingUsers)
    add_chat_members = Endpoint(methods.AddChatMembers)
    delete_chat_members = Endpoint(methods.DeleteChatMembers)
    block_user = Endpoint(methods.BlockUser)
    unblock_user = Endpoint(methods.UnblockUser)
    resolve_pending = Endpoint(methods.ResolvePending)

    threads_add = Endpoint(methods.ThreadsAdd)
    threads_get_subscribers = Endpoint(methods.ThreadsGetSubscribers)
    threads_autosubscribe = Endpoint(methods.ThreadsAutosubscribe)

    get_file_info = Endpoint(methods.GetFileInfo)

    def iter_chat_members(self: Executor, chat_id: str) -> MemberWalk:
        """Every member of a chat, over all pages: `async for`, or `for` in synchronous code."""
        return MemberWalk(partial(Facade.get_chat_members, self, chat_id))

    def get_user(self: ProfileSource, user_id: str) -> Lookup[UserProfile]:
        """The profile of a person or bot, by id or `@nick`; remembered for ten minutes. NotFound if there is none."""
        return Lookup(self, user_id, Facade.get_chat_info(self, user_id).take(), lambda profile: profile)

    def get_user_name(self: ProfileSource, user_id: str) -> Lookup[str]:
        """First and last name, as `get_user` knows them; the id or nick of somebody without."""
        return Lookup(self, user_id, Facade.get_chat_info(self, user_id).take(), attrgetter("full_name"))

    def typing(self: ActionSender, chat_id: str, *, interval: float = INTERVAL) -> Typing:
        """`async with`, or `with` in synchronous code: the chat shows "typing" until the block ends.

        The action is sent again every `interval` seconds.
        """
        return Typing(self, chat_id, interval)

    @overload
    def download(self: Downloader, file: Downloadable, *, max_size: int | None = MAX_BYTES) -> Download[bytes]: ...
    @overload
    def download(
        self: Downloader,
        file: Downloadable,
        destination: str | os.PathLike[str],
        *,
        max_size: int | None = MAX_BYTES,
    ) -> Download[Path]: ...
    @overload
    def download(
        self: Downloader, file: Downloadable, destination: FileSaver, *, max_size: int | None = MAX_BYTES
    ) -> Download[str]: ...
    @overload
    def download(
        self: Downloader, file: Downloadable, destination: W, *, max_size: int | None = MAX_BYTES
    ) -> Download[W]: ...
    def download(
        self: Downloader,
        file: Downloadable,
        destination: Destination = None,
        *,
        max_size: int | None = MAX_BYTES,
    ) -> Download[Any]:
        """Download a file by its id, address or `FileInfo`, or a file, sticker or voice of a message.

        Gives its bytes; with a path to write to, or a directory (under a safe name that is free there), the `Path`;
        with a Django file field or storage the name under which it was saved; with an open file that file.
        More than `max_size` bytes (50 MB; None = any number) raise FileTooLarge, any other failure DownloadFailed,
        and what `files/getInfo` raises. Then nothing is left of the file.
        """
        return Download(self, file, destination, max_size)
