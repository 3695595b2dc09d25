"""What operators do with a broadcast that is no draft any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from vkteams_bot import broadcasts
from vkteams_bot.broadcasts.lifecycle import POSSIBLE
from vkteams_bot.broadcasts.progress import Progress
from vkteams_bot.models import Broadcast, BroadcastAction

Action = BroadcastAction.Action
Text = str | Promise


@dataclass(frozen=True, kw_only=True)
class BroadcastVerb:
    """`run` is given the broadcast and the user who does it, and raises BroadcastError."""

    name: str
    action: Action
    label: Text
    list_label: Text = ""
    """As an action of the list; "" = it is none."""
    run: Callable[[Broadcast, Any], object]
    done: Text
    warning: Text = ""
    """What is lost; asked before it is done."""
    concerns: Callable[[Progress], int] | None = None
    """How many rows it is about; without any it is not offered."""

    def applies(self, now: Progress) -> bool:
        return now.status in POSSIBLE[self.action] and (self.concerns is None or self.concerns(now) > 0)


VERBS = (
    BroadcastVerb(
        name="pause",
        action=Action.PAUSE,
        label=_("Pause"),
        list_label=_("Pause selected broadcasts"),
        run=lambda broadcast, user: broadcasts.pause(broadcast, user=user),
        done=_("“%(name)s” is paused."),
    ),
    BroadcastVerb(
        name="resume",
        action=Action.RESUME,
        label=_("Resume"),
        list_label=_("Resume selected broadcasts"),
        run=lambda broadcast, user: broadcasts.resume(broadcast, user=user),
        done=_("“%(name)s” goes on."),
    ),
    BroadcastVerb(
        name="retry",
        action=Action.RETRY,
        label=_("Retry refused"),
        run=lambda broadcast, user: broadcasts.retry(broadcast, user=user),
        done=_("“%(name)s”: what was refused will be sent again."),
        concerns=lambda now: now.failed,
    ),
    BroadcastVerb(
        name="retry-unknown",
        action=Action.RETRY,
        label=_("Retry refused and unknown"),
        run=lambda broadcast, user: broadcasts.retry(broadcast, user=user, unknown=True),
        done=_("“%(name)s”: what was refused or is unknown will be sent again."),
        warning=_("What is unknown may have arrived: sent again, people would get it twice."),
        concerns=lambda now: now.unknown,
    ),
    BroadcastVerb(
        name="cancel",
        action=Action.CANCEL,
        label=_("Cancel the rest"),
        list_label=_("Cancel selected broadcasts"),
        run=lambda broadcast, user: broadcasts.cancel(broadcast, user=user),
        done=_("“%(name)s” is cancelled."),
        warning=_("Whoever has not got it yet will never get it."),
    ),
)
