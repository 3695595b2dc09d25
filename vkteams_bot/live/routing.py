"""Where the websockets of the admin's pages stand: add `websocket_urlpatterns` to the project's URLRouter.

Each is guarded by itself: pages of this site only, the user of the session.
"""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from vkteams_bot.live.consumers import BroadcastConsumer

_broadcast: Any = AllowedHostsOriginValidator(AuthMiddlewareStack(BroadcastConsumer.as_asgi()))

websocket_urlpatterns: list[Any] = [path("ws/vkteams_bot/broadcasts/<int:broadcast_id>/", _broadcast)]
