"""Styled texts: nodes, markup helpers, ranges, splitting."""

from vkteams_bot.text import html, md
from vkteams_bot.text.format_builder import FormatBuilder
from vkteams_bot.text.nodes import (
    Bold,
    Code,
    Italic,
    Link,
    Mention,
    Node,
    OrderedList,
    Pre,
    Quote,
    Raw,
    Strikethrough,
    Text,
    Underline,
    UnorderedList,
)
from vkteams_bot.text.splitting import split_text

__all__ = [
    "Bold",
    "Code",
    "FormatBuilder",
    "Italic",
    "Link",
    "Mention",
    "Node",
    "OrderedList",
    "Pre",
    "Quote",
    "Raw",
    "Strikethrough",
    "Text",
    "Underline",
    "UnorderedList",
    "html",
    "md",
    "split_text",
]
