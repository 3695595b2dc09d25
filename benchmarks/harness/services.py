"""What the contenders talk to: the load server, Redis and PostgreSQL, all private and on free ports of the loopback."""

import glob
import http.client
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.paths import BENCHMARKS, BUILD
from harness.processes import Process, cpu_seconds


class Missing(Exception):
    """Something that a contender needs is not installed; the text names it."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)


class LoadServer:
    """loadserver.c, compiled when its source is newer than the program. It ends when this process does."""

    def __init__(self) -> None:
        source, program = BENCHMARKS / "loadserver.c", BUILD / "loadserver"
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            if compiler is None:
                raise Missing("a C compiler (apt-get install gcc libc6-dev)")
            BUILD.mkdir(exist_ok=True)
            subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", program, source], check=True)
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().split()[1])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.api_url = f"http://127.0.0.1:{self.port}/bot/v1"

    def control(self, command: str, **parameters: int) -> dict[str, Any]:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        self.connection.request("GET", f"/control/{command}?{query}")
        answer: dict[str, Any] = json.loads(self.connection.getresponse().read())
        return answer

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    def close(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait()


class Redis:
    """A redis-server that writes nothing to disk: the fastest that a peer can meet."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise Missing("redis-server (apt-get install redis-server)")
        port = free_port()
        self.directory = tempfile.mkdtemp(prefix="bench-redis-")
        self.url = f"redis://127.0.0.1:{port}/0"
        self.process = Process(
            [
                *(program, "--bind", "127.0.0.1", "--port", str(port), "--dir", self.directory),
                *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            ]
        )
        self.port = port
        wait_until(lambda: self._ask(b"PING\r\n") == b"+PONG\r\n", 10, "Redis answers")

    def _ask(self, command: bytes) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(command)
                return connection.recv(100)
        except OSError:
            return b""

    def empty(self) -> None:
        assert self._ask(b"FLUSHALL\r\n") == b"+OK\r\n"

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    def close(self) -> None:
        self.process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Postgres:
    """A PostgreSQL with its default settings (fsync included); as another user when we are root, as it demands."""

    def __init__(self) -> None:
        on_path = shutil.which("initdb")
        found = [on_path] if on_path else glob.glob("/usr/lib/postgresql/*/bin/initdb")
        if not found:
            raise Missing("PostgreSQL (apt-get install postgresql)")
        newest = max(found, key=lambda path: [int(n) for n in re.findall(r"\d+", path)] or [0])
        self.programs = Path(newest).resolve().parent
        self.directory = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
        self.port = free_port()
        self.prefix: list[str] = []
        if os.geteuid() == 0:
            user = self._user()
            setpriv = shutil.which("setpriv")
            if setpriv is None:
                raise Missing("setpriv (apt-get install util-linux)")
            ids = pwd.getpwnam(user)
            self.prefix = [
                setpriv,
                f"--reuid={ids.pw_uid}",
                f"--regid={ids.pw_gid}",
                "--clear-groups",
                "--pdeathsig=INT",
            ]
            shutil.chown(self.directory, user)
        data = str(self.directory / "data")
        initdb = [str(self.programs / "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*self.prefix, *initdb, "--locale", "C.UTF-8"], check=True, stdout=subprocess.DEVNULL, cwd=self.directory
        )
        self.process = Process(
            [
                *(*self.prefix, str(self.programs / "postgres"), "-D", data, "-p", str(self.port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            ],
            cwd=self.directory,
        )
        wait_until(lambda: self._sql("SELECT 1", check=False) == 0, 30, "PostgreSQL answers")
        self.version = subprocess.run(
            [self.programs / "postgres", "--version"], check=True, capture_output=True, text=True
        ).stdout.split()[2]

    @staticmethod
    def _user() -> str:
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"

    def _sql(self, statement: str, *, check: bool = True) -> int:
        arguments = [str(self.programs / "psql"), "-qX", "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench"]
        return subprocess.run(
            [*arguments, "-d", "postgres", "-c", statement],
            check=check,
            cwd=self.directory,
            env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"},
            stdout=subprocess.DEVNULL,
            stderr=None if check else subprocess.DEVNULL,
        ).returncode

    def url(self, name: str) -> str:
        return f"postgresql://bench@127.0.0.1:{self.port}/{name}"

    def new_database(self, name: str, *, template: str = "template1") -> str:
        self._sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._sql("CHECKPOINT")  # so that a run does not pay for the one before
        return self.url(name)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    def close(self) -> None:
        self.process.stop(by=2, patience=10)  # SIGINT: fast shutdown
        shutil.rmtree(self.directory, ignore_errors=True)


class Services:
    """Redis and PostgreSQL are started when first asked for; one that is missing stays missing."""

    def __init__(self) -> None:
        self.load_server = LoadServer()
        self._started: dict[type[Any], Any] = {}

    def _get(self, kind: type[Any]) -> Any:
        if kind not in self._started:
            try:
                self._started[kind] = kind()
            except Missing as missing:
                self._started[kind] = missing
        if isinstance(self._started[kind], Missing):
            raise self._started[kind]
        return self._started[kind]

    @property
    def redis(self) -> Redis:
        redis: Redis = self._get(Redis)
        return redis

    @property
    def postgres(self) -> Postgres:
        postgres: Postgres = self._get(Postgres)
        return postgres

    def cpu_seconds(self) -> float:
        running = [self.load_server, *(one for one in self._started.values() if not isinstance(one, Missing))]
        return float(sum(service.cpu_seconds() for service in running))

    def close(self) -> None:
        for service in self._started.values():
            if not isinstance(service, Missing):
                service.close()
        self.load_server.close()
