"""Which commands can be run on a cohort, and what becomes of the result of one case: a row, a score, a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import InputError

Data = Mapping[str, Any]
"""What a command prints with ``--json``."""
BETWEEN = " | "
"""Between the sentences of a cell."""
CellValue = str | float | int | bool | None


def plain_name(word: str) -> str:
    """A name as it is compared, and as columns have it: lower case, with underscores for all but letters and digits."""
    return re.sub(r"[\W_]+", "_", word.lower()).strip("_")


def plain_row(data: Data, _folder: Path | None = None) -> dict[str, CellValue]:
    """Numbers and words of nested data as columns ``outer_inner``; lists of words are joined, other lists counted."""
    row: dict[str, CellValue] = {}

    def add(name: str, value: Any) -> None:
        if value is None or isinstance(value, str | Number):
            row[name] = value  # type: ignore[assignment]
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                add(f"{name}_{key}" if name else str(key), inner)
        elif all(isinstance(v, str) for v in value):
            row[name] = BETWEEN.join(value)
        else:
            row[f"{name}_count"] = len(value)

    add("", data)
    return row


def fewest_warnings(row: Mapping[str, CellValue]) -> float:
    """A score, lower for a case with more warnings."""
    warnings = str(row.get("warnings") or "")
    return -float(len(warnings.split(BETWEEN))) if warnings else 0.0


@dataclass(frozen=True)
class Task:
    """One command that can be run case by case.

    Attributes:
        name: of the task.
        command: words of the command line that lead to it.
        row: from what the command prints as JSON and the folder of its files to the columns of the table of cases.
        score: from a row to a number that is low where someone should look; NaN where there is no evidence.
        pictures: names of pictures among the results, the best first.
        file: name of the result, for a command that writes a file and not a folder.
        papers: whose tables can be made from the table of cases.
        aliases: other names of parameters in tables and folders: (name, parameter).
        memory_gb: what one case takes at most, of 512×512×200 voxels.
    """

    name: str
    command: tuple[str, ...]
    row: Callable[[Data, Path], dict[str, CellValue]] = plain_row
    score: Callable[[Mapping[str, CellValue]], float] = fewest_warnings
    pictures: tuple[str, ...] = ()
    file: str = ""
    papers: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    memory_gb: float = 2.0


_tasks: dict[str, Task] = {}


def offer_task(task: Task) -> None:
    """Lets a library's command be run on cohorts; offered again, it takes the place of the former."""
    _tasks[task.name] = task


def task_names() -> list[str]:
    """The names of all tasks."""
    return sorted(_tasks)


def find_task(name: str) -> Task:
    """The task of a name.

    Raises:
        InputError: there is none; says which there are.
    """
    if name not in _tasks:
        raise InputError(f"There is no task {name!r} for a cohort", f"The tasks are {', '.join(task_names())}")
    return _tasks[name]


def mean_of(values: list[CellValue]) -> float:
    """The mean of the numbers among values; NaN where there are none."""
    numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    return sum(numbers) / len(numbers) if numbers else math.nan


offer_task(Task("import", ("data", "import"), aliases=(("image", "source"),)))
offer_task(Task("predict", ("predict",), aliases=(("image", "inputs"),)))
