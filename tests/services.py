"""PostgreSQL, Redis and Chromium for tests: the one that an environment variable names, or a private one.

A private server listens on a free port of 127.0.0.1, keeps its data in a temporary directory, ends with the test run.
``python -m tests.services postgres -- COMMAND`` runs COMMAND with TEST_DATABASE_URL naming a database of such a server.
"""

import contextlib
import glob
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.processes import Process, free_port, scratch_directory, wait_until


class ServiceMissing(Exception):
    """A service that tests need is not installed. The text is the line to show: what did not run, and the remedy."""


def services_required() -> bool:
    """Whether a missing service is a failure (CI) or a loud skip (at home)."""
    return os.environ.get("REQUIRE_SERVICES", "") not in {"", "0"}


class Postgres:
    """A PostgreSQL server that somebody else runs; ``url`` names a database in which databases may be created."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._created: list[str] = []

    def new_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"vkteams_bot_{secrets.token_hex(6)}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self._created.append(name)
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def close(self) -> None:
        for name in self._created:
            self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        self._created.clear()

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


class PrivatePostgres(Postgres):
    """A PostgreSQL server of our own, which can be stopped and started again with its data.

    It keeps what it committed when it is stopped, though not when the machine is: it does not wait for the disk.
    ``also_for`` names a network, such as 10.0.0.0/8, whose hosts may log in, too.
    """

    def __init__(self, also_for: str | None = None) -> None:
        self._addresses = "127.0.0.1" if also_for is None else "0.0.0.0"
        programs = self._programs()
        # PostgreSQL refuses to run as root.
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        self._postgres = programs / "postgres"
        self._directory = scratch_directory("vkteams-bot-postgres-", self._user)
        self._data = self._directory / "data"
        self._process: Process | None = None
        password = secrets.token_hex(16)
        password_file = self._directory / "password"
        password_file.write_text(password)
        if self._user is not None:
            shutil.chown(password_file, self._user)
        with Process(
            programs / "initdb",
            *("--pgdata", self._data, "--username", "postgres", "--pwfile", password_file),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            cwd=self._directory,
            user=self._user,
        ) as initdb:
            if initdb.wait(120) != 0:
                raise AssertionError(str(initdb))
        if also_for is not None:
            with open(self._data / "pg_hba.conf", "a") as rules:
                rules.write(f"host all all {also_for} scram-sha-256\n")
        # The port may be taken between the look and the start.
        for attempt in (1, 2, 3):
            self._port = free_port()
            super().__init__(f"postgresql://postgres:{password}@127.0.0.1:{self._port}/postgres")
            try:
                self.start()
                break
            except AssertionError:
                if attempt == 3:
                    raise

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers. The URLs stay the same."""
        if self.running:
            return
        self._process = Process(
            self._postgres,
            *("-D", self._data, "-p", str(self._port)),
            *("-c", f"listen_addresses={self._addresses}", "-c", "unix_socket_directories="),
            *("-c", "shared_buffers=32MB", "-c", "max_connections=100"),
            *("-c", "fsync=off", "-c", "full_page_writes=off"),
            cwd=self._directory,
            user=self._user,
            abort_signal=signal.SIGQUIT,
        )
        _wait_until_answers(self._process, self._answers, "PostgreSQL answers")

    def stop(self) -> None:
        """Stop it as a power cut would (immediate mode): connections break, nothing is flushed."""
        if self._process is None:
            return
        if self.running:
            self._process.send(signal.SIGQUIT)
            self._process.wait(30)
        self._process.close()
        self._process = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    @staticmethod
    def _programs() -> Path:
        on_path = shutil.which("initdb")
        if on_path is not None:
            return Path(on_path).resolve().parent
        # Debian keeps them off the PATH, a directory per major version.
        found = [Path(path).parent for path in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
        if not found:
            raise ServiceMissing("NOT RUN: PostgreSQL tests: install postgresql or set TEST_POSTGRES_URL")
        return max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.parent.name)])


class PrivateRedis:
    """A Redis server of our own, which can be stopped and started again. It forgets everything when it stops."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise ServiceMissing("NOT RUN: Redis tests: install redis-server or set TEST_REDIS_URL")
        self._program = program
        self._directory = scratch_directory("vkteams-bot-redis-")
        self._process: Process | None = None
        for attempt in (1, 2, 3):
            self._port = free_port()
            try:
                self.start()
                break
            except AssertionError:
                if attempt == 3:
                    raise

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers. The URL stays the same."""
        if self.running:
            return
        self._process = Process(
            self._program,
            *("--bind", "127.0.0.1", "--port", str(self._port), "--dir", self._directory),
            *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            cwd=self._directory,
        )
        _wait_until_answers(self._process, self._answers, "Redis answers")

    def stop(self) -> None:
        """Kill it: connections break, its data is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process.close()
            self._process = None

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Within it connections stay open and new ones are accepted, but nothing is answered."""
        assert self._process is not None
        self._process.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send(signal.SIGCONT)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """The server of TEST_POSTGRES_URL, or a private one. Raise ServiceMissing when there is neither."""
    url = os.environ.get("TEST_POSTGRES_URL")
    server = Postgres(url) if url else PrivatePostgres()
    try:
        yield server
    finally:
        server.close()


def chromium() -> str:
    """Return the path of Chromium: TEST_CHROMIUM, or the one on PATH. Raise ServiceMissing when there is neither."""
    path = os.environ.get("TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise ServiceMissing("NOT RUN: browser tests: install chromium or set TEST_CHROMIUM")
    return path


def _wait_until_answers(process: Process, answers: Callable[[], bool], what: str) -> None:
    try:
        wait_until(lambda: process.returncode is not None or answers(), 60, what)
        if process.returncode is not None:
            raise AssertionError(f"{what}: it ended\n{process}")
    except AssertionError:
        process.close()
        raise


def _unprivileged_user() -> str:
    known = {line.partition(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    return "postgres" if "postgres" in known else "nobody"


def main(arguments: list[str]) -> int:
    if arguments[:2] != ["postgres", "--"] or len(arguments) < 3:
        print("usage: python -m tests.services postgres -- COMMAND [ARGUMENT …]", file=sys.stderr)
        return 2
    try:
        with postgres() as server:
            return subprocess.call(arguments[2:], env={**os.environ, "TEST_DATABASE_URL": server.new_database()})
    except ServiceMissing as missing:
        print(f"\n{'!' * 79}\n{missing}\n{'!' * 79}", file=sys.stderr)
        return 1 if services_required() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
