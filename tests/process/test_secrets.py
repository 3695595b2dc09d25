"""The token stands in the settings and in requests, and nowhere else."""

import json
from urllib.parse import quote

import pytest
from django.apps import apps

from tests.process.bench import TOKEN, Bench
from tests.processes import wait_until

pytestmark = pytest.mark.process

WHO = "a@example.com"


def everything(bench: Bench) -> str:
    """Every value of every column of every table, as text."""
    tables = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
    assert len(tables) >= 7
    rows = [bench.database.query(f"SELECT * FROM {table}") for table in [*tables, "testbot_record"]]
    assert sum(len(found) for found in rows) > 20, "an empty dump proves nothing"
    return json.dumps(rows, default=str)


def test_the_token_is_written_nowhere(bench: Bench):
    secret = TOKEN.rpartition(":")[0]
    bench.emulator.people([WHO])
    bench.emulator.faults(
        {"kind": "status", "status": 502, "method": "messages/sendText", "times": 1},
        {"kind": "refuse", "description": f"token {TOKEN} is bad", "method": "messages/sendText", "times": 1},
        {"kind": "disconnect", "method": "events/get", "times": 1},
        {"kind": "refuse", "description": f"token {TOKEN} is slow", "method": "events/get", "times": 1},
    )
    bot = bench.bot(env={"TEST_LOG_LEVEL": "DEBUG"})
    bench.emulator.write([(WHO, "async 1"), (WHO, "async 2"), (WHO, "leak 3"), (WHO, "def 4"), (WHO, "awaited 5")])
    bench.emulator.write([(WHO, "fail 6")])
    wait_until(lambda: bench.database.updates.failed().count() == 2, 60, "two handlers fail")
    bench.database.wait_done(4)
    bench.database.wait_quiet()
    assert bench.database.call_statuses() == {"unknown": 1, "failed": 1, "sent": 1}
    # And with the server gone: connection errors name addresses.
    bench.emulator.kill()
    bot.wait_for_line("could not connect")
    bot.terminate()
    bot.wait()

    assert "DEBUG vkteams_bot.api" in bot.output, "the log is as detailed as it gets"
    leaked = bench.database.updates.failed().get(error__contains="GET /messages/sendText").error
    assert "Traceback" in leaked
    assert "[token]" in leaked
    dump = everything(bench)
    assert "[token]" in dump
    for shape in (secret, quote(TOKEN, safe=""), secret.rpartition(".")[2]):
        assert shape not in dump
        assert shape not in bot.output
