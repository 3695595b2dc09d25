"""Writing what became of calls: rows, the chat log, chats that cannot be reached, what a broadcast learns of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from vkteams_bot.api.types import SentMessage
from vkteams_bot.broadcasts import sending
from vkteams_bot.broadcasts.lifecycle import reopen
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import CallError
from vkteams_bot.models import OutgoingCall
from vkteams_bot.stores import log, outbox
from vkteams_bot.stores.chat_directory import ChatDirectory, mark_unreachable
from vkteams_bot.stores.outbox import Result
from vkteams_bot.worker.sender import Completed

Status = OutgoingCall.Status
Recorded = tuple[Completed, Result]


class Recorder:
    """Of one account, for one thread. Writes in the caller's transaction, a constant number of statements."""

    def __init__(self, account_id: int) -> None:
        self._account_id = account_id
        self._directory = ChatDirectory(account_id)

    def forget(self) -> None:
        """After a failure: a chat or contact that is remembered may have been deleted by hand."""
        self._directory.forget()

    def write(
        self,
        recorded: Sequence[Recorded],
        by: str,
        now: datetime,
        *,
        lines: Sequence[log.Entry] = (),
        with_log: bool = True,
    ) -> None:
        """Record these of the holder `by`, and more lines of the chat log."""
        with_log = with_log and conf.log_messages
        entries = list(lines) if with_log else []
        unreachable: dict[str, str] = {}
        for completed, result in recorded:
            if result.status == Status.SENT and with_log and completed.flight.method.logged:
                entries += log.outgoing(completed.flight.method, completed.result, now)
            if completed.outcome.unreachable:
                unreachable[completed.flight.call.chat_id] = completed.outcome.unreachable
        if recorded:
            outbox.record(_after_broadcasts(recorded), by, now)
        if unreachable:
            mark_unreachable(self._account_id, unreachable, now)
        if entries:
            log.write(entries, self._directory, now)


def _after_broadcasts(recorded: Sequence[Recorded]) -> list[Result]:
    """The results, once their broadcasts have heard of them: a fault that all its messages share pauses a broadcast."""
    if all(completed.flight.call.broadcast_id is None for completed, _ in recorded):
        return [result for _, result in recorded]
    results: list[Result] = []
    shared: dict[tuple[int, type], bool] = {}
    waiting: set[int] = set()
    for completed, result in recorded:
        call, error = completed.flight.call, completed.error
        if call.broadcast_id is not None:
            if completed.flight.alone and isinstance(completed.result, SentMessage) and completed.result.file_id:
                sending.uploaded(call.broadcast_id, completed.result.file_id)
            if isinstance(error, CallError):
                kind = (call.broadcast_id, type(error))
                if kind not in shared:
                    shared[kind] = sending.refused(call.broadcast_id, error)
                if shared[kind]:  # nobody's fault: the broadcast waits, and this row with it
                    result = replace(
                        result, status=Status.QUEUED, attempts=call.attempts, due_at=None, retry_until=None
                    )
            if result.status == Status.QUEUED:
                waiting.add(call.broadcast_id)
        results.append(result)
    # A result may come so late that it was given up as unknown, and the broadcast is finished without it.
    if waiting:
        reopen(waiting)
    return results
