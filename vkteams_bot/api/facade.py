"""Every method as a typed `bot.name(...)`. The names are those of FEATURES: what peers' users know."""

from __future__ import annotations

from vkteams_bot.api import methods
from vkteams_bot.api.call import Endpoint


class Facade:
    """Mixin of Bot. Each attribute takes the parameters of its method and returns a Call."""

    get_me = Endpoint(methods.GetMe)
    get_events = Endpoint(methods.GetEvents)

    send_text = Endpoint(methods.SendText)
    send_text_with_deeplink = Endpoint(methods.SendTextWithDeeplink)
    send_file = Endpoint(methods.SendFile)
    send_voice = Endpoint(methods.SendVoice)
    edit_text = Endpoint(methods.EditText)
    delete_messages = Endpoint(methods.DeleteMessages)
    answer_callback_query = Endpoint(methods.AnswerCallbackQuery)

    get_chat_info = Endpoint(methods.GetChatInfo)
    send_actions = Endpoint(methods.SendActions)

    get_file_info = Endpoint(methods.GetFileInfo)
