"""Who gets a broadcast: its audience as pages of recipients, in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.query import FlatValuesListIterable, ModelIterable

from vkteams_bot.broadcasts.audiences import Segment, segment
from vkteams_bot.broadcasts.lists import LONGEST_CHAT_ID, Recipient, RecipientList
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.models import Broadcast, Chat, ChatMessage, Contact, Update
from vkteams_bot.stores.outages import is_outage

logger = logging.getLogger("vkteams_bot.broadcasts")

PAGE = 5_000

Page = list[Recipient]


def pages(broadcast: Broadcast, size: int = PAGE) -> Iterator[Page]:
    """The recipients, each once; those that cannot be reached are still among them.

    Raises ConfigurationError for a segment that no app declares, that fails or gives something else than recipients.
    """
    if broadcast.audience == Broadcast.Audience.LIST:
        return _list_pages(RecipientList(broadcast.recipients), size)
    if broadcast.audience == Broadcast.Audience.SEGMENT:
        return _blaming(broadcast.segment, _segment_pages(broadcast, size))
    kind = Chat.Type.PRIVATE if broadcast.audience == Broadcast.Audience.PRIVATE else Chat.Type.GROUP
    return _pages(Chat.objects.filter(account=broadcast.account_id, type=kind), "chat_id", size)


def unreachable(account_id: int, chat_ids: Iterable[str]) -> set[str]:
    """Those to which a send was refused for good, and from which nothing came and which nothing reached since.

    One statement. The newest of each chat is looked up: a join might read the whole log.
    """
    in_chat = ChatMessage.objects.filter(chat=OuterRef("pk"))
    of_chat = Update.objects.filter(account=OuterRef("account"), chat_id=OuterRef("chat_id"))
    marked = Chat.objects.filter(account=account_id, chat_id__in=list(chat_ids), unreachable_at__isnull=False)
    moments = marked.annotate(
        wrote_at=Subquery(in_chat.order_by("-pk").values("sent_at")[:1]),
        heard_at=Subquery(of_chat.order_by("-pk").values("created_at")[:1]),
    ).values_list("chat_id", "unreachable_at", "wrote_at", "heard_at")
    return {chat_id for chat_id, gone_at, *came in moments if not any(moment and moment > gone_at for moment in came)}


def reachable(broadcast: Broadcast, page: Page) -> Page:
    """Without those that cannot be reached, if the broadcast leaves them out."""
    if not broadcast.exclude_unreachable:
        return page
    left_out = unreachable(broadcast.account_id, (recipient.chat_id for recipient in page))
    return [recipient for recipient in page if recipient.chat_id not in left_out]


def _list_pages(recipients: Iterable[Recipient], size: int) -> Iterator[Page]:
    iterator = iter(recipients)
    while page := list(islice(iterator, size)):
        yield page


def _segment_pages(broadcast: Broadcast, size: int) -> Iterator[Page]:
    members = _members(segment(broadcast.segment))
    problem = f"the segment {broadcast.segment!r} must give a queryset of Chat, Contact or users, or chat ids"
    kind = members._iterable_class if isinstance(members, QuerySet) else None
    if kind is FlatValuesListIterable:
        (name,) = members.query.values_select or members.query.annotation_select
        return _value_pages(members, name, size)
    if kind is not ModelIterable:
        raise ConfigurationError(f"{problem} by values_list(field, flat=True)")
    if members.model is Chat:
        return _pages(_filterable(members).filter(account=broadcast.account_id), "chat_id", size)
    if members.model is Contact:
        return _pages(_filterable(members), "user_id", size)
    if issubclass(members.model, get_user_model()):
        return _pages(Contact.objects.filter(django_user__in=members.values("pk")), "user_id", size)
    raise ConfigurationError(f"{problem}, not of {members.model.__name__}")


def _members(chosen: Segment) -> Any:
    with _blamed(chosen.name):
        return chosen.members()


def _blaming(segment_name: str, pages_of_segment: Iterator[Page]) -> Iterator[Page]:
    with _blamed(segment_name):
        yield from pages_of_segment


@contextmanager
def _blamed(segment_name: str) -> Iterator[None]:
    """Raises ConfigurationError for whatever the project's function or queryset raises, but for a lost database."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:  # code of the project runs here: it may raise anything, and its author needs the place
        if is_outage(error):
            raise
        logger.exception("a segment failed", extra={"segment": segment_name})
        raise ConfigurationError(f"the segment {segment_name!r} failed: {error!r}") from error


def _filterable(members: QuerySet[Any]) -> QuerySet[Any]:
    """A slice, a union and a `distinct(field)` take no further filter: they become a subquery."""
    query = members.query
    if query.is_sliced or query.combinator or query.distinct_fields:
        whole: QuerySet[Any] = members.model._default_manager.filter(pk__in=members.values("pk"))
        return whole
    return members


def _pages(rows: QuerySet[Any], chat_field: str, size: int) -> Iterator[Page]:
    """By primary key: each page is one statement, and no cursor stays open between them."""
    pairs = rows.order_by("pk").values_list("pk", chat_field)
    page = list(pairs[:size])
    while page:
        yield [Recipient(chat_id) for chat_id in dict(page).values()]
        page = list(pairs.filter(pk__gt=page[-1][0])[:size])


def _value_pages(members: QuerySet[Any], name: str, size: int) -> Iterator[Page]:
    """By the chat id itself, in the order of the database."""
    if members.query.is_sliced or members.query.combinator:
        # Bounded by whoever cut it, or to be read in one piece.
        yield from _list_pages((Recipient(chat_id) for chat_id in _chat_ids(dict.fromkeys(members))), size)
        return
    values = members.exclude(**{name: None}).order_by(name).distinct()
    page = list(values[:size])
    while page:
        yield [Recipient(chat_id) for chat_id in _chat_ids(page)]
        page = list(values.filter(**{f"{name}__gt": page[-1]})[:size])


def _chat_ids(values: Iterable[Any]) -> Iterator[str]:
    """A field of the project may hold anything."""
    for chat_id in map(str, values):
        if chat_id and len(chat_id) <= LONGEST_CHAT_ID:
            yield chat_id
