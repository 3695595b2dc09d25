"""All checks of one bot, in the order in which each builds on the ones before."""

from __future__ import annotations

import os
from dataclasses import fields

import httpx
from django.utils.translation import gettext as _

from vkteams_bot.api import Bot
from vkteams_bot.api.bot import PROXY_VARIABLE
from vkteams_bot.conf import conf
from vkteams_bot.doctor import project
from vkteams_bot.doctor.bot_api import Server
from vkteams_bot.doctor.findings import Check, Finding, fail, ok
from vkteams_bot.doctor.network import Route
from vkteams_bot.exceptions import ConfigurationError


class Examination:
    """One bot. `bot` stands once its settings were found good; nobody is told of what it sends."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.bot: Bot | None = None
        self._route: Route
        self._server: Server

    def checks(self) -> list[Check]:
        """Give them to `examine`."""
        return [
            Check("settings", self._settings),
            Check("dns", lambda: self._route.name(), ("settings",)),
            Check("connection", lambda: self._route.connection(), ("dns",)),
            Check("proxy", lambda: self._route.tunnel(), ("connection",)),
            Check("tls", lambda: self._route.tls(), ("proxy",)),
            Check("token", lambda: self._server.token(), ("tls",)),
            Check("clock", lambda: self._server.clock(), ("token",)),
            Check("database", project.database),
            Check("migrations", project.migrations, ("database",)),
            Check("updates", lambda: self._server.updates(), ("token", "migrations")),
            Check("polling", lambda: project.polling(self.alias), ("settings", "migrations")),
            Check("delivery", lambda: project.delivery(self.alias), ("settings", "migrations")),
            Check("handlers", project.handlers),
            Check("checks", project.system_checks, ("database", "handlers")),
        ]

    def _settings(self) -> Finding:
        try:
            config = conf.bot(self.alias)
            options = {key.name: getattr(config, key.name) for key in fields(config)}
            # A trial says itself how a text is to be read.
            self.bot = Bot(alias=self.alias, **{**options, "parse_mode": None})
        except ConfigurationError as error:
            return fail(str(error), _("Mend VKTEAMS_BOT in the project's settings; the README has a table of them."))
        proxy = config.proxy or os.environ.get(PROXY_VARIABLE)
        self._route = Route(httpx.URL(config.api_url), httpx.URL(proxy) if proxy else None, config.verify)
        self._server = Server(self.alias, config, self._route.proxy)
        return ok(_("bot %(alias)s at %(url)s") % {"alias": self.alias, "url": config.api_url})
