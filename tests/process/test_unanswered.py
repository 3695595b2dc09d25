"""A press on a button that nobody handles is answered by the running bot."""

import pytest

from tests.process.bench import Bench
from tests.processes import wait_until

pytestmark = pytest.mark.process
WHO = "ann@example.com"


def test_a_press_that_no_handler_takes_is_answered(bench: Bench):
    bench.emulator.people([WHO])
    bench.bot()
    bench.emulator.write([(WHO, "async 1")])
    wait_until(lambda: len(bench.emulator.said(WHO)) == 1, 60, "a reply")
    [reply] = bench.emulator.said(WHO)
    press = {"chatId": WHO, "from": WHO, "msgId": reply["msgId"], "callbackData": "of an older release"}
    query_id = bench.emulator.post("callbacks", press)["queryId"]

    wait_until(lambda: bench.emulator.get("state")["callbackAnswers"] != [], 60, "an answer to the press")
    [answer] = bench.emulator.get("state")["callbackAnswers"]
    assert (answer["queryId"], answer["text"]) == (query_id, "This button is no longer in use.")
    bench.database.wait_calls(2)
    assert bench.database.statuses() == {"done": 1, "unhandled": 1}


def test_a_press_that_cannot_be_read_is_answered_all_the_same(bench: Bench):
    bench.bot()
    bench.emulator.events({"type": "callbackQuery", "payload": {"queryId": "SVR:77", "callbackData": "a"}})

    wait_until(lambda: bench.emulator.requests("messages/answerCallbackQuery") == 1, 60, "an answer to the press")
    wait_until(lambda: bench.database.calls.exclude(status__in=("queued", "sending")).count() == 1, 60, "its outcome")
    [params] = bench.database.calls.values_list("params", flat=True)
    assert params["queryId"] == "SVR:77"
    assert bench.database.statuses() == {"invalid": 1}
