"""prunebot deletes what is old, and only that, in short steps that touch few rows."""

from __future__ import annotations

import io
import re
import signal
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.admin import bulk
from tests.admin.conftest import World
from tests.admin.conftest import world as world  # a fixture
from tests.rows_read import watched_statements
from vkteams_bot.management.bar import Bar
from vkteams_bot.models import ChatMessage, Conversation, OutgoingCall, Update
from vkteams_bot.pruning import Ages, Pruning

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

OLD = timedelta(days=30)
TABLES = (Update, OutgoingCall, ChatMessage, Conversation)


def prune(*arguments: str) -> str:
    out = io.StringIO()
    call_command("prunebot", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def left() -> list[int]:
    return [model._default_manager.count() for model in TABLES]


@pytest.fixture
def old(world: World) -> World:
    """An old and a young row of every status, each update with a sent call."""
    for age in (OLD, timedelta(0)):
        moment = timezone.now() - age
        for status in Update.Status:
            update = world.update(status=status, created_at=moment)
            world.call(update=update, created_at=moment)
        for call_status in OutgoingCall.Status:
            world.call(status=call_status, created_at=moment)
        world.message(sent_at=moment)
    return world


def test_finished_updates_and_calls_go_the_others_stay(old: World) -> None:
    assert prune() == "deleted: 4 updates, 11 calls, 0 messages, 0 conversations"
    since = timezone.now() - timedelta(days=7)
    stay = Update.objects.filter(created_at__lt=since).values_list("status", flat=True)
    assert set(stay) == {"pending", "running", "alone", "retry", "failed"}
    calls = OutgoingCall.objects.filter(created_at__lt=since).values_list("status", flat=True)
    assert sorted(calls) == ["failed", "queued", "sending", "unknown"]
    assert Update.objects.filter(created_at__gte=since).count() == len(Update.Status)
    assert ChatMessage.objects.count() == 2


def test_failed_ones_go_when_asked_for(old: World) -> None:
    assert prune("--failed") == "deleted: 5 updates, 13 calls, 0 messages, 0 conversations"
    since = timezone.now() - timedelta(days=7)
    assert set(Update.objects.filter(created_at__lt=since).values_list("status", flat=True)) == {
        "pending",
        "running",
        "alone",
        "retry",
    }


def test_a_call_that_needs_a_decision_outlives_its_update(world: World) -> None:
    update = world.update(created_at=timezone.now() - OLD)
    unknown = world.call(update=update, status="unknown", created_at=timezone.now() - OLD)
    young = world.call(update=update, created_at=timezone.now())
    assert prune() == "deleted: 1 updates, 1 calls, 0 messages, 0 conversations"
    unknown.refresh_from_db()
    assert unknown.update is None
    assert not OutgoingCall.objects.filter(pk=young.pk).exists()


def test_messages_are_kept_for_ever_unless_told_otherwise(old: World, settings: Any) -> None:
    prune()
    assert ChatMessage.objects.count() == 2
    assert "1 messages" in prune("--messages-days", "7")
    assert ChatMessage.objects.count() == 1
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "KEEP_MESSAGES_DAYS": 0}
    assert "1 messages" in prune()


def test_none_keeps_updates_for_ever(old: World, settings: Any) -> None:
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "KEEP_UPDATES_DAYS": None}
    assert prune() == "deleted: 0 updates, 0 calls, 0 messages, 0 conversations"
    assert prune("--calls-days", "7").startswith("deleted: 0 updates, 11 calls")
    assert prune("--updates-days", "7").startswith("deleted: 4 updates, 0 calls")


def test_conversations_that_are_over_go(world: World) -> None:
    now = timezone.now()
    names: dict[str, dict[str, Any]] = {
        "empty for long": {"state": None, "data": {}, "updated_at": now - OLD},
        "expired for long": {"expires_at": now - OLD},
        "empty since today": {"state": None, "data": {}},
        "expired today": {"expires_at": now - timedelta(hours=1)},
        "asleep for long": {"updated_at": now - OLD},
        "no state but data": {"state": None, "updated_at": now - OLD},
    }
    for name, fields in names.items():
        updated_at = fields.pop("updated_at", now)
        row = world.conversation(user_id=name, **fields)
        Conversation.objects.filter(pk=row.pk).update(updated_at=updated_at)
    assert prune().endswith("2 conversations")
    assert set(Conversation.objects.values_list("user_id", flat=True)) == set(list(names)[2:])


def test_a_dry_run_counts_the_same_and_deletes_nothing(old: World) -> None:
    before = left()
    for arguments in (["--failed"], ["--calls-days", "100"], []):
        counted = prune("--dry-run", "--messages-days", "1", *arguments)
        assert left() == before
        if arguments == []:
            assert prune("--messages-days", "1").replace("deleted", "would delete") == counted


def test_a_dry_run_counts_a_call_once(old: World) -> None:
    counted = prune("--dry-run", "--failed")
    assert prune("--failed").replace("deleted", "would delete") == counted


@pytest.mark.parametrize("batch", ["1", "3", "1000"])
def test_the_size_of_a_batch_does_not_matter(old: World, batch: str) -> None:
    assert prune("--batch", batch, "--messages-days", "7").startswith("deleted: 4 updates, 11 calls, 1 messages")


def _statements(world: World, batch: int) -> int:
    with CaptureQueriesContext(connection) as queries:
        prune("--batch", str(batch))
    return len(queries)


def test_what_is_young_is_not_read(world: World) -> None:
    """Ten thousand young rows cost no more than one."""
    old = timezone.now() - OLD
    counts = []
    for young in (1, 400):
        for _ in range(30):
            world.update(created_at=old)
        Update.objects.bulk_create(
            Update(account=world.account, event_id=-number - 1, type="x", payload={}, created_at=timezone.now())
            for number in range(young)
        )
        counts.append(_statements(world, 10))
        assert Update.objects.count() == young
        Update.objects.all().delete()
    assert counts[0] == counts[1]


def test_a_batch_is_a_transaction_of_its_own_and_uses_the_primary_key(world: World) -> None:
    for _ in range(25):
        world.update(created_at=timezone.now() - OLD)
        world.message(sent_at=timezone.now() - OLD)
    with CaptureQueriesContext(connection) as queries:
        prune("--batch", "10", "--messages-days", "7")
    deletes = [query["sql"] for query in queries if query["sql"].startswith("DELETE")]
    of_updates = [sql for sql in deletes if 'FROM "vkteams_bot_update"' in sql]
    assert len(of_updates) == 3
    of_messages = [sql for sql in deletes if 'FROM "vkteams_bot_chatmessage"' in sql]
    assert len(of_messages) == 3
    assert all('"id" BETWEEN ' in sql for sql in of_messages)


def test_a_signal_ends_it_after_the_batch_at_hand(world: World) -> None:
    for _ in range(5):
        world.update(created_at=timezone.now() - OLD)
    pruning = Pruning(Ages(timezone.now(), None, None), lambda *_: setattr(pruning, "stopped", True), batch=2)
    pruning.run()
    assert pruning.deleted["updates"] == 2
    assert Update.objects.count() == 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Interrupted(Terminal):
    """A terminal where somebody sends a signal at the first sight of the bar."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        is_first = not self.getvalue()
        length = super().write(text)
        if is_first:
            signal.raise_signal(self.number)
        return length


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_tells_that_it_was_stopped(world: World, number: signal.Signals) -> None:
    for _ in range(5):
        world.update(created_at=timezone.now() - OLD)
    before = signal.getsignal(number)
    out, err = io.StringIO(), Interrupted(number)
    with pytest.raises(SystemExit) as stopped:
        call_command("prunebot", "--batch", "2", stdout=out, stderr=err)
    assert stopped.value.code == 128 + number
    assert out.getvalue().startswith("deleted: 2 updates")
    assert "run it again" in err.getvalue()
    assert signal.getsignal(number) is before
    assert prune().startswith("deleted: 3 updates")


def test_a_terminal_sees_a_bar(old: World) -> None:
    terminal = Terminal()
    call_command("prunebot", stdout=io.StringIO(), stderr=terminal)
    assert "\rupdates" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_log_file_sees_lines_now_and_then(old: World) -> None:
    log = io.StringIO()
    bar = Bar(log, line_seconds=0.0)
    bar.show("updates", "4", 1.0)
    bar.close()
    assert log.getvalue() == "updates: 4 (100%)\n"
    err = io.StringIO()
    call_command("prunebot", stdout=io.StringIO(), stderr=err)
    assert err.getvalue() == ""


@pytest.mark.parametrize(
    "arguments",
    [["--batch", "0"], ["--batch", "x"], ["--batch", "20000"], ["--updates-days", "-1"], ["--calls-days", "nan"]],
)
def test_nonsense_is_refused(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("prunebot", *arguments)


def test_no_statement_reads_more_than_a_few_batches(db: None) -> None:
    """For each batch of calls PostgreSQL read the whole table, of updates it did so on a day of unlucky statistics.

    A batch is a twentieth of a table here: to read all of it is never the better plan.
    """
    bulk.fill(12_000)
    with watched_statements(most_rows=2_500, most_steps=100_000) as problems:
        told = prune("--batch", "500", "--messages-days", "7", "--failed")
    assert re.fullmatch(r"deleted: 11\d{3} updates, 11\d{3} calls, 11\d{3} messages, \d+ conversations", told)
    assert len(problems) > 150
    assert not [problem for problem in problems if problem]
