"""Restarting a command when code changes, in order: SIGTERM, wait, start again."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from django.apps import apps
from watchfiles import PythonFilter, watch

RELOAD_FLAG = "--reload"


def run_reloading() -> int:
    """Run this very command line without --reload, again after each change; its exit code when it is stopped."""
    command = [sys.executable, *(word for word in sys.argv if word != RELOAD_FLAG)]
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    previous = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    child = subprocess.Popen(command)
    try:
        for _changes in watch(*_folders(), watch_filter=PythonFilter(), stop_event=stop, raise_interrupt=False):
            sys.stderr.write("code changed, restarting\n")
            _end(child)
            child = subprocess.Popen(command)
        return _end(child)
    finally:
        _end(child)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _end(child: subprocess.Popen[bytes]) -> int:
    if child.poll() is None:
        child.terminate()
    return child.wait()


def _folders() -> Iterator[Path]:
    """The project's own code: the working directory, and apps that are not installed packages."""
    yield Path.cwd()
    for config in apps.get_app_configs():
        path = Path(config.path)
        if "site-packages" not in path.parts and not path.is_relative_to(Path.cwd()):
            yield path
