"""What is delayed in the playground arrives in it, without a broker and without a worker."""

from __future__ import annotations

import re
import shutil
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from tests import databases
from tests.process.bench import ControlApi, Database
from tests.processes import Process, scratch_directory, wait_until
from vkteams_bot.models import Broadcast, Worker

pytestmark = pytest.mark.process

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


class Playground(ControlApi):
    """A playground that runs: its emulator, and its admin as a browser uses it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        super().__init__(process.wait_for_line(r"^Bot API emulator: +(\S+)/bot/v1").group(1))
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
            assert process.wait() == 0, process
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
    assert playground.process.wait() == 0, playground.process
    assert "Traceback" not in playground.process.output


def broadcast(database: Database) -> Any:
    return Broadcast.objects.using(database.alias).get()


def test_the_demo_broadcast_is_sent_from_the_admin(play: Callable[..., Playground], database: Database):
    playground = play()
    playground.sign_in()
    playground.submit(f"admin/vkteams_bot/broadcast/{broadcast(database).pk}/send/")
    wait_until(lambda: broadcast(database).status == "finished", 60, "the broadcast is finished")
    assert playground.texts(ALICE) == [
        "Good morning, Alice!\n\nFresh biscuits are in the kitchen. Order yours with /order."
    ]
    assert [text.partition("\n")[0] for text in playground.texts(BOB)] == ["Good morning, Bob!"]
    assert broadcast(database).counts == {"sent": 2}
    assert_ends_well(playground)


def test_what_a_view_delays_arrives_and_no_broker_is_told(play: Callable[..., Playground], database: Database):
    playground = play()
    playground.sign_in()
    # A worker of another process must not make the playground leave its calls to it.
    Worker.objects.using(database.alias).create(name="elsewhere", last_heartbeat=timezone.now() + timedelta(hours=1))
    playground.tell_customers()
    database.wait_calls(2)
    assert playground.texts(ALICE) == ["2 × Tea is on its way."]
    assert "the broker takes no messages" not in playground.process.output
    assert_ends_well(playground)


def test_stopping_does_not_wait_for_a_server_that_hangs(play: Callable[..., Playground], database: Database):
    playground = play()
    playground.sign_in()
    playground.sends_take(600)
    playground.tell_customers()
    database.wait_calls(2, status="sending")
    assert_ends_well(playground)
    assert database.call_statuses() == {"unknown": 2}
    assert "stopped before the answer" in database.calls.first().error


def test_a_project_without_a_celery_app(manage: Callable[..., Process], new_sqlite: str):
    env = {"TEST_DATABASE_URL": new_sqlite, "TEST_BOT_APP": "1", "TEST_LOG_LEVEL": "INFO"}
    playground = Playground(manage("playground", "--port", "0", "--force", env=env))
    database = Database(new_sqlite)
    account = database.accounts.get(alias="default")
    database.calls.create(
        id=uuid4(),
        account=account,
        origin="delayed",
        method="messages/sendText",
        chat_id=ALICE,
        params={"chatId": ALICE, "text": "Hello"},
        created_at=timezone.now(),
    )
    database.wait_calls(1)
    assert playground.texts(ALICE) == ["Hello"]
    database.close()
    assert_ends_well(playground)
