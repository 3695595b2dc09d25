"""How an origin is reached: directly, through a forwarding proxy, or through a proxy's tunnel."""

from __future__ import annotations

import asyncio
import base64
import ssl

import httpx

from vkteams_bot.api.http.connection import Connection, Origin

__all__ = ["Dialer"]

_PORTS = {"http": 80, "https": 443}


class Dialer:
    """Opens connections. What it raises was raised before any byte of a request was sent."""

    def __init__(self, ssl_context: ssl.SSLContext | None, proxy: str | httpx.URL | httpx.Proxy | None) -> None:
        if proxy is not None:
            scheme = proxy.url.scheme if isinstance(proxy, httpx.Proxy) else httpx.URL(proxy).scheme
            if scheme not in _PORTS:
                raise httpx.UnsupportedProtocol(f"{scheme or 'nameless'} proxies are not supported, http(s) ones are")
            if not isinstance(proxy, httpx.Proxy):
                proxy = httpx.Proxy(proxy)
        self._ssl_context = ssl_context
        self._ready_contexts: set[ssl.SSLContext] = set()
        self._proxy = proxy
        self._proxy_headers: list[tuple[bytes, bytes]] = []
        if proxy is not None:
            self._proxy_headers += proxy.headers.raw
            if proxy.raw_auth is not None:
                credentials = base64.b64encode(b":".join(proxy.raw_auth))
                self._proxy_headers.append((b"Proxy-Authorization", b"Basic " + credentials))

    def route(self, url: httpx.URL) -> tuple[Origin, bytes, list[tuple[bytes, bytes]]]:
        """Where to connect for `url`, the request target to send there, and the headers that the proxy wants."""
        scheme = url.scheme
        default_port = _PORTS.get(scheme)
        host = url.raw_host.decode("ascii")
        if default_port is None or not host:
            raise httpx.UnsupportedProtocol(f"not an absolute http:// or https:// URL: {scheme}://{host}")
        if self._proxy is None:
            return Origin(scheme, host, url.port or default_port), url.raw_path, []
        if scheme == "https":
            return Origin(scheme, host, url.port or default_port, tunnelled=True), url.raw_path, []
        target = b"http://%b%b" % (url.netloc, url.raw_path)
        return _origin_of(self._proxy), target, self._proxy_headers

    async def dial(self, origin: Origin, seconds: float | None) -> Connection:
        """A new connection to `origin`, made within `seconds`.

        Raises httpx.ConnectError, httpx.ConnectTimeout or httpx.ProxyError.
        """
        connection = Connection(asyncio.get_running_loop(), origin)
        try:
            async with asyncio.timeout(seconds):
                if origin.tunnelled:
                    await self._tunnel(connection, origin)
                else:
                    ssl_context = self._proxy.ssl_context if self._proxy is not None else None
                    await self._connect(connection, origin, ssl_context)
            if connection.is_closing():
                # asyncio takes some connections that are lost in the TLS handshake for made.
                raise ConnectionResetError("closed while connecting")
        except BaseException as exc:  # also when cancelled, no half-made connection stays open
            connection.abort()
            if isinstance(exc, TimeoutError):
                raise httpx.ConnectTimeout(f"no connection to {origin.host} in time ({seconds} s)") from exc
            if isinstance(exc, (OSError, ValueError, OverflowError)):  # ssl.SSLError and UnicodeError among them.
                raise httpx.ConnectError(f"no connection to {origin.host}: {str(exc) or type(exc).__name__}") from exc
            raise
        return connection

    async def _connect(self, connection: Connection, origin: Origin, ssl_context: ssl.SSLContext | None) -> None:
        await asyncio.get_running_loop().create_connection(  # Sets TCP_NODELAY by itself.
            lambda: connection,
            origin.host,
            origin.port,
            ssl=self._context(ssl_context) if origin.scheme == "https" else None,
        )

    async def _tunnel(self, connection: Connection, origin: Origin) -> None:
        assert self._proxy is not None
        await self._connect(connection, _origin_of(self._proxy), self._proxy.ssl_context)
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        authority = f"{host}:{origin.port}".encode("ascii")
        lines = [b"CONNECT %b HTTP/1.1" % authority, b"Host: %b" % authority]
        lines += [b"%b: %b" % header for header in self._proxy_headers]
        connection.begin(head_only=True)
        connection.write(b"\r\n".join(lines) + b"\r\n\r\n")
        while not connection.complete:
            if connection.error is not None:
                raise httpx.ProxyError(f"the proxy did not open a tunnel: {connection.error}") from connection.error
            await connection.wait(None, httpx.ConnectTimeout)
        if not 200 <= connection.status < 300:
            reason = connection.reason.decode("latin-1")
            raise httpx.ProxyError(f"the proxy refused the tunnel: {connection.status} {reason}")
        assert connection.transport is not None
        connection.transport = await asyncio.get_running_loop().start_tls(
            connection.transport, connection, self._context(None), server_hostname=origin.host
        )

    def _context(self, ssl_context: ssl.SSLContext | None) -> ssl.SSLContext:
        if ssl_context is None:
            if self._ssl_context is None:
                self._ssl_context = httpx.create_ssl_context()  # Here, not at import or start: it takes 20 ms.
            ssl_context = self._ssl_context
        if ssl_context not in self._ready_contexts:
            ssl_context.set_alpn_protocols(["http/1.1"])
            self._ready_contexts.add(ssl_context)
        return ssl_context


def _origin_of(proxy: httpx.Proxy) -> Origin:
    return Origin(proxy.url.scheme, proxy.url.raw_host.decode("ascii"), proxy.url.port or _PORTS[proxy.url.scheme])
