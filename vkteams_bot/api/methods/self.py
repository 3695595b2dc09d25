"""self/*"""

from vkteams_bot.api.methods.base import Method, endpoint
from vkteams_bot.api.types import BotInfo


@endpoint("self/get", BotInfo, safe_to_repeat=True)
class GetMe(Method[BotInfo]):
    """Who the token belongs to."""
