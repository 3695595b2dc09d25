"""The page and the files in its messages."""

import asyncio
import json
import re

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpResponse
from django.test import AsyncRequestFactory, Client
from django.urls import reverse
from pytest_django import Settings

from vkteams_bot.emulator.page.scope import WORLD
from vkteams_bot.emulator.page.views import file
from vkteams_bot.emulator.world import World

PNG = b"\x89PNG\r\n\x1a\n rest"


def test_the_page_stands_with_its_scripts_and_a_way_to_the_admin(client: Client) -> None:
    response = client.get("/playground/")
    text = response.content.decode()
    assert response.status_code == 200
    assert '<script type="module" src="/static/vkteams_bot/playground/app.js">' in text
    assert f'href="{reverse("admin:index")}"' in text


def test_nothing_but_our_own_files_may_run(client: Client) -> None:
    response = client.get("/playground/")
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    # The policy would stop these, so the page must have none.
    text = response.content.decode()
    assert re.findall(r"<script(?![^>]*(?: src=|application/json))", text) == []
    assert re.findall(r"\s(?:style|on\w+)=", text) == []


def test_static_files_of_another_host_are_allowed(client: Client, settings: Settings) -> None:
    settings.STATIC_URL = "https://static.example/files/"
    policy = client.get("/playground/")["Content-Security-Policy"]
    assert "script-src 'self' https://static.example;" in policy


def test_without_an_admin_the_page_has_no_link_to_it(client: Client, settings: Settings) -> None:
    settings.ROOT_URLCONF = "vkteams_bot.emulator.page.urls"
    response = client.get("/")
    assert response.status_code == 200
    assert "admin-link" not in response.content.decode()


def test_the_page_speaks_the_language_of_the_browser(client: Client) -> None:
    text = client.get("/playground/", headers={"accept-language": "ru"}).content.decode()
    assert '<html lang="ru">' in text
    config = json.loads(
        text.partition('<script id="playground-config" type="application/json">')[2].partition("</script>")[0]
    )
    assert config["strings"]["Yesterday"] == "Вчера"


def test_the_words_of_the_scripts_come_with_the_page(client: Client) -> None:
    text = client.get("/playground/").content.decode()
    (config,) = re.findall(r'<script id="playground-config" type="application/json">(.*?)</script>', text)
    assert json.loads(config)["strings"]["Reply"] == "Reply"


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_page_is_only_read(client: Client, method: str) -> None:
    assert getattr(client, method)("/playground/").status_code == 405


def _file(world: World | None, file_id: str) -> HttpResponse:
    request = AsyncRequestFactory().get(f"/playground/files/{file_id}")
    assert isinstance(request, ASGIRequest)
    if world is not None:
        request.scope = {**request.scope, WORLD: world}
    response = asyncio.run(file(request, file_id))
    assert isinstance(response, HttpResponse)
    return response


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("cat.png", PNG, "image/png"),
        ("cat.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("cat.gif", b"GIF89a", "image/gif"),
        ("cat.webp", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        # What calls itself a picture and is none.
        ("cat.png", b"<script>alert(1)</script>", None),
        ("cat.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", None),
        ("page.html", b"<script>alert(1)</script>", None),
        ("note.txt", b"text", None),
    ],
)
def test_pictures_are_shown_and_all_else_is_downloaded(name: str, content: bytes, kind: str | None) -> None:
    world = World()
    stored = world.files.add(name, content)
    response = _file(world, stored.file_id)
    assert response.content == content
    assert response["Content-Type"] == (kind or "application/octet-stream")
    assert response["Content-Disposition"] == f'{"inline" if kind else "attachment"}; filename="{name}"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


def test_a_filename_cannot_write_a_header() -> None:
    world = World()
    stored = world.files.add('a"\r\nX-Evil: 1; имя.txt', b"text")
    response = _file(world, stored.file_id)
    assert "\n" not in response["Content-Disposition"]
    assert "X-Evil" not in response


@pytest.mark.parametrize("world", [None, World()], ids=["no world", "no file"])
def test_an_unknown_file_is_not_found(world: World | None) -> None:
    with pytest.raises(Http404):
        _file(world, "Z000")
