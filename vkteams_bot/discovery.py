"""Handlers are declared in `<app>/bot.py` of the modules of INSTALLED_APPS; the module's `router` counts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TypeVar

from django.apps import apps

from vkteams_bot.conf import conf
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing import Dispatcher, Router
from vkteams_bot.stores.chat_directory import django_user_of

OWN_APP = "vkteams_bot"
D = TypeVar("D", bound=Dispatcher)


def discover_routers() -> list[Router]:
    """The routers of all apps, in the order of INSTALLED_APPS. Raises ConfigurationError, or what a module raises."""
    routers: list[Router] = []
    for config in apps.get_app_configs():
        name = f"{config.name}.{conf.handlers_module}"
        if config.name == OWN_APP or find_spec(name) is None:
            continue
        module = import_module(name)
        router = getattr(module, "router", None)
        if not isinstance(router, Router):
            raise ConfigurationError(f"{name} has no `router = Router()`; its handlers would never be called")
        if router not in routers:
            routers.append(router)
    return routers


def build_dispatcher() -> Dispatcher:
    """All handlers, checked. Raises ConfigurationError."""
    return dispatcher_of(discover_routers(), Dispatcher)


def dispatcher_of(routers: Sequence[Router], kind: type[D]) -> D:
    """These handlers, checked, with all that is injected into those of the project. Raises ConfigurationError."""
    return kind(
        routers,
        providers={"django_user": django_user_of},
        edited_as_message=conf.handle_edited_as_message,
    )
