"""The project's own addresses with the playground in front: what `manage.py playground` serves."""

from django.urls import include, path

from vkteams_bot.conf import project_urlconf

PREFIX = "playground/"

urlpatterns = [
    path(PREFIX, include("vkteams_bot.emulator.page.urls")),
    path("", include(project_urlconf())),
]
