"""From a logged conversation to a test that repeats it."""

from vkteams_bot.recording.reader import read
from vkteams_bot.recording.renderer import render

__all__ = ["read", "render"]
