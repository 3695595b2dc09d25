"""From a layout to HTML (botapi.md §4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vkteams_bot.text import html
from vkteams_bot.text.layout import Block, Layout, Run, Style, by_style

PLAIN_TAGS: dict[str, Callable[[str], str]] = {
    "bold": html.bold,
    "italic": html.italic,
    "underline": html.underline,
    "strikethrough": html.strikethrough,
}
LISTS = {"ordered_list": html.ordered_list, "unordered_list": html.unordered_list}


def as_html(layout: Layout) -> str:
    return "\n".join(_block(block) for block in layout)


def _block(block: Block) -> str:
    if block.name == "pre":
        return html.pre(block.plain, block.language)
    if block.name in LISTS:
        return LISTS[block.name](_inline(line) for line in block.lines())
    inline = _inline(block.runs)
    return html.quote(inline) if block.name == "quote" else inline


def _inline(runs: Iterable[Run], depth: int = 0) -> str:
    return "".join(
        _text(same) if style is None else _styled(style, same, depth + 1) for style, same in by_style(runs, depth)
    )


def _styled(style: Style, runs: tuple[Run, ...], depth: int) -> str:
    if style.name == "inline_code":
        return html.code("".join(run.text for run in runs))
    inner = _inline(runs, depth)
    if style.name == "link":
        return html.link(inner, style.value)
    return inner if style.name == "mention" else PLAIN_TAGS[style.name](inner)


def _text(runs: Iterable[Run]) -> str:
    return "".join(run.text if run.raw else html.escape(run.text) for run in runs)
