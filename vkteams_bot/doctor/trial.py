"""Tries every method in a chat of a real installation, and leaves the chat as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from vkteams_bot.api import Bot, InputFile, Method, methods
from vkteams_bot.api.types import ChatInfo, ChatType, Format, ParseMode, SentMessage
from vkteams_bot.doctor.attempts import Attempt, Verdict, verdict_on, verdict_on_probe
from vkteams_bot.exceptions import CallError
from vkteams_bot.keyboards import InlineKeyboardBuilder

R = TypeVar("R")

NO_CHAT = "0@chat.agent"
NO_USER = "0"
NO_QUERY = "vkteams-bot-doctor"

# A second of silence: ADTS frames of 1024 samples at 44.1 kHz, mono.
SILENCE = bytes.fromhex("fff1504001bffc00c800802380") * 43

# Asked with a chat that does not exist. Each would change who is in a chat, how it looks, or what the bot hears.
PROBES: tuple[Method[Any], ...] = (
    methods.AddChatMembers(NO_CHAT, [NO_USER]),
    methods.DeleteChatMembers(NO_CHAT, [NO_USER]),
    methods.BlockUser(NO_CHAT, NO_USER),
    methods.UnblockUser(NO_CHAT, NO_USER),
    methods.ResolvePending(NO_CHAT, approve=False, user_id=NO_USER),
    methods.SetChatAvatar(NO_CHAT, InputFile(b"-", filename="-.png")),
    methods.ThreadsAutosubscribe(NO_CHAT, enable=False),
    methods.AnswerCallbackQuery(NO_QUERY),
)
GROUP_METHODS: tuple[type[Method[Any]], ...] = (
    methods.GetChatAdmins,
    methods.GetChatMembers,
    methods.GetBlockedUsers,
    methods.GetPendingUsers,
    methods.SetChatTitle,
    methods.SetChatAbout,
    methods.SetChatRules,
    methods.PinMessage,
    methods.UnpinMessage,
    methods.ThreadsAdd,
    methods.ThreadsGetSubscribers,
)


class Stopped(Exception):
    """The person at the terminal has had enough."""


class Trial:
    """`attempts` fill up as methods are tried; `left_behind` are messages that could not be deleted.

    `stop` ends it between two calls, and what it made is cleaned up even then.
    """

    def __init__(self, bot: Bot, chat_id: str, stop: asyncio.Event) -> None:
        self.attempts: list[Attempt] = []
        self.left_behind: list[str] = []
        self._bot = bot
        self._chat_id = chat_id
        self._stop = stop
        self._made: list[str] = []
        self._pinned: str | None = None

    async def run(self) -> None:
        """Every method of METHODS has an attempt afterwards."""
        reason = _("the trial was stopped")
        try:
            await self._try_all()
            reason = _("a call that it builds on did not succeed")
        except Stopped:
            pass
        finally:
            await self._clean_up()
        tried = {attempt.method for attempt in self.attempts}
        for path in methods.METHODS:
            if path not in tried:
                self._skip(path, reason)

    async def _try_all(self) -> None:
        await self._try(methods.GetMe())
        self._skip(methods.GetEvents.path, _("the check of updates has asked it"))
        self._skip(methods.CreateChat.path, _("no bot can delete the chat that it would make"))
        info = await self._try(methods.GetChatInfo(self._chat_id))
        await self._send_texts()
        await self._send_files()
        await self._try(methods.SendActions(self._chat_id, "typing"))
        if info is not None and info.type == ChatType.PRIVATE:
            for method in GROUP_METHODS:
                self._skip(method.path, _("the chat is a private one: name a group"))
        else:
            await self._ask_about_people()
            await self._set_what_is_set(info)
            await self._pin_and_branch()
        for probe in PROBES:
            await self._try(probe, judge=verdict_on_probe)

    async def _send_texts(self) -> None:
        chat, text = self._chat_id, _("botdoctor tries what works here and deletes this message.")
        first = await self._send(methods.SendText(chat, text))
        await self._send(methods.SendText(chat, "<b>HTML</b>", parse_mode=ParseMode.HTML), "HTML")
        await self._send(methods.SendText(chat, "*MarkdownV2*", parse_mode=ParseMode.MARKDOWNV2), "MarkdownV2")
        ranges = Format.model_validate({"bold": [{"offset": 0, "length": 6}]})
        await self._send(methods.SendText(chat, "format", format=ranges), "format")
        keyboard = InlineKeyboardBuilder().button("botdoctor", callback_data=NO_QUERY).as_markup()
        await self._send(methods.SendText(chat, _("keyboard"), inline_keyboard_markup=keyboard), "keyboard")
        await self._send(methods.SendTextWithDeeplink(chat, text, "botdoctor"))
        if first is not None:
            await self._send(methods.SendText(chat, _("reply"), reply_msg_id=first.msg_id), "reply")
            forward = methods.SendText(chat, _("forward"), forward_chat_id=chat, forward_msg_id=first.msg_id)
            await self._send(forward, "forward")
            await self._try(methods.EditText(chat, first.msg_id, _("edited")))

    async def _send_files(self) -> None:
        chat = self._chat_id
        sent = await self._send(methods.SendFile(chat, InputFile(b"botdoctor\n", filename="botdoctor.txt")), "upload")
        if sent is not None and sent.file_id is not None:
            await self._send(methods.SendFile(chat, file_id=sent.file_id), "file id")
            await self._try(methods.GetFileInfo(sent.file_id))
        voice = await self._send(methods.SendVoice(chat, InputFile(SILENCE, filename="silence.aac")), "upload")
        if voice is not None and voice.file_id is not None:
            await self._send(methods.SendVoice(chat, file_id=voice.file_id), "file id")

    async def _ask_about_people(self) -> None:
        await self._try(methods.GetChatAdmins(self._chat_id))
        await self._try(methods.GetChatMembers(self._chat_id))
        await self._try(methods.GetBlockedUsers(self._chat_id))
        await self._try(methods.GetPendingUsers(self._chat_id))

    async def _set_what_is_set(self, info: ChatInfo | None) -> None:
        """Set title, description and rules to what they are."""
        chat = self._chat_id
        title, about, rules = (info.title, info.about, info.rules) if info is not None else (None, None, None)
        for path, method in (
            (methods.SetChatTitle.path, methods.SetChatTitle(chat, title) if title else None),
            (methods.SetChatAbout.path, methods.SetChatAbout(chat, about) if about else None),
            (methods.SetChatRules.path, methods.SetChatRules(chat, rules) if rules else None),
        ):
            if method is not None:
                await self._try(method)
            else:
                self._skip(path, _("its present value is empty or not known, so it could not be restored"))

    async def _pin_and_branch(self) -> None:
        if not self._made:
            return
        msg_id = self._made[0]
        if await self._try(methods.PinMessage(self._chat_id, msg_id)):
            self._pinned = msg_id
            if await self._try(methods.UnpinMessage(self._chat_id, msg_id)):
                self._pinned = None
        thread = await self._try(methods.ThreadsAdd(self._chat_id, msg_id))
        if thread is not None:
            await self._try(methods.ThreadsGetSubscribers(thread.thread_id, page_size=1))

    async def _send(self, method: Method[SentMessage], variant: str = "") -> SentMessage | None:
        sent = await self._try(method, variant)
        if sent is not None:
            self._made.append(sent.msg_id)
        elif (last := self.attempts[-1]).verdict is Verdict.NO_ANSWER:
            detail = _("%(error)s. If it has arrived, delete it by hand") % {"error": last.detail}
            self.attempts[-1] = replace(last, detail=detail)
        return sent

    async def _try(
        self, method: Method[R], variant: str = "", judge: Callable[[CallError], Verdict] = verdict_on
    ) -> R | None:
        """The result, None when the call failed. Raises Stopped before the call."""
        if self._stop.is_set():
            raise Stopped
        return await self._note(self._bot.execute(method), method.path, variant, judge)

    async def _note(
        self, call: Awaitable[R], path: str, variant: str = "", judge: Callable[[CallError], Verdict] = verdict_on
    ) -> R | None:
        try:
            result = await call
        except CallError as error:
            self.attempts.append(Attempt(path, variant, judge(error), error.message))
            return None
        self.attempts.append(Attempt(path, variant, Verdict.SUPPORTED))
        return result

    def _skip(self, path: str, reason: str) -> None:
        self.attempts.append(Attempt(path, "", Verdict.NOT_TRIED, reason))

    async def _clean_up(self) -> None:
        """Unpin and delete, whatever happened before; one by one what cannot be deleted together."""
        if self._pinned is not None:
            await self._note(
                self._bot.execute(methods.UnpinMessage(self._chat_id, self._pinned)), methods.UnpinMessage.path
            )
        if not self._made:
            return
        if not await self._delete(self._made, _("%(count)d at once") % {"count": len(self._made)}):
            self.left_behind = [msg_id for msg_id in self._made if not await self._delete([msg_id])]

    async def _delete(self, msg_ids: Sequence[str], variant: str = "") -> bool:
        call = self._bot.execute(methods.DeleteMessages(self._chat_id, msg_ids))
        return bool(await self._note(call, methods.DeleteMessages.path, variant))
