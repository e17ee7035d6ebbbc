"""The papers' tables from the table of a cohort."""

from __future__ import annotations

from PreopReviewLib.cohort.calling import call_command
from PreopReviewLib.cohort.folder import TABLE, CohortFolder
from PreopReviewLib.cohort.tasks import Task
from PreopReviewLib.errors import InputError


def write_papers(folder: CohortFolder, task: Task) -> tuple[list[str], list[str]]:
    """Writes the tables of every paper that the task's table has the columns for.

    Returns:
        papers that were written, and a sentence for each that could not be.
    """
    written, remarks = [], []
    for paper in task.papers:
        out = folder.path / "papers" / paper
        words = ["evaluate", "--paper", paper, "--cases", str(folder.path / TABLE), "--out", str(out)]
        try:
            call_command([*words, "--no-figures", "--quiet", "--json", "--overwrite"])
            written.append(paper)
        except InputError as error:
            remarks.append(f"No tables of {paper}: {error}")
    return written, remarks
