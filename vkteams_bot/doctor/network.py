"""The way to the server, step by step: name, connection, proxy, TLS."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import os
import socket
from dataclasses import dataclass

import httpx
from django.utils.translation import gettext as _

from vkteams_bot.api.http.tls import Verify, ssl_context
from vkteams_bot.doctor.certificates import judge
from vkteams_bot.doctor.findings import Finding, fail, ok, skipped, warn

CONNECT_SECONDS = 10.0
PORTS = {"http": 80, "https": 443}
FOREIGN_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, slots=True)
class Route:
    """From here to the server of `url`, through `proxy` if there is one."""

    url: httpx.URL
    proxy: httpx.URL | None
    verify: Verify

    @property
    def host(self) -> str:
        return self.url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        return self.url.port or PORTS[self.url.scheme]

    @property
    def first_host(self) -> str:
        """The host that this machine connects to."""
        return (self.proxy or self.url).raw_host.decode("ascii")

    @property
    def first_port(self) -> int:
        first = self.proxy or self.url
        return first.port or PORTS[first.scheme]

    def name(self) -> Finding:
        """Whether the first host has an address."""
        if _is_address(self.first_host):
            return ok(_("%(host)s is an address") % {"host": self.first_host})
        try:
            entries = socket.getaddrinfo(self.first_host, self.first_port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            return fail(
                _("%(host)s has no address: %(error)s") % {"host": self.first_host, "error": _reason(error)},
                _("Check the name in %(setting)s, and this machine's DNS.") % {"setting": self._first_setting},
            )
        addresses = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in entries))
        return ok(_("%(host)s is %(addresses)s") % {"host": self.first_host, "addresses": addresses})

    def connection(self) -> Finding:
        """Whether the first host takes connections."""
        where = {"host": self.first_host, "port": self.first_port}
        try:
            self._dial().close()
        except OSError as error:
            remedy = _("Check host and port in %(setting)s, the firewall, and that the server runs.")
            hint = self._foreign_proxy_hint()
            return fail(
                _("no connection to %(host)s, port %(port)d: %(error)s") % {**where, "error": _reason(error)},
                " ".join(filter(None, (remedy % {"setting": self._first_setting}, hint))),
            )
        return ok(_("%(host)s takes connections on port %(port)d") % where)

    def tunnel(self) -> Finding:
        """Whether the proxy lets us through."""
        if self.proxy is None:
            return skipped(_("no proxy is set"))
        shown = {"proxy": f"{self.proxy.scheme}://{self.first_host}:{self.first_port}"}
        if self.url.scheme == "http":
            return skipped(_("%(proxy)s forwards requests; the token check uses it") % shown)
        try:
            self._open().close()
        except (OSError, http.client.HTTPException) as error:
            reason = _reason(error)
            return fail(
                _("%(proxy)s opens no tunnel: %(reason)s") % {**shown, "reason": reason}, self._ask_proxy(reason)
            )
        return ok(_("%(proxy)s opens a tunnel to %(host)s") % {**shown, "host": self.host})

    def tls(self) -> Finding:
        """Whether the server's certificate is trusted."""
        if self.url.scheme == "http":
            if _is_loopback(self.host):
                return skipped(_("API_URL is plain http on this machine"))
            return warn(
                _("API_URL is plain http: everybody on the way can read the token"), _("Use https:// in API_URL.")
            )
        try:
            finding = judge(self._open, self.host, ssl_context(self.verify))
        except (OSError, http.client.HTTPException) as error:
            return fail(
                _("no TLS handshake: %(error)s") % {"error": _reason(error)},
                _("Check that API_URL has the right port, and that this port speaks TLS."),
            )
        if self.verify is False:
            return warn(
                finding.detail, _("VERIFY is False: anybody on the way can pose as the server. Name a CA bundle.")
            )
        return finding

    @property
    def _first_setting(self) -> str:
        return "PROXY" if self.proxy is not None else "API_URL"

    def _dial(self) -> socket.socket:
        return socket.create_connection((self.first_host, self.first_port), CONNECT_SECONDS)

    def _open(self) -> socket.socket:
        """A connection to the server, through the proxy's tunnel if there is one. Raises OSError."""
        if self.proxy is None:
            return self._dial()
        where = (self.first_host, self.first_port)
        client: http.client.HTTPConnection
        if self.proxy.scheme == "https":
            client = http.client.HTTPSConnection(*where, timeout=CONNECT_SECONDS, context=ssl_context(self.verify))
        else:
            client = http.client.HTTPConnection(*where, timeout=CONNECT_SECONDS)
        client.set_tunnel(self.host, self.port, _credentials(self.proxy))
        client.connect()
        return client.sock

    def _ask_proxy(self, reason: str) -> str:
        if "407" in reason:
            return _('Give the proxy\'s user and password: "PROXY": "http://user:password@host:3128".')
        return _("Ask the administrator of the proxy to allow CONNECT to %(host)s:%(port)d.") % {
            "host": self.host,
            "port": self.port,
        }

    def _foreign_proxy_hint(self) -> str:
        variable = next((name for name in FOREIGN_VARIABLES if os.environ.get(name)), None)
        if variable is None or self.proxy is not None:
            return ""
        return _("The environment has %(variable)s, which bots do not read: set PROXY.") % {"variable": variable}


def _credentials(proxy: httpx.URL) -> dict[str, str]:
    if not proxy.userinfo:
        return {}
    pair = f"{proxy.username}:{proxy.password}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return strerror or str(error) or type(error).__name__


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
