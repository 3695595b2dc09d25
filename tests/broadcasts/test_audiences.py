"""Who is in an audience: each once, in pages, without those that cannot be reached."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.broadcasts.conftest import Mailing
from vkteams_bot import broadcasts
from vkteams_bot.broadcasts import audience, segments
from vkteams_bot.broadcasts.audiences import segment
from vkteams_bot.broadcasts.expansion import prepare
from vkteams_bot.broadcasts.recipients import pages, reachable
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.models import BotAccount, Broadcast, Chat, ChatMessage, Contact, Update

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def everyone(broadcast: Broadcast, size: int = 2) -> list[str]:
    return [recipient.chat_id for page in pages(broadcast, size) for recipient in page]


def reached(broadcast: Broadcast) -> list[str]:
    return [recipient.chat_id for page in pages(broadcast) for recipient in reachable(broadcast, page)]


def in_segment(mailing: Mailing, members) -> Broadcast:
    audience("some")(members)
    return mailing.broadcast(audience="segment", segment="some")


def test_private_chats_and_groups_of_this_bot(mailing):
    other = BotAccount.objects.create(alias="other", user_id="2")
    mailing.chats("a", "b", "c", "d", "e")
    mailing.chats("1@chat.agent", type="group")
    mailing.chats("2@chat.agent", type="channel")
    mailing.chats("f", account=other)
    assert everyone(mailing.broadcast(audience="private")) == ["a", "b", "c", "d", "e"]
    assert everyone(mailing.broadcast(audience="groups")) == ["1@chat.agent"]


def test_a_list_with_its_columns(mailing):
    listed = list(pages(mailing.broadcast(audience="list", recipients="chat_id;sum\na;1\nb;2\nc;3"), 2))
    assert [[(recipient.chat_id, recipient.vars) for recipient in page] for page in listed] == [
        [("a", {"sum": "1"}), ("b", {"sum": "2"})],
        [("c", {"sum": "3"})],
    ]


def test_segments_of_chats(mailing):
    other = BotAccount.objects.create(alias="other", user_id="2")
    mailing.chats("a", "b", "c", "d")
    mailing.chats("a", "e", account=other)
    assert everyone(in_segment(mailing, lambda: Chat.objects.exclude(chat_id="b"))) == ["a", "c", "d"]


def test_segments_of_contacts_and_users(mailing):
    users = [User.objects.create_user(f"user{number}") for number in range(4)]
    for number, user in enumerate(users):
        mailing.contact(f"c{number}", django_user=user if number != 2 else None)
    assert everyone(in_segment(mailing, lambda: Contact.objects.all())) == ["c0", "c1", "c2", "c3"]
    broadcast = mailing.broadcast(audience="segment", segment="users")
    audience("users")(lambda: User.objects.exclude(username="user0"))
    assert everyone(broadcast) == ["c1", "c3"]


def test_segments_of_chat_ids(mailing):
    for number, text in enumerate(["b", "a", "c", "a", "", "b", "d"]):
        User.objects.create_user(f"user{number}", last_name=text)
    assert everyone(in_segment(mailing, lambda: User.objects.values_list("last_name", flat=True))) == [*"abcd"]


@pytest.mark.parametrize(
    "members",
    [
        lambda: Contact.objects.order_by("-user_id")[:3],
        lambda: Contact.objects.filter(user_id="b") | Contact.objects.filter(user_id__gt="b"),
        lambda: Contact.objects.filter(user_id="b").union(Contact.objects.filter(user_id__gt="b")),
        lambda: Contact.objects.filter(user_id__gt="a").distinct().order_by("-user_id"),
        lambda: Contact.objects.order_by("-user_id").values_list("user_id", flat=True)[:3],
        lambda: Contact.objects.exclude(user_id="a").values_list("user_id", flat=True).order_by("-pk"),
    ],
)
def test_segments_of_any_shape(mailing, members):
    for user_id in "abcd":
        mailing.contact(user_id)
    assert sorted(everyone(in_segment(mailing, members))) == ["b", "c", "d"]


def test_joins_do_not_double(mailing):
    user = User.objects.create_user("user")
    for user_id in "abc":
        mailing.contact(user_id, django_user=user)
    by_join = lambda: Contact.objects.filter(django_user__vkteams_contacts__isnull=False)  # noqa: E731
    assert everyone(in_segment(mailing, by_join)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "members",
    [
        lambda: ["a", "b"],
        lambda: BotAccount.objects.all(),
        lambda: Contact.objects.values("user_id"),
        lambda: Contact.objects.values_list("user_id", "pk"),
    ],
)
def test_anything_else_is_refused(mailing, members):
    with pytest.raises(ConfigurationError, match="the segment 'some' must give a queryset"):
        everyone(in_segment(mailing, members))


def test_a_segment_that_fails_says_so_and_the_log_says_where(mailing, caplog):
    with pytest.raises(ConfigurationError, match=r"the segment 'some' failed: ZeroDivisionError"):
        everyone(in_segment(mailing, lambda: 1 / 0))
    (record,) = caplog.records
    assert (record.levelname, record.segment) == ("ERROR", "some")
    assert "test_audiences.py" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_segment_that_fails_when_it_is_read_says_so(mailing):
    broken = in_segment(mailing, lambda: Chat.objects.filter(pk=RawSQL("no_such_function()", ())))
    with pytest.raises(ConfigurationError, match=r"the segment 'some' failed: .*no_such_function"):
        everyone(broken)
    broadcasts.start(broken)
    assert not prepare(broken.pk)
    broken.refresh_from_db()
    assert (broken.status, "no_such_function" in broken.error) == ("paused", True)


class Unreadable(QuerySet[Chat]):
    """Its database went away."""

    def _fetch_all(self) -> None:
        raise InterfaceError("the connection is closed")


def unreachable_database() -> QuerySet[Chat]:
    raise InterfaceError("the connection is closed")


@pytest.mark.parametrize("members", [unreachable_database, lambda: Unreadable(Chat)])
def test_a_lost_database_is_not_the_fault_of_a_segment(mailing, members):
    with pytest.raises(InterfaceError):
        everyone(in_segment(mailing, members))


def test_the_registry():
    @audience("paying", label="Who pays")
    def paying():
        return Contact.objects.all()

    audience("all")(paying)
    assert audience("paying", label="Who pays")(paying) is paying
    assert {name: found.label for name, found in segments().items()} == {"all": "all", "paying": "Who pays"}
    with pytest.raises(ConfigurationError, match="two segments are called 'paying'"):
        audience("paying")(lambda: Contact.objects.none())
    with pytest.raises(ConfigurationError, match=r"no app declares the segment 'nobody' \(there are: all, paying\)"):
        segment("nobody")


def test_who_cannot_be_reached_is_left_out_until_they_write_or_get_something(mailing):
    gone = timezone.now() - timedelta(hours=1)
    mailing.chats("a")
    blocked, wrote, pressed, wrote_before, reached_again = mailing.chats(*"bcdef", unreachable_at=gone)

    def message(chat, sent_at, direction="in"):
        ChatMessage.objects.create(chat=chat, msg_id="1", direction=direction, sent_at=sent_at)

    message(blocked, gone - timedelta(seconds=1), "out")
    message(wrote, timezone.now())
    message(reached_again, timezone.now(), "out")
    message(wrote_before, gone - timedelta(hours=1))
    Update.objects.create(
        account=mailing.account, event_id=1, type="callbackQuery", chat_id="d", payload={}, created_at=timezone.now()
    )
    assert pressed.chat_id == "d"
    assert reached(mailing.broadcast()) == ["a", "c", "d", "f"]
    assert reached(mailing.broadcast(exclude_unreachable=False)) == ["a", "b", "c", "d", "e", "f"]
    assert reached(mailing.broadcast(audience="list", recipients="b\nc\nx")) == ["c", "x"]


def test_a_page_costs_two_statements(mailing):
    mailing.chats(*(f"user{number:03}" for number in range(100)))
    broadcast = mailing.broadcast()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert sum(len(reachable(broadcast, page)) for page in pages(broadcast, 25)) == 100
    assert len(queries) == 4 * 2 + 1
