"""The control API: what tests and other programs do to the world (docs/emulator.md)."""

from vkteams_bot.emulator.control.api import Control

__all__ = ["Control"]
