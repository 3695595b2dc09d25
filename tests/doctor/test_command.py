"""What `manage.py botdoctor` prints, and its exit code."""

import json

import pytest
from django.core.management import call_command
from django.utils import translation

from tests.emulator.serving import TEAM, served
from tests.processes import free_port
from vkteams_bot.api.methods import METHODS, SendText
from vkteams_bot.emulator.world import DEFAULT_TOKEN

pytestmark = [pytest.mark.orm, pytest.mark.django_db]
CHECKS = [
    "settings",
    "dns",
    "connection",
    "proxy",
    "tls",
    "token",
    "clock",
    "database",
    "migrations",
    "updates",
    "polling",
    "delivery",
    "handlers",
    "checks",
]


@pytest.fixture
def emulator(settings):
    with served() as emulator:
        settings.VKTEAMS_BOT = {"BOTS": {"default": bot(f"{emulator.origin}/bot/v1")}}
        yield emulator


def bot(url, token=DEFAULT_TOKEN):
    return {"TOKEN": token, "API_URL": url, "RETRIES": 0}


def doctor(*arguments):
    """The exit code."""
    try:
        call_command("botdoctor", *arguments, no_color=True)
    except SystemExit as ended:
        return ended.code
    return 0


def found(capsys):
    document = json.loads(capsys.readouterr().out)
    return document, {check["name"]: check["status"] for check in document["checks"]}


def test_a_bot_that_can_run(emulator, capsys):
    assert doctor() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[:-2] if not line.startswith(" ")] == CHECKS
    assert lines[5].startswith("ok      token       @test_bot (1000000001)")
    assert lines[-1] == "The bot can run."


def test_a_bot_that_cannot(settings, capsys):
    settings.VKTEAMS_BOT = {"BOTS": {"default": bot(f"http://127.0.0.1:{free_port()}/bot/v1")}}
    assert doctor() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("fail    connection  ")
    assert lines[3].startswith("                    → Check host and port in API_URL")
    assert lines[4] == "skipped proxy       needs connection"
    assert lines[-1] == "The bot cannot run."


def test_json(emulator, capsys):
    assert doctor("--json") == 0
    document, checks = found(capsys)
    assert document["alias"] == "default"
    assert document["can_run"] is True
    assert list(checks) == CHECKS
    assert {"methods": None, "left_behind": []}.items() <= document.items()
    assert {"name", "status", "detail", "remedy", "seconds"} == document["checks"][0].keys()


def test_json_of_a_wrong_token(settings, capsys):
    wrong = "001.5555555555.6666666666:1000000001"
    with served() as emulator:
        settings.VKTEAMS_BOT = {"BOTS": {"default": bot(f"{emulator.origin}/bot/v1", wrong)}}
        assert doctor("--json", "--chat", TEAM) == 1
        assert "messages/sendText" not in emulator.ask("state")["requests"]
    document, checks = found(capsys)
    assert (checks["token"], checks["clock"], checks["updates"], checks["database"]) == (
        "fail",
        "skipped",
        "skipped",
        "ok",
    )
    assert document["methods"] is None
    assert wrong not in json.dumps(document)


def test_an_alias_that_is_not_there(emulator, capsys):
    assert doctor("other", "--json") == 1
    document, checks = found(capsys)
    assert checks["settings"] == "fail"
    assert checks["token"] == "skipped"
    assert "there are: default" in document["checks"][0]["detail"]


@pytest.mark.parametrize(
    ("key", "value"), [("TOKEN", ""), ("API_URL", "bots.example"), ("PROXY", "nonsense"), ("VERIFY", "/no/such/ca.pem")]
)
def test_wrong_settings(key, value, emulator, settings, capsys):
    settings.VKTEAMS_BOT["BOTS"]["default"][key] = value
    assert doctor("--json", "--chat", TEAM) == 1
    document, checks = found(capsys)
    assert checks["settings"] == "fail"
    assert key in document["checks"][0]["detail"]
    assert {checks[name] for name in ("dns", "connection", "proxy", "tls", "token", "clock", "updates")} == {"skipped"}


def test_the_proxy_of_the_environment_counts(emulator, capsys, monkeypatch):
    monkeypatch.setenv("VKT_PROXY", f"http://127.0.0.1:{free_port()}")
    assert doctor("--json") == 1
    document, checks = found(capsys)
    assert checks["connection"] == "fail"
    assert "PROXY" in document["checks"][2]["remedy"]


def test_methods_in_a_chat(emulator, capsys):
    assert doctor("--json", "--chat", TEAM) == 0
    document, _ = found(capsys)
    assert {attempt["method"] for attempt in document["methods"]} == set(METHODS)
    assert document["left_behind"] == []
    assert emulator.shown(TEAM) == [] or all(message["deleted"] for message in emulator.shown(TEAM))


def test_methods_as_a_table(emulator, capsys):
    emulator.order("faults", [{"kind": "refuse", "method": "messages/deleteMessages", "description": "No"}])
    assert doctor("--chat", TEAM) == 0
    lines = capsys.readouterr().out.splitlines()
    table = dict(line.split("  ", 1) for line in lines if line.startswith(("messages/", "chats/")))
    assert table["messages/editText"].strip() == "supported"
    assert table["chats/createChat"].strip().startswith("not tried: ")
    assert table["messages/deleteMessages"].strip() == "refused by the server: No"
    left = next(line for line in lines if line.startswith("These messages could not be deleted"))
    assert all(message["msgId"] in left for message in emulator.shown(TEAM))


def test_what_handlers_print_does_not_spoil_the_json(emulator, capsys, monkeypatch):
    def discover():
        print("imported")
        return []

    monkeypatch.setattr("vkteams_bot.doctor.project.discover_routers", discover)
    assert doctor("--json") == 0
    output = capsys.readouterr()
    json.loads(output.out)
    assert "imported" in output.err


def test_texts_of_a_trial_are_plain_whatever_the_settings_say(emulator, settings, capsys):
    settings.VKTEAMS_BOT["BOTS"]["default"]["PARSE_MODE"] = "HTML"
    modes = []
    send = SendText.params

    def params(self, default_parse_mode=None):
        modes.append(default_parse_mode)
        return send(self, default_parse_mode)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SendText, "params", params)
        assert doctor("--chat", TEAM) == 0
    assert set(modes) == {None}


def test_names_are_not_translated(emulator, capsys):
    with translation.override("ru"):
        assert doctor("--json") == 0
    _, checks = found(capsys)
    assert list(checks) == CHECKS
    assert checks["token"] == "ok"
