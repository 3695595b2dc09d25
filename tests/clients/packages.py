"""The third-party clients: their pins, and an installation of each in a directory of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.services import ServiceMissing

SECONDS = 240


class Package(NamedTuple):
    """`also`: what it needs and does not ask for."""

    name: str
    version: str
    also: tuple[str, ...] = ()


# cgi left the standard library with Python 3.13.
CGI = ("legacy-cgi; python_version >= '3.13'",)
SDK = Package("vk-workspace-bot-sdk", "0.0.22", CGI)
MAILRU = Package("mailru-im-bot", "0.0.21", CGI)
VKWORKSPACE = Package("vkworkspace", "1.12.0")
ASYNC_BOT = Package("vk-teams-async-bot", "1.1.0")


def installed(package: Package, directory: Path) -> Path:
    """Where the package can be imported from: installed once below `directory`. Raises ServiceMissing."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    place = directory / f"{package.name}-{package.version}-py{python}"
    if place.is_dir():
        return place
    unfinished = Path(tempfile.mkdtemp(dir=directory))
    try:
        _install(package, unfinished)
        unfinished.replace(place)
    except OSError:
        if not place.is_dir():  # another worker was faster
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _install(package: Package, target: Path) -> None:
    requirement = f"{package.name}=={package.version}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    command = [*pip, "--retries", "1", "--target", str(target), requirement, *package.also]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        output = error.stderr if isinstance(error.stderr, str) else ""
        reason = (output.strip().splitlines() or [f"pip did not end within {SECONDS} s"])[-1]
        raise ServiceMissing(f"NOT RUN: a conversation with {requirement}: {reason}") from None
