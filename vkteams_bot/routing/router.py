"""Router: where a project declares its handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from vkteams_bot.api.types import EventType
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing.middleware import MiddlewareList
from vkteams_bot.routing.observer import ErrorObserver, Observer

Hook = TypeVar("Hook", bound=Callable[..., Any])


class Router:
    """Observers for each kind of event, and routers below it. Its own handlers come before theirs."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or hex(id(self))
        self.message = Observer("message")
        self.edited_message = Observer("edited_message")
        self.deleted_message = Observer("deleted_message")
        self.pinned_message = Observer("pinned_message")
        self.unpinned_message = Observer("unpinned_message")
        self.new_chat_members = Observer("new_chat_members")
        self.left_chat_members = Observer("left_chat_members")
        self.changed_chat_info = Observer("changed_chat_info")
        self.callback_query = Observer("callback_query")
        self.error = ErrorObserver("error")
        self.observers: dict[str, Observer] = {
            EventType.NEW_MESSAGE: self.message,
            EventType.EDITED_MESSAGE: self.edited_message,
            EventType.DELETED_MESSAGE: self.deleted_message,
            EventType.PINNED_MESSAGE: self.pinned_message,
            EventType.UNPINNED_MESSAGE: self.unpinned_message,
            EventType.NEW_CHAT_MEMBERS: self.new_chat_members,
            EventType.LEFT_CHAT_MEMBERS: self.left_chat_members,
            EventType.CHANGED_CHAT_INFO: self.changed_chat_info,
            EventType.CALLBACK_QUERY: self.callback_query,
        }
        # For events of every kind; around the middleware of the observers.
        self.middleware = MiddlewareList()
        self.outer_middleware = MiddlewareList()
        self.startup_hooks: list[Callable[..., Any]] = []
        self.shutdown_hooks: list[Callable[..., Any]] = []
        self.parent: Router | None = None
        self.children: list[Router] = []

    def __repr__(self) -> str:
        return f"<Router {self.name}>"

    def include_router(self, router: Router) -> Router:
        """Put a router below this one. Raises ConfigurationError when it is somewhere else already."""
        if not isinstance(router, Router):
            raise ConfigurationError(f"{router!r} is not a Router")
        if router.parent is not None:
            raise ConfigurationError(f"{router!r} is included in {router.parent!r} already")
        if router in self.ancestors():
            raise ConfigurationError(f"{router!r} stands above {self!r} already: including it would make a circle")
        router.parent = self
        self.children.append(router)
        return router

    def include_routers(self, *routers: Router) -> None:
        for router in routers:
            self.include_router(router)

    def on_startup(self, hook: Hook) -> Hook:
        """Register a function, plain or async, that runs before the first event."""
        self.startup_hooks.append(_checked(hook))
        return hook

    def on_shutdown(self, hook: Hook) -> Hook:
        """Register a function, plain or async, that runs after the last event."""
        self.shutdown_hooks.append(_checked(hook))
        return hook

    def ancestors(self) -> Iterator[Router]:
        """This router, then the ones it is included in, up to the root."""
        router: Router | None = self
        while router is not None:
            yield router
            router = router.parent

    def walk(self) -> Iterator[Router]:
        """This router, then all below it, in the order in which events meet them."""
        yield self
        for child in self.children:
            yield from child.walk()


def _checked(hook: Hook) -> Hook:
    if not callable(hook) or isinstance(hook, type):
        raise ConfigurationError(f"{hook!r} is not a function to run")
    return hook
