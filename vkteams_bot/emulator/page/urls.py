"""Where the page and its websocket stand: include both under one prefix that ends with a slash (or is empty).

Both find their world in the ASGI scope: wrap the application in `page.scope.with_world`.
"""

from typing import Any

from django.urls import path

from vkteams_bot.emulator.page import views
from vkteams_bot.emulator.page.consumer import PlaygroundConsumer

app_name = "playground"

urlpatterns = [
    path("", views.page, name="page"),
    path("files/<str:file_id>", views.file, name="file"),
]

_consumer: Any = PlaygroundConsumer.as_asgi()  # `path` is typed for views only
websocket_urlpatterns: list[Any] = [path("ws", _consumer)]
