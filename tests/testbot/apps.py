import os
import signal

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class TestBotConfig(AppConfig):
    name = "tests.testbot"
    label = "testbot"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if count := os.environ.get("TESTBOT_DIES_AFTER_CHUNKS"):
            _die_while_preparing(int(count))
        if path := os.environ.get("TESTBOT_STATEMENTS"):
            _count_statements(path)


def _die_while_preparing(chunks: int) -> None:
    """After so many small chunks of a broadcast's recipients, in the transaction of the next."""
    from vkteams_bot.broadcasts.expansion import prepare
    from vkteams_bot.models import OutgoingCall

    prepare.__kwdefaults__ = {**(prepare.__kwdefaults__ or {}), "chunk_size": 100}
    written = []

    def die(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("INSERT") and OutgoingCall._meta.db_table in sql:
            written.append(sql)
        if len(written) > chunks:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    connection_created.connect(
        lambda connection, **_: connection.execute_wrappers.append(die), weak=False, dispatch_uid="die"
    )


def _count_statements(path: str) -> None:
    """A byte in the file for each SQL statement of this process."""
    file = open(path, "ab", buffering=0)  # noqa: SIM115  for the life of the process

    def count(execute, sql, params, many, context):
        file.write(b".")
        return execute(sql, params, many, context)

    connection_created.connect(
        lambda connection, **_: connection.execute_wrappers.append(count), weak=False, dispatch_uid="count"
    )
