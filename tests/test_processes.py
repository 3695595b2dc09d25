import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ROOT, Process, free_port, wait_until

pytestmark = pytest.mark.process


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_line_is_awaited_while_the_process_runs(start):
    process = start(*python("import time; print('URL: http://127.0.0.1:80/x'); time.sleep(60)"))

    assert process.wait_for_line(r"^URL: (.+)$").group(1) == "http://127.0.0.1:80/x"
    assert process.returncode is None
    process.terminate()
    assert process.wait() == -signal.SIGTERM


def test_a_half_written_line_is_not_taken(start):
    process = start(
        *python("import time; print('PORT: 80', end='', flush=True); time.sleep(0.3); print('80'); time.sleep(60)")
    )

    assert process.wait_for_line(r"^PORT: (\d+)$").group(1) == "8080"


def test_reading_the_output_does_not_disturb_the_writer(start):
    process = start(*python("for n in range(2000): print(n)"))

    while process.returncode is None:
        _ = process.output
    assert process.output.split() == [str(n) for n in range(2000)]


def test_what_it_wrote_is_told_when_it_ends_too_early(start):
    process = start(*python("import sys; print('the reason', file=sys.stderr); sys.exit(3)"))

    with pytest.raises(AssertionError, match=r"(?s)ended without a line that matches 'ready'.*exit code 3.*the reason"):
        process.wait_for_line("ready")
    assert process.wait() == 3


def test_a_late_line_and_a_late_end_are_failures(start):
    process = start(*python("import time; print('working'); time.sleep(60)"))
    process.wait_for_line("working")

    with pytest.raises(AssertionError, match=r"(?s)no line within 0.1 s.*working"):
        process.wait_for_line("never", timeout=0.1)
    with pytest.raises(AssertionError, match=r"still running after 0.1 s"):
        process.wait(timeout=0.1)


@pytest.mark.parametrize(("verb", "code"), [("terminate", -15), ("kill", -9), ("interrupt", 7)])
def test_signals(start, verb, code):
    process = start(
        *python(
            "import sys, time\ntry:\n    print('ready'); time.sleep(60)\nexcept KeyboardInterrupt:\n    sys.exit(7)"
        )
    )
    process.wait_for_line("ready")

    getattr(process, verb)()

    assert process.wait() == code


def test_environment_is_added_and_removed(start, monkeypatch):
    monkeypatch.setenv("GONE", "1")
    process = start(
        *python("import os; print(os.environ.get('GONE'), os.environ['NEW'])"), env={"GONE": None, "NEW": "2"}
    )

    process.wait_for_line("^None 2$")


def test_closing_ends_children_too():
    with Process(
        *python(
            "import subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "print('child', child.pid); time.sleep(60)"
        )
    ) as process:
        child = int(process.wait_for_line(r"^child (\d+)$").group(1))

    assert process.returncode == -signal.SIGTERM
    wait_until(lambda: not alive(child), 60, "the child ends")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind_when_the_test_run_is_killed(start, signum):
    run = start(
        *python(
            "import time\n"
            "from tests.processes import Process, scratch_directory\n"
            "process = Process('sleep', '60')\n"
            "print('left', process.pid, scratch_directory('vkteams-bot-left-'), flush=True); time.sleep(60)"
        ),
        env={"PYTHONPATH": os.fspath(ROOT)},
    )
    _, pid, directory = run.wait_for_line("^left ").string.split()
    assert alive(int(pid))

    run.send(signum)
    run.wait()

    wait_until(lambda: not alive(int(pid)) and not Path(directory).exists(), 60, "process and directory are gone")


def test_two_free_ports_differ():
    assert len({free_port() for _ in range(5)}) > 1


def test_waiting_has_an_end():
    began = time.monotonic()

    with pytest.raises(AssertionError, match=r"not within 0.1 s: a miracle"):
        wait_until(lambda: False, 0.1, "a miracle")
    assert time.monotonic() - began < 5


def test_manage_runs_under_the_settings_of_the_tests(manage):
    process = manage("diffsettings", "--output", "unified")

    assert process.wait() == 0, process
    assert "tests.urls" in process.output
