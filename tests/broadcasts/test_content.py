"""From a broadcast to the method of one recipient, and what is wrong before anybody gets it."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone

from tests.broadcasts.conftest import Mailing
from vkteams_bot.api import ParseMode
from vkteams_bot.api.methods import SendFile, SendText
from vkteams_bot.broadcasts import audience, problems
from vkteams_bot.broadcasts.content import Content, ContentError, FileUnreadable
from vkteams_bot.models import BotAccount, Broadcast, Contact

KEYBOARD = [[{"text": "Yes", "callbackData": "yes", "style": "primary"}], [{"text": "Site", "url": "http://x"}]]


def test_a_text():
    method = Content(Broadcast(text="Hi {{ name }}", keyboard=KEYBOARD)).method_for("a")
    assert isinstance(method, SendText)
    assert (method.chat_id, method.text, method.parse_mode) == ("a", "Hi {{ name }}", None)
    markup: Any = method.inline_keyboard_markup
    assert [button.text for button in markup.buttons] == ["Yes", "Site"]
    # Whatever the bot's own default is: the operator chose the format.
    assert "parseMode" not in method.params("HTML")
    assert Content(Broadcast(text="x", parse_mode="HTML")).method_for("a").params()["parseMode"] == "HTML"


def test_variables():
    user = User(email="a@corp.example", first_name="<Ann>")
    contact = Contact(user_id="a", first_name="A & B", django_user=user)
    source = "{{ chat_id }}|{{ contact.first_name }}|{{ user.first_name }}|{{ user.email }}|{{ sum }}"
    content = Content(Broadcast(text=source, parse_mode="HTML", is_template=True))
    assert content.text_for("a", {"sum": "<5"}, contact) == "a|A &amp; B|&lt;Ann&gt;|a@corp.example|&lt;5"
    assert content.text_for("b") == "b||||"
    assert content.text_for("b", {"chat_id": "x", "user": "y"}) == "b||||"


def test_a_text_that_cannot_be_made_is_this_recipients():
    class Trouble:
        def __str__(self) -> str:
            raise ValueError("no such thing")

    content = Content(Broadcast(text="{{ sum }}", is_template=True))
    variables: Any = {"sum": Trouble()}
    with pytest.raises(ContentError, match="no such thing"):
        content.text_for("a", variables)
    with pytest.raises(ContentError, match="the text is empty"):
        content.text_for("a", {"sum": " "})
    with pytest.raises(ContentError, match="5000 characters, more than 4096"):
        content.text_for("a", {"sum": "x" * 5000})
    assert content.text_for("a", {"sum": "x" * 4096})


def test_a_wrong_broadcast_gives_no_content():
    with pytest.raises(ContentError, match="the template is wrong: Unclosed tag"):
        Content(Broadcast(text="{% if a %}", is_template=True))
    with pytest.raises(ContentError, match="the keyboard is wrong"):
        Content(Broadcast(text="x", keyboard=[[{"text": "x"}]]))


@pytest.mark.orm
def test_a_file_is_uploaded_and_then_goes_by_its_id(mailing):
    broadcast = mailing.broadcast(text="", file=ContentFile(b"pdf", name="Price.pdf"))
    method: Any = Content(broadcast).method_for("a")
    with method.file.open() as file:
        assert file.read() == b"pdf"
    assert method.file.filename.startswith("Price")
    assert (method.path, method.caption, method.file_id) == (SendFile.path, None, None)
    broadcast.file_id, broadcast.text = "Z1", "*New*"
    broadcast.parse_mode = "MarkdownV2"
    by_id: Any = Content(broadcast).method_for("b")
    assert (by_id.file, by_id.file_id, by_id.caption) == (None, "Z1", "*New*")
    assert by_id.parse_mode is ParseMode.MARKDOWNV2
    Path(broadcast.file.path).unlink()
    assert Content(broadcast).method_for("c")
    broadcast.file_id = ""
    with pytest.raises(FileUnreadable, match="Price"):
        Content(broadcast).method_for("c")


def fields_of(broadcast: Broadcast) -> dict[str, str]:
    return {problem.field: problem.message for problem in problems(broadcast)}


GOOD: list[dict[str, Any]] = [
    {"text": "Hello"},
    {"text": "<b>Hi</b>", "parse_mode": "HTML", "keyboard": KEYBOARD},
    {"text": "{% if user %}<b>{{ user.email }}</b>{% endif %}", "parse_mode": "HTML", "is_template": True},
    {"text": "Hi {{ sum }}", "is_template": True, "audience": "list", "recipients": "chat_id,sum\na,1"},
    {"text": "{{ sum }}", "is_template": True, "audience": "list", "recipients": "chat_id,sum\na,1"},
    {"quiet_from": time(22), "quiet_until": time(8), "time_zone": "Europe/Moscow"},
    {"audience": "segment", "segment": "paying"},
    {"starts_at": timezone.now(), "expires_at": timezone.now() + timedelta(days=1)},
]
WRONG: list[tuple[str, str, dict[str, Any]]] = [
    ("account", "the settings have no bot “gone”", {"account": BotAccount(pk=1, alias="gone")}),
    ("text", "write a text or attach a file", {"text": " "}),
    ("text", "longer than 4096", {"text": "x" * 4097}),
    ("text", "“<b>” has no partner", {"text": "<b>x", "parse_mode": "HTML"}),
    (
        "text",
        "“*” has no partner",
        {"text": "*{{ contact.first_name }}", "parse_mode": "MarkdownV2", "is_template": True},
    ),
    ("text", "Unclosed tag", {"text": "{% if a %}", "is_template": True}),
    ("keyboard", "1 → 1: a button takes exactly one", {"keyboard": [[{"text": "x"}]]}),
    ("keyboard", "valid tuple", {"keyboard": {"text": "x"}}),
    ("file", "it cannot be read", {"file": "gone.txt"}),
    ("recipients", "line 2: “b b” is no chat id", {"audience": "list", "recipients": "a\nb b"}),
    ("recipients", "the list is empty", {"audience": "list"}),
    ("segment", "choose one of: paying", {"audience": "segment", "segment": "nobody"}),
    ("expires_at", "it has passed", {"expires_at": timezone.now()}),
    (
        "expires_at",
        "before the start",
        {"starts_at": timezone.now() + timedelta(days=2), "expires_at": timezone.now() + timedelta(days=1)},
    ),
    ("quiet_until", "both ends", {"quiet_from": time(22)}),
    ("time_zone", "no such time zone", {"time_zone": "Mars/Olympus"}),
]


@pytest.mark.parametrize("fields", GOOD)
def test_a_good_broadcast_has_no_problems(fields):
    audience("paying")(lambda: Contact.objects.all())
    assert fields_of(Broadcast(**{"text": "Hello"} | fields)) == {}


@pytest.mark.parametrize(("field", "message", "fields"), WRONG)
def test_problems(field, message, fields):
    audience("paying")(lambda: Contact.objects.all())
    broadcast = Broadcast(**{"text": "Hello"} | fields)
    found = fields_of(broadcast)
    assert list(found) == [field]
    assert message in found[field]
    assert str(problems(broadcast)[0]).startswith(f"{problems(broadcast)[0].label}: ")


@pytest.mark.orm
def test_an_empty_file_is_a_problem(mailing: Mailing):
    assert fields_of(mailing.broadcast(text="", file=ContentFile(b"", name="x.txt"))) == {
        "file": "it is empty, or larger than 50 MB"
    }


def test_a_value_that_raises_fails_its_recipients_and_is_logged_once_with_its_place(caplog):
    class Customer:
        @property
        def balance(self) -> int:
            raise KeyError("no account")

    content = Content(Broadcast(text="{{ contact.django_user.balance }}", is_template=True))
    contact: Any = SimpleNamespace(django_user=Customer())
    for chat_id in ("a", "b"):
        with pytest.raises(ContentError, match="cannot be made: KeyError"):
            content.text_for(chat_id, contact=contact)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "in balance" in caplog.text
