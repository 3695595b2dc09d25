import itertools
import re

import pytest

from vkteams_bot.emulator.eventqueue import LARGEST_ID
from vkteams_bot.emulator.identifiers import Identifiers


def test_message_ids_hold_the_time_and_ascend_as_numbers_and_as_text():
    times = itertools.chain([1700000000.5, 1700000000.5, 1699999999.0, 1700000001.25], itertools.repeat(1700000002.0))
    identifiers = Identifiers(lambda: next(times))

    ids = [identifiers.message() for _ in range(2000)]

    assert ids == sorted(set(ids))
    assert [int(text) for text in ids] == sorted(int(text) for text in ids)
    assert int(ids[0]) >> 32 == 1700000000
    assert int(ids[3]) >> 32 == 1700000001
    assert int(ids[-1]) < LARGEST_ID


def test_a_query_id_names_person_bot_and_time():
    identifiers = Identifiers(lambda: 1586266646.713388)

    first, second = identifiers.query("user@example.ru", "751619011"), identifiers.query("u", "1")

    assert re.fullmatch(r"SVR:user@example\.ru:751619011:158626664671338\d:\d+-1586266646", first)
    assert first.rpartition(":")[2] != second.rpartition(":")[2]


@pytest.mark.parametrize(
    ("name", "voice", "first"),
    [
        ("a.png", False, "0"),
        ("a.mp4", False, "8"),
        ("a.mp3", False, "G"),
        ("a.pdf", False, "Z"),
        ("a", False, "Z"),
        ("a.ogg", True, "I"),
    ],
)
def test_the_first_character_of_a_file_id_tells_the_kind(name, voice, first):
    file_id = Identifiers(lambda: 0x5F00AA11).file(name, voice=voice)

    assert re.fullmatch(first + r"[0-9a-zA-Z]{21}5f00aa111ab", file_id)


def test_events_begin_at_the_milliseconds_of_the_clock():
    assert Identifiers(lambda: 1700000000.1239).event() == 1700000000123
