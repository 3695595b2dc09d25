"""From a method value to an HTTP request: everything in the POST body, the token last (botapi.md §1.3)."""

from __future__ import annotations

import ipaddress
from typing import Any, BinaryIO
from urllib.parse import urlencode

import httpx

from vkteams_bot.api.methods import Method, WireParams
from vkteams_bot.exceptions import ConfigurationError, InvalidCall

USER_AGENT = "django-vkteams-bot"
CONNECT_SECONDS = 10.0


class RequestFactory:
    """Builds requests for one bot; parsed URLs and header lists are kept, since they cost more than the rest."""

    def __init__(self, *, token: str, api_url: str, timeout: float) -> None:
        url = http_url(api_url.rstrip("/"))
        if url is None or url.userinfo or url.query or url.fragment:
            # It may hold a password or a token, so it is not shown.
            raise ConfigurationError("API_URL must look like https://host/bot/v1, with nothing before or after")
        self._base = str(url)
        self._api = url
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

    def token_for(self, url: httpx.URL, *, listed: bool) -> str | None:
        """The token, if the address may see it: on the API's host or below it, and never over less than its scheme.

        `listed`: the API itself gave the address, so a sibling of its host will do (api.example.ru, files.example.ru).
        """
        if url.scheme != "https" and self._api.scheme == "https":
            return None
        own, other = self._api.host, url.host
        parent = own.partition(".")[2]
        if other == own or other.endswith(f".{own}"):
            return self._token
        if listed and "." in parent and other.endswith(f".{parent}") and not _is_address(own):
            return self._token
        return None

    def read_seconds(self, method: Method[Any]) -> float:
        """How long the answer may take; a long poll may take its poll time on top."""
        poll_seconds: float = getattr(method, "poll_time", 0)
        return self._timeout + poll_seconds

    def answer_seconds(self, method: Method[Any]) -> float:
        """How long the whole answer may take, however busily the server drips."""
        return self.read_seconds(method) * 2

    def build(self, method: Method[Any], params: WireParams, file: BinaryIO | None = None) -> httpx.Request:
        """`file` is the opened upload of the method. Raises InvalidCall for text that is not Unicode."""
        try:
            return self._build(method, params, file)
        except UnicodeEncodeError:
            names = ", ".join(name for name, value in params.items() if not _is_unicode(value))
            raise InvalidCall(f"{method.path}: {names}: half of a surrogate pair is not a character") from None

    def _build(self, method: Method[Any], params: WireParams, file: BinaryIO | None) -> httpx.Request:
        url = self._urls.get(method.path)
        if url is None:
            url = self._urls[method.path] = httpx.URL(f"{self._base}/{method.path}")
        fields = {**params, "token": self._token}
        extensions = {"timeout": self._timeouts(method)}
        if file is not None and method.upload is not None and method.upload_part is not None:
            files = {method.upload_part: (method.upload.filename, file)}
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
            "answer": self.answer_seconds(method),
            "write": self._timeout,
            "pool": self._timeout,
        }


def http_url(text: str) -> httpx.URL | None:
    """The address, if it is an absolute one of http or https."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return None
    return url if url.scheme in ("http", "https") and url.host and 0 < (url.port or 80) < 65536 else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_unicode(value: str | list[str]) -> bool:
    try:
        "".join(value).encode()
    except UnicodeEncodeError:
        return False
    return True
