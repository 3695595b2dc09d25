"""A part of the house imports only what stands above it."""

import ast
import importlib.util
from pathlib import Path

import vkteams_bot

ROOT = Path(vkteams_bot.__file__).parent

# From top to bottom. A name stands for a module or a package; the longest that fits a module counts.
LAYERS = [
    ["backoff", "exceptions", "signal_handlers"],
    ["circuit_breaker"],
    ["keyboards", "limits", "text"],
    ["api"],
    ["fsm"],
    ["routing"],
    ["filters", "types", "voice"],
    ["conf"],
    ["redis_clients"],
    ["shared_limits"],
    ["models"],
    ["stores"],
    ["fsm.storages"],
    ["registry", "discovery"],
    ["pruning", "signals"],
    ["notify"],
    ["beat", "broadcasts"],
    ["worker"],
    ["tasks"],
    ["live"],
    ["runtime"],
    ["emulator"],
    ["checks", "doctor", "recording", "testing"],
    ["admin", "apps", "management", "pytest_plugin"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
WITHOUT_DJANGO = {
    *("backoff", "circuit_breaker", "exceptions", "signal_handlers"),
    *("keyboards", "limits", "text", "api", "fsm", "routing", "filters", "types", "voice"),
}
# The front door names what stands behind it; migrations are Django's.
NO_LAYER = {"", "migrations"}


def modules() -> dict[str, Path]:
    found = {}
    for path in ROOT.rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        if name.split(".")[0] not in NO_LAYER:
            found[name] = path
    return found


def layer_of(module: str) -> str:
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in RANK:
            return name
    raise AssertionError(f"vkteams_bot.{module} stands in no layer: add it to LAYERS")


def imports(path: Path, package: str) -> set[str]:
    """Every import in the file, lazy and typing-only ones included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                if node.level
                else node.module
            )
            assert base is not None
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                found.add(submodule if submodule.removeprefix("vkteams_bot.") in MODULES else base)
    return found


MODULES = modules()


def own_imports(module: str, path: Path) -> set[str]:
    names = imports(path, f"vkteams_bot.{module}".rpartition(".")[0])
    return {name.removeprefix("vkteams_bot.") for name in names if name.startswith("vkteams_bot.")}


def test_every_import_points_up():
    wrong, looked = [], 0
    for module, path in MODULES.items():
        for imported in own_imports(module, path):
            looked += 1
            below, above = layer_of(module), layer_of(imported)
            if below != above and RANK[above] >= RANK[below]:
                wrong.append(f"{module} imports {imported}")
    assert looked > 300
    assert wrong == []


def test_no_import_cycles():
    graph = {module: own_imports(module, path) & MODULES.keys() for module, path in MODULES.items()}
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in done:
            return
        for imported in graph[module] - {module}:
            walk(imported, (*trail, module))
        done.add(module)

    for module in graph:
        walk(module, ())
    assert len(done) > 100


def test_the_upper_half_does_not_know_django():
    looked = 0
    for module, path in MODULES.items():
        if layer_of(module) not in WITHOUT_DJANGO:
            continue
        looked += 1
        found = {name.split(".")[0] for name in imports(path, "vkteams_bot")}
        assert not found & {"django", "channels"}, module
    assert looked > 40


def test_the_emulator_is_imported_by_its_commands_and_the_test_kit_only():
    for module, path in MODULES.items():
        if layer_of(module) not in ("emulator", "management", "recording", "testing"):
            assert not any(name.split(".")[0] == "emulator" for name in own_imports(module, path)), module


def test_the_test_kit_is_imported_by_nothing():
    for module, path in MODULES.items():
        if layer_of(module) != "testing":
            assert not any(name.split(".")[0] == "testing" for name in own_imports(module, path)), module
