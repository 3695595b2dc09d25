"""From a logged conversation to a test that repeats it."""

from vkteams_bot.recording.reading import read
from vkteams_bot.recording.writing import written

__all__ = ["read", "written"]
