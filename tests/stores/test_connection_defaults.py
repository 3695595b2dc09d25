"""A network that goes silent is noticed, unless the project wants it otherwise."""

import socket
import types
from collections.abc import Callable
from typing import Any

import pytest
from django.db.utils import ConnectionHandler

from tests import databases
from vkteams_bot.stores import connection_defaults
from vkteams_bot.stores.connection_defaults import DEFAULTS, connection_options, set_connection_defaults

Use = Callable[..., ConnectionHandler]
URL = "postgresql://bot:secret@db.example/bots"


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """The settings of the project, as a URL and keys of its DATABASES entry."""
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    for name in ("PGSERVICE", "PGHOST", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)

    def use(url: str, **keys: Any) -> ConnectionHandler:
        handler = ConnectionHandler({"default": databases.parse(url) | keys})
        monkeypatch.setattr(connection_defaults, "connections", handler)
        return handler

    return use


def parameters(handler: ConnectionHandler) -> dict[str, Any]:
    return dict(handler["default"].get_connection_params())


def test_they_arrive_at_the_server(use: Use, postgres_url: str, django_db_blocker: Any):
    handler = use(postgres_url)
    set_connection_defaults()
    with django_db_blocker.unblock():
        connection = handler["default"]
        try:
            connection.ensure_connection()
            found = connection.connection.info.get_parameters()
            assert {name: found[name] for name in DEFAULTS} == {name: str(value) for name, value in DEFAULTS.items()}
            with socket.socket(fileno=socket.dup(connection.connection.fileno())) as wire:
                assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
                assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        finally:
            connection.close()


def test_a_connection_object_that_is_there_already_takes_them(use: Use):
    handler = use(URL)
    connection = handler["default"]
    set_connection_defaults()
    assert connection.get_connection_params().items() >= DEFAULTS.items()
    assert connection_options() == dict(DEFAULTS)


def test_what_the_project_says_stays(use: Use):
    handler = use(URL, OPTIONS={"connect_timeout": 3, "keepalives": 0, "sslmode": "require", "pool": True})
    set_connection_defaults()
    assert parameters(handler).items() >= {"connect_timeout": 3, "keepalives": 0, "sslmode": "require"}.items()
    assert parameters(handler)["tcp_user_timeout"] == 30_000


def test_the_environment_stays(use: Use, monkeypatch: pytest.MonkeyPatch):
    handler = use(URL)
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    set_connection_defaults()
    assert "connect_timeout" not in parameters(handler)
    assert parameters(handler)["keepalives"] == 1


@pytest.mark.parametrize(
    ("url", "keys", "environment"),
    [
        (URL, {"HOST": ""}, {}),
        (URL, {"HOST": "/run/postgresql"}, {}),
        (URL, {"HOST": ""}, {"PGHOST": "/run/postgresql"}),
        (URL, {"HOST": "", "NAME": "", "OPTIONS": {"service": "bots"}}, {}),
        (URL, {}, {"PGSERVICE": "bots"}),
        ("sqlite:////tmp/bots.sqlite3", {}, {}),
    ],
)
def test_without_a_network_or_beside_a_service_nothing_is_set(
    use: Use, monkeypatch: pytest.MonkeyPatch, url: str, keys: dict[str, Any], environment: dict[str, str]
):
    use(url, **keys)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    set_connection_defaults()
    assert connection_options() == {}


@pytest.mark.parametrize(
    ("keys", "environment"),
    [
        ({"OPTIONS": {"host": "db.example"}}, {}),
        ({"OPTIONS": {"hostaddr": "192.0.2.1"}}, {}),
        ({}, {"PGHOST": "db.example"}),
        ({}, {"PGHOSTADDR": "192.0.2.1"}),
    ],
)
def test_a_host_may_be_named_elsewhere(
    use: Use, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], environment: dict[str, str]
):
    use(URL, HOST="", **keys)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    set_connection_defaults()
    assert connection_options() == dict(DEFAULTS)


@pytest.mark.parametrize("version", [110_022, 120_000])
def test_psycopg2_over_an_old_libpq_gets_only_what_that_knows(use: Use, version: int):
    handler = use(URL)
    extensions = types.SimpleNamespace(libpq_version=lambda: version)
    connection: Any = handler["default"]
    connection.Database = types.SimpleNamespace(extensions=extensions)
    set_connection_defaults()
    assert ("tcp_user_timeout" in connection_options()) is (version >= 120_000)
    assert connection_options()["keepalives"] == 1
