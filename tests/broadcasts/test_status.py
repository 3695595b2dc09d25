"""Who writes a broadcast's status: one module, which a reader can know whole."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import vkteams_bot

ROOT = Path(vkteams_bot.__file__).parent
LIFECYCLE = ROOT / "broadcasts" / "lifecycle.py"
READING = {"filter", "exclude", "get", "Q", "in_status", "list_url"}


def writes(path: Path) -> Iterator[str]:
    """Each place that gives some row another status: an argument, an attribute, a key of a dictionary."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _name(node.func) not in READING:
            yield from (ast.unparse(node) for keyword in node.keywords if keyword.arg == "status")
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {part.attr for target in targets for part in ast.walk(target) if isinstance(part, ast.Attribute)}
            if "status" in names:
                yield ast.unparse(node)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "status":
                    yield ast.unparse(value)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def of_broadcast(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    speaks_of_broadcasts = "Status = Broadcast.Status" in source
    for write in writes(path):
        if "OutgoingCall." in write or "Update." in write:
            continue
        if "Broadcast" in write or (speaks_of_broadcasts and "Status." in write):
            yield write


def test_one_module_writes_it():
    assert len(list(of_broadcast(LIFECYCLE))) >= 8
    modules = [path for path in ROOT.rglob("*.py") if path != LIFECYCLE]
    assert len(modules) > 150
    assert sum(1 for path in modules for _ in writes(path)) > 10  # of other rows: it does see writes
    assert {str(path.relative_to(ROOT)): found for path in modules if (found := list(of_broadcast(path)))} == {}


def test_what_it_takes_for_a_write(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        "Status = Broadcast.Status\n"
        "broadcast.status = Status.DRAFT\n"
        "rows.update(status=Status.DRAFT)\n"
        "Broadcast.objects.create(status='draft')\n"
        "changes = {'status': Status.DRAFT}\n"
        "rows.filter(status=Status.DRAFT)\n"
        "calls.update(status=OutgoingCall.Status.SENT)\n"
    )
    assert len(list(of_broadcast(module))) == 4
