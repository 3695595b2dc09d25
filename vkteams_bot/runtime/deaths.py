"""Why a bot died, in one line: with the remedy where it is known, with a traceback where it is not."""

from __future__ import annotations

import logging

from vkteams_bot.exceptions import InvalidToken
from vkteams_bot.runtime.poller import PollingStuck
from vkteams_bot.stores.wrong_database import DatabaseReplaced, NotMigrated

logger = logging.getLogger("vkteams_bot.runtime")


def tell_death(alias: str, error: BaseException) -> None:
    """Log it, at once: winding down may take long, or hang."""
    cause = first_of(error)
    known = isinstance(cause, InvalidToken | NotMigrated | DatabaseReplaced | PollingStuck)
    extra = {"bot": alias, "condition": "died"}
    logger.critical("bot %s died: %s", alias, sentence(cause), exc_info=None if known else error, extra=extra)


def sentence(error: BaseException) -> str:
    """What happened, and what to do about it."""
    if isinstance(error, InvalidToken):
        return "the server refused the token: check TOKEN, and that API_URL is the installation that issued it"
    if isinstance(error, PollingStuck):
        return f"{error}: the process ends, so that whoever supervises it starts another"
    if isinstance(error, NotMigrated | DatabaseReplaced):
        return str(error)
    return f"{type(error).__name__}: {error}"


def first_of(error: BaseException) -> BaseException:
    """What stands in a group first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def explain(group: BaseExceptionGroup[BaseException]) -> str:
    """For the person at the terminal: one sentence for each bot; the tracebacks go to the log at DEBUG."""
    logger.debug("why the bots died", exc_info=group)
    return "; ".join(sentence(first_of(error)) for error in group.exceptions)
