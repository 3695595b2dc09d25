"""Show "typing" while a handler runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import GeneratorType
from typing import Any, TypeVar, cast

from vkteams_bot.api.types.shortcuts import TypingBlock
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing.injection import describe_with_line, is_async

H = TypeVar("H", bound=Callable[..., Any])


def typing_action(handler: H) -> H:
    """Show "typing" in the chat until the handler ends. It goes below the decorator that registers the handler.

    Raises ConfigurationError for a handler that does not take the event.
    """
    if not any(parameter.kind in _POSITIONAL for parameter in inspect.signature(handler).parameters.values()):
        raise ConfigurationError(f"{describe_with_line(handler)}: typing_action needs a handler that takes the event")

    @functools.wraps(handler)
    async def awaited(event: Any, *args: Any, **kwargs: Any) -> Any:
        async with _typing(event):
            return await handler(event, *args, **kwargs)

    @functools.wraps(handler)
    async def collected(event: Any, *args: Any, **kwargs: Any) -> Any:
        async with _typing(event):
            return [item async for item in handler(event, *args, **kwargs)]

    @functools.wraps(handler)
    def called(event: Any, *args: Any, **kwargs: Any) -> Any:
        with _typing(event):
            result = handler(event, *args, **kwargs)
            return list(result) if isinstance(result, GeneratorType) else result

    if inspect.isasyncgenfunction(handler):
        return cast(H, collected)
    return cast(H, awaited if is_async(handler) else called)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _typing(event: Any) -> TypingBlock:
    block: TypingBlock = event.bot.typing(event.chat.chat_id)
    return block
