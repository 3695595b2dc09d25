"""md and html: the exact results."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.trees import RUNS
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text import html, md
from vkteams_bot.text.parsing import parse_html, parse_markdown

RESULTS = [
    (md.bold("text"), "*text*"),
    (md.italic("text"), "_text_"),
    (md.underline("text"), "__text__"),
    (md.strikethrough("text"), "~text~"),
    (md.code("text"), "`text`"),
    (md.code("a`b\\c_d"), r"`a\`b\\c_d`"),
    (md.pre("code", "python"), "```python\ncode\n```"),
    (md.pre("a`b"), "```\na\\`b\n```"),
    (md.link("Click", "https://example.com"), "[Click](https://example.com)"),
    (md.link("Click", "https://e.com/(a)\\b"), r"[Click](https://e.com/(a\)\\b)"),
    (md.quote("quoted text"), ">quoted text"),
    (md.quote("a\n\nb"), ">a\n>\n>b"),
    (md.mention("user@company.ru"), r"@\[user@company\.ru\]"),
    (md.ordered_list(["a", "b"]), "1. a\n2. b"),
    (md.unordered_list(["a", "b"]), "- a\n- b"),
    (md.escape("price: $100"), "price: $100"),
    (md.escape(r"\*_~`[]()"), r"\\\*\_\~\`\[\]\(\)"),
    (md.escape(">#+-=|{}.!@<&"), ">#+-=|{}.!@<&"),
    (md.escape(r"\*_~`[]()>#+-=|{}.!@$", full=True), r"\\\*\_\~\`\[\]\(\)\>\#\+\-\=\|\{\}\.\!@$"),
    (md.bold(md.italic("nested")), "*_nested_*"),
    (html.bold("text"), "<b>text</b>"),
    (html.italic("text"), "<i>text</i>"),
    (html.underline("text"), "<u>text</u>"),
    (html.strikethrough("text"), "<s>text</s>"),
    (html.code("text"), "<code>text</code>"),
    (html.code("a < b"), "<code>a &lt; b</code>"),
    (html.pre("code", "python"), '<pre><code class="python">code</code></pre>'),
    (html.pre("a < b"), "<pre>a &lt; b</pre>"),
    (html.link("Click", "https://example.com"), '<a href="https://example.com">Click</a>'),
    (html.link("Click", 'u?a&b="c"'), '<a href="u?a&amp;b=&quot;c&quot;">Click</a>'),
    (html.quote("quoted text"), "<blockquote>quoted text</blockquote>"),
    (html.mention("user@company.ru"), "@[user@company.ru]"),
    (html.mention("a<b"), "@[a&lt;b]"),
    (html.ordered_list(["a", "b"]), "<ol><li>a</li><li>b</li></ol>"),
    (html.unordered_list(["a", "b"]), "<ul><li>a</li><li>b</li></ul>"),
    (html.escape("a & b < c > d \" '"), "a &amp; b &lt; c &gt; d \" '"),
    (html.bold(html.italic("nested")), "<b><i>nested</i></b>"),
]


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_results(result, expected):
    assert result == expected


@pytest.mark.parametrize("dialect", [md, html])
def test_every_public_helper_is_in_both(dialect):
    assert dialect.__all__ == sorted(dialect.__all__) == md.__all__
    assert all(callable(getattr(dialect, name)) for name in dialect.__all__)


@pytest.mark.parametrize("dialect", [md, html])
@pytest.mark.parametrize(
    "call",
    [
        lambda dialect: dialect.link("a", ""),
        lambda dialect: dialect.link("a", "u\nv"),
        lambda dialect: dialect.pre("a", "no language"),
        lambda dialect: dialect.mention("a]b"),
    ],
)
def test_misuse_is_an_invalid_call(dialect, call):
    with pytest.raises(InvalidCall):
        call(dialect)


@RUNS
@given(st.text("*_~`[]()\\>-1. @\nab😀<&;/\"'#+=|{}!"))
def test_escaped_text_is_the_text(text):
    assert parse_html(html.escape(text)) == (text, {})
    assert parse_markdown(md.escape(text, full=True)) == (text, {})
    assert parse_markdown("x" + md.escape(text.replace("\n", "")), strict_escapes=True)[0] == "x" + text.replace(
        "\n", ""
    )
    assert parse_markdown(md.code(text or "x"))[0] == parse_html(html.code(text or "x"))[0] == (text or "x")
