"""The filters on parts, senders, texts, buttons, states and people."""

import re

import pytest

from tests.routing.events import BOT, conversation, dispatch, event_of, message_event, press_event, texts
from vkteams_bot import filters
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.fsm import State, StatesGroup, any_state, default_state
from vkteams_bot.routing import Dispatcher, Router


def part(kind, **payload):
    return {"type": kind, "payload": payload}


def quote(kind, text):
    return part(kind, message={"from": {"userId": "bob@corp"}, "msgId": "5", "text": text})


def passes(filter_, event, **options):
    return _run(filter_, event, **options) is not None


def put(filter_, event):
    """What the filter puts into the data of the handler."""
    return _run(filter_, event)


def _run(filter_, event, **options):
    got = []
    router = Router()

    async def handler(payload, event, bot, state, raw_event, event_type, flags, **rest):
        got.append(rest)

    for observer in router.observers.values():
        observer.register(handler, filter_)
    outcome = dispatch(router, event, **options)
    if outcome.error is not None:
        raise outcome.error
    return got[0] if got else None


PLAIN = message_event("hi")
DELETED = event_of("deletedMessage", {"chat": {"chatId": "c", "type": "group"}, "msgId": "1"})
PARTS = {
    "reply": quote("reply", "before"),
    "forward": quote("forward", "before"),
    "document": part("file", fileId="f"),
    "image": part("file", fileId="f", type="image"),
    "video": part("file", fileId="f", type="video"),
    "audio": part("file", fileId="f", type="audio"),
    "voice": part("voice", fileId="v"),
    "sticker": part("sticker", fileId="s"),
    "mention": part("mention", userId="bob@corp", firstName="Bob"),
}


@pytest.mark.parametrize(
    ("filter_", "fitting"),
    [
        (filters.ReplyFilter(), {"reply"}),
        (filters.ForwardFilter(), {"forward"}),
        (filters.FileFilter(), {"document", "image", "video", "audio"}),
        (filters.ImageFilter(), {"image"}),
        (filters.VideoFilter(), {"video"}),
        (filters.AudioFilter(), {"audio"}),
        (filters.VoiceFilter(), {"voice"}),
        (filters.StickerFilter(), {"sticker"}),
        (filters.MentionFilter(), {"mention"}),
        (filters.MentionFilter("bob@corp"), {"mention"}),
        (filters.MentionFilter("other@corp"), set()),
    ],
)
def test_parts(filter_, fitting):
    for name, value in PARTS.items():
        assert passes(filter_, message_event(parts=[value])) is (name in fitting), name
    every = list(PARTS.values())
    assert passes(filter_, message_event(parts=every)) is bool(fitting)
    for without in (PLAIN, DELETED, press_event()):
        assert not passes(filter_, without)


def test_chat_type():
    group = message_event(chat={"chatId": "c", "type": "group"})
    assert passes(filters.ChatTypeFilter("private"), PLAIN)
    assert not passes(filters.ChatTypeFilter("private"), group)
    assert passes(filters.ChatTypeFilter(["group", "channel"]), group)
    assert not passes(filters.ChatTypeFilter(["group", "channel"]), PLAIN)
    assert passes(filters.ChatTypeFilter("group"), press_event(chat={"chatId": "c", "type": "group"}))
    assert passes(filters.ChatTypeFilter("group"), DELETED)


def test_sender():
    assert passes(filters.SenderFilter("ann@corp"), PLAIN)
    assert passes(filters.SenderFilter(["bob@corp", "ann@corp"]), press_event())
    assert not passes(filters.SenderFilter("bob@corp"), PLAIN)
    assert not passes(filters.SenderFilter(["ann"]), PLAIN)
    assert not passes(filters.SenderFilter("ann@corp"), DELETED)


def test_regexp():
    found = put(filters.RegexpFilter(r"(\d{4})"), message_event("code 1234"))
    assert found["regexp_match"][1] == "1234"
    assert passes(filters.RegexpFilter(re.compile("HI", re.I)), PLAIN)
    assert not passes(filters.RegexpFilter("x"), PLAIN)
    assert passes(filters.RegexpFilter(""), DELETED)
    caption = message_event("https://f", parts=[part("file", fileId="f", caption="my caption")])
    assert passes(filters.RegexpFilter("caption"), caption)
    pinned = event_of("pinnedMessage", {"chat": {"chatId": "c", "type": "group"}, "msgId": "1", "text": "rules"})
    assert passes(filters.RegexpFilter("rules"), pinned)
    assert not passes(filters.RegexpFilter("x"), DELETED)


def test_regexp_looks_at_a_bounded_text():
    text = "x" * 4095
    assert passes(filters.RegexpFilter("y"), message_event(text + "y"))
    assert not passes(filters.RegexpFilter("y"), message_event(text + "xy"))


def test_regexp_in_parts():
    urgent = filters.RegexpPartsFilter("urgent|asap")
    for kind in ("reply", "forward"):
        found = put(urgent, message_event("urgent", parts=[quote(kind, "calm"), quote(kind, "do it asap")]))
        assert found["regexp_parts_match"][0] == "asap"
        assert not passes(urgent, message_event("urgent", parts=[quote(kind, "calm")]))
    assert not passes(urgent, message_event("urgent"))
    assert not passes(urgent, DELETED)


def test_url():
    url = filters.URLFilter()
    assert put(url, message_event("see https://a.ru/x?y=1 and http://b.ru")) == {"url": "https://a.ru/x?y=1"}
    assert put(url, message_event("see WWW.a.ru")) == {"url": "WWW.a.ru"}
    for text in ("none", "https://", "ftp://a.ru"):
        assert not passes(url, message_event(text))
    upload = [part("file", fileId="f")]
    assert not passes(url, message_event("https://files/1", parts=upload))
    with_caption = [part("file", fileId="f", caption="of https://a.ru")]
    assert put(url, message_event("https://files/1", parts=with_caption)) == {"url": "https://a.ru"}


def test_callback_data():
    assert put(filters.CallbackData("confirm"), press_event("confirm")) == {"callback_data": "confirm"}
    assert not passes(filters.CallbackData("confirm"), press_event("confirm:1"))
    assert put(filters.CallbackData(re.compile(r"_\d+$")), press_event("buy_5")) == {"callback_data": "buy_5"}
    assert not passes(filters.CallbackData(re.compile(r"_\d+$")), press_event("buy_x"))
    assert not passes(filters.CallbackData("hi"), PLAIN)


def test_callback_data_regexp():
    order = filters.CallbackDataRegexpFilter(r"order:(\d+)$")
    assert put(order, press_event("order:42"))["regexp_match"][1] == "42"
    assert not passes(order, press_event("reorder:42"))
    assert not passes(order, press_event("order:x"))
    assert not passes(order, PLAIN)


class Form(StatesGroup):
    name = State()

    class Address(StatesGroup):
        city = State()


@pytest.mark.parametrize(
    ("filter_", "fitting"),
    [
        (filters.StateFilter("*"), {None, "Form:name", "Form.Address:city", "Other:x"}),
        (filters.StateFilter(any_state), {None, "Form:name", "Form.Address:city", "Other:x"}),
        (any_state, {None, "Form:name", "Form.Address:city", "Other:x"}),
        (filters.StateFilter(None), {None}),
        (filters.StateFilter(default_state), {None}),
        (default_state, {None}),
        (~filters.StateFilter(None), {"Form:name", "Form.Address:city", "Other:x"}),
        (filters.StateFilter(Form.name), {"Form:name"}),
        (Form.name, {"Form:name"}),
        (filters.StateFilter("Form:name"), {"Form:name"}),
        (filters.StateFilter(Form), {"Form:name", "Form.Address:city"}),
        (Form, {"Form:name", "Form.Address:city"}),
        (Form.Address, {"Form.Address:city"}),
        (filters.StateFilter(Form.name, None, "Other:x"), {"Form:name", None, "Other:x"}),
    ],
)
def test_states(filter_, fitting):
    for name in (None, "Form:name", "Form.Address:city", "Other:x"):
        assert passes(filter_, PLAIN, state=conversation(name)) is (name in fitting), name


@pytest.mark.parametrize("wrong", [(), (5,), (Form.name, object())])
def test_what_is_no_state_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        filters.StateFilter(*wrong)


class User:
    def __init__(self, *perms, is_staff=False, is_active=True):
        self.perms, self.is_staff, self.is_active = perms, is_staff, is_active

    async def ahas_perms(self, perms):
        return set(perms) <= set(self.perms)


@pytest.mark.parametrize(
    ("filter_", "yes", "no"),
    [
        (filters.IsLinked(), [User(), User(is_staff=True)], [None, User(is_active=False)]),
        (filters.IsStaff(), [User(is_staff=True)], [None, User(), User(is_staff=True, is_active=False)]),
        (filters.HasPerm("a.b"), [User("a.b"), User("a.b", "a.c")], [None, User(), User("a.c")]),
        (filters.HasPerm("a.b", "a.c"), [User("a.b", "a.c")], [None, User("a.b")]),
        (~filters.IsLinked(), [None], [User()]),
        (filters.IsStaff() & filters.HasPerm("a.b"), [User("a.b", is_staff=True)], [User("a.b"), User(is_staff=True)]),
    ],
)
def test_people(filter_, yes, no):
    for expected, users in ((True, yes), (False, no)):
        for user in users:

            async def provider(data, user=user):
                return user

            assert passes(filter_, PLAIN, providers={"django_user": provider}) is expected


def test_people_need_a_provider_and_permissions_their_app():
    router = Router()
    router.message(filters.IsStaff())(lambda message: None)
    with pytest.raises(ConfigurationError, match="django_user"):
        Dispatcher([router])
    for wrong in ((), ("view_order",)):
        with pytest.raises(ConfigurationError):
            filters.HasPerm(*wrong)


def test_own_filters_of_all_kinds_ask_by_name():
    class Own(filters.BaseFilter):
        async def __call__(self, message, bot, state):
            return bot is BOT and state.state is None and message.text == "hi"

    async def function(message, *, event_type):
        return event_type == "newMessage"

    class Shop:
        def is_open(self, message, raw_event):
            return raw_event["eventId"] == 1

    for filter_ in (Own(), function, Shop().is_open, lambda message: message.text == "hi"):
        assert passes(filter_, PLAIN)
    router = Router()
    router.message(Own(), function, Shop().is_open)(lambda message: "yes")
    assert texts(dispatch(router)) == ["yes"]
    assert texts(dispatch(router, message_event("other"))) == []
