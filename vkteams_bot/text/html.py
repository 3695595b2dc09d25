"""HTML by hand: each helper puts its tags around markup and gives markup (botapi.md §4.2).

Data goes through `escape()` first. `code`, `pre`, `mention` and addresses take the literal value and escape it
themselves, as in `md`. The nodes (`Bold`, …) do all this on their own.
"""

from __future__ import annotations

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


def escape(text: str) -> str:
    """Text as it is: `&`, `<` and `>` as entities. Quotes need it in attributes only, which helpers see to."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def bold(text: str) -> str:
    return f"<b>{text}</b>"


def italic(text: str) -> str:
    return f"<i>{text}</i>"


def underline(text: str) -> str:
    return f"<u>{text}</u>"


def strikethrough(text: str) -> str:
    return f"<s>{text}</s>"


def code(text: str) -> str:
    """Takes the literal text."""
    return f"<code>{escape(text)}</code>"


def pre(text: str, language: str | None = None) -> str:
    """Takes the literal text. Raises InvalidCall for a language that is none."""
    if name := checked_language(language):
        return f'<pre><code class="{name}">{escape(text)}</code></pre>'
    return f"<pre>{escape(text)}</pre>"


def link(text: str, url: str) -> str:
    """Takes the literal address. Raises InvalidCall for an empty one or one with line breaks."""
    return f'<a href="{_attribute(checked_url(url))}">{text}</a>'


def mention(user_id: str) -> str:
    return escape(mention_token(user_id))


def quote(text: str) -> str:
    return f"<blockquote>{text}</blockquote>"


def ordered_list(items: Iterable[str]) -> str:
    return f"<ol>{_items(items)}</ol>"


def unordered_list(items: Iterable[str]) -> str:
    return f"<ul>{_items(items)}</ul>"


def _items(items: Iterable[str]) -> str:
    return "".join(f"<li>{item}</li>" for item in items)


def _attribute(value: str) -> str:
    return escape(value).replace('"', "&quot;")
