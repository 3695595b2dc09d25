"""What a press on a button gets when no handler took it: silence would leave the button spinning."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from vkteams_bot.api.methods import AnswerCallbackQuery, Method
from vkteams_bot.api.types import CallbackQuery, Event
from vkteams_bot.routing import Dispatched, Status


def replies_to(event: Event, result: Dispatched) -> tuple[Method[Any], ...]:
    """The replies of the handlers; for a press that none took, that its button is out of use.

    A press that a handler took is left to it: whether it answered, or will later, cannot be known here.
    """
    if result.status is Status.UNHANDLED and isinstance(event.payload, CallbackQuery):
        return (AnswerCallbackQuery(event.payload.query_id, text=_("This button is no longer in use.")),)
    return result.replies
