"""From a text as a bot sends it to plain text and ranges, as servers read it (botapi.md §4)."""

from vkteams_bot.text.parsing.html_parser import parse_html
from vkteams_bot.text.parsing.markdown_parser import parse_markdown
from vkteams_bot.text.parsing.styled import MarkupError, may_stand

__all__ = ["MarkupError", "may_stand", "parse_html", "parse_markdown"]
