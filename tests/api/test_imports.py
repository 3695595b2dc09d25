"""What importing costs, and which names are public."""

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import vkteams_bot

PURE = ["vkteams_bot", "vkteams_bot.api", "vkteams_bot.routing", "vkteams_bot.fsm", "vkteams_bot.keyboards"]
PURE += ["vkteams_bot.limits", "vkteams_bot.types", "vkteams_bot.exceptions"]

IMPORT_ALONE = """
import importlib, json, sys, threading
touched = []
def hook(event, args):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.fork", "sqlite3.")):
        touched.append(event)
sys.addaudithook(hook)
importlib.import_module(sys.argv[1])
django = [name for name in sys.modules if name.partition(".")[0] in ("django", "channels", "celery")]
ours = [name for name in sys.modules if name.startswith("vkteams_bot")]
print(json.dumps([touched, django, ours, threading.active_count()]))
"""


@pytest.mark.parametrize("module", PURE)
def test_import_brings_no_django_and_opens_no_socket(module):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALONE, module], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    touched, django, ours, threads = json.loads(done.stdout)
    assert (touched, django, threads) == ([], [], 1)
    assert module in ours


def test_package_alone_imports_nothing_of_itself():
    code = "import sys, vkteams_bot; print([name for name in sys.modules if name.startswith('vkteams_bot.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def modules_of(package):
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(getattr(root, "__path__", []), f"{package}."):
        yield importlib.import_module(found.name)


LAYERS = [f"vkteams_bot.{name}" for name in ("api", "keyboards", "limits", "exceptions", "types")]
WITH_PUBLIC_NAMES = [module for package in LAYERS for module in modules_of(package) if hasattr(module, "__all__")]


def in_order(name):
    """Constants, then classes, then the rest, each by the alphabet: ruff's order."""
    group = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return group, name


@pytest.mark.parametrize("module", [vkteams_bot, *WITH_PUBLIC_NAMES], ids=lambda module: module.__name__)
def test_public_names_are_sorted_and_resolve(module):
    names = module.__all__
    assert sorted(set(names), key=in_order) == names
    for name in names:
        assert getattr(module, name) is not None


def test_all_modules_with_public_names_are_looked_at():
    assert len(WITH_PUBLIC_NAMES) >= 8
    assert {"vkteams_bot.api", "vkteams_bot.api.methods", "vkteams_bot.api.types", "vkteams_bot.keyboards"} <= {
        module.__name__ for module in WITH_PUBLIC_NAMES
    }


@pytest.mark.parametrize("package", ["api", "api.methods", "api.types", "keyboards", "limits"])
def test_what_a_package_imports_for_its_users_is_in_its_public_names(package):
    module = importlib.import_module(f"vkteams_bot.{package}")
    tree = ast.parse(Path(str(module.__file__)).read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert sorted(name.asname or name.name for node in imports for name in node.names) == sorted(module.__all__)


def test_all_exceptions_are_public():
    from vkteams_bot import exceptions

    found = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, BaseException | exceptions.Outcome)
    }
    assert found == set(exceptions.__all__)
    tree = exceptions.__doc__ or ""
    drawn = {word for line in tree.splitlines() for word in line.replace("└── ", "├── ").split("├── ")[-1:]}
    names = {line.split()[0] for line in drawn if line.split()}
    assert found - {"Outcome"} <= names


def test_public_types_face_is_complete():
    """Whatever an event or an answer may hold can be named by `from vkteams_bot.types import …`."""
    from vkteams_bot import types
    from vkteams_bot.api import types as api_types

    assert len(api_types.__all__) > 50
    assert set(types.__all__) - set(api_types.__all__) == {"Button", "ButtonStyle", "InlineKeyboardMarkup", "InputFile"}
    for name in api_types.__all__:
        assert getattr(types, name) is getattr(api_types, name)


def test_package_names():
    assert vkteams_bot.__all__ == [
        "Bot",
        "CancelHandler",
        "F",
        "InputFile",
        "ParseMode",
        "Router",
        "SkipHandler",
        "bot",
        "bots",
    ]
    assert set(vkteams_bot.__all__) <= set(dir(vkteams_bot))
    assert vkteams_bot.Bot is importlib.import_module("vkteams_bot.api").Bot
    with pytest.raises(AttributeError, match="'vkteams_bot' has no attribute 'Bott'"):
        _ = vkteams_bot.Bott
