"""Database, migrations, handlers and system checks."""

import sys
import types

import pytest
from django.db import OperationalError, connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from vkteams_bot import Router
from vkteams_bot.doctor import project
from vkteams_bot.doctor.findings import Status

TOKEN = "001.1234567890.0987654321:1000000001"


@pytest.mark.orm
@pytest.mark.django_db
def test_database_and_migrations():
    assert project.database().status is Status.OK
    assert project.migrations().status is Status.OK
    [last] = MigrationLoader(connection).graph.leaf_nodes("vkteams_bot")
    MigrationRecorder(connection).record_unapplied(*last)
    finding = project.migrations()
    assert finding.status is Status.FAIL
    assert finding.detail == f"not applied: {'.'.join(last)}"
    assert "migrate" in finding.remedy


def test_a_database_that_is_away(monkeypatch):
    def refuse():
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(connections["default"], "ensure_connection", refuse)
    finding = project.database()
    assert finding.status is Status.FAIL
    assert finding.detail == "the database does not answer: connection refused"


@pytest.fixture
def handlers_module(monkeypatch):
    """The module in which the app `channels` would declare handlers."""
    module = types.ModuleType("channels.handlers_of_a_test")
    module.__spec__ = types.SimpleNamespace(name=module.__name__)  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def _handlers_setting(settings):
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "HANDLERS_MODULE": "handlers_of_a_test"}


@pytest.mark.usefixtures("_handlers_setting")
class TestHandlers:
    def test_none(self):
        """That is for the system checks to complain of."""
        assert project.handlers().detail == "handlers: 0"

    def test_some(self, handlers_module):
        root, below = Router(), Router()
        root.include_router(below)
        root.message()(lambda message: "a")
        below.callback_query()(lambda query: "b")
        handlers_module.router = root
        finding = project.handlers()
        assert (finding.status, finding.detail) == (Status.OK, "handlers: 2")

    def test_wrong_ones(self, handlers_module):
        handlers_module.router = Router()
        handlers_module.router.message()(lambda message, nonsense: "a")
        finding = project.handlers()
        assert finding.status is Status.FAIL
        assert "'nonsense'" in finding.detail

    def test_a_module_that_cannot_be_imported(self, monkeypatch, caplog):
        def explode(name):
            raise ZeroDivisionError(f"no {TOKEN}")

        monkeypatch.setattr("vkteams_bot.discovery.find_spec", explode)
        finding = project.handlers()
        assert finding.status is Status.FAIL
        assert "ZeroDivisionError" in finding.detail
        assert TOKEN not in finding.detail
        assert "in explode\n" in caplog.text
        assert TOKEN not in caplog.text


def test_system_checks(settings):
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "FSM_TIMEUOT": 3}
    finding = project.system_checks()
    assert finding.status is Status.FAIL
    assert "vkteams_bot.E001" in finding.detail
    assert "FSM_TIMEOUT" in finding.remedy


def test_system_checks_may_warn(settings):
    finding = project.system_checks()
    assert finding.status is Status.WARN
    assert "vkteams_bot.W001" in finding.detail
    settings.SILENCED_SYSTEM_CHECKS = ["vkteams_bot.W001"]
    assert project.system_checks().status is Status.OK
