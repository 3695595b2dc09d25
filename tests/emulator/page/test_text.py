"""text.js: a text and its ranges as elements."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.emulator.page.serving import served
from vkteams_bot.emulator.world import World

pytestmark = pytest.mark.browser

RENDER = """async ([text, format]) => {
    const { renderText } = await import("/static/vkteams_bot/playground/text.js");
    const box = document.createElement("div");
    box.append(renderText(text, format, { nameOf: (id) => `<${id}>`, onCommand: () => {} }));
    box.querySelectorAll(".code-head").forEach((node) => node.querySelector("button").remove());
    box.querySelectorAll("[rel], .dead-link").forEach((node) => {
        for (const name of ["rel", "target", "title"]) node.removeAttribute(name);
    });
    return box.innerHTML;
}"""

Render = Callable[..., str]


@pytest.fixture
def render(page: Page) -> Iterator[Render]:
    with served(World()) as playground:
        page.goto(playground.url)
        yield lambda text, **styles: page.evaluate(RENDER, [text, styles])


def span(offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"offset": offset, "length": length, **more}


def test_ranges(render: Render) -> None:
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("plain", {}, "plain"),
        ("abc", {"bold": [span(0, 1)], "italic": [span(1, 1)]}, "<strong>a</strong><em>b</em>c"),
        ("abc", {"underline": [span(0, 1)], "strikethrough": [span(2, 1)]}, "<u>a</u>b<s>c</s>"),
        # Nested and crossing.
        ("abcd", {"bold": [span(0, 3)], "italic": [span(1, 1)]}, "<strong>a<em>b</em>c</strong>d"),
        ("abcd", {"bold": [span(0, 3)], "italic": [span(2, 2)]}, "<strong>ab<em>c</em></strong><em>d</em>"),
        # UTF-16 units: 😀 counts two, and no range cuts it in half.
        ("😀ab", {"bold": [span(2, 1)]}, "😀<strong>a</strong>b"),
        ("😀a", {"bold": [span(1, 1)]}, "<strong>😀</strong>a"),
        ("a😀", {"bold": [span(0, 2)]}, "<strong>a😀</strong>"),
        # A link stays one element whatever is inside.
        (
            "abc",
            {"link": [span(0, 3, url="https://example.com/")], "bold": [span(1, 1)]},
            '<a href="https://example.com/">a<strong>b</strong>c</a>',
        ),
        ("a/b c", {"inline_code": [span(0, 5)]}, "<code>a/b c</code>"),
        ("/go @[x]", {"inline_code": [span(0, 8)]}, "<code>/go @[x]</code>"),
        # Blocks, without the line breaks that they make themselves.
        ("a\nb\nc", {"quote": [span(2, 1)]}, "a<blockquote>b</blockquote>c"),
        ("a\nb", {"ordered_list": [span(0, 3)]}, "<ol><li>a</li><li>b</li></ol>"),
        ("a\nb", {"unordered_list": [span(0, 1), span(2, 1)]}, "<ul><li>a</li><li>b</li></ul>"),
        (
            "x\na\nb\ny",
            {"unordered_list": [span(2, 4)], "bold": [span(4, 1)]},
            "x<ul><li>a</li><li><strong>b</strong></li></ul>y",
        ),
        (
            "x\ny = 1\nz",
            {"pre": [span(2, 6, code="python")], "bold": [span(2, 1)]},
            'x<div class="code"><div class="code-head"><span>python</span></div>'
            '<pre tabindex="0"><code>y = 1</code></pre></div>z',
        ),
        # Addresses, mentions and commands in plain text.
        ("see https://e.com/a?b=1).", {}, 'see <a href="https://e.com/a?b=1">https://e.com/a?b=1</a>).'),
        ("hi @[7]!", {}, 'hi <span class="mention" title="7">@&lt;7&gt;</span>!'),
        ("hi @[7]!", {"mention": [span(3, 4)]}, 'hi <span class="mention" title="7">@&lt;7&gt;</span>!'),
        ("/go, and/or и/или", {}, '<button type="button" class="command">/go</button>, and/or и/или'),
    ]
    for text, styles, html in cases:
        assert render(text, **styles) == html, text


def test_ranges_that_make_no_sense_cost_nothing(render: Render) -> None:
    wrong = [
        *(span(-1, 2), span(9, 1), span(0, 0), span(0, -1), {"offset": "0", "length": "1"}, {"offset": 0}),
        *(None, 5, "x", span(0.5, 1)),  # type: ignore[arg-type]
    ]
    styles = ["bold", "link", "pre", "quote", "ordered_list", "inline_code"]
    assert render("abc", **dict.fromkeys(styles, wrong), bald=[span(0, 3)]) == "abc"
    assert render("abc", bold=[span(2, 100)]) == "ab<strong>c</strong>"
    assert render("abc", bold="all", italic=None) == "abc"
    assert render("abc", quote=[span(0, 2)], ordered_list=[span(1, 2)]) == "<blockquote>ab</blockquote>c"


def test_only_http_and_https_are_links(render: Render) -> None:
    urls: list[Any] = [
        "javascript:alert(1)",
        " JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//example.com",
        "",
        None,
        {},
    ]
    for url in urls:
        html = render("click", link=[span(0, 5, url=url)])
        assert html == '<span class="dead-link">click</span>', url


def test_markup_is_text(render: Render) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    escaped = hostile.replace("<", "&lt;").replace(">", "&gt;")
    assert render(hostile) == escaped
    assert render(hostile, bold=[span(0, len(hostile))]) == f"<strong>{escaped}</strong>"
    assert escaped in render(hostile, pre=[span(0, len(hostile), code='"><script>')])
