"""The playground brings a worker along: what is delayed in it arrives in it, without a broker."""

from __future__ import annotations

import re
import shutil
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from tests import databases
from tests.process.bench import Database, Emulator
from tests.processes import Process, scratch_directory, wait_until
from vkteams_bot.models import Broadcast

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

ALICE, BOB = "alice@example.com", "bob@example.com"
TOKEN = "001.0000000000.0000000000:1000000001"
NO_BROKER = "redis://127.0.0.1:1/0"


def environment(path: Path) -> dict[str, str | None]:
    return {
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "SQLITE_PATH": str(path),
        "CELERY_BROKER_URL": NO_BROKER,
        "POSTGRES_DB": None,
        "DEBUG": "1",
    }


class Playground(Emulator):
    """A playground that runs: its emulator, and its admin as a browser uses it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.api_url = process.wait_for_line(r"^Bot API emulator: +(\S+)").group(1)
        self.url = self.api_url.removesuffix("/bot/v1")
        process.wait_for_line(r" runs at http")
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def texts(self, chat_id: str) -> list[str]:
        return [message["text"] for message in self.said(chat_id, TOKEN)]

    def sign_in(self) -> None:
        self.submit("admin/login/?next=/admin/", username="admin", password="admin")

    def submit(self, path: str, **fields: str) -> str:
        """The form of that page, with these fields."""
        with self._browser.open(f"{self.url}/{path}", timeout=30) as page:
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
        assert token, "the page has a form"
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode()
        with self._browser.open(f"{self.url}/{path}", data, timeout=30) as page:
            answer: str = page.read().decode()
            return answer

    def tell_customers(self) -> None:
        """The action of the orders' list, which delays a message for each."""
        with self._browser.open(f"{self.url}/admin/orders/order/", timeout=30) as page:
            keys = re.findall(r'name="_selected_action" value="(\d+)"', page.read().decode())
        fields = {"action": "tell_it_is_on_its_way", "select_across": "1", "_selected_action": keys[0]}
        assert "2 customers will be told." in self.submit("admin/orders/order/", **fields)


@pytest.fixture(scope="module")
def demo_data() -> Path:
    """The database after `migrate` and `demo_data`."""
    path = scratch_directory("vkteams-bot-demo-") / "demo.sqlite3"
    for command in ("migrate", "demo_data"):
        with Process(sys.executable, "manage.py", command, "-v0", env=environment(path)) as process:
            assert process.wait(60) == 0, process
    return path


@pytest.fixture
def database(demo_data: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "database.sqlite3"
    shutil.copy(demo_data, path)
    found = Database(databases.sqlite_url(path))
    yield found
    found.close()


@pytest.fixture
def play(start: Callable[..., Process], database: Database, tmp_path: Path) -> Callable[..., Playground]:
    def play(*options: str) -> Playground:
        env = environment(tmp_path / "database.sqlite3")
        return Playground(start(sys.executable, "manage.py", "playground", "--port", "0", *options, env=env))

    return play


def assert_ends_well(playground: Playground) -> None:
    playground.process.terminate()
    assert playground.process.wait(10) == 0, playground.process
    assert "Traceback" not in playground.process.output


def broadcast(database: Database) -> Any:
    return Broadcast.objects.using(database.alias).get()


def test_the_demo_broadcast_is_sent_from_the_admin(play: Callable[..., Playground], database: Database):
    playground = play()
    playground.sign_in()
    playground.submit(f"admin/vkteams_bot/broadcast/{broadcast(database).pk}/send/")
    wait_until(lambda: broadcast(database).status == "finished", 30, "the broadcast is finished")
    assert playground.texts(ALICE) == [
        "Good morning, Alice!\n\nFresh biscuits are in the kitchen. Order yours with /order."
    ]
    assert [text.partition("\n")[0] for text in playground.texts(BOB)] == ["Good morning, Bob!"]
    assert broadcast(database).counts == {"sent": 2}
    assert_ends_well(playground)


def test_what_a_view_delays_is_published_in_memory(play: Callable[..., Playground], database: Database):
    playground = play()
    playground.sign_in()
    playground.tell_customers()
    database.wait_calls(2)
    assert playground.texts(ALICE) == ["2 × Tea is on its way."]
    assert "no worker was told" not in playground.process.output, "it went to the broker of the settings"
    assert_ends_well(playground)


def test_stopping_does_not_wait_for_a_server_that_hangs(play: Callable[..., Playground], database: Database):
    playground = play()
    playground.sign_in()
    playground.faults({"kind": "latency", "method": "messages/sendText", "seconds": 60})
    playground.tell_customers()
    database.wait_calls(2, status="sending")
    assert_ends_well(playground)
    assert database.call_statuses() == {"unknown": 2}
    assert "stopped before the answer" in database.calls.first().error


def test_without_a_worker_the_broker_of_the_settings_is_told(play: Callable[..., Playground], database: Database):
    playground = play("--no-worker")
    playground.sign_in()
    playground.tell_customers()
    playground.process.wait_for_line("no worker was told of new calls")
    assert database.call_statuses() == {"queued": 2}
    assert_ends_well(playground)


def test_a_project_without_a_celery_app(manage: Callable[..., Process], new_sqlite: str):
    env = {"TEST_DATABASE_URL": new_sqlite, "TEST_BOT_APP": "1", "TEST_LOG_LEVEL": "INFO"}
    playground = Playground(manage("playground", "--port", "0", "--force", env=env))
    database = Database(new_sqlite)
    account = database.accounts.get(alias="default")
    database.calls.create(
        id=uuid4(),
        account=account,
        sender="worker",
        method="messages/sendText",
        chat_id=ALICE,
        params={"chatId": ALICE, "text": "Hello"},
        created_at=timezone.now(),
    )
    database.wait_calls(1)
    assert playground.texts(ALICE) == ["Hello"]
    database.close()
    assert_ends_well(playground)


def test_a_worker_that_cannot_run_ends_the_playground(
    start: Callable[..., Process], database: Database, tmp_path: Path
):
    settings = "from example_project.settings import *\nCELERY_TASK_CREATE_MISSING_QUEUES = False\n"
    (tmp_path / "strict_settings.py").write_text(settings)
    env = environment(tmp_path / "database.sqlite3") | {
        "DJANGO_SETTINGS_MODULE": "strict_settings",
        "PYTHONPATH": str(tmp_path),
    }
    playground = start(sys.executable, "manage.py", "playground", "--port", "0", env=env)
    assert playground.wait(30) == 1
    assert "task_create_missing_queues" in playground.output
    assert "CommandError: the Celery worker of the playground died" in playground.output
