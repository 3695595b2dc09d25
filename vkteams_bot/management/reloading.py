"""Restarting a command when code changes, in order: SIGTERM, wait, start again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps

from vkteams_bot.management.extras import require
from vkteams_bot.signal_handlers import stop_on_signals

RELOAD_FLAG = "--reload"


def run_reloading() -> int:
    """Run this very command line without --reload, again after each change; its exit code when it is stopped.

    Raises CommandError when the extra `reload` is not installed.
    """
    require("watchfiles", extra="reload")
    from watchfiles import PythonFilter, watch

    command = [sys.executable, *(word for word in sys.argv if word != RELOAD_FLAG)]
    stop = threading.Event()
    with stop_on_signals(stop.set, force=lambda: child.terminate()) as received:
        child = subprocess.Popen(command)
        try:
            for _changes in watch(*_folders(), watch_filter=PythonFilter(), stop_event=stop, raise_interrupt=False):
                sys.stderr.write("code changed, restarting\n")
                _end(child)
                child = subprocess.Popen(command)
            if signal.SIGINT in received and _is_in_foreground():
                child.wait()  # Ctrl+C reached it, too, and it would take SIGTERM for the second signal, which forces
            return _end(child)
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> int:
    if child.poll() is None:
        child.terminate()
    return child.wait()


def _is_in_foreground() -> bool:
    """Whether Ctrl+C on the terminal goes to this process and its children alike."""
    try:
        with open(os.ctermid(), "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:  # there is no terminal
        return False


def _folders() -> Iterator[Path]:
    """The project's own code: the working directory, and apps that are not installed packages."""
    yield Path.cwd()
    for config in apps.get_app_configs():
        path = Path(config.path)
        if "site-packages" not in path.parts and not path.is_relative_to(Path.cwd()):
            yield path
