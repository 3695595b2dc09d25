"""What `transaction.on_commit` registered runs in a test as Django would run it."""

import pytest
from django.db import transaction

from vkteams_bot.testing.home_thread import Committed

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def explode():
    raise ZeroDivisionError


def test_a_robust_callback_that_fails_is_logged_and_the_next_runs(caplog):
    ran = []
    committed = Committed()
    transaction.on_commit(explode, robust=True)
    transaction.on_commit(lambda: ran.append("next"))
    committed.run()
    assert ran == ["next"]
    (record,) = [record for record in caplog.records if record.name == "vkteams_bot.testing"]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_a_callback_that_fails_fails_the_test():
    committed = Committed()
    transaction.on_commit(explode)
    with pytest.raises(ZeroDivisionError):
        committed.run()
