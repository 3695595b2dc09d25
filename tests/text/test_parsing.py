"""Markup: what comes out is plain text and ranges in UTF-16 units."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vkteams_bot.text.parsing import MarkupError, parse_html, parse_markdown
from vkteams_bot.text.styles import utf16_length


def covered(text, item):
    """What a range covers, counted independently of the parser."""
    units = text.encode("utf-16-le")
    return units[2 * item["offset"] : 2 * (item["offset"] + item["length"])].decode("utf-16-le")


def styles(result):
    """The style and the text of each range, in order."""
    text, ranges = result
    return [
        (style, covered(text, item), *(item[key] for key in ("url", "code") if key in item))
        for style, items in ranges.items()
        for item in items
    ]


MARKDOWN = [
    ("*b* _i_ __u__ ~s~", "b i u s", [("bold", "b"), ("italic", "i"), ("underline", "u"), ("strikethrough", "s")]),
    ("*_Hello_*", "Hello", [("italic", "Hello"), ("bold", "Hello")]),
    ("___both___", "both", [("italic", "both"), ("underline", "both")]),
    ("_a __b__ c_", "a b c", [("underline", "b"), ("italic", "a b c")]),
    ("__a _b___", "a b", [("italic", "b"), ("underline", "a b")]),
    ("`a_b*c`", "a_b*c", [("inline_code", "a_b*c")]),
    (r"`a\`b\\c\n`", "a`b\\c\\n", [("inline_code", "a`b\\c\\n")]),
    ("```python\nx = 1\n```", "x = 1", [("pre", "x = 1", "python")]),
    ("```\nx\n\n```", "x\n", [("pre", "x\n")]),
    ("```x y```", "x y", [("pre", "x y")]),
    ("[text](http://a.b/c)", "text", [("link", "text", "http://a.b/c")]),
    (r"[te*x*t](http://a/\))", "text", [("bold", "x"), ("link", "text", "http://a/)")]),
    (">one\n>two\nthree", "one\ntwo\nthree", [("quote", "one\ntwo")]),
    ("- a\n- b\n1. c\n22. d", "a\nb\nc\nd", [("unordered_list", "a\nb"), ("ordered_list", "c\nd")]),
    ("- *a*\nend", "a\nend", [("bold", "a"), ("unordered_list", "a")]),
    ("```\n> x\n- y\n```", "> x\n- y", [("pre", "> x\n- y")]),
    ("@[user_name@example.com] *x*", "@[user_name@example.com] x", [("bold", "x")]),
    (r"@\[user\@example\.com\]", "@[user@example.com]", []),
    ("@[label](http://a/)", "@label", [("link", "label", "http://a/")]),
    ("@[user](no address", "@[user](no address", []),
    (r"@\[user\](http://a/)", "@[user](http://a/)", []),
    ("*a\n```\nb\n```\nc*", "a\nb\nc", [("bold", "a\n"), ("bold", "\nc"), ("pre", "b")]),
    (">a ```b```", "a b", [("quote", "a "), ("pre", "b")]),
    ("١. a\n1. b", "١. a\nb", [("ordered_list", "b")]),
    ("1 - 2. 3 > 4 (5) ]!", "1 - 2. 3 > 4 (5) ]!", []),
    (r"\*\_\~\`\[\]\(\)\\\.\-\!\|", r"*_~`[]()\.-!|", []),
    ("a@b.c", "a@b.c", []),
    ("", "", []),
]
HTML = [
    (
        "<b>b</b><i>i</i><u>u</u><s>s</s>",
        "bius",
        [("bold", "b"), ("italic", "i"), ("underline", "u"), ("strikethrough", "s")],
    ),
    ("<b>a<i>b</i></b>", "ab", [("bold", "ab"), ("italic", "b")]),
    ("<b>a<b>b</b>c</b>", "abc", [("bold", "abc")]),
    ("<s>|</s> World!", "| World!", [("strikethrough", "|")]),
    ("<code>x &lt; y</code>", "x < y", [("inline_code", "x < y")]),
    ("<pre>x\ny</pre>", "x\ny", [("pre", "x\ny")]),
    ('<pre><code class="python">x</code></pre>', "x", [("pre", "x", "python")]),
    ('<pre class="go">x</pre>', "x", [("pre", "x", "go")]),
    ('<a href="http://a/?b&amp;c">t</a>', "t", [("link", "t", "http://a/?b&c")]),
    ('<a href="http://a/?a&copy=1&lt=2&quot;">t</a>', "t", [("link", "t", 'http://a/?a&copy=1&lt=2"')]),
    ("<pre>a<b>b<i>c</i></b></pre>", "abc", [("pre", "abc")]),
    ("<b>a<pre>b</pre>c<pre>d</pre></b>", "abcd", [("bold", "a"), ("bold", "c"), ("pre", "b"), ("pre", "d")]),
    ('<a href="u">a<pre>b</pre>c</a>', "abc", [("link", "a", "u"), ("link", "c", "u"), ("pre", "b")]),
    ("<b><pre>a</pre></b>", "a", [("pre", "a")]),
    ("<code><b>a</b></code>", "a", [("inline_code", "a"), ("bold", "a")]),
    (
        "<blockquote>a<ul><li>b</li></ul>c</blockquote>",
        "abc",
        [("quote", "a"), ("quote", "c"), ("unordered_list", "b")],
    ),
    ("<ul><li><blockquote>a</blockquote></li><li>b</li></ul>", "a\nb", [("quote", "a"), ("unordered_list", "\nb")]),
    ("&#٣; &#x1F600;", "&#٣; 😀", []),
    ("<a href='u'>t</a>", "t", [("link", "t", "u")]),
    ("<ul>\n<li>a</li>\n<li>b</li></ul>", "a\nb", [("unordered_list", "a\nb")]),
    ("<ol><li><b>a</b></li><li>b</li></ol>", "a\nb", [("bold", "a"), ("ordered_list", "a\nb")]),
    ("<blockquote>q</blockquote>", "q", [("quote", "q")]),
    ("a &amp; b &#128512; &unknown; & * _ ~ `", "a & b 😀 &unknown; & * _ ~ `", []),
    ("1 > 0", "1 > 0", []),
    ("<b></b>", "", []),
]


@pytest.mark.parametrize(("source", "plain", "expected"), MARKDOWN)
def test_markdown(source, plain, expected):
    result = parse_markdown(source)

    assert result[0] == plain
    assert sorted(styles(result)) == sorted(expected)


@pytest.mark.parametrize(("source", "plain", "expected"), HTML)
def test_html(source, plain, expected):
    result = parse_html(source)

    assert result[0] == plain
    assert sorted(styles(result)) == sorted(expected)


@pytest.mark.parametrize(
    "source",
    [
        "*a",
        "a_",
        "__a_",
        "~",
        "`a",
        "```a``",
        "*a _b* c_",
        "[a",
        "[a](",
        "[a]",
        "[a]()",
        "[*a](b)*",
        "[[a](b)](c)",
        "\\",
        r"\a",
        "*\n",
    ],
)
def test_what_is_unbalanced_in_markdown_is_a_format_error(source):
    with pytest.raises(MarkupError):
        parse_markdown(source)


@pytest.mark.parametrize(
    "source",
    [
        "<b>a", "a</b>", "<b><i>a</b></i>", "a < b", "<b", "<br>", "<strong>a</strong>", "<b/>", "</b >a", "<li>a</li>",
        "<ul>a</ul>", "<ul><b>a</b></ul>", '<a href="u"><a href="v">a</a></a>', "<a href='u>a</a>", "<>",
    ],
)  # fmt: skip
def test_what_is_not_html_is_a_format_error(source):
    with pytest.raises(MarkupError):
        parse_html(source)


@pytest.mark.parametrize("sign", "-.!|{}#+=>@")
def test_strict_escapes_take_a_backslash_before_fewer_signs(sign):
    assert parse_markdown(f"\\{sign}") == (sign, {})
    with pytest.raises(MarkupError):
        parse_markdown(f"\\{sign}", strict_escapes=True)


def test_strict_escapes_still_take_the_signs_of_styles():
    assert parse_markdown(r"\\\_\*\~\`\[\]\(\)", strict_escapes=True) == (r"\_*~`[]()", {})


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12) | st.sampled_from(["😀", "a𝄞b"])
LEAF = TEXT.map(lambda text: [("text", text)])
INLINE = ("bold", "italic", "underline", "strikethrough")
TREE = st.recursive(
    LEAF,
    lambda inner: st.lists(
        LEAF | st.tuples(st.sampled_from(INLINE), inner.map(tuple)).map(lambda node: [node]), min_size=1, max_size=4
    ).map(lambda lists: [node for nodes in lists for node in nodes]),
    max_leaves=12,
)
HTML_TAGS = {"bold": "b", "italic": "i", "underline": "u", "strikethrough": "s"}
MARKS = {"bold": "*", "italic": "_", "underline": "__", "strikethrough": "~"}


def plain(nodes):
    return "".join(content if kind == "text" else plain(content) for kind, content in nodes)


def units(nodes, active=frozenset()):
    """The styles of each UTF-16 unit: what any right set of ranges says."""
    for kind, content in nodes:
        if kind == "text":
            yield from [active] * (len(content.encode("utf-16-le")) // 2)
        else:
            yield from units(content, active | {kind})


def units_of(ranges, length):
    found: list[set[str]] = [set() for _ in range(length)]
    for style, items in ranges.items():
        for item in items:
            for unit in range(item["offset"], item["offset"] + item["length"]):
                found[unit].add(style)
    return [frozenset(unit) for unit in found]


def as_html(nodes):
    escape = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    return "".join(
        "".join(escape.get(sign, sign) for sign in content)
        if kind == "text"
        else f"<{HTML_TAGS[kind]}>{as_html(content)}</{HTML_TAGS[kind]}>"
        for kind, content in nodes
    )


def as_markdown(nodes, active=()):
    """A style within its like is written once, as Markdown has no other way."""
    pieces = []
    for kind, content in nodes:
        if kind == "text":
            pieces.append(re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", content))
        elif kind in active:
            pieces.append(as_markdown(content, active))
        else:
            pieces.append(f"{MARKS[kind]}{as_markdown(content, (*active, kind))}{MARKS[kind]}")
    return "".join(pieces)


@given(TREE)
def test_any_styled_text_in_html(nodes):
    text, ranges = parse_html(as_html(nodes))

    assert text == plain(nodes)
    assert units_of(ranges, utf16_length(text)) == list(units(nodes))


def apart(nodes):
    """Markdown cannot say two styles next to each other with `_` and `__`: put a letter between any two nodes."""
    for kind, content in nodes:
        yield (kind, content) if kind == "text" else (kind, (("text", "."), *apart(content), ("text", ".")))
        yield "text", "."


@given(TREE)
def test_any_styled_text_in_markdown(nodes):
    nodes = [("text", "."), *apart(nodes)]
    text, ranges = parse_markdown(as_markdown(nodes))

    assert text == plain(nodes)
    assert units_of(ranges, utf16_length(text)) == list(units(nodes))


@given(st.text(alphabet="*_~`[]()\\>-1. @\nab😀<&;/bi=\"'"))
def test_no_text_breaks_the_parsers(source):
    for parse in (parse_markdown, parse_html):
        with contextlib.suppress(MarkupError):
            text, ranges = parse(source)
            length = len(text.encode("utf-16-le")) // 2
            assert all(
                0 <= item["offset"] < item["offset"] + item["length"] <= length
                for items in ranges.values()
                for item in items
            )
