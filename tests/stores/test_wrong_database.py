"""A table or column that is not there is told from all other errors, and with what to do about it."""

import asyncio

import pytest
from django.db import Error, IntegrityError, OperationalError, connection

from vkteams_bot.models import BotAccount
from vkteams_bot.stores import sql
from vkteams_bot.stores.outages import is_outage
from vkteams_bot.stores.threads import DatabaseThread
from vkteams_bot.stores.wrong_database import NotMigrated, is_unmigrated

pytestmark = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.format(account=sql.table(BotAccount)))


@pytest.mark.parametrize(
    ("statement", "unmigrated"),
    [
        ("SELECT * FROM nowhere", True),
        ("SELECT missing FROM {account}", True),
        ("INSERT INTO {account} (missing) VALUES (1)", True),
        ("INSERT INTO nowhere (missing) VALUES (1)", True),
        ("UPDATE {account} SET missing = 1", True),
        ("INSERT INTO {account} (id) VALUES (NULL)", False),
        ("SELECT (", False),
        ("SELECT no_such_function()", False),
    ],
)
def test_a_statement(statement: str, unmigrated: bool):
    with pytest.raises(Error) as caught:
        execute(statement)
    assert is_unmigrated(caught.value) is unmigrated
    assert not is_outage(caught.value)


@pytest.mark.parametrize("error", [OperationalError("no such table: x"), IntegrityError("no"), ValueError("no")])
def test_what_no_database_said(error: Exception):
    assert not is_unmigrated(error)


def test_a_thread_of_the_store_says_what_to_do():
    async def main() -> None:
        thread = DatabaseThread("test")
        try:
            await thread.run_with_retry(lambda: execute("SELECT * FROM nowhere"))
        finally:
            await thread.close()

    with pytest.raises(NotMigrated, match=r"nowhere.*: run manage.py migrate$"):
        asyncio.run(main())
