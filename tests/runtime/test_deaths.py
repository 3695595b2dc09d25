"""What is told of a bot that died: one line where the cause is known, else its traceback."""

import logging
from collections.abc import Callable

import pytest

from vkteams_bot.exceptions import InvalidToken
from vkteams_bot.runtime.deaths import tell_death
from vkteams_bot.runtime.poller import PollingStuck
from vkteams_bot.stores.wrong_database import NotMigrated

KNOWN: list[tuple[Callable[[], Exception], str]] = [
    (lambda: InvalidToken("no"), "the server refused the token: check TOKEN, and that API_URL is "),
    (lambda: PollingStuck("no poll came back for 300 s"), "no poll came back for 300 s: the process ends, so that "),
    (
        lambda: NotMigrated(Exception("no such table: x\nLINE 1")),
        "the tables in the database are not those of this version (no such table: x): run manage.py migrate",
    ),
]


@pytest.mark.parametrize(("make", "sentence"), KNOWN)
@pytest.mark.parametrize("grouped", [False, True])
def test_a_known_cause_is_one_line(
    caplog: pytest.LogCaptureFixture, make: Callable[[], Exception], sentence: str, grouped: bool
):
    error = ExceptionGroup("tasks", [make()]) if grouped else make()
    tell_death("shop", error)
    [record] = caplog.records
    assert record.getMessage().startswith(f"bot shop died: {sentence}")
    assert (record.levelno, record.exc_info, vars(record)["bot"]) == (logging.CRITICAL, None, "shop")


def test_another_has_its_traceback(caplog: pytest.LogCaptureFixture):
    tell_death("shop", ZeroDivisionError("oh"))
    [record] = caplog.records
    assert record.getMessage() == "bot shop died: ZeroDivisionError: oh"
    assert record.exc_info is not None
