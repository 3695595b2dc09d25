"""Handlers that leave traces: a row of their own table, FSM data, and a reply that carries the number."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.testbot.models import Record
from vkteams_bot import F, Router
from vkteams_bot.conf import conf
from vkteams_bot.fsm import FSMContext
from vkteams_bot.types import Message

router = Router()
FLAGS = Path(os.environ.get("TESTBOT_FLAGS", "/nonexistent"))
_running = 0


@contextlib.contextmanager
def running() -> Iterator[int]:
    global _running
    _running += 1
    try:
        yield _running
    finally:
        _running -= 1


def record(message: Message, number: int, now_running: int = 0) -> Record:
    return Record(
        conversation=conversation(message),
        number=number,
        pid=os.getpid(),
        thread=threading.current_thread().name,
        running=now_running,
        began=time.time(),
        bot=message.bot.alias,
    )


def conversation(message: Message) -> str:
    """The chat, as any database takes it."""
    return message.chat.chat_id.encode("utf-8", "replace").decode().replace("\x00", "?")


def words(message: Message) -> tuple[int, float]:
    """`<verb> <number> [seconds]`"""
    parts = (message.text or "").split()
    return int(parts[1]), float(parts[2]) if len(parts) > 2 else 0.0


def remember(state: FSMContext, number: int) -> int:
    """The counter after this one."""
    seen = [*state.get_value("seen", []), number]
    state.update_data(seen=seen, count=len(seen))
    return len(seen)


@router.message(F.text.startswith("async "))
async def in_the_loop(message: Message, state: FSMContext):
    number, seconds = words(message)
    with running() as now_running:
        await record(message, number, now_running).asave()
        if seconds:
            await asyncio.sleep(seconds)
        await Record.objects.filter(conversation=conversation(message)).acount()
        return f"reply {number} {remember(state, number)}"


@router.message(F.text.startswith("def "))
def in_a_thread(message: Message, state: FSMContext):
    number, seconds = words(message)
    record(message, number).save()
    if seconds:
        time.sleep(seconds)
    Record.objects.filter(conversation=conversation(message)).count()
    return message.answer(f"reply {number} {remember(state, number)}")


@router.message(F.text.startswith("async-hold "))
async def held_in_the_loop(message: Message, state: FSMContext):
    number, _ = words(message)
    await record(message, number).asave()
    while not (FLAGS / "go").exists():  # noqa: ASYNC110  a file of the test, no event of this loop
        await asyncio.sleep(0.02)
    return f"reply {number} {remember(state, number)}"


@router.message(F.text.startswith("def-hold "))
def held_in_a_thread(message: Message, state: FSMContext):
    number, _ = words(message)
    record(message, number).save()
    while not (FLAGS / "go").exists():
        time.sleep(0.02)
    return message.answer(f"reply {number} {remember(state, number)}")


@router.message(F.text.startswith("block "))
async def blocks_the_loop(message: Message):
    number, seconds = words(message)
    await record(message, number).asave()
    time.sleep(seconds)  # noqa: ASYNC251  what authors do by mistake
    return f"reply {number}"


@router.message(F.text.startswith("hang "), flags={"timeout": 1})
async def hangs(message: Message):
    number, _ = words(message)
    await record(message, number).asave()
    await asyncio.Event().wait()


@router.message(F.text.startswith("def-hang "), flags={"timeout": 1})
def hangs_in_a_thread(message: Message):
    number, _ = words(message)
    record(message, number).save()
    threading.Event().wait()


@router.message(F.text.startswith("awaited "))
async def awaited(message: Message, state: FSMContext):
    number, _ = words(message)
    await message.answer(f"awaited {number}")
    remember(state, number)


@router.message(F.text.startswith("twice "))
async def two_replies(message: Message):
    number, _ = words(message)
    return [f"reply {number} a", f"reply {number} b"]


@router.message(F.text.startswith("die "))
async def dies(message: Message):
    number, seconds = words(message)
    await record(message, number).asave()
    await asyncio.sleep(seconds)
    if not (FLAGS / "calm").exists():
        os._exit(9)
    return f"reply {number} alive"


@router.message(F.text.startswith("fail "))
async def fails(message: Message, state: FSMContext):
    number, _ = words(message)
    remember(state, number)
    if not (FLAGS / "calm").exists():
        raise RuntimeError(f"the flag is not there: {number}")
    return f"reply {number} mended"


@router.message(F.text.startswith("leak "))
async def leaks(message: Message):
    secret = conf.bot("default").token
    raise RuntimeError(f"GET /messages/sendText?token={secret} and {secret!r}")


@router.message()
async def anything(message: Message):
    await record(message, -1).asave()
