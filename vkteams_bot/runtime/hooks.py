"""Functions that run before the first event and after the last."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from asgiref.sync import sync_to_async

from vkteams_bot.api import Bot


async def run_hooks(hooks: Iterable[Callable[..., Any]], bot: Bot) -> None:
    """Run each, plain ones in a thread; `bot` is given to those that take a parameter of this name."""
    for hook in hooks:
        arguments = {"bot": bot} if "bot" in inspect.signature(hook).parameters else {}
        if inspect.iscoroutinefunction(hook):
            await hook(**arguments)
        else:
            await sync_to_async(hook)(**arguments)
