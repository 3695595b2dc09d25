r"""MarkdownV2 by hand: each helper puts its marks around markup and gives markup (botapi.md §4.1).

Data goes through `escape()` first. `code`, `pre`, `mention` and addresses take the literal value and escape it
themselves, since other rules hold there. The nodes (`Bold`, …) do all this on their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vkteams_bot.text.styles import checked_language, checked_url, mention_token

__all__ = [
    "bold",
    "code",
    "escape",
    "italic",
    "link",
    "mention",
    "ordered_list",
    "pre",
    "quote",
    "strikethrough",
    "underline",
    "unordered_list",
]

MARKS = {"bold": "*", "italic": "_", "underline": "__", "strikethrough": "~"}
SAFE = re.compile(r"[\\*_~`\[\]()]")
FULL = re.compile(r"[\\*_~`\[\]()>#+\-=|{}.!]")
IN_CODE = re.compile(r"[\\`]")
IN_ADDRESS = re.compile(r"[\\)]")


def escape(text: str, *, full: bool = False) -> str:
    r"""Text as it is: a backslash before ``\ * _ ~ ` [ ] ( )``, the signs that every server reported on accepts.

    A line that begins with ``>``, ``- `` or ``1. `` is still a quote or list. `full` escapes ``> # + - = | { } . !``
    as well; a server that takes only the signs above answers `Format error` to that.
    """
    return (FULL if full else SAFE).sub(r"\\\g<0>", text)


def bold(text: str) -> str:
    return _marked("bold", text)


def italic(text: str) -> str:
    return _marked("italic", text)


def underline(text: str) -> str:
    return _marked("underline", text)


def strikethrough(text: str) -> str:
    return _marked("strikethrough", text)


def code(text: str) -> str:
    """Takes the literal text."""
    return f"`{_in_code(text)}`"


def pre(text: str, language: str | None = None) -> str:
    """Takes the literal text. Raises InvalidCall for a language that is none."""
    return f"```{checked_language(language)}\n{_in_code(text)}\n```"


def link(text: str, url: str) -> str:
    """Takes the literal address. Raises InvalidCall for an empty one or one with line breaks."""
    return f"[{text}{link_end(url)}"


def link_end(url: str) -> str:
    """What follows the label."""
    return f"]({IN_ADDRESS.sub(_backslashed, checked_url(url))})"


def mention(user_id: str) -> str:
    r"""Escaped in full. A server that takes few escapes refuses ``\.``: `Mention` writes what every server takes."""
    return "@" + escape(mention_token(user_id).removeprefix("@"), full=True)


def quote(text: str) -> str:
    return "\n".join(f">{line}" for line in text.split("\n"))


def ordered_list(items: Iterable[str]) -> str:
    """Each item is one line."""
    return "\n".join(f"{number}. {item}" for number, item in enumerate(items, start=1))


def unordered_list(items: Iterable[str]) -> str:
    """Each item is one line."""
    return "\n".join(f"- {item}" for item in items)


def _marked(style: str, text: str) -> str:
    return f"{MARKS[style]}{text}{MARKS[style]}"


def _in_code(text: str) -> str:
    return IN_CODE.sub(_backslashed, text)


def _backslashed(match: re.Match[str]) -> str:
    return "\\" + match[0]
