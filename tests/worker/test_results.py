"""What an answer means, and what is repeated: one table for all who send."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vkteams_bot.api.methods import EditText, SendText
from vkteams_bot.api.outcomes import Kind, outcome_of
from vkteams_bot.api.retry import RetryStrategy
from vkteams_bot.api.types import SentMessage
from vkteams_bot.backoff import Backoff
from vkteams_bot.exceptions import (
    BadRequest,
    InvalidCall,
    InvalidToken,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
)
from vkteams_bot.models import OutgoingCall
from vkteams_bot.stores.outbox import ClaimedCall
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.worker.results import result_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SEND, EDIT = SendText("a@example.com", "x"), EditText("a@example.com", "1", "x")
STRATEGY = RetryStrategy(attempts=3, seconds=600, reply_seconds=60, backoff=Backoff(first=8, longest=8))


def call(**fields: Any) -> ClaimedCall:
    fields = {"origin": OutgoingCall.Origin.DELAYED} | fields
    return ClaimedCall(id=uuid7(), method=SEND.path, chat_id="a@example.com", **fields)


def status_after(error: BaseException | None, method: Any = SEND, **fields: Any) -> str:
    result = None if error else SentMessage.model_validate({"msgId": "7", "ok": True}, context={"chat_id": "a"})
    return result_of(call(**fields), outcome_of(method, result, error), STRATEGY, NOW).status


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (None, Kind.SENT, "sent"),
        (NotSent("refused"), Kind.NOT_SENT, "queued"),
        (InvalidToken("Invalid token"), Kind.NOT_SENT, "queued"),
        (RateLimited("Ratelimit"), Kind.THROTTLED, "queued"),
        (OutcomeUnknown("no answer"), Kind.UNKNOWN, "unknown"),
        (asyncio.CancelledError(), Kind.UNKNOWN, "unknown"),
        (BadRequest("no"), Kind.REFUSED, "failed"),
        (InvalidCall("a file is gone"), Kind.REFUSED, "failed"),
        (RuntimeError("a bug"), Kind.REFUSED, "failed"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("origin", OutgoingCall.Origin.values)
def test_an_outcome_means_the_same_for_all_origins(error: Any, kind: Kind, status: str, origin: str):
    result = None if error else SentMessage.model_validate({"msgId": "7", "ok": True}, context={"chat_id": "a"})
    outcome = outcome_of(SEND, result, error)
    assert outcome.kind is kind
    assert result_of(call(origin=origin), outcome, STRATEGY, NOW).status == status


def test_a_result_says_what_is_recorded():
    sent = SentMessage.model_validate({"msgId": "7", "ok": True}, context={"chat_id": "a"})
    result = result_of(call(attempts=2), outcome_of(SEND, sent), STRATEGY, NOW)
    assert (result.status, result.msg_id, result.attempts, result.due_at) == ("sent", "7", 3, None)
    waits = result_of(call(), outcome_of(SEND, error=NotSent("refused")), STRATEGY, NOW)
    assert (waits.attempts, waits.retry_until) == (1, NOW + timedelta(seconds=600))
    assert waits.due_at is not None
    assert NOW + timedelta(seconds=4) <= waits.due_at <= NOW + timedelta(seconds=8)


def test_what_does_no_harm_when_it_is_done_twice_is_repeated_so_often():
    unknown = OutcomeUnknown("Server error")
    assert [status_after(unknown, EDIT, attempts=n) for n in range(4)] == ["queued", "queued", "unknown", "unknown"]
    assert status_after(unknown, SEND) == "unknown"


def test_with_resend_the_unknown_is_repeated_and_what_was_cut_short_too():
    strategy = RetryStrategy(attempts=2, resend_unknown=True)
    for error in (OutcomeUnknown("no answer"), asyncio.CancelledError()):
        statuses = [result_of(call(attempts=n), outcome_of(SEND, error=error), strategy, NOW).status for n in (0, 1)]
        assert statuses == ["queued", "unknown"]


@pytest.mark.parametrize(
    "error", [NotSent("refused"), InvalidToken("Invalid token"), RateLimited("Ratelimit")], ids=repr
)
def test_what_never_left_is_repeated_however_often_but_not_for_ever(error: Any):
    assert status_after(error, attempts=1000, retry_until=NOW + timedelta(seconds=9)) == "queued"
    assert status_after(error, attempts=1, retry_until=NOW + timedelta(seconds=3)) == "failed"


def test_the_first_try_sets_the_end_and_replies_have_less_time():
    def retry_until(**fields: Any) -> Any:
        return result_of(call(**fields), outcome_of(SEND, error=NotSent("refused")), STRATEGY, NOW).retry_until

    assert retry_until() == NOW + timedelta(seconds=600)
    assert retry_until(origin=OutgoingCall.Origin.REPLY) == NOW + timedelta(seconds=60)
    earlier = NOW + timedelta(seconds=30)
    assert retry_until(retry_until=earlier) == earlier


def test_the_servers_own_time_is_waited_for_unless_that_is_too_late():
    soon = result_of(call(), outcome_of(SEND, error=RateLimited("Ratelimit", retry_after=50)), STRATEGY, NOW)
    assert soon.due_at == NOW + timedelta(seconds=50)
    for hours in (7200, float("inf")):
        assert status_after(RateLimited("Ratelimit", retry_after=hours)) == "failed"


@pytest.mark.parametrize(
    ("error", "is_answer"),
    [
        (None, True),
        (BadRequest("no"), True),
        (RateLimited("Ratelimit"), True),
        (NotSent("refused"), False),
        (InvalidToken("Invalid token"), False),
        (OutcomeUnknown("no answer"), False),
    ],
    ids=repr,
)
def test_whether_the_server_is_there(error: Any, is_answer: bool):
    assert outcome_of(SEND, error=error).is_answer is is_answer


@pytest.mark.parametrize(
    ("method", "error", "reason"),
    [
        (SEND, PermissionDenied("Permission denied"), "Permission denied"),
        (SEND, NotFound("Chat not found"), "Chat not found"),
        (SEND, BadRequest("the user has blocked the bot"), "the user has blocked the bot"),
        (SEND, NotFound("File not found"), ""),
        (EDIT, PermissionDenied("Permission denied"), ""),
        (SEND, OutcomeUnknown("blocked"), ""),
    ],
    ids=repr,
)
def test_who_cannot_be_reached_any_more(method: Any, error: Any, reason: str):
    assert outcome_of(method, error=error).unreachable == reason


def test_a_bug_is_logged_with_its_traceback_and_hides_no_token(caplog: Any):
    outcome = outcome_of(SEND, error=RuntimeError("a bug"))
    assert outcome.error == "RuntimeError: a bug"
    assert "Traceback" in caplog.text or caplog.records[0].exc_info
