"""Public functions that take arrays say what their axes are: in their own words, or in their class's or module's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = ("PreopReview/PreopReviewLib", "LiverPlanner/LiverPlannerLib", "RotatorCuffCAM/RotatorCuffCAMLib")
ARRAY = re.compile(r"\b(ndarray|NDArray|Tensor)\b")
BY_NAME = re.compile(r"\b(Mapping|dict)\[str")
"""Weights by name have each a shape of their own."""
SAID = re.compile(
    r"\((?:[A-Za-z]|\d+|[a-z]{1,9}|…|\.\.\.)(?:, ?[\w*+×.…/-]{1,14})+,?\)"  # (K, J, I), (rows, columns, 3)
    r"|\(\w{1,9},\)"  # (n,)
    r"|\b[KJI]-[KJI]\b|\bRAS\b|\bone-dimensional\b|\bany shape\b|\bof one shape\b|\bflat\b"
)


def unsaid(tree: ast.AST, above: tuple[str, ...]) -> Iterator[str]:
    """Names of the functions below a module or class that leave their arrays' axes open."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from unsaid(node, (*above, ast.get_docstring(node) or ""))
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name != "forward":
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            types = [ast.unparse(a.annotation) for a in arguments if a.annotation]
            words = (ast.get_docstring(node) or "", *above)
            if any(ARRAY.search(t) and not BY_NAME.search(t) for t in types) and not any(map(SAID.search, words)):
                yield f"{node.name}, line {node.lineno}"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_public_function_of_arrays_says_what_their_axes_are(library: str) -> None:
    silent = {}
    for path in sorted((ROOT / library).rglob("*.py")):
        if "panels" not in path.parts:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if names := list(unsaid(tree, (ast.get_docstring(tree) or "",))):
                silent[path.relative_to(ROOT).as_posix()] = names
    assert silent == {}


def test_the_rule_sees_a_function_that_is_silent() -> None:
    silent = 'def f(a: np.ndarray) -> None:\n    """Does something, and more."""'
    assert list(unsaid(ast.parse(silent), ("A module.",))) == ["f, line 1"]
    assert not list(unsaid(ast.parse(silent.replace("something", "(K, J, I)")), ("A module.",)))
    assert not list(unsaid(ast.parse(silent), ("Masks are (K, J, I).",)))
