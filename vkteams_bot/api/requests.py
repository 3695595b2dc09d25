"""From a method value to an HTTP request: everything in the POST body, the token last (botapi.md §1.3)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx

from vkteams_bot.api.methods import Method, WireParams
from vkteams_bot.exceptions import ConfigurationError

USER_AGENT = "django-vkteams-bot"
CONNECT_SECONDS = 10.0


class RequestFactory:
    """Builds requests for one bot; parsed URLs and header lists are kept, since they cost more than the rest."""

    def __init__(self, *, token: str, api_url: str, timeout: float) -> None:
        url = httpx.URL(api_url.rstrip("/"))
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigurationError(f"API_URL must look like https://host/bot/v1, not {api_url!r}")
        self._base = str(url)
        self._token = token
        self._timeout = timeout
        self._urls: dict[str, httpx.URL] = {}
        host = url.netloc
        self._headers = [
            (b"Host", host),
            (b"User-Agent", USER_AGENT.encode()),
            (b"Accept", b"application/json"),
            (b"Content-Type", b"application/x-www-form-urlencoded"),
        ]

    def read_seconds(self, method: Method[Any]) -> float:
        """How long the answer may take; a long poll may take its poll time on top."""
        poll_seconds: float = getattr(method, "poll_time", 0)
        return self._timeout + poll_seconds

    def build(self, method: Method[Any], params: WireParams) -> httpx.Request:
        """Raises InvalidCall when a file to upload cannot be opened."""
        url = self._urls.get(method.path)
        if url is None:
            url = self._urls[method.path] = httpx.URL(f"{self._base}/{method.path}")
        fields = {**params, "token": self._token}
        extensions = {"timeout": self._timeouts(method)}
        upload = method.upload
        if upload is not None and method.upload_part is not None:
            files = {method.upload_part: (upload.filename, upload.open())}
            return httpx.Request(
                "POST", url, data=fields, files=files, headers={"User-Agent": USER_AGENT}, extensions=extensions
            )
        body = urlencode(fields, doseq=True).encode("ascii")
        headers = [*self._headers, (b"Content-Length", b"%d" % len(body))]
        return httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(body), extensions=extensions)

    def _timeouts(self, method: Method[Any]) -> dict[str, float]:
        return {
            "connect": min(self._timeout, CONNECT_SECONDS),
            "read": self.read_seconds(method),
            "write": self._timeout,
            "pool": self._timeout,
        }
