"""What operators do with a broadcast: send the draft; pause, resume, repeat, cancel what was started."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext_lazy as _

from vkteams_bot import broadcasts
from vkteams_bot.admin.actions import RowAction
from vkteams_bot.broadcasts.lifecycle import POSSIBLE
from vkteams_bot.broadcasts.progress import Progress
from vkteams_bot.models import Broadcast, BroadcastAction

Kind = BroadcastAction.Action


def _possible(kind: Kind, rows: Callable[[Progress], int] | None = None) -> Callable[[Progress], bool]:
    """Whether a broadcast that stands there allows it; with `rows`, whether it has any that it is about."""
    return lambda progress: progress.status in POSSIBLE[kind] and (rows is None or rows(progress) > 0)


SEND = RowAction[Broadcast](
    name="send",
    label=_("Send"),
    run=lambda broadcast, user: broadcasts.start(broadcast, user=user),
)
"""No button of the progress page: a page of its own shows what is sent to whom, and asks."""

ACTIONS = (
    RowAction[Broadcast](
        name="pause",
        label=_("Pause"),
        list_label=_("Pause selected broadcasts"),
        run=lambda broadcast, user: broadcasts.pause(broadcast, user=user),
        applies=_possible(Kind.PAUSE),
        done=_("“%(name)s” is paused."),
    ),
    RowAction[Broadcast](
        name="resume",
        label=_("Resume"),
        list_label=_("Resume selected broadcasts"),
        run=lambda broadcast, user: broadcasts.resume(broadcast, user=user),
        applies=_possible(Kind.RESUME),
        done=_("“%(name)s” goes on."),
    ),
    RowAction[Broadcast](
        name="retry",
        label=_("Retry refused"),
        run=lambda broadcast, user: broadcasts.retry(broadcast, user=user),
        applies=_possible(Kind.RETRY, lambda progress: progress.failed),
        done=_("“%(name)s”: what was refused will be sent again."),
    ),
    RowAction[Broadcast](
        name="retry-unknown",
        label=_("Retry refused and unknown"),
        run=lambda broadcast, user: broadcasts.retry(broadcast, user=user, unknown=True),
        applies=_possible(Kind.RETRY, lambda progress: progress.unknown),
        done=_("“%(name)s”: what was refused or is unknown will be sent again."),
        warning=_("What is unknown may have arrived: sent again, people would get it twice."),
    ),
    RowAction[Broadcast](
        name="cancel",
        label=_("Cancel the rest"),
        list_label=_("Cancel selected broadcasts"),
        run=lambda broadcast, user: broadcasts.cancel(broadcast, user=user),
        applies=_possible(Kind.CANCEL),
        done=_("“%(name)s” is cancelled."),
        warning=_("Whoever has not got it yet will never get it."),
    ),
)
