"""Values are escaped as the format of the text wants it, and come out as they went in."""

from types import SimpleNamespace

import pytest
from django.template import TemplateSyntaxError
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from vkteams_bot.api import ParseMode
from vkteams_bot.broadcasts.content import markup_problem
from vkteams_bot.broadcasts.rendering import TAGS, TextTemplate, syntax_problem
from vkteams_bot.emulator.formatting import plain_and_ranges
from vkteams_bot.emulator.refusal import Refusal

HTML, MARKDOWN = ParseMode.HTML, ParseMode.MARKDOWNV2


def render(source, parse_mode=None, **values):
    return TextTemplate(source, parse_mode).render(values)


def test_values_of_each_format():
    name = '<b>A&"B" *c_</b>\''
    assert render("Hi {{ name }}!", None, name=name) == f"Hi {name}!"
    assert render("<i>{{ name }}</i>", HTML, name=name) == '<i>&lt;b&gt;A&amp;"B" *c_&lt;/b&gt;\'</i>'
    assert render("*{{ name }}*", MARKDOWN, name=name) == '*<b>A&"B" \\*c\\_</b>\'*'


def test_a_value_does_not_leave_its_attribute():
    assert render('<a href="{{ url }}">{{ url }}</a>', HTML, url='x">"') == '<a href="x&quot;&gt;&quot;">x"&gt;"</a>'
    assert render("<a href='{{ url }}'>x</a>", HTML, url="' onclick='") == "<a href='&#x27; onclick=&#x27;'>x</a>"


def test_values_inside_of_tags_of_the_template_are_escaped_too():
    source = "{% for item in items %}{% if item %}{% with one=item %}{{ one }}{% endwith %}{% endif %}{% endfor %}"
    assert render(source, MARKDOWN, items=["a_b", "", "c*"]) == "a\\_bc\\*"


def test_filters_and_safe_markup():
    assert render("{{ name|default:'you' }}", HTML, name="") == "you"
    assert render("{{ name|upper }}", MARKDOWN, name="a_b") == "A\\_B"
    assert render("{{ bold|safe }}", HTML, bold="<b>x</b>") == "<b>x</b>"
    assert render("{{ bold|safe }}", MARKDOWN, bold="*x*") == "*x*"


def test_what_is_missing_is_empty():
    assert render("Hi {{ contact.first_name }}{{ user.email }}.", HTML, contact=None) == "Hi ."


def test_numbers_are_shown_in_the_language_of_the_project():
    with translation.override("ru"):
        assert render("{{ sum }}", MARKDOWN, sum=1.5) == "1,5"


@pytest.mark.parametrize("step", ["{% for b in many %}", "{% for b, c in pairs %}"])
def test_loops_in_loops_come_to_an_end(step):
    many = "x" * 100
    source = step * 4 + "{% endfor %}" * 4
    with pytest.raises(ValueError, match="its loops take more than 10000 steps"):
        render(source, many=many, pairs=["xy"] * 100)
    assert render("{% for a in many %}{{ a }}{% endfor %}", many=many * 40) == many * 40


@pytest.mark.parametrize("source", ["{{ a|nothing }}", "{% if %}", "{% for a in b %}", "{{ }}"])
def test_wrong_templates(source):
    assert syntax_problem(source)
    with pytest.raises(TemplateSyntaxError):
        TextTemplate(source, None)


@pytest.mark.parametrize("tag", ["load humanize", "include 'x.html'", "extends 'x'", "debug", "autoescape off"])
def test_tags_that_reach_beyond_the_text_are_not_there(tag):
    assert "Invalid block tag" in syntax_problem(f"{{% {tag} %}}")
    assert tag.split()[0] not in TAGS


def test_methods_that_change_data_are_not_called():
    def delete() -> None:
        raise AssertionError

    delete.alters_data = True  # type: ignore[attr-defined]
    assert render("{{ contact.delete }}", contact=SimpleNamespace(delete=delete)) == ""


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="@")))
def test_any_value_is_shown_as_it_is(value):
    for parse_mode, source in ((HTML, "<b>x{{ value }}x</b>"), (MARKDOWN, "*x{{ value }}x*")):
        text = render(source, parse_mode, value=value)
        assert plain_and_ranges(text, parse_mode, None)[0] == f"x{value}x"
        assert markup_problem(text, parse_mode) == ""


MARKUP = {
    HTML: [
        "<b>a</b>",
        "a &lt; b",
        '<a href="x>y">z</a>',
        "<pre><code class='py'>a</code></pre>",
        "<ul><li>a</li></ul>",
    ],
    MARKDOWN: ["*a _b_*", "__a _b___", "`*`", "```\n*_\n```", r"\*a", "[a](http://x/a_b_c)", "@[a_b]", "a"],
}
BROKEN = {
    HTML: {
        "<b>a": "<b>",
        "a</b>": "</b>",
        "a < b": "< b",
        "<b><i></b></i>": "</b>",
        "<br>": "<br>",
        "<div>a</div>": "<div>",
    },
    MARKDOWN: {"*a": "*", "a_b": "_", "*a _b* c_": "*", "`a": "`", "~x~~": "~", "__a_": "_"},
}
GOOD_CASES = [(mode, text) for mode, texts in MARKUP.items() for text in texts]
BROKEN_CASES = [(mode, text, where) for mode, texts in BROKEN.items() for text, where in texts.items()]


@pytest.mark.parametrize(("parse_mode", "text"), GOOD_CASES)
def test_good_markup_has_no_problem(parse_mode, text):
    plain_and_ranges(text, parse_mode, None)  # the emulator agrees
    assert markup_problem(text, parse_mode) == ""


@pytest.mark.parametrize(("parse_mode", "text", "where"), BROKEN_CASES)
def test_broken_markup_is_found(parse_mode, text, where):
    with pytest.raises(Refusal):  # the emulator agrees
        plain_and_ranges(text, parse_mode, None)
    assert markup_problem(text, parse_mode) == where
    assert markup_problem(text, None) == ""
