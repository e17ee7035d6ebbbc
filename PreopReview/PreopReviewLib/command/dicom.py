"""`preop dicom`: series from a PACS, results back to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.option_groups import grouped
from PreopReviewLib.command.options import Quiet

if TYPE_CHECKING:
    from PreopReviewLib.pacs.objects import Correction
    from PreopReviewLib.pacs.rules import Choice
    from PreopReviewLib.pacs.server import Server

Name = Annotated[str, typer.Argument(help="Name of a connection in the file of connections.", show_default=False)]
Config = Annotated[Path | None, typer.Option("--config", help="File of connections; PREOP_PACS or the user's.")]


@dataclass(frozen=True)
class SeriesOptions:
    """Which series of the server are meant."""

    patient: Annotated[str | None, typer.Option(help="PatientID; * stands for anything.")] = None
    accession: Annotated[str | None, typer.Option(help="AccessionNumber.")] = None
    study: Annotated[str | None, typer.Option(help="StudyInstanceUID.")] = None
    date: Annotated[str | None, typer.Option(help="Study date, YYYYMMDD or a range YYYYMMDD-YYYYMMDD.")] = None
    modality: Annotated[list[str] | None, typer.Option(help="CT, MR; may be repeated.")] = None
    phase: Annotated[
        list[str] | None,
        typer.Option(
            help="native, arterial, portal-venous, delayed, hepatobiliary, by the series' name; may be repeated."
        ),
    ] = None
    name: Annotated[list[str] | None, typer.Option(help="Pattern that the series' name contains; may be repeated.")] = (
        None
    )
    not_name: Annotated[list[str] | None, typer.Option(help="Pattern that it does not contain; may be repeated.")] = (
        None
    )
    least: Annotated[int, typer.Option(min=1, help="Smallest number of instances of a series.")] = 1
    one: Annotated[bool, typer.Option("--one", help="Only the series with the most instances of each study.")] = False

    def choices(self, server: Server) -> list[Choice]:
        """The server's series by the filters, each taken or left by the rules.

        Raises:
            ServerError: it cannot be asked. InputError: a rule that cannot be understood.
        """
        from PreopReviewLib.pacs.rules import Rules, choose

        kinds = tuple(m.upper() for m in self.modality or ())
        names = [tuple(words or ()) for words in (self.phase, self.name, self.not_name)]
        rules = Rules(kinds, *names, self.least, self.one)
        given = {
            "PatientID": self.patient,
            "AccessionNumber": self.accession,
            "StudyInstanceUID": self.study,
            "StudyDate": self.date,
        }
        return choose(server.find_series({keyword: value for keyword, value in given.items() if value}), rules)


ANY_SERIES = SeriesOptions()
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def register(app: typer.Typer) -> None:
    """Adds the group to the command."""
    group = typer.Typer(no_args_is_help=True, help="Fetch series from a PACS and store results in it. Research only.")
    for command in (find, fetch, store):
        group.command(command.__name__)(grouped(command))
    app.add_typer(group, name="dicom")


def find(
    connection: Name,
    wanted: SeriesOptions = ANY_SERIES,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List series, and which of them 'preop dicom fetch' would take with the same options. Exits with 3 if none."""
    from PreopReviewLib.errors import NothingFound
    from PreopReviewLib.pacs.connecting import connect
    from PreopReviewLib.pacs.connections import find_connection

    with connect(find_connection(connection, config)) as server:
        choices = wanted.choices(server)
    _show(choices, as_json)
    if not any(not c.reason for c in choices):
        raise NothingFound(f"None of {len(choices)} series would be taken", "Loosen the rules")


def fetch(
    connection: Name,
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    wanted: SeriesOptions = ANY_SERIES,
    config: Config = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder if it exists.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fetch series into a folder each, with cases.csv for 'preop cohort run'. All of them or nothing.

    The files hold the patients' identities as the server has them.
    """
    from PreopReviewLib.command.console import progress_bar
    from PreopReviewLib.output import check_folder
    from PreopReviewLib.pacs.connecting import connect
    from PreopReviewLib.pacs.connections import find_connection
    from PreopReviewLib.pacs.exchange import KIND
    from PreopReviewLib.pacs.exchange import fetch as fetch_series

    check_folder(out, overwrite, KIND)
    with connect(find_connection(connection, config)) as server, progress_bar(quiet) as progress:
        choices = wanted.choices(server)
        chosen = [c.series for c in choices if not c.reason]
        fetch_series(server, chosen, out, overwrite, progress)
    _show([c for c in choices if not c.reason], as_json)
    if not as_json:
        say(f"Written to {out}.")


def store(
    connection: Name,
    results: Annotated[
        list[Path], typer.Argument(help="Plan folders, a cohort of them, or DICOM files.", show_default=False)
    ],
    only_accepted: Annotated[
        bool,
        typer.Option(
            "--accepted", help="Only plans that a reader accepted, and none rejected; as the reader left them."
        ),
    ] = False,
    page: Annotated[str, typer.Option(help="The pictures as pdf, capture (images), or none.")] = "pdf",
    report: Annotated[bool, typer.Option(help="A structured report of the volumes and margins (TID 1500).")] = True,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Store results in the study that they were made from: DICOM SEG, structured report, page of pictures.

    Nothing is replaced; what the server has already is not sent again. It counts only when the server, asked
    afterwards, has it.
    """
    from PreopReviewLib.command.console import emit
    from PreopReviewLib.output import private_folder
    from PreopReviewLib.pacs.connecting import connect
    from PreopReviewLib.pacs.connections import find_connection
    from PreopReviewLib.pacs.exchange import store as store_files
    from PreopReviewLib.pacs.objects import objects_of

    done = []
    with private_folder() as place, connect(find_connection(connection, config)) as server:
        chosen = _plans(results, only_accepted)
        prepared = [
            (given, objects_of(given, place / str(n), report, page, correction))
            for n, (given, correction) in enumerate(chosen)
        ]
        for given, files in prepared:  # everything has been made before anything is sent
            stored = store_files(server, files, connection)
            done.append({"from": str(given), "sent": stored.sent, "there_before": stored.there_before})

    def show() -> None:
        for entry in done:
            before = f"; there before: {', '.join(entry['there_before'])}" if entry["there_before"] else ""
            say(f"{entry['from']}: {connection} has now {', '.join(entry['sent']) or 'nothing new'}{before}")

    emit(done, as_json, show)


def _plans(results: list[Path], only_accepted: bool) -> list[tuple[Path, Correction | None]]:
    """The folders and files to store, with what a reader corrected; what no reader accepted is named and left out."""
    from PreopReviewLib.errors import NothingFound
    from PreopReviewLib.pacs.objects import Correction
    from PreopReviewLib.review.annotation import accepted, corrected_file
    from PreopReviewLib.review.cases import COHORT, find_cases

    chosen: list[tuple[Path, Correction | None]] = []
    for given in results:
        if not only_accepted:
            of_cohort = sorted(p.parent for p in (given / "cases").glob("*/case.json")) if given.is_dir() else []
            chosen += [(p, None) for p in (of_cohort if (given / COHORT).is_file() else [given])]
            continue
        for case in find_cases(given):
            by = accepted(case)
            if by is None:
                say(f"{case.name}: not accepted, left out.", err=True)
            else:
                correction = Correction(corrected_file(case, by.reader), by.reader) if by.edited else None
                chosen.append((case.scene.parent, correction))
    if not chosen:
        raise NothingFound("No result is left to store", "Have them accepted in a review first")
    return chosen


def _show(choices: list[Choice], as_json: bool) -> None:
    from dataclasses import asdict

    from PreopReviewLib.command.console import Table, emit

    columns = ("take", "patient", "date", "modality", "no.", "description", "instances", "series", "why not")
    rows = []
    for c in choices:
        s = c.series
        about = (s.patient_id, s.study_date, s.modality, s.number, s.description, s.instances, s.series)
        rows.append(("" if c.reason else "yes", *about, c.reason))
    data = [{**asdict(c.series), "taken": not c.reason, "reason": c.reason} for c in choices]
    emit(data, as_json, [Table("", columns, rows)])
