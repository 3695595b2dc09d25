"""The text of one recipient: a Django template whose values are escaped as the text's format wants it."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from django.template import Context, Engine, Library, Template, TemplateSyntaxError, defaultfilters, defaulttags
from django.template.base import VariableNode, render_value_in_context
from django.utils.safestring import SafeData, SafeString

from vkteams_bot.api import ParseMode
from vkteams_bot.text import md

# Those that write no values of their own, past the escaping, and reach no files.
TAGS = ("comment", "for", "if", "ifchanged", "now", "verbatim", "with")
MOST_STEPS = 10_000
"""Of all loops of a text: a worker renders while it holds its bot's turn to claim, and loops in loops would stop it."""
_TAG = re.compile(r"(<[^<>]*>)")


def _engine() -> Engine:
    tags = Library()
    for name in TAGS:
        tags.tag(name, defaulttags.register.tags[name])
    engine = Engine()
    engine.template_builtins = [tags, defaultfilters.register]
    return engine


_ENGINE = _engine()
_AS_IT_IS = Context(autoescape=False)


class TextTemplate:
    """Compiled once for many recipients. Raises TemplateSyntaxError."""

    def __init__(self, source: str, parse_mode: ParseMode | None) -> None:
        self._is_html = parse_mode is ParseMode.HTML
        self._template = Template(source, engine=_ENGINE)
        if parse_mode is not None:
            escape = _escape_html if self._is_html else _escape_markdown
            nodes: list[Any] = self._template.nodelist.get_nodes_by_type(VariableNode)
            for node in nodes:
                node.filter_expression.filters.append((escape, []))

    def render(self, values: Mapping[str, Any]) -> str:
        """Raises whatever a value raises, and ValueError for loops of more than MOST_STEPS steps."""
        text = self._template.render(_Values(dict(values), autoescape=self._is_html))
        return _plain_quotes(text) if self._is_html else str(text)


class _Values(Context):
    """Counts what tags write into it: a loop does so with every step."""

    steps = 0

    def __setitem__(self, key: Any, value: Any) -> None:
        self._count()
        super().__setitem__(key, value)

    def update(self, other_dict: Any) -> Any:
        self._count()
        return super().update(other_dict)

    def _count(self) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise ValueError(f"its loops take more than {MOST_STEPS} steps")


def syntax_problem(source: str) -> str:
    """What is wrong with a template; "" = nothing."""
    try:
        Template(source, engine=_ENGINE)
    except TemplateSyntaxError as error:
        return str(error)
    return ""


def _escape_html(value: Any) -> SafeString:
    return SafeString(value if isinstance(value, SafeData) else html.escape(_shown(value)))


def _escape_markdown(value: Any) -> SafeString:
    return SafeString(value if isinstance(value, SafeData) else md.escape(_shown(value)))


def _shown(value: Any) -> str:
    """As a template shows it: in the current time zone and language."""
    return render_value_in_context(value, _AS_IT_IS)


def _plain_quotes(text: str) -> str:
    """Quotes need to be entities in attributes only, and servers are known to read `&amp;`, `&lt;` and `&gt;`."""
    parts = _TAG.split(text)
    parts[::2] = (part.replace("&quot;", '"').replace("&#x27;", "'") for part in parts[::2])
    return "".join(parts)
