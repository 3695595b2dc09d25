"""Processes that tests start: read their output as it comes, signal them, and never leave one behind.

Run as a script this file is the reaper: a process that outlives the test run by a moment, and ends what the run left
when it was killed before it could clean up itself (SIGTERM, SIGKILL).
"""

import atexit
import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """Return a port on 127.0.0.1 that was free a moment ago; someone else may still take it first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], timeout: float, what: str) -> None:
    """Poll ``ready`` until it is true. Raise AssertionError naming ``what`` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)


@contextlib.contextmanager
def _heeding_interrupts() -> Iterator[None]:
    """A shell that runs the tests in the background has SIGINT ignored, and what is started here would inherit that."""
    is_main = threading.current_thread() is threading.main_thread()  # no other may set a handler
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class Process:
    """A started command, in a session of its own, with stdout and stderr in one file.

    ``env`` is added to the environment of the tests; a value of None removes a variable.
    ``user`` runs it under another account (root only). ``abort_signal`` is what ends it when the test run was killed.
    """

    def __init__(
        self,
        *args: str | os.PathLike[str],
        env: Mapping[str, str | None] | None = None,
        cwd: Path = ROOT,
        user: str | None = None,
        abort_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.args = [os.fspath(arg) for arg in args]
        merged = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        account: dict[str, Any] = {}
        if user is not None:
            account = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        self._file = tempfile.TemporaryFile(prefix="vkteams-bot-output-")  # noqa: SIM115  closed in close()
        self._kept_output: str | None = None
        with _heeding_interrupts():
            self._popen = subprocess.Popen(
                self.args,
                stdin=subprocess.DEVNULL,
                stdout=self._file,
                stderr=subprocess.STDOUT,
                env={key: value for key, value in merged.items() if value is not None},
                cwd=cwd,
                start_new_session=True,
                **account,
            )
        _reaper.watch(self.pid, abort_signal)

    @classmethod
    def manage(cls, *args: str, env: Mapping[str, str | None] | None = None) -> Self:
        """Start ``manage.py`` of this checkout under the settings of the tests."""
        return cls(
            sys.executable, ROOT / "manage.py", *args, env={"DJANGO_SETTINGS_MODULE": "tests.settings", **(env or {})}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __str__(self) -> str:
        state = "running" if self.returncode is None else f"exit code {self.returncode}"
        return f"$ {' '.join(self.args)}    [{state}]\n{self.output}"

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal as in subprocess; None while it runs."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        """All that it has written so far."""
        if self._kept_output is not None:
            return self._kept_output
        # pread: the child writes at the offset that this descriptor shares with it, so reading must not move it.
        descriptor = self._file.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def wait_for_line(self, pattern: str, timeout: float = 60) -> re.Match[str]:
        """Wait for a whole line in which ``pattern`` is found. Raise AssertionError when it ends or is late."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self.returncode is not None  # before reading: what it wrote last still counts
            for line in self.output.splitlines(keepends=True):
                if (ended or line.endswith("\n")) and (match := re.search(pattern, line.rstrip("\r\n"))):
                    return match
            if ended:
                raise AssertionError(f"ended without a line that matches {pattern!r}\n{self}")
            if time.monotonic() > deadline:
                raise AssertionError(f"no line within {timeout:g} s that matches {pattern!r}\n{self}")
            time.sleep(0.02)

    def wait(self, timeout: float = 60) -> int:
        """Wait for its end and return the exit code. Raise AssertionError when it is late."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s\n{self}") from None

    def send(self, signum: signal.Signals) -> None:
        self._popen.send_signal(signum)

    def terminate(self) -> None:
        self.send(signal.SIGTERM)

    def interrupt(self) -> None:
        """What Ctrl+C does."""
        self.send(signal.SIGINT)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def close(self) -> None:
        """End it and its children, whatever state they are in. The output stays readable."""
        if self.returncode is None:
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(5)
        # The session may hold children that outlived their parent.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(10)
        _reaper.forget(self.pid)
        self._kept_output = self.output
        self._file.close()


def scratch_directory(prefix: str, owner: str | None = None) -> Path:
    """Make a temporary directory that is removed at exit, also when the test run is killed."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    if owner is not None:
        shutil.chown(path, owner)
    _reaper.remove_later(path)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


class _Reaper:
    """The near end of the reaper process. Its pipe breaks when this process is gone, however that came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[str] | None = None

    def watch(self, pid: int, signum: signal.Signals) -> None:
        self._tell(f"watch {pid} {int(signum)}")

    def forget(self, pid: int) -> None:
        self._tell(f"forget {pid}")

    def remove_later(self, path: Path) -> None:
        self._tell(f"remove {path}")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._popen is None:
                self._popen = subprocess.Popen(
                    [sys.executable, "-I", __file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,
                )
                atexit.register(self._end, self._popen)
            assert self._popen.stdin is not None
            self._popen.stdin.write(line + "\n")
            self._popen.stdin.flush()

    @staticmethod
    def _end(popen: "subprocess.Popen[str]") -> None:
        assert popen.stdin is not None
        popen.stdin.close()
        popen.wait(30)


_reaper = _Reaper()


def _reap(orders: IO[str]) -> None:
    watched: dict[int, int] = {}
    directories: list[str] = []
    for order in orders:
        verb, _, rest = order.rstrip("\n").partition(" ")
        if verb == "watch":
            pid, signum = map(int, rest.split())
            watched[pid] = signum
        elif verb == "forget":
            watched.pop(int(rest), None)
        elif verb == "remove":
            directories.append(rest)
    deadline = time.monotonic() + 5
    for pid, signum in watched.items():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signum)
    while watched and time.monotonic() < deadline:
        for pid in list(watched):
            try:
                os.killpg(pid, 0)
            except ProcessLookupError:
                del watched[pid]
        time.sleep(0.05)
    for pid in watched:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _reap(sys.stdin)
