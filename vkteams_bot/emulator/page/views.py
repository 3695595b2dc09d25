"""The page, and the files that stand in its messages."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlsplit

from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vkteams_bot.emulator.page.scope import WORLD
from vkteams_bot.emulator.page.serialisation import image_type
from vkteams_bot.emulator.page.strings import translated
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.world import World


@require_safe
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """The page. It opens the websocket `ws` beside its own address."""
    context = {"admin_url": _admin_url(), "config": {"strings": translated()}}
    response = render(request, "vkteams_bot/playground/page.html", context)
    response["Content-Security-Policy"] = _content_security_policy()
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Frame-Options"] = "DENY"
    response["Referrer-Policy"] = "same-origin"
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


@require_safe
async def file(request: HttpRequest, file_id: str) -> HttpResponse:
    """A file of the world: pictures as themselves, everything else as a download."""
    # A coroutine, since the world belongs to the event loop.
    world = cast(World | None, cast(ASGIRequest, request).scope.get(WORLD))
    if world is None:
        raise Http404
    try:
        stored = world.files.find(file_id)
    except Refusal:
        raise Http404 from None
    image = image_type(stored.content)
    response = HttpResponse(stored.content, content_type=image or "application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(image is None, stored.filename) or "attachment"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _content_security_policy() -> str:
    """Nothing but our own files, wherever the project serves static ones, and the websocket."""
    address = urlsplit(static("vkteams_bot/playground/app.js"))
    ours = f"'self' {address.scheme or 'https'}://{address.netloc}" if address.netloc else "'self'"
    return (
        f"default-src 'none'; script-src {ours}; style-src {ours}; img-src {ours}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _admin_url() -> str | None:
    try:
        return reverse("admin:index")
    except NoReverseMatch:
        return None
