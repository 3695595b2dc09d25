"""The Bot API behind the way: is the token good, do the clocks agree, do updates come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from django.utils.translation import gettext as _

from vkteams_bot.api import Bot, Method
from vkteams_bot.api.http.tls import ssl_context
from vkteams_bot.api.http.transport import AsyncioTransport
from vkteams_bot.api.methods import GetEvents, GetMe
from vkteams_bot.api.types import BotInfo
from vkteams_bot.conf import BotConfig
from vkteams_bot.doctor.findings import Finding, fail, ok, skipped, warn
from vkteams_bot.exceptions import BadRequest, CallError, InvalidToken, RateLimited
from vkteams_bot.models import BotAccount
from vkteams_bot.runtime.loop import run_in_loop
from vkteams_bot.stores import numbering

R = TypeVar("R")
SKEW_SECONDS = 60


class Server:
    """Asks the server as runbot does, once for each question."""

    def __init__(self, alias: str, config: BotConfig, proxy: httpx.URL | None) -> None:
        self._alias = alias
        self._config = config
        self._proxy = proxy
        self._dated: _Dated | None = None
        self.info: BotInfo | None = None

    def token(self) -> Finding:
        """Whether the token is good, and whose it is."""
        try:
            self.info = self._ask(GetMe())
        except InvalidToken:
            return fail(
                _("the server refuses the token"),
                _("Metabot shows the token in answer to /token. It works on the installation that issued it only."),
            )
        except CallError as error:
            return _failed(error)
        if not self.info.nick:
            return warn(
                _("the bot %(user_id)s has no nick") % {"user_id": self.info.user_id},
                _("Without one, commands that name another bot (/start@other) cannot be told from its own."),
            )
        return ok(f"@{self.info.nick} ({self.info.user_id})")

    def clock(self) -> Finding:
        """Whether this machine and the server agree on the time."""
        seconds = self._dated.skew_seconds if self._dated is not None else None
        if seconds is None:
            return skipped(_("the server does not say what time it is"))
        if abs(seconds) <= SKEW_SECONDS:
            return ok(_("this machine and the server agree on the time"))
        return warn(
            _("this machine's clock differs from the server's by %(seconds)d s") % {"seconds": seconds},
            _("Set the clock (NTP): certificates and due times depend on it."),
        )

    def updates(self) -> Finding:
        """Whether events/get works, and goes on from the stored offset.

        Acknowledges nothing, and leaves a bot that runs alone.
        """
        assert self.info is not None
        accounts = list(BotAccount.objects.filter(user_id=self.info.user_id))
        polled = next((account for account in accounts if account.is_polled), None)
        if polled is not None:
            return skipped(
                _("%(owner)s polls now, and a second poller would disturb it") % {"owner": polled.lease_owner}
            )
        account = next((account for account in accounts if account.alias == self._alias), None)
        offset = account.last_event_id if account is not None else 0
        try:
            events = self._ask(GetEvents(0, 0))
            numbers = [event.event_id for event in events if event.event_id is not None]
            if account is not None and min(numbers, default=offset + 1) <= offset:
                found = numbering.review(account.pk, account.epoch, offset, events)
                if found.anew or not found.recognised:
                    return warn(
                        _("the server shows events up to %(newest)d, and the stored offset is %(offset)d")
                        % {"newest": max(numbers), "offset": offset},
                        _(
                            "It seems to number its events anew. runbot notices that and goes on from them; if the bot "
                            "hears nothing all the same, start it once with --reset-offset."
                        ),
                    )
                events = self._ask(GetEvents(offset, 0))
        except CallError as error:
            return _failed(error)
        return ok(
            _("updates that wait: %(count)d; the stored offset is %(offset)d")
            % {"count": len(events), "offset": offset}
        )

    def _ask(self, method: Method[R]) -> R:
        return run_in_loop(self._asked(method))

    async def _asked(self, method: Method[R]) -> R:
        config = self._config
        self._dated = _Dated(AsyncioTransport(ssl_context=ssl_context(config.verify), proxy=self._proxy))
        try:
            bot = Bot(config.token, config.api_url, timeout=config.timeout, transport=self._dated)
            return await bot.execute(method, retries=0)
        finally:
            await self._dated.aclose()


@dataclass
class _Dated(httpx.AsyncBaseTransport):
    """Notes how far this machine's clock was ahead of the server's at the last answer; None when that is not known."""

    inner: httpx.AsyncBaseTransport
    skew_seconds: float | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        try:
            said = parsedate_to_datetime(response.headers.get("date", ""))
            self.skew_seconds = (datetime.now(UTC) - said.replace(tzinfo=UTC)).total_seconds()
        except ValueError:
            self.skew_seconds = None
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


def _failed(error: CallError) -> Finding:
    if isinstance(error, RateLimited):
        return warn(error.message, _("The server limits how often it may be asked: try again in a minute."))
    if isinstance(error, BadRequest):
        return fail(
            error.message,
            _("API_URL is the installation's address with the path: https://host/bot/v1. Metabot tells it."),
        )
    return fail(error.message, error.hint or _("Ask the administrator of the installation."))
