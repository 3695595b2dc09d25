"""The scripts and the words that are translated for them."""

import re
from pathlib import Path

import vkteams_bot
from vkteams_bot.emulator.page.strings import STRINGS, translated

SCRIPTS = Path(vkteams_bot.__file__).parent / "static" / "vkteams_bot" / "playground"


def _sources() -> dict[str, str]:
    sources = {path.name: path.read_text() for path in sorted(SCRIPTS.glob("*.js"))}
    assert len(sources) >= 15
    return sources


def test_every_word_of_the_scripts_is_translated_and_no_other() -> None:
    used = set()
    for source in _sources().values():
        used |= set(re.findall(r'\bt\(\s*"([^"]*)"', source))
    assert used == set(STRINGS)
    assert len(STRINGS) == len(set(STRINGS)) == len(translated())


def test_scripts_never_parse_html() -> None:
    for name, source in _sources().items():
        found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", source)
        assert found == [], name


def test_scripts_and_styles_ask_nobody_else() -> None:
    files = [*SCRIPTS.glob("*.js"), *SCRIPTS.glob("*.css"), *SCRIPTS.glob("*.svg")]
    assert len(files) >= 20
    for path in files:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?://[\w.-]+\.\w|@import|url\(", text) == [], path.name
