"""What the package imports is declared in pyproject.toml: by the core, or by the extra that a module is for."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import vkteams_bot
from tests.processes import ROOT

PACKAGE = Path(vkteams_bot.__file__).parent

# Modules that import, now or when called, what an extra brings. Every other module does with the core.
EXTRAS_OF_MODULES = {
    "emulator/playground.py": "playground",
    "emulator/server.py": "playground",
    "limits/link.py": "redis",
    "limits/shared.py": "redis",
    "management/reloading.py": "reload",
    "pytest_plugin.py": "testing",
    "redis_clients.py": "redis",
    "runtime/loop.py": "speed",
    "voice.py": "voice",
}
# Of these the modules that cannot be imported without it; the others say what to install when they are used.
CLOSED_WITHOUT_EXTRA = {
    "emulator/playground.py",
    "emulator/server.py",
    "limits/link.py",
    "limits/shared.py",
    "pytest_plugin.py",
    "redis_clients.py",
}

IMPORT_ALL = """
import importlib, json, sys
missing, modules = json.loads(sys.argv[1])

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())

import django
from django.conf import settings

apps = "admin auth contenttypes sessions messages staticfiles".split()
settings.configure(
    SECRET_KEY="x",
    ROOT_URLCONF="django.conf.urls",
    INSTALLED_APPS=[*(f"django.contrib.{app}" for app in apps), "channels", "vkteams_bot"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    VKTEAMS_BOT={"BOTS": {}},
)
django.setup()
for name in modules:
    importlib.import_module(name)
"""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(requirements: list[str]) -> set[str]:
    return {normalised(re.split(r"[^\w.-]", requirement, maxsplit=1)[0]) for requirement in requirements}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = distributions(PROJECT["dependencies"])
EXTRAS = {name: distributions(requirements) for name, requirements in PROJECT["optional-dependencies"].items()}
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
INSTALLED = packages_distributions()


def imported(path: Path) -> set[str]:
    """The distributions whose packages this file imports anywhere, also in functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module)
    packages = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"vkteams_bot"}
    return {normalised(distribution) for package in packages for distribution in INSTALLED.get(package, [package])}


def test_each_module_imports_what_the_core_or_its_extra_declares():
    undeclared, looked = [], 0
    for name, path in FILES.items():
        declared = CORE | EXTRAS.get(EXTRAS_OF_MODULES.get(name, ""), set())
        distributions_of_file = imported(path)
        looked += len(distributions_of_file)
        undeclared += [f"{name} imports {distribution}" for distribution in sorted(distributions_of_file - declared)]
    assert undeclared == []
    assert looked > 150


def test_a_module_is_listed_for_an_extra_only_if_it_needs_it():
    needless = [name for name in EXTRAS_OF_MODULES if not imported(FILES[name]) - CORE]
    assert needless == []


def test_the_core_declares_nothing_that_no_module_imports():
    used = {distribution for path in FILES.values() for distribution in imported(path)}
    assert CORE - used == set()


def test_all_other_modules_can_be_imported_with_the_core_alone():
    of_extras = {distribution for name in EXTRAS for distribution in EXTRAS[name]} - CORE
    missing = [package for package, owners in INSTALLED.items() if of_extras & {normalised(owner) for owner in owners}]
    assert {"uvicorn", "uvloop", "watchfiles", "redis", "django_redis", "av", "pytest"} <= {*missing}
    modules = [
        ".".join(["vkteams_bot", *Path(name).with_suffix("").parts]).removesuffix(".__init__")
        for name in FILES
        if name not in CLOSED_WITHOUT_EXTRA
    ]
    assert len(modules) > 250
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps([missing, modules])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
