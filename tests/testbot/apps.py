import os
import signal

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class TestBotConfig(AppConfig):
    name = "tests.testbot"
    label = "testbot"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if seconds := os.environ.get("TESTBOT_LEASE_SECONDS"):
            _shorten_the_lease(float(seconds))
        if seconds := os.environ.get("TESTBOT_CLAIM_SECONDS"):
            _shorten_claims(float(seconds))
        if count := os.environ.get("TESTBOT_DIES_AFTER_CHUNKS"):
            _die_while_preparing(int(count))
        if seconds := os.environ.get("TESTBOT_CLAIM_SECONDS"):
            from vkteams_bot.worker import batches

            batches.LEASE_SECONDS = float(seconds)
        if path := os.environ.get("TESTBOT_STATEMENTS"):
            _count_statements(path)


def _shorten_the_lease(seconds: float) -> None:
    """Time runs faster for tests that kill a process often; the rules stay."""
    from vkteams_bot.stores import lease

    lease.LEASE_SECONDS, lease.RENEW_SECONDS = seconds, seconds / 3

    from vkteams_bot.runtime import lease as standby

    standby.STANDBY_SECONDS = seconds / 8


def _shorten_claims(seconds: float) -> None:
    from vkteams_bot.worker import batches

    batches.LEASE_SECONDS = seconds


def _die_while_preparing(chunks: int) -> None:
    """After so many small chunks of a broadcast's recipients, in the transaction of the next."""
    from vkteams_bot.broadcasts import expansion

    expansion.CHUNK = 100
    insert = expansion._insert
    written = []

    def insert_or_die(*args):
        insert(*args)
        written.append(args)
        if len(written) > chunks:
            os.kill(os.getpid(), signal.SIGKILL)

    expansion._insert = insert_or_die


def _count_statements(path: str) -> None:
    """A byte in the file for each SQL statement of this process."""
    file = open(path, "ab", buffering=0)  # noqa: SIM115  for the life of the process

    def count(execute, sql, params, many, context):
        file.write(b".")
        return execute(sql, params, many, context)

    connection_created.connect(
        lambda connection, **_: connection.execute_wrappers.append(count), weak=False, dispatch_uid="count"
    )
