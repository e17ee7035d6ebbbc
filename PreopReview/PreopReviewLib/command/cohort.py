"""`preop cohort`: one task on many cases, by Dask workers of this computer or of a cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.options import Quiet

if TYPE_CHECKING:
    from PreopReviewLib.cohort.cases import CohortCase
    from PreopReviewLib.cohort.folder import CohortFolder
    from PreopReviewLib.cohort.tasks import Task


def register(app: typer.Typer) -> None:
    """Adds the group to the command."""
    group = typer.Typer(no_args_is_help=True, help="One task on many cases, on this computer or a Dask cluster.")
    group.command("run")(run)
    group.command("tasks")(tasks)
    app.add_typer(group, name="cohort")


def tasks() -> None:
    """List the tasks that can be run, and the columns that each takes; * for those that it needs."""
    from PreopReviewLib.cohort.calling import parameters
    from PreopReviewLib.cohort.tasks import find_task, task_names
    from PreopReviewLib.command.console import print_table

    rows = []
    for name in task_names():
        task = find_task(name)
        columns = ", ".join(f"{n}{'*' if p.required else ''}" for n, p in parameters(task).items())
        rows.append((name, f"preop {' '.join(task.command)}", columns))
    print_table("", ("task", "command", "columns and settings"), rows)


def run(
    task: Annotated[str, typer.Argument(help="plan, compare, predict, … (see 'preop cohort tasks').")],
    cases: Annotated[Path, typer.Argument(help="CSV with a line for each case, or a folder.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE for all cases, e.g. lesions=no; may be repeated.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume: finished cases stay, failed ones are retried.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Worker processes; default: by cores, memory and GPUs.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of each worker.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Join the Dask cluster at HOST:PORT instead.")] = None,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print how many cases were done and failed.")] = False,
) -> None:
    """Run a task on every case; write a folder for each, one table, a page of pictures, and the papers' tables.

    A case that fails becomes a row with the reason. Exits with 3 if no case has a result.
    """
    from PreopReviewLib.cohort.cases import read_cases, require_utf8, settings_of
    from PreopReviewLib.cohort.driving import run_cases
    from PreopReviewLib.cohort.folder import CohortFolder
    from PreopReviewLib.cohort.tasks import find_task
    from PreopReviewLib.command.console import emit, progress_bar
    from PreopReviewLib.errors import NothingFound

    chosen = find_task(task)
    common = settings_of(chosen, settings or [])
    listed = read_cases(cases, chosen, common)
    folder = CohortFolder(require_utf8(out).absolute())
    folder.check(chosen, common, resume)
    with _client(chosen, scheduler, workers, threads, len(listed)) as client:
        folder.begin(chosen, common)
        with progress_bar(quiet) as progress:
            tally = run_cases(client, chosen, listed, folder, progress)
    files = _finish(folder, chosen, listed)
    data = {
        "cases": tally.cases,
        "done": tally.done + tally.done_before,
        "done_before": tally.done_before,
        "failed": tally.failed,
        "files": [str(f) for f in files],
    }
    emit(data, as_json, lambda: _print(data))
    if not data["done"]:
        raise NothingFound(f"None of the {tally.cases} cases has a result", f"The reasons are in {files[0]}")


def _client(
    task: Task, scheduler: str | None, workers: int | None, threads: int | None, cases: int
) -> AbstractContextManager[Any]:
    from PreopReviewLib.cohort.cluster import joined_client, local_client, require_distributed, size_here
    from PreopReviewLib.errors import InputError

    require_distributed()
    if scheduler is not None:
        if workers is not None or threads is not None:
            raise InputError(
                "--workers and --threads belong to this computer, not to a cluster", "Leave them out with --scheduler"
            )
        return joined_client(scheduler)
    size = size_here(task.memory_gb, workers, threads)
    return local_client(size if size.workers <= cases else size_here(task.memory_gb, cases, threads))


def _finish(folder: CohortFolder, task: Task, cases: list[CohortCase]) -> list[Path]:
    """Writes the table, the papers' tables and the page."""
    from PreopReviewLib.cohort.page import write_page
    from PreopReviewLib.cohort.papers import write_papers

    table = folder.write_table(cases)
    papers, remarks = write_papers(folder, task)
    for words in remarks:
        say(words, err=True)
    return [table, write_page(folder, task, cases, [f"papers/{p}/summary.md" for p in papers])]


def _print(data: dict[str, Any]) -> None:
    before = f" ({data['done_before']} of them before)" if data["done_before"] else ""
    say(f"{data['done']} of {data['cases']} cases done{before}, {data['failed']} failed.")
    say("Written:", *data["files"], sep="\n  ")
