"""Token, clock and updates, against the emulator and a server with a clock of its own."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from django.utils import timezone

from tests.api.fakes import answer
from tests.api.serving import HttpServer
from tests.doctor.proxying import proxied
from tests.emulator.serving import served
from vkteams_bot.conf import conf
from vkteams_bot.doctor.bot_api import Server
from vkteams_bot.doctor.findings import Status
from vkteams_bot.emulator.faults import Faults, parse_short
from vkteams_bot.emulator.world import DEFAULT_TOKEN, World
from vkteams_bot.models import BotAccount, Update

BOT_ID = DEFAULT_TOKEN.rpartition(":")[2]


def server(settings, url, token=DEFAULT_TOKEN, proxy=None, **options):
    settings.VKTEAMS_BOT = {"BOTS": {"default": {"TOKEN": token, "API_URL": url, **options}}}
    return Server("default", conf.bot("default"), httpx.URL(proxy) if proxy else None)


def test_a_good_token(settings):
    with served() as emulator:
        finding = server(settings, f"{emulator.origin}/bot/v1").token()
    assert (finding.status, finding.detail) == (Status.OK, f"@test_bot ({BOT_ID})")


def test_a_bot_without_a_nick(settings):
    with HttpServer() as far:
        far.answer = answer(userId="7")
        finding = server(settings, far.url).token()
    assert (finding.status, finding.detail) == (Status.WARN, "the bot 7 has no nick")


def test_a_wrong_token(settings):
    wrong = "001.5555555555.6666666666:1000000001"
    with served() as emulator:
        finding = server(settings, f"{emulator.origin}/bot/v1", wrong).token()
        assert emulator.ask("state")["requests"]["self/get"] == 1
    assert finding.status is Status.FAIL
    assert "Metabot" in finding.remedy
    assert wrong not in finding.detail + finding.remedy


def test_a_wrong_path(settings):
    with served() as emulator:
        finding = server(settings, f"{emulator.origin}/wrong/v1").token()
    assert finding.status is Status.FAIL
    assert "https://host/bot/v1" in finding.remedy


def test_a_broken_server_and_a_busy_one(settings):
    with served(faults=Faults([parse_short("502@self/get#1"), parse_short("ratelimit@self/get#1")])) as emulator:
        asked = server(settings, f"{emulator.origin}/bot/v1")
        assert asked.token().status is Status.FAIL
        assert asked.token().status is Status.WARN
        assert asked.token().status is Status.OK


def test_the_proxy_is_used(settings):
    with HttpServer() as origin, proxied() as proxy:
        origin.answer = answer(userId="1", nick="b")
        proxy.refusal = "403 Forbidden"
        finding = server(settings, "https://127.0.0.1:1/bot/v1", proxy=f"http://{proxy.where}").token()
    assert finding.status is Status.FAIL
    assert proxy.heads[0].startswith("CONNECT 127.0.0.1:1 ")


@pytest.mark.parametrize(("minutes", "status"), [(0, Status.OK), (10, Status.WARN), (-10, Status.WARN)])
def test_clocks(minutes, status, settings, monkeypatch):
    said = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.date_time_string", lambda handler: said)
    with HttpServer() as far:
        far.answer = answer(userId="1", nick="b")
        asked = server(settings, far.url)
        assert asked.token().status is Status.OK
    assert asked.clock().status is status


def test_a_server_that_does_not_say_the_time(settings):
    with served() as emulator:
        asked = server(settings, f"{emulator.origin}/bot/v1")
        assert asked.clock().status is Status.SKIPPED
        assert asked.token().status is Status.OK
        assert asked.clock().status is Status.SKIPPED


@pytest.mark.orm
@pytest.mark.django_db
class TestUpdates:
    @pytest.fixture
    def emulator(self):
        with served(World(first_event_id=5)) as emulator:
            yield emulator

    def look(self, settings, emulator):
        asked = server(settings, f"{emulator.origin}/bot/v1")
        assert asked.token().status is Status.OK
        return asked.updates()

    def test_it_acknowledges_nothing(self, settings, emulator):
        for text in ("one", "two", "three"):
            emulator.write(text)
        first, *others = (event["eventId"] for event in emulator.events())
        assert self.look(settings, emulator).detail == "updates that wait: 3; the stored offset is 0"
        BotAccount.objects.create(alias="other", user_id=BOT_ID, last_event_id=first + 2)
        BotAccount.objects.create(alias="default", user_id=BOT_ID, last_event_id=first)
        assert self.look(settings, emulator).detail == f"updates that wait: 2; the stored offset is {first}"
        assert [event["eventId"] for event in emulator.events()] == others

    def test_a_server_that_numbers_anew(self, settings, emulator):
        account = BotAccount.objects.create(alias="default", user_id=BOT_ID, last_event_id=5000)
        emulator.write("hello")
        (event,) = emulator.events()
        finding = self.look(settings, emulator)
        assert finding.status is Status.WARN
        assert str(event["eventId"]) in finding.detail
        assert "5000" in finding.detail
        assert "--reset-offset" in finding.remedy
        assert emulator.events() == [event], "it is not acknowledged"

        Update.objects.create(
            account=account, event_id=event["eventId"], type=event["type"], payload=event, created_at=timezone.now()
        )
        assert self.look(settings, emulator).status is Status.OK, "it is only shown again"

    def test_a_bot_that_runs_is_left_alone(self, settings, emulator):
        account = BotAccount.objects.create(
            alias="default", user_id=BOT_ID, lease_owner="host:1", lease_until=timezone.now() + timedelta(seconds=8)
        )
        finding = self.look(settings, emulator)
        assert finding.status is Status.SKIPPED
        assert "host:1" in finding.detail
        assert "events/get" not in emulator.ask("state")["requests"]
        account.alias = "the same bot by another name"
        account.save()
        assert self.look(settings, emulator).status is Status.SKIPPED
        account.lease_until = timezone.now() - timedelta(seconds=1)
        account.save()
        assert self.look(settings, emulator).status is Status.OK

    def test_a_server_that_fails(self, settings, emulator):
        emulator.order("faults", [{"kind": "status", "status": 504, "method": "events/get"}])
        assert self.look(settings, emulator).status is Status.FAIL
