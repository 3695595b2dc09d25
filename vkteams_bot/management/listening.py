"""Listening on behalf of development commands: never in production by accident."""

from __future__ import annotations

import ipaddress
import socket

from django.core.management.base import CommandError

from vkteams_bot.conf import is_debug
from vkteams_bot.emulator.sockets import bind


def listen(host: str, port: int, *, force: bool) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises CommandError with the remedy."""
    if not force:
        _refuse_production(host)
    try:
        return bind(host, port)
    except OSError as error:
        where = f"{host}:{port}"
        raise CommandError(f"cannot listen on {where}: {error.strerror}. Try another --port (0 = any).") from None


def _refuse_production(host: str) -> None:
    if not is_debug():
        raise CommandError("The emulator is for development, and DEBUG is False here. If you mean it, add --force.")
    if not _is_loopback(host):
        raise CommandError(
            f"{host} lets other machines in, and the emulator asks nobody for a password. "
            "Use --host 127.0.0.1, or add --force."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
