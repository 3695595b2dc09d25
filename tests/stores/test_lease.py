"""Whose lease it is, and whether whoever holds it can be known to be gone."""

import os
import subprocess
import sys

import pytest

from vkteams_bot.models import BotAccount
from vkteams_bot.stores.lease import Lease, is_dead, new_owner

orm = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]


def of_dead_process() -> str:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    host, _, unique = new_owner().rsplit(":", 2)
    return f"{host}:{process.pid}:{unique}"


def test_a_living_holder_is_not_dead():
    assert not is_dead(new_owner())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says where a process id counts")
def test_a_process_of_this_machine_that_is_gone_is_dead():
    assert is_dead(of_dead_process())


@pytest.mark.parametrize("owner", ["", "host", "host:1", "host:1:abcd", "a:b:c", f"host:{2**40}:0123456789abcdef"])
def test_of_any_other_nothing_is_known(owner: str):
    assert not is_dead(owner)


def test_the_same_number_in_another_container_or_after_a_restart_of_the_machine_says_nothing():
    dead = of_dead_process()
    head, unique = dead.rsplit(":", 1)
    other = f"{int(unique[:8], 16) ^ 1:08x}" + unique[8:]
    assert not is_dead(f"{head}:{other}")


class TestTakeover:
    pytestmark = orm

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as above")
    def test_the_lease_of_a_dead_process_is_taken_at_once_and_counts_as_a_crash(self):
        account = BotAccount.objects.create(alias="default", user_id="1")
        dead, mine = Lease(account.pk, of_dead_process()), Lease(account.pk, new_owner())
        assert dead.take()
        assert mine.take()
        assert mine.abandoned_by == dead.owner

    def test_the_lease_of_a_living_process_is_not(self):
        account = BotAccount.objects.create(alias="default", user_id="1")
        assert Lease(account.pk, new_owner()).take()
        assert not Lease(account.pk, new_owner()).take()
        assert BotAccount.objects.get().lease_owner.split(":")[1] == str(os.getpid())
