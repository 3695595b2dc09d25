"""Processes that the harness starts, and what the kernel says of them."""

import contextlib
import ctypes
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _end_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A process in its own session, which ends with us even if we are killed. Its output goes to a file."""

    def __init__(self, arguments: Sequence[str], *, environment: dict[str, str] | None = None, cwd: Path | None = None):
        self.output = tempfile.NamedTemporaryFile(prefix="bench-", suffix=".log")  # noqa: SIM115
        self.process = subprocess.Popen(
            arguments,
            env={**os.environ, **(environment or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        self.pid = self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        text = Path(self.output.name).read_text(errors="replace")
        return text if len(text) < 4000 else text[:2000] + "\n[...]\n" + text[-2000:]

    def answer(self) -> str | None:
        """The line of JSON that it has written, if it has."""
        lines = Path(self.output.name).read_text(errors="replace").splitlines(keepends=True)
        return next((line for line in lines if line.startswith("{") and line.endswith("}\n")), None)

    def stop(self, *, by: int = signal.SIGTERM, patience: float = 3) -> None:
        if self.running:
            self.process.send_signal(by)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        with contextlib.suppress(ProcessLookupError):  # the session outlives its leader when a child does
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        self.output.close()


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(int(entry))[1]), []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, those that ended included."""
    ticks = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            ticks += sum(int(value) for value in _stat(member)[11:15])
    return ticks / TICKS


def rss_mb(pid: int) -> float:
    pages = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    return pages * PAGE / 1e6


def machine_seconds() -> tuple[float, float]:
    """(busy, all) CPU seconds of the whole machine since it started, stolen time counted as busy."""
    fields = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICKS, sum(fields) / TICKS


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from `state` on: [1] parent, [11:15] user, system, children's user and system."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
