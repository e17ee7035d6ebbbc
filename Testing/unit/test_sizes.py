"""No function and no file grows beyond what one reads at once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [p for room in ("PreopReview", "LiverPlanner", "RotatorCuffCAM") for p in sorted((ROOT / room).rglob("*.py"))]
MOST_LINES, LONGEST = 400, 60


def functions(path: Path) -> list[tuple[str, int]]:
    """Name and lines of every function and method."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [(f.name, f.end_lineno - f.lineno + 1) for f in ast.walk(tree) if isinstance(f, kinds)]


@pytest.mark.parametrize("room", ["PreopReview", "LiverPlanner", "RotatorCuffCAM"])
def test_no_file_is_longer_than_400_lines(room: str) -> None:
    lines = {p.relative_to(ROOT).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in FILES}
    assert {name: n for name, n in lines.items() if name.startswith(f"{room}/") and n > MOST_LINES} == {}


@pytest.mark.parametrize("room", ["PreopReview", "LiverPlanner", "RotatorCuffCAM"])
def test_no_function_is_longer_than_60_lines(room: str) -> None:
    too_long = {
        f"{p.relative_to(ROOT).as_posix()}:{name}": lines
        for p in FILES
        if p.relative_to(ROOT).parts[0] == room
        for name, lines in functions(p)
        if lines > LONGEST
    }
    assert too_long == {}
