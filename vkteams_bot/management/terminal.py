"""Log lines of long-running commands in projects that have no LOGGING of their own."""

from __future__ import annotations

import logging


def log_to_terminal(verbosity: int) -> None:
    """Show the app's log on stderr, unless the project sends it somewhere already. Verbosity 2 shows every call."""
    logger = logging.getLogger("vkteams_bot")
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-8s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbosity > 1 else logging.WARNING if verbosity == 0 else logging.INFO)
