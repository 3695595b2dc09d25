"""The Bot API as a plain library: works without Django.

>>> async with Bot(token="…", api_url="https://myteam.mail.ru/bot/v1") as bot:
...     await bot.send_text("user@company.ru", "Hello!")
"""

from vkteams_bot.api.bot import Bot
from vkteams_bot.api.call import Call, CallNeverSent
from vkteams_bot.api.delayed import Delayed, DelayNeverAwaited
from vkteams_bot.api.files import InputFile
from vkteams_bot.api.methods import Method
from vkteams_bot.api.types import ParseMode

__all__ = ["Bot", "Call", "CallNeverSent", "DelayNeverAwaited", "Delayed", "InputFile", "Method", "ParseMode"]
