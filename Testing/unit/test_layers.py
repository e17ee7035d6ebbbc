"""Imports go down only, in no circle: lazy imports and those for type checking count, too."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("PreopReview", "LiverPlanner", "RotatorCuffCAM")
LIBRARIES = ("PreopReviewLib", "LiverPlannerLib", "RotatorCuffCAMLib")
INTERFACES = ("panels", "command", "commands", "cohort", "review")
"""They turn what a user asks into calls of the libraries; a cohort calls the commands, case by case."""
ENTRIES = ("tasks", "__main__")
"""Modules of any room that are interfaces, too: what a worker process or ``python -m`` runs."""
ALLOWED = {
    "qt": ("panels", "module"),
    "ctk": ("panels", "module"),
    "slicer": ("panels", "module", "scene"),
    "typer": ("commands", "command", "cohort"),
}


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    collected = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT / room).with_suffix("").parts
            if parts[0] in (*LIBRARIES, "preopreview") or len(parts) == 1:
                collected[".".join(parts).removesuffix(".__init__")] = path
    return collected


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def nodes_of(module: str) -> list[ast.AST]:
    """Every node of a module's text."""
    return list(ast.walk(tree_of(module)))


@cache
def imports(module: str) -> set[str]:
    """What a module imports anywhere in its text, as dotted names; of our own modules the exact one."""
    names = set()
    below = {id(n) for part in tree_of(module).body if _is_entry_point(part) for n in ast.walk(part)}
    for node in (n for n in nodes_of(module) if id(n) not in below):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                names.add(full if full in modules() else base)
    return names


def _is_entry_point(part: ast.stmt) -> bool:
    """``if __name__ == "__main__"``: what runs there stands above all modules."""
    return isinstance(part, ast.If) and "__name__" in ast.unparse(part.test)


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = modules()[module].name == "__init__.py"
    above = module.split(".")[: len(module.split(".")) - node.level + is_package]
    return ".".join([*above, *filter(None, [node.module])])


def layer(module: str) -> int:
    """How high a module stands, see CONTRIBUTING.md: the shared library, ours, the scene, interfaces, modules."""
    parts = module.split(".")
    if parts[0] not in (*LIBRARIES, "preopreview"):
        return 4
    if parts[0] == "preopreview" or parts[1:2] in ([i] for i in INTERFACES) or parts[-1].endswith(ENTRIES):
        return 3
    if parts[1:2] == ["scene"]:
        return 2
    return int(parts[0] != "PreopReviewLib")


def kind(module: str) -> str:
    parts = module.split(".")
    if parts[0] not in LIBRARIES:
        return "command" if parts[0] == "preopreview" else "module"
    return parts[1] if len(parts) > 1 else ""


@cache
def graph() -> nx.DiGraph:
    ours = nx.DiGraph()
    for name in modules():
        ours.add_edges_from((name, other) for other in imports(name) if other in modules() and other != name)
    return ours


@cache
def names_of(module: str) -> set[str]:
    """What can be imported from a module: what it defines, assigns or imports anywhere."""
    names = set()
    for node in nodes_of(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_what_is_imported_lazily_exists_too():
    lacking = []
    for name in modules():
        for node in nodes_of(name):
            if not isinstance(node, ast.ImportFrom):
                continue
            base = _absolute(name, node)
            if base.split(".")[0] not in LIBRARIES:
                continue
            known = names_of(base) if base in modules() else set()
            lacking += [
                f"{name}, line {node.lineno}: {base}.{alias.name}"
                for alias in node.names
                if f"{base}.{alias.name}" not in modules() and alias.name not in known and "__getattr__" not in known
            ]
    assert not lacking


def test_no_module_imports_itself_by_way_of_others():
    circles = [sorted(c) for c in nx.strongly_connected_components(graph()) if len(c) > 1]
    assert not circles


def test_imports_go_down_only():
    upward = [f"{a} imports {b}" for a, b in graph().edges if layer(a) < layer(b)]
    assert not sorted(upward)


def test_the_shared_library_knows_no_module_of_its_users():
    upward = [
        f"{a} imports {b}"
        for a, b in graph().edges
        if a.startswith("PreopReviewLib") and b.split(".")[0] in LIBRARIES[1:]
    ]
    assert not sorted(upward)


def test_the_two_modules_do_not_know_each_other():
    pair = {"LiverPlannerLib", "RotatorCuffCAMLib"}
    across = [f"{a} imports {b}" for a, b in graph().edges if {a.split(".")[0], b.split(".")[0]} == pair]
    assert not sorted(across)


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_interfaces_are_imported_where_they_belong(package):
    wrong = [
        name
        for name in modules()
        if kind(name) not in ALLOWED[package] and any(i.split(".")[0] == package for i in imports(name))
    ]
    assert not wrong


def test_errors_of_the_libraries_name_no_option_of_a_command():
    named = []
    for module in modules():
        if layer(module) >= 3:
            continue
        for node in (n for n in nodes_of(module) if isinstance(n, ast.Raise)):
            words = [c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
            named += [f"{module}, line {node.lineno}: {w}" for w in words if re.search(r"(^|[ (])--[a-z]", w)]
    assert not named
