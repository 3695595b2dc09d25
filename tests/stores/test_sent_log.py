import pytest

from vkteams_bot.api import Bot
from vkteams_bot.api.methods import SendText
from vkteams_bot.api.types import SentMessage
from vkteams_bot.models import BotAccount, ChatMessage
from vkteams_bot.stores.sent_log import DirectSentLog

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


@pytest.mark.parametrize(("token", "owner"), [("001.1.1:1", "1"), ("001.1.1:2", "2"), ("001.1.1:3", "3"), ("001", "2")])
def test_what_a_bot_sends_directly_is_logged_for_its_own_identity(token, owner):
    for user_id in ("1", "2"):
        BotAccount.objects.create(alias="default", user_id=user_id)
    bot = Bot(token, "http://localhost/bot/v1")
    sent = SentMessage.model_validate({"msgId": "7", "ok": True}, context={"bot": bot, "chat_id": "a"})
    DirectSentLog().sent(bot, SendText("a", "hi"), sent)
    message = ChatMessage.objects.select_related("chat__account").get()
    assert (message.text, message.chat.account.user_id) == ("hi", owner)
