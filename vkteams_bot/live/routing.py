"""Where the websockets of the admin's pages stand: add `websocket_urlpatterns` to the project's URLRouter."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from vkteams_bot.live.consumers import BroadcastConsumer

BROADCAST_PATH = "ws/vkteams_bot/broadcasts/<int:broadcast_id>/"


def guarded(consumer: Any) -> Any:
    """Let it be reached by pages of ALLOWED_HOSTS only, and know the user of the session."""
    return AllowedHostsOriginValidator(AuthMiddlewareStack(consumer))


websocket_urlpatterns: list[Any] = [path(BROADCAST_PATH, guarded(BroadcastConsumer.as_asgi()))]
