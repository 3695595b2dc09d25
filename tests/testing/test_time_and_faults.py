"""Waiting costs no time, time travels, and servers fail."""

import time

import pytest

from tests.testing.bot import Form, router
from vkteams_bot.exceptions import OutcomeUnknown
from vkteams_bot.models import Conversation
from vkteams_bot.registry import bots
from vkteams_bot.testing import Chat, HandlerFailed, NotSettled, Refusal

pytestmark = [pytest.mark.orm, pytest.mark.vkteams(routers=[router])]


@pytest.fixture
def alice(chat):
    return chat.user("alice@corp")


@pytest.fixture
def quickly():
    """Far less than the bot believes."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 20


@pytest.mark.usefixtures("quickly")
def test_a_handler_that_sleeps_for_minutes(alice):
    alice.sends("/sleep")
    assert alice.sees == "Good morning."


def test_a_handler_that_never_ends_is_named(alice):
    with pytest.raises(NotSettled, match="after 60 minutes of its time the bot still works: 1 updates"):
        alice.sends("/forever")


def test_a_dialog_times_out(alice, chat, settings):
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "FSM_TIMEOUT": 1800}
    alice.sends("/name")
    chat.travel(minutes=29)
    assert alice.state == Form.name
    chat.travel(minutes=2)
    assert alice.state is None
    alice.sends("Alice")
    assert alice.sees == "Alice"


def test_rows_of_the_project_age_when_it_asks(alice, chat, django_user_model):
    joined = django_user_model.objects.create(username="a").date_joined
    alice.sends("/name")
    changed = Conversation.objects.get().updated_at
    chat.travel(days=1, models=[django_user_model])
    assert (joined - django_user_model.objects.get().date_joined).days == 1
    assert (changed - Conversation.objects.get().updated_at).days == 1


def test_the_server_forgets_to_delete_what_is_old(alice, chat):
    """Its clock moves on, too: bots delete within 48 hours."""
    alice.sends("/start")
    message = alice.sees
    chat.travel(hours=49)
    with pytest.raises(Exception, match="Permission denied"):
        chat.bot.delete_messages("alice@corp", message.id).send()


@pytest.mark.usefixtures("quickly")
def test_a_poll_that_fails_is_repeated(alice, chat):
    chat.faults("502@events/get#5", "disconnect@events/get#3")
    alice.sends("/start")
    assert alice.sees == "Hello!"


def test_a_lost_answer_leaves_the_outcome_unknown(alice, chat):
    chat.faults("disconnect_after@messages/sendText#1")
    alice.sends("hello")
    assert alice.sees == "hello"
    assert [call.status for call in chat.calls] == ["unknown"]


def test_an_answer_that_never_comes(alice, chat):
    chat.faults("hang@messages/sendText#1")
    alice.sends("hello")
    assert alice.sees == ""
    (call,) = chat.calls
    assert call.status == "unknown"
    assert "ReadTimeout" in call.error


def test_a_server_error_meets_a_handler_that_awaits(alice, chat):
    chat.faults("502@messages/sendText")
    with pytest.raises(HandlerFailed) as caught:
        alice.sends("/start")
    assert isinstance(caught.value.__cause__, OutcomeUnknown)
    chat.faults()
    alice.sends("/start")
    assert alice.sees == "Hello!"


@pytest.mark.usefixtures("quickly")
def test_a_reply_waits_while_the_server_says_later(alice, chat):
    chat.faults("ratelimit@messages/sendText#4")
    alice.sends("hello")
    assert alice.sees == "hello"
    assert [call.status for call in chat.calls] == ["sent"]


@pytest.mark.usefixtures("quickly")
def test_plain_code_waits_for_nothing_either(alice, chat):
    chat.faults("ratelimit@messages/sendText#3", "latency=20s@messages/sendText")
    alice.sends("/count")
    assert alice.replies == ["Counting...", "0 teams"]
    bots["default"].send_text("alice@corp", "slow").send()


@pytest.mark.django_db
@pytest.mark.usefixtures("quickly")
def test_the_rate_limit_is_kept_in_the_time_of_the_bot(settings):
    slow = {**settings.VKTEAMS_BOT["BOTS"]["default"], "RATE_LIMIT": 0.5, "BURST": 1}
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "BOTS": {"default": slow}}
    with Chat(routers=[router]) as chat:
        alice = chat.user("alice@corp")
        for number in range(30):
            alice.sends(f"text {number}")
            assert alice.sees == f"text {number}"


def test_a_wrong_fault_is_named(chat):
    with pytest.raises(Refusal, match="nonsense"):
        chat.faults("nonsense@nowhere")
