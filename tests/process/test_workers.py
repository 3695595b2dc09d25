"""Real workers on a real broker: every delayed call ends sent once, failed with a reason, or unknown."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.process.bench import Bench, Database, Emulator
from tests.process.workers import CALLS, Workers, kill
from tests.processes import Process, wait_until
from tests.services import PrivatePostgres, PrivateRedis

pytestmark = [pytest.mark.process, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(600)]

CHATS = 100
PEOPLE = [f"p{number}@example.com" for number in range(CHATS)]
TASKS = int(os.environ.get("TEST_TASKS", "1000"))
"""TEST_TASKS=10000 for the whole proof."""


def assert_none_twice(bench: Bench) -> None:
    """What stands as sent arrived once, in the order of writing; what is unknown at most once; the rest never."""
    rows: dict[str, list[tuple[str, str]]] = {chat_id: [] for chat_id in PEOPLE}
    for chat_id, params, status in bench.database.calls.order_by("pk").values_list("chat_id", "params", "status"):
        rows[chat_id].append((params["text"], status))
    for chat_id, mine in rows.items():
        arrived = [message["text"] for message in bench.emulator.said(chat_id)]
        assert len(set(arrived)) == len(arrived), f"{chat_id} got a message twice"
        sent = [text for text, status in mine if status == "sent"]
        may_have_arrived = [text for text, status in mine if status in ("sent", "unknown")]
        assert set(sent) <= set(arrived) <= set(may_have_arrived)
        assert arrived == [text for text in may_have_arrived if text in set(arrived)], f"{chat_id}: order"


@pytest.fixture
def database(new_postgres: Callable[[], str]):
    found = Database(new_postgres())
    yield found
    found.close()


@pytest.fixture
def workers(start: Callable[..., Process], bench: Bench, private_redis: PrivateRedis) -> Workers:
    bench.emulator.people(PEOPLE)
    return Workers(start, bench, private_redis.url)


def test_two_workers_share_thousands_of_calls(workers: Workers):
    started = [workers.worker(), workers.worker()]
    workers.beat()
    workers.post()
    assert workers.wait_settled() == {"sent": CALLS}
    assert_none_twice(workers.bench)
    for worker in started:
        worker.terminate()
        assert worker.wait() == 0, worker
    assert "Traceback" not in "".join(worker.output for worker in started)


def test_wake_ups_that_come_three_times(workers: Workers):
    workers.worker()
    workers.worker()
    workers.beat()
    workers.post(CALLS, "--again", "2")
    assert workers.wait_settled() == {"sent": CALLS}
    assert_none_twice(workers.bench)


def test_a_worker_is_killed(workers: Workers):
    workers.bench.emulator.sends_take(0.5)
    doomed, other = workers.worker(), workers.worker()
    workers.beat()
    workers.post()
    workers.bench.database.wait_calls(500)
    kill(doomed)
    workers.bench.database.wait_calls(1_000)
    workers.bench.emulator.hold_sends()
    kill(other)
    workers.bench.emulator.sends_take(0.02)
    workers.worker()
    statuses = workers.wait_settled()
    assert set(statuses) == {"sent", "unknown"}
    # At most what each process had on its way.
    assert statuses["unknown"] <= 2 * 2 * 100
    assert_none_twice(workers.bench)


def test_the_broker_restarts_and_forgets(workers: Workers, private_redis: PrivateRedis):
    workers.bench.emulator.sends_take(0.02)
    workers.worker()
    workers.worker()
    workers.beat()
    workers.post()
    workers.bench.database.wait_calls(500)
    private_redis.stop()
    workers.post(CALLS, "--chats", "100")  # while it is away: the sweep finds them
    private_redis.start()
    # As a supervisor does: Celery 5.7 ends when Redis goes away while it acknowledges.
    workers.worker()
    assert workers.wait_settled(2 * CALLS) == {"sent": 2 * CALLS}


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_every_pool(workers: Workers, pool: str):
    workers.worker(pool=pool)
    workers.post()
    assert workers.wait_settled() == {"sent": CALLS}
    assert_none_twice(workers.bench)


def tasks_done(worker: Process) -> int:
    return worker.output.count("succeeded in")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_many_tasks_leave_nothing_behind(workers: Workers):
    worker = workers.worker(pool="threads", slots=4)
    workers.beat()
    workers.post(200, "--one-by-one", "--again", "4")
    wait_until(lambda: tasks_done(worker) >= 1_000, 120, "a thousand tasks are done")
    before, used = descriptors(worker.pid), resident_mb(worker.pid)
    workers.post(TASKS // 20, "--one-by-one", "--again", "19")
    wait_until(lambda: tasks_done(worker) >= 1_000 + TASKS, 120 + TASKS // 50, f"{TASKS} more are done")
    assert workers.wait_settled(200 + TASKS // 20).keys() == {"sent"}
    # Connections to the server are kept for the next burst, so their number may change a little.
    assert descriptors(worker.pid) <= before + 110
    assert resident_mb(worker.pid) <= used + 20
    assert worker.output.count("Traceback") == 0


def test_a_warm_shutdown_writes_what_was_on_its_way(workers: Workers):
    workers.bench.emulator.sends_take(0.5)
    first = workers.worker()
    workers.beat()
    workers.post()
    workers.bench.database.wait_calls(200)
    first.terminate()
    assert first.wait() == 0, first
    assert set(workers.bench.database.call_statuses()) <= {"sent", "queued"}
    workers.bench.emulator.sends_take(0.02)
    workers.worker()
    assert workers.wait_settled() == {"sent": CALLS}


def test_the_database_goes_away(
    start: Callable[..., Process],
    manage: Callable[..., Process],
    emulate: Callable[..., Emulator],
    private_postgres: PrivatePostgres,
    private_redis: PrivateRedis,
    tmp_path,
):
    from tests.process.conftest import migrate

    url = private_postgres.new_database()
    migrate(url)
    database = Database(url)
    bench = Bench(manage, database, emulate(), tmp_path)
    bench.emulator.people(PEOPLE)
    workers = Workers(start, bench, private_redis.url)
    bench.emulator.sends_take(0.02)
    workers.worker()
    workers.worker()
    workers.beat()
    workers.post()
    database.wait_calls(500)
    database.forget_connection()
    private_postgres.stop()
    private_postgres.start()
    statuses = workers.wait_settled()
    assert set(statuses) <= {"sent", "unknown"}
    assert_none_twice(bench)
    database.close()
