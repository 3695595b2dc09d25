"""Why bots died, for the person at the terminal."""

from __future__ import annotations

import logging

from vkteams_bot.exceptions import InvalidToken

logger = logging.getLogger("vkteams_bot.runtime")


def explain(group: BaseExceptionGroup[BaseException]) -> str:
    """One sentence for each bot; the tracebacks go to the log at DEBUG."""
    logger.debug("why the bots died", exc_info=group)
    return "; ".join(_sentence(error) for error in group.exceptions)


def _sentence(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, InvalidToken):
        return "the server refused the token: check TOKEN, and that API_URL is the installation that issued it"
    return f"{type(error).__name__}: {error}"
