"""Why bots died, for the person at the terminal."""

from __future__ import annotations

import logging

from vkteams_bot.runtime.deaths import first_of, sentence

logger = logging.getLogger("vkteams_bot.runtime")


def explain(group: BaseExceptionGroup[BaseException]) -> str:
    """One sentence for each bot; the tracebacks go to the log at DEBUG."""
    logger.debug("why the bots died", exc_info=group)
    return "; ".join(sentence(first_of(error)) for error in group.exceptions)
