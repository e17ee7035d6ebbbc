"""Which cases a cohort has: from a table, or from a folder of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PreopReviewLib import images
from PreopReviewLib.cohort.calling import Parameter, parameter_of, parameters
from PreopReviewLib.cohort.tasks import Task
from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.evaluation.cohort import CASE_COLUMNS, COHORT_COLUMNS
from PreopReviewLib.tables import Row, Table, read_table

RECORD = "cohort.json"
"""In the folder of a cohort (`folder`)."""
ROLES = {
    "image": ("image", "ct", "mri", "scan"),
    "labels": ("labels", "label", "segmentation"),
    "auto": ("auto", "predicted", "prediction", "automated"),
    "manual": ("manual", "reference", "ground_truth", "truth"),
}
"""Names of files and folders that stand for a parameter."""


@dataclass(frozen=True)
class CohortCase:
    """One case.

    Attributes:
        name: of its folder of results; unique, also where capital letters do not count.
        values: text by parameter of the task.
        part: of the study; empty if it has none.
        carried: columns of the table that the task does not know, for the table of results.
    """

    name: str
    values: Mapping[str, str]
    part: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)


def settings_of(task: Task, words: Iterable[str]) -> dict[str, str]:
    """Values that all cases have, from ``name=value``; relative paths are of the current folder.

    Raises:
        InputError: no such parameter, or a word of another form.
    """
    values = {}
    for word in words:
        name, sign, value = word.partition("=")
        parameter = parameter_of(task, name)
        if not sign or parameter is None:
            known = ", ".join(parameters(task))
            raise InputError(f"The task {task.name} has no setting {word!r}", f"Write NAME=VALUE of: {known}")
        values[parameter.name] = _absolute(parameter, value, Path.cwd())
    return values


def read_cases(path: str | Path, task: Task, settings: Mapping[str, str]) -> list[CohortCase]:
    """The cases of a table or folder, in its order, those of a folder by name.

    A table has a column for each parameter that differs between cases (``image``, ``labels``, ``manual``, …), a column
    ``case`` unless the file names will do, and ``cohort`` where the study has parts. Relative paths are of the
    table's folder. In a folder, ``CASE.nii.gz`` or the DICOM folder ``CASE`` is a case of a task of one input;
    otherwise ``CASE/image.nii.gz``, ``CASE/labels.nii.gz`` and so on, or ``image/CASE.nii.gz``, ….

    Args:
        settings: what all cases have; a cell that is not empty goes before.

    Raises:
        FileMissing: there is no such table or folder.
        InputError: no case, a case twice, a name that cannot be a folder's, a required parameter without a column.
        UnreadableImage: a table that cannot be read.
    """
    path = require_utf8(Path(path))
    if path.is_dir():
        cases = _of_folder(path, task, settings)
    elif path.exists():
        cases = _of_table(read_table(path), task, settings)
    else:
        raise FileMissing(f"There is no table or folder of cases {path}", "Check the path")
    seen: dict[str, str] = {}
    for case in cases:
        for text in case.values.values():
            require_utf8(Path(text))
        _require_name(case.name, path)
        former = seen.get(case.name.casefold())
        seen[case.name.casefold()] = case.name
        if former is not None:
            other = "" if former == case.name else f" (as {former}, where capital letters do not count)"
            raise InputError(f"{path} has the case {case.name} twice{other}", "Give every case its own name")
    return cases


def _of_table(table: Table, task: Task, settings: Mapping[str, str]) -> list[CohortCase]:
    named = {c: parameter_of(task, c) for c in table.columns if c not in (*CASE_COLUMNS, *COHORT_COLUMNS)}
    known = [p.name for p in named.values() if p]
    twice = sorted({n for n in known if known.count(n) > 1})
    if twice:
        raise InputError(f"{table.path} has two columns for {twice[0]}", "Remove one of them")
    lacking = [n for n, p in parameters(task).items() if p.required and n not in (*known, *settings)]
    if lacking:
        raise InputError(
            f"{table.path} lacks the column {lacking[0]}, which the task {task.name} needs",
            f"Its columns are: {', '.join(table.columns)}",
        )
    case_column = next((c for c in CASE_COLUMNS if c in table.columns), None)
    part_column = next((c for c in COHORT_COLUMNS if c in table.columns), "")
    cases = []
    for row in table.rows:
        values = dict(settings)
        for column, parameter in named.items():
            if parameter and row.get(column):
                values[parameter.name] = _cell(parameter, table, row, column)
        name = row.get(case_column) if case_column else _stem(Path(values[_first_path(task)]))
        if not name:
            raise InputError(f"{table.where(row)} names no case", "Give every case a name")
        carried = {c: row.get(c) for c, p in named.items() if p is None}
        cases.append(CohortCase(name, values, row.get(part_column), carried))
    return cases


def _of_folder(folder: Path, task: Task, settings: Mapping[str, str]) -> list[CohortCase]:
    needed = [p for p in parameters(task).values() if p.required and p.is_path and p.name not in settings]
    by_case: dict[str, dict[str, str]] = {}

    def add(case: str, parameter: Parameter, path: Path) -> None:
        values = by_case.setdefault(case, dict(settings))
        if parameter.name in values and parameter.name not in settings:
            names = f"{values[parameter.name]} and {path}"
            raise InputError(f"The case {case} has two files for {parameter.name}, {names}", "Keep one of them")
        values[parameter.name] = str(path.absolute())

    for entry in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
        role = _role(entry.name, task)
        inner = sorted(p for p in entry.iterdir() if not p.name.startswith(".")) if entry.is_dir() else []
        roles = [(p, _role(_stem(p), task)) for p in inner if _is_image(p) or p.is_dir()]
        if role and inner:
            for path in inner:
                add(_stem(path), role, path)
        elif (entry / RECORD).is_file():
            continue  # a cohort, perhaps the one that is being made
        elif any(r for _, r in roles) and (len(needed) != 1 or needed[0] in [r for _, r in roles]):
            for path, of in roles:
                if of:
                    add(entry.name, of, path)
        elif len(needed) == 1 and (inner or _is_image(entry)):
            add(_stem(entry), needed[0], entry)
    if not by_case:
        names = " and ".join(f"CASE/{p.name}.nii.gz" for p in needed)
        raise InputError(f"{folder} holds no case of the task {task.name}", f"Lay them out as {names}, or give a table")
    return [CohortCase(name, values) for name, values in sorted(by_case.items())]


def _role(word: str, task: Task) -> Parameter | None:
    words = next((names for names in ROLES.values() if word.lower() in names), (word,))
    return next((p for p in (parameter_of(task, w) for w in words) if p and p.is_path), None)


def _is_image(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(images.SUFFIXES)


def _first_path(task: Task) -> str:
    return next(n for n, p in parameters(task).items() if p.required and p.is_path)


def _stem(path: Path) -> str:
    suffix = max((s for s in images.SUFFIXES if path.name.lower().endswith(s)), key=len, default="")
    return path.name[: len(path.name) - len(suffix)].removesuffix(".seg")


def _cell(parameter: Parameter, table: Table, row: Row, column: str) -> str:
    return str(table.file(row, column).absolute()) if parameter.is_path else row.get(column)


def _absolute(parameter: Parameter, text: str, folder: Path) -> str:
    return str(folder.absolute() / text.strip()) if parameter.is_path and text.strip() else text.strip()


def require_utf8(path: Path) -> Path:
    """The path, whose name a table and every worker can be given.

    Raises:
        InputError: it has bytes that are not UTF-8.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"The name of {path} is not UTF-8, so no table can hold it", "Rename it") from error
    return path


def _require_name(name: str, source: Path) -> None:
    if name.startswith(".") or name.strip() != name or any(c in name for c in '/\\:*?"<>|') or not name.isprintable():
        raise InputError(
            f"{source} has the case {name!r}, which cannot be the name of a folder",
            "Use letters, digits, spaces, hyphens and underscores",
        )
