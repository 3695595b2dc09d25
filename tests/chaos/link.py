"""Another host: a network namespace whose only link is a cable that can be pulled. Linux, root."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from typing import Self

from tests.chaos.report import Skipped

NETWORK = "10.213.0.0/16"


class Host:
    """`here` and `there` are the addresses of the two ends."""

    def __init__(self) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise Skipped("network namespaces need root and iproute2")
        tag = secrets.token_hex(3)
        self.name = f"vkteams-{tag}"
        self._near, self._far = f"vk{tag}a", f"vk{tag}b"
        subnet = f"10.213.{secrets.randbelow(256)}"
        self.here, self.there = f"{subnet}.1", f"{subnet}.2"

    @property
    def prefix(self) -> tuple[str, ...]:
        """Before a command that runs there."""
        return ("ip", "netns", "exec", self.name)

    def __enter__(self) -> Self:
        try:
            _ip("netns", "add", self.name)
        except subprocess.CalledProcessError as error:
            raise Skipped(f"no network namespace: {error.stderr.decode().strip()}") from None
        try:
            _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self.name)
            _ip("address", "add", f"{self.here}/24", "dev", self._near)
            _ip("link", "set", self._near, "up")
            _ip("-n", self.name, "address", "add", f"{self.there}/24", "dev", self._far)
            _ip("-n", self.name, "link", "set", "lo", "up")
            _ip("-n", self.name, "link", "set", self._far, "up")
        except subprocess.CalledProcessError as error:
            self.__exit__()
            raise Skipped(f"no link into a network namespace: {error.stderr.decode().strip()}") from None
        return self

    def __exit__(self, *exc_info: object) -> None:
        _ip("netns", "delete", self.name)

    def cut(self) -> None:
        """Pull the cable at our end: there nobody is told, packets vanish."""
        _ip("link", "set", self._near, "down")

    def mend(self) -> None:
        _ip("link", "set", self._near, "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
