"""What users import stands in sorted `__all__`s, and exists."""

import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "vkteams_bot.types",
        "vkteams_bot.filters",
        "vkteams_bot.fsm",
        "vkteams_bot.routing",
        "vkteams_bot.routing.filters",
    ],
)
def test_names_are_there_and_listed_once(name):
    module = importlib.import_module(name)
    names = module.__all__
    assert len(names) == len(set(names)) >= 10
    assert all(hasattr(module, each) for each in names)


@pytest.mark.parametrize("name", ["vkteams_bot.types", "vkteams_bot.filters"])
def test_the_faces_are_sorted_and_hide_nothing(name):
    """`@…` are what pytest adds to the modules of its plugins."""
    module = importlib.import_module(name)
    assert module.__all__ == sorted(module.__all__)
    assert {each for each in vars(module) if not each.startswith(("_", "@"))} == set(module.__all__)


def test_importing_them_needs_no_django():
    code = (
        "import sys; from vkteams_bot import F, Router, SkipHandler, CancelHandler\n"
        "import vkteams_bot.filters, vkteams_bot.types, vkteams_bot.fsm\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'django'], 'django was imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
