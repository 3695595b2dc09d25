"""What commands for development need beyond the core, and what to install when it is not there."""

from __future__ import annotations

from importlib.util import find_spec

from django.core.management.base import CommandError


def require(*packages: str, extra: str) -> None:
    """Raises CommandError with the remedy when a package of this extra is not installed."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        names = ", ".join(missing)
        raise CommandError(f'not installed: {names}. Remedy: pip install "django-vkteams-bot[{extra}]"')
