import asyncio
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections
from django.utils import timezone

from tests.stores.factories import account, incoming, store
from vkteams_bot.api.types import Chat as ApiChat
from vkteams_bot.api.types import User as ApiUser
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.models import Chat, Contact
from vkteams_bot.stores.chat_directory import ChatDirectory, Remembered, django_user_of
from vkteams_bot.stores.inbox import Incoming

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def user(user_id: str, name: str = "A") -> ApiUser:
    return ApiUser(user_id=user_id, first_name=name)


class TestContacts:
    @pytest.fixture
    def directory(self) -> ChatDirectory:
        return ChatDirectory(account().pk)

    def link(self, email: str, **fields: object):
        return get_user_model().objects.create(username=email or "nobody", email=email, **fields)

    def test_a_new_contact_is_linked_by_e_mail(self, directory: ChatDirectory):
        owner = self.link("Ann@Example.com")

        directory.contacts([user("ann@example.com"), user("bob@example.com"), user("12345")], timezone.now())

        assert dict(Contact.objects.values_list("user_id", "django_user")) == {
            "ann@example.com": owner.pk,
            "bob@example.com": None,
            "12345": None,
        }

    def test_not_to_one_of_several_nor_to_an_inactive_one(self, directory: ChatDirectory):
        self.link("two@example.com")
        get_user_model().objects.create(username="other", email="TWO@example.com")
        self.link("gone@example.com", is_active=False)
        self.link("")

        directory.contacts([user("two@example.com"), user("gone@example.com")], timezone.now())

        assert not Contact.objects.exclude(django_user=None).exists()

    def test_a_link_that_was_removed_stays_removed(self, directory: ChatDirectory):
        self.link("ann@example.com")
        directory.contacts([user("ann@example.com")], timezone.now())
        Contact.objects.update(django_user=None)

        ChatDirectory(account().pk).contacts([user("ann@example.com", "Anna")], timezone.now())

        contact = Contact.objects.get()
        assert contact.django_user is None
        assert contact.first_name == "Anna"

    def test_a_changed_name_is_written_and_a_known_one_costs_nothing(self, directory, django_assert_num_queries):
        keys = directory.contacts([user("ann@example.com")], timezone.now())

        with django_assert_num_queries(0):
            assert directory.contacts([user("ann@example.com")], timezone.now()) == keys
        assert directory.contacts([user("ann@example.com", "Anna")], timezone.now()) == keys
        assert Contact.objects.get().first_name == "Anna"


@pytest.mark.parametrize("odd", ["nul\x00@example.com", "\ud800"])
def test_odd_ids_and_names(odd):
    directory = ChatDirectory(account().pk)
    chats, people = [ApiChat.model_construct(chat_id=odd, type="group", title=f"t{odd}" + "t" * 600)], []
    people = [ApiUser.model_construct(user_id=odd, first_name=odd, last_name="l" * 300, nick=None)]

    for _ in range(2):
        assert directory.chats(chats, timezone.now()) == {odd: Chat.objects.get().pk}
        assert directory.contacts(people, timezone.now()) == {odd: Contact.objects.get().pk}


def test_a_chat_keeps_its_title_when_an_event_has_none():
    directory = ChatDirectory(account().pk)
    directory.chats([ApiChat(chat_id="1@chat.agent", type="group", title="Team")], timezone.now())

    ChatDirectory(account().pk).chats([ApiChat(chat_id="1@chat.agent", type="", title=None)], timezone.now())

    assert Chat.objects.values_list("title", "type").get() == ("Team", "group")


def test_the_memory_is_bounded_and_forgets_the_least_used():
    memory: Remembered[int, int] = Remembered(2)
    memory.put(1, 1)
    memory.put(2, 2)
    assert memory.get(1) == 1
    memory.put(3, 3)

    assert (memory.get(1), memory.get(2), memory.get(3)) == (1, None, 3)


@pytest.mark.django_db(transaction=True)
def test_handlers_get_the_linked_user():
    owner = get_user_model().objects.create(username="ann", email="ann@example.com")
    store().ingest(incoming(1, who="ann@example.com"), 1, [])

    async def found(user_id: str) -> object:
        try:
            return await django_user_of({"event": SimpleNamespace(from_user=user(user_id))})
        finally:
            await sync_to_async(connections.close_all)()

    assert asyncio.run(found("ann@example.com")) == owner
    assert asyncio.run(found("nobody@example.com")) is None


CHAT = {"chatId": "7@chat.agent", "type": "group", "title": "Team"}
ANN, BOB = {"userId": "ann@corp", "firstName": "Ann"}, {"userId": "bob@corp", "firstName": "Bob"}


@pytest.mark.parametrize("log_messages", [True, False])
@pytest.mark.parametrize(
    ("kind", "payload", "people"),
    [
        ("callbackQuery", {"queryId": "1", "from": ANN, "chat": CHAT}, {"ann@corp"}),
        ("newChatMembers", {"chat": CHAT, "newMembers": [ANN], "addedBy": BOB}, {"ann@corp", "bob@corp"}),
        ("leftChatMembers", {"chat": CHAT, "leftMembers": [ANN, BOB]}, {"ann@corp", "bob@corp"}),
        ("changedChatInfo", {"chat": CHAT, "from": ANN, "newTitle": "x"}, {"ann@corp"}),
        ("pinnedMessage", {"chat": CHAT, "from": ANN, "msgId": "1"}, {"ann@corp"}),
        ("unpinnedMessage", {"chat": CHAT, "msgId": "1"}, set()),
        ("deletedMessage", {"chat": CHAT, "msgId": "1"}, set()),
        ("newMessage", {"chat": CHAT, "msgId": "1", "from": ANN}, {"ann@corp"}),
    ],
)
def test_every_event_makes_known_its_chat_and_whom_it_names(settings, kind, payload, people, log_messages):
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "LOG_MESSAGES": log_messages}
    owner = get_user_model().objects.create(username="ann", email="ann@corp")
    event = decode_event({"eventId": 1, "type": kind, "payload": payload}, None)
    store().ingest([Incoming(event, None)], 1, [])
    assert list(Chat.objects.values_list("chat_id", "type", "title")) == [("7@chat.agent", "group", "Team")]
    assert set(Contact.objects.values_list("user_id", flat=True)) == people
    if "ann@corp" in people:
        assert Contact.objects.get(user_id="ann@corp").django_user == owner


def test_an_event_that_names_a_person_by_the_id_alone_takes_no_name_away():
    directory = ChatDirectory(account().pk)
    directory.contacts([user("ann@corp", "Ann")], timezone.now())
    for remembering in (directory, ChatDirectory(account().pk)):
        remembering.contacts([ApiUser(user_id="ann@corp")], timezone.now())
        assert Contact.objects.get().first_name == "Ann"


def test_a_channel_stays_one_when_an_event_does_not_say_what_it_is():
    channel = ApiChat(chat_id="1@chat.agent", type="channel", title="News")
    ChatDirectory(account().pk).chats([channel], timezone.now())
    ChatDirectory(account().pk).chats([ApiChat.model_validate({"chatId": "1@chat.agent"})], timezone.now())
    assert Chat.objects.get().type == "channel"
