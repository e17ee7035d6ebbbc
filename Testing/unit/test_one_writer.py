"""Files are written through `PreopReviewLib.output` alone; what writes besides is listed here, with the reason.

A function that writes bare must be given the place by its caller, who has it from the writer: it may not choose one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LIBRARIES = ("PreopReview/PreopReviewLib", "LiverPlanner/LiverPlannerLib", "RotatorCuffCAM/RotatorCuffCAMLib")
WRITERS = {"output_folder", "output_file", "output_files", "whole_file", "private_folder", "temporary_folder"}
CALLS = {"write_text", "write_bytes", "savefig", "save_as", "WriteImage", "save_file", "savez", "savez_compressed"}
CALLS |= {
    "NamedTemporaryFile",
    "mkstemp",
    "mkdtemp",
    "copyfile",
    "copytree",
    "copy2",
    "Write",
    "to_csv",
    "rmtree",
    "PdfPages",
}

ITSELF = {"output.py", "output_mark.py", "workroom.py"}
ELSEWHERE = {
    "command/streams.py:forgiving": "the null device",
    "command/console.py:_unforeseen": "the trace of a bug, in the temporary folder",
    "scene/vtk_messages.py:install": "what VTK complains of, in the temporary folder, removed at the end",
    "readers/log.py:__init__": "a log that is only ever added to, each line on disk before the next question",
    "ground_truth/lock.py:__init__": "a lock, made in one step or not at all",
    "jobs/process.py:_new_log": "the log of a worker, written while it runs",
    "models/catalog.py:remove": "removes a model that it has moved into a room first",
    "jobs/process.py:remove": "removes the private folder of a job",
    "panels/measure_margins.py:measure": "into the private folder of a job",
    "models/totalsegmentator.py:_settings": "into a home for one run, in a temporary folder",
    "panels/context.py:new_folder": "a private folder for a job, removed with it",
    "panels/dependencies.py:_install": "constraints for pip, in a temporary folder",
    "datasets/importing.py:_finish": "a step of `import_data`, in the folder that its maker has from the writer",
}


@pytest.fixture(scope="module")
def bare() -> dict[str, list[int]]:
    """Functions that write outside of a block of the writer, with the lines."""
    writers: dict[str, list[int]] = {}
    for library in LIBRARIES:
        for path in sorted((REPOSITORY / library).rglob("*.py")):
            inside = path.relative_to(REPOSITORY / library).as_posix()
            if inside in ITSELF and library.startswith("PreopReview"):
                continue
            for function, line in _bare_writes(ast.parse(path.read_text(encoding="utf-8"))):
                writers.setdefault(f"{inside}:{function}", []).append(line)
    return writers


def _bare_writes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    text = ast.unparse(tree)

    def walk(node: ast.AST, function: str, covered: bool) -> Iterator[tuple[str, int]]:
        if isinstance(node, ast.FunctionDef):
            function, covered = node.name, False
        if isinstance(node, ast.With) and any(_name(i.context_expr) in WRITERS for i in node.items):
            covered = True
        if isinstance(node, ast.Call) and not covered and _writes(node):
            target = ast.unparse(node.args[0]) if node.args else ""
            if f"{target} = io.BytesIO(" not in text and f"io.BytesIO() as {target}" not in text:
                yield function, node.lineno
        for child in ast.iter_child_nodes(node):
            yield from walk(child, function, covered)

    return walk(tree, "", False)


def _name(node: ast.AST) -> str:
    while isinstance(node, ast.Call | ast.IfExp):
        node = node.func if isinstance(node, ast.Call) else node.body
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _writes(call: ast.Call) -> bool:
    name = _name(call.func)
    if name == "open":
        words = [a.value for a in [*call.args, *(k.value for k in call.keywords)] if isinstance(a, ast.Constant)]
        modes = [w for w in words if isinstance(w, str) and w and set(w) <= set("rwaxbt+")]
        flags = "O_CREAT" in ast.unparse(call) or "O_WRONLY" in ast.unparse(call)
        return flags or any(set(m) & set("wax+") for m in modes)
    if name == "save" and isinstance(call.func, ast.Attribute):
        return ast.unparse(call.func.value) in ("np", "numpy", "torch")
    if name == "savefig" and ast.unparse(call.func).startswith("pages."):
        return False  # where the pages go was said when they were opened
    return name in CALLS


def _takes_a_place(key: str) -> bool:
    """Whether the function is given the path or folder to write to."""
    inside, _, function = key.partition(":")
    for library in LIBRARIES:
        path = REPOSITORY / library / inside
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else ():
            if isinstance(node, ast.FunctionDef) and node.name == function:
                given = {a.arg for a in [*node.args.args, *node.args.kwonlyargs]}
                return bool(
                    given & {"path", "folder", "place", "out", "stream", "work", "run", "target", "places", "paths"}
                )
    return False


def test_nothing_is_written_past_the_one_writer(bare):
    strange = {k: v for k, v in bare.items() if k not in ELSEWHERE and not _takes_a_place(k)}
    assert not strange, f"write through PreopReviewLib.output, or list it with the reason: {strange}"


def test_the_list_holds_nothing_that_is_gone(bare):
    assert sorted(set(ELSEWHERE) - set(bare)) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("def f(name):\n    open(name, 'w')", [2]),
        ("def f(name):\n    with output_file(name) as w:\n        w.write_text('x')", []),
        ("def f(name):\n    with output_file(name) as w, open(w, 'wb') as s:\n        np.save(s, 1)", []),
        ("def f(name):\n    open(name)\n    name.write_bytes(b'')", [3]),
    ],
    ids=["open", "in the writer's block", "two in one line", "write_bytes"],
)
def test_a_bare_write_is_seen(text, lines):
    assert [line for _, line in _bare_writes(ast.parse(text))] == lines
