"""`botrecord`: a conversation becomes a test, and the test passes."""

import ast
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests.testing.bot import router
from vkteams_bot.models import ChatMessage, Update
from vkteams_bot.recording import render
from vkteams_bot.recording.conversation import Act, Conversation, Exchange, Reply

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.orm, pytest.mark.vkteams(routers=[router])]


def recorded(capsys, *arguments: str) -> str:
    call_command("botrecord", *arguments)
    source: str = capsys.readouterr().out
    return source


def talk(chat):
    """A bit of everything that a private chat has."""
    alice = chat.user("alice@corp", "Alice", "O'Hara")
    alice.sends("/name")
    alice.clicks("Cancel")
    alice.sends("/nothing")
    alice.sends("quotes \"double\" and 'single', a \\ backslash,\na new line, \u202e and ёлка")
    alice.sends("helo")
    alice.edits("hello " * 30)
    alice.deletes()
    alice.sends("my cat", file=("cat.png", b"12345678"))
    alice.sends("/wait")
    alice.sends("/report")
    return alice


def test_a_conversation_as_a_test(chat, capsys):
    talk(chat)
    source = recorded(capsys, "alice@corp")
    assert source.startswith('# Recorded by botrecord: bot "default", chat "alice@corp".\n')
    for line in (
        '    alice = chat.user("alice@corp", "Alice", "O\'Hara")\n',
        '    assert alice.replies == ["Your name?"]\n    assert alice.buttons == ["Cancel", "Site"]\n',
        '    alice.clicks("Cancel")\n    assert alice.replies == ["Never mind."]\n',
        '    alice.sends("/nothing")\n    assert alice.sees == ""\n',
        '    alice.sends("helo")\n    message_1 = alice.wrote\n',
        "        message=message_1,\n",
        "    alice.deletes(message=message_1)\n",
        '    # The content of the file is not recorded.\n    alice.sends("my cat", file=("image.png", b"recorded"))\n',
        '    alice.sends("/wait")\n    assert alice.replies == ["Ready."]\n',
        '    alice.sends("/report")\n    assert alice.replies == ["Here"]\n',
    ):
        assert line in source, source


def test_the_test_passes_and_is_formatted(chat, pytester: pytest.Pytester, monkeypatch):
    talk(chat)
    path = pytester.path / "test_recorded.py"
    call_command("botrecord", "alice@corp", "--output", str(path))
    # The log knows what a file was, but not its name or content.
    path.write_text(path.read_text(encoding="utf-8").replace("cat.png: 8", "image.png: 8"), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)  # this very test runs on that database
    pytester.makeconftest(
        """
        import pytest
        from tests.testing.bot import router
        from vkteams_bot.testing import Chat

        @pytest.fixture
        def chat(db):
            with Chat(routers=[router]) as chat:
                yield chat
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "--ds=tests.settings", "-q", timeout=60)
    result.assert_outcomes(passed=1)
    assert formatted(path, "120"), path.read_text()
    assert formatted(path, "88")


def formatted(path: Path, length: str) -> bool:
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", "--line-length", length, str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_nothing_is_overwritten(chat, tmp_path: Path):
    talk(chat)
    path = tmp_path / "test_it.py"
    path.write_text("mine")
    with pytest.raises(CommandError, match="cannot be written: File exists"):
        call_command("botrecord", "alice@corp", "--output", str(path))
    assert path.read_text() == "mine"


def test_the_last_acts_only(chat, capsys):
    talk(chat)
    source = recorded(capsys, "alice@corp", "--last", "2")
    assert source.count("alice.sends(") == 2
    assert 'alice.sends("/wait")' in source


def test_a_group(chat, capsys):
    alice, bob = chat.user("alice@corp"), chat.user("bob@corp")
    team = chat.group('The "A" team', members=[alice, bob])
    alice.sends("/start", to=team)
    bob.sends("/name", to=team)
    bob.at(team).clicks("Cancel")
    source = recorded(capsys, team.chat_id)
    assert "    group = chat.group('The \"A\" team', members=[alice, bob])\n    alice = alice.at(group)\n" in source
    assert '    bob.clicks("Cancel")\n    assert bob.replies == ["Never mind."]\n' in source


def test_updates_that_were_pruned_are_taken_from_the_log(chat, capsys):
    talk(chat)
    old, fresh = chat.updates[0], chat.updates.last()
    ChatMessage.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    Update.objects.exclude(pk=fresh.pk).delete()
    source = recorded(capsys, "alice@corp")
    assert old is not None
    assert 'alice.sends("/name")' in source
    assert 'alice.sends("/report")' in source
    assert "clicks" not in source


def test_a_button_whose_label_is_gone(chat, capsys):
    alice = chat.user("alice@corp")
    alice.sends("/name")
    alice.clicks("Cancel")
    press = chat.updates.last()
    press.payload["payload"]["message"]["parts"] = []
    press.save()
    source = recorded(capsys, "alice@corp")
    assert "    # A button with the data 'cancel': its label is gone.\n" in source
    assert "clicks" not in source


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nobody@corp"], "has logged nothing that a person did in the chat nobody@corp"),
        (["alice@corp", "--bot", "ghost"], "no bot ghost in VKTEAMS_BOT"),
    ],
)
@pytest.mark.django_db
def test_what_cannot_be_recorded(arguments, problem):
    with pytest.raises(CommandError, match=problem):
        call_command("botrecord", *arguments)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.text("\"'\\\n\t{}#", max_size=12)


@given(texts=st.lists(TEXTS, min_size=1, max_size=4), person=st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_makes_a_module_that_says_the_same(texts, person):
    exchanges = [Exchange(Act(person, "sends", text), [Reply(text)]) for text in texts]
    tree = ast.parse(render(Conversation("second", person, False, texts[0], {}, exchanges)))
    said = [
        ast.literal_eval(call.args[0])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "sends"
    ]
    expected = [
        ast.literal_eval(compare.comparators[0]) for compare in ast.walk(tree) if isinstance(compare, ast.Compare)
    ]
    assert said == texts
    assert expected == [[text] for text in texts]
