"""A conversation as the source of a test, laid out as ruff and black would leave it."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping

from vkteams_bot.recording.conversation import Act, Conversation, Exchange
from vkteams_bot.registry import DEFAULT_ALIAS

SHORT_LINE = 79
INDENT = "    "
TAKEN = {"chat", "group", "pytest", "ANY", "test_conversation"}


def render(conversation: Conversation) -> str:
    """The source of a pytest module with one test that repeats the conversation."""
    names = _names(act.person for act in _acts(conversation))
    body = [*_people(conversation, names), *_steps(conversation, names)]
    imports = ["from unittest.mock import ANY", ""] if any("ANY" in line for line in body) else []
    marker: list[str] = []
    if conversation.alias != DEFAULT_ALIAS:
        imports += ["import pytest", ""]
        marker = [f"pytestmark = pytest.mark.vkteams(alias={_quoted(conversation.alias)})", "", ""]
    elif imports:
        marker = [""]
    head = [f"# Recorded by botrecord: bot {_quoted(conversation.alias)}, chat {_quoted(conversation.chat_id)}.", ""]
    lines = [*head, *imports, *marker, *([] if marker else [""]), "def test_conversation(chat):"]
    return "\n".join([*lines, *(f"{INDENT}{line}" if line else "" for line in body)]) + "\n"


def _acts(conversation: Conversation) -> Iterator[Act]:
    return (exchange.act for exchange in conversation.exchanges)


def _names(people: Iterable[str]) -> dict[str, str]:
    """A variable for each user id."""
    names: dict[str, str] = {}
    for user_id in dict.fromkeys(people):
        name = re.sub(r"[^a-z0-9_]+", "_", user_id.partition("@")[0].lower()).strip("_")
        if not name or not name[0].isalpha() or keyword.iskeyword(name) or name in TAKEN:
            name = f"person_{name}".rstrip("_")
        while name in names.values():
            name += "_"
        names[user_id] = name
    return names


def _people(conversation: Conversation, names: Mapping[str, str]) -> Iterator[str]:
    for user_id, name in names.items():
        first, last = conversation.people.get(user_id, ("", ""))
        arguments = [
            _quoted(user_id),
            *([_quoted(first)] if first else []),
            *([_quoted(last)] if first and last else []),
        ]
        yield from _call(f"{name} = chat.user", arguments)
    if not conversation.is_private:
        members = f"members=[{', '.join(names.values())}]"
        yield from _call("group = chat.group", [_quoted(conversation.title or "Group"), members])
        yield from (f"{name} = {name}.at(group)" for name in names.values())


def _steps(conversation: Conversation, names: Mapping[str, str]) -> Iterator[str]:
    changed = {act.about for act in _acts(conversation) if act.verb in ("edits", "deletes")}
    kept: dict[str, str] = {}
    for exchange in conversation.exchanges:
        act, name = exchange.act, names[exchange.act.person]
        yield ""
        if act.unknown:
            yield f"# {act.unknown[0].upper()}{act.unknown[1:]}."
        if act.verb == "clicks" and not act.text:
            continue
        yield from _call(f"{name}.{act.verb}", _arguments(act, kept))
        if act.verb == "sends" and act.about in changed:
            kept[act.about] = f"message_{len(kept) + 1}"
            yield f"{kept[act.about]} = {name}.wrote"
        yield from _expectations(exchange, name)


def _arguments(act: Act, kept: Mapping[str, str]) -> list[str]:
    arguments = [_quoted(act.text)] if act.text or (act.verb == "sends" and act.attachment is None) else []
    if act.verb in ("edits", "deletes") and act.about in kept:
        arguments.append(f"message={kept[act.about]}")
    if act.attachment == "sticker":
        arguments.append(f"sticker={_quoted(act.name)}")
    elif act.attachment is not None:
        arguments.append(f'{act.attachment}=({_quoted(act.name)}, b"recorded")')
    return arguments


def _expectations(exchange: Exchange, name: str) -> Iterator[str]:
    replies = exchange.replies
    if not replies:
        yield f'assert {name}.sees == ""'
        return
    yield from _list(
        f"assert {name}.replies == ", ["ANY" if reply.text is None else _quoted(reply.text) for reply in replies]
    )
    if replies[-1].buttons:
        yield from _list(f"assert {name}.buttons == ", [_quoted(label) for label in replies[-1].buttons])


def _call(callee: str, arguments: list[str]) -> Iterator[str]:
    yield from _bracketed(f"{callee}(", arguments, ")")


def _list(before: str, items: list[str]) -> Iterator[str]:
    yield from _bracketed(f"{before}[", items, "]")


def _bracketed(opening: str, items: list[str], closing: str) -> Iterator[str]:
    """Items on one line; or an item a line, where the comma after the last keeps formatters from joining them."""
    line = f"{opening}{', '.join(items)}{closing}"
    if len(INDENT) + len(line) <= SHORT_LINE or not items:
        yield line
        return
    yield opening
    yield from (f"{INDENT}{item}," for item in items)
    yield closing


def _quoted(text: str) -> str:
    """A literal, in the quotes that need fewer escapes, double ones if there is no difference."""
    body = repr(f'"{text}')[2:-1]  # with a double quote in front, repr uses single ones and escapes those
    if text.count('"') > text.count("'"):
        return f"'{body}'"
    return '"' + body.replace("\\'", "'").replace('"', '\\"') + '"'
