"""The example project is tested with the kit; its tests pass, by pytest and by `manage.py test`."""

import subprocess
import sys

from tests.processes import ROOT


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_by_pytest():
    output = run("-m", "pytest", "-q", "-p", "no:xdist", "--ds=example_project.settings", "example_project")
    assert "10 passed" in output


def test_by_djangos_runner():
    output = run("manage.py", "test", "--settings=example_project.settings", "example_project")
    assert "Ran 5 tests" in output
