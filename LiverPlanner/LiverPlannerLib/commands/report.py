"""`preop liver report`: one self-contained HTML page of a case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from LiverPlannerLib.commands.cutting import (
    NO_CUT,
    NO_PATIENT,
    AsJson,
    Couinaud,
    CutOptions,
    LabelValues,
    Overwrite,
    PatientOptions,
)
from PreopReviewLib.command.console import say
from PreopReviewLib.command.option_groups import grouped
from PreopReviewLib.command.options import Quiet, Series, VolumeOfSeries

if TYPE_CHECKING:
    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.report.page import ReportInfo
    from LiverPlannerLib.report.sources import ReportCase


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("report")(grouped(report))


def report(
    case: Annotated[Path, typer.Argument(help="Folder of 'preop liver plan', or the CT or MRI.", show_default=False)],
    labels: Annotated[Path | None, typer.Argument(help="Its labels or segmentation.", show_default=False)] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Page to write, NAME.html.", show_default=False)] = Path(
        "report.html"
    ),
    manual: Annotated[Path | None, typer.Option(help="Another segmentation to compare with.")] = None,
    body: PatientOptions = NO_PATIENT,
    cut: CutOptions = NO_CUT,
    title: Annotated[str, typer.Option(help="Title of the page; a case number rather than a name.")] = "Liver plan",
    identity: Annotated[bool, typer.Option("--identity", help="Put the patient's identity on the page.")] = False,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="State on the page that the image is simulated.")
    ] = False,
    couinaud: Couinaud = None,
    series: Series = None,
    volume: VolumeOfSeries = None,
    values: LabelValues = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write a page with an interactive 3D view, slices, tables, figures, models and warnings; CSV files beside it.

    The page opens without a network. It identifies no one unless --identity is given. Not for clinical use.
    """
    from LiverPlannerLib.commands.cutting import read_named, with_couinaud
    from LiverPlannerLib.labels import parse_mapping
    from LiverPlannerLib.report.page import MeasureOptions, build_page, measure_all
    from LiverPlannerLib.report.sources import identity_of, is_plan_folder, read_case
    from PreopReviewLib import images
    from PreopReviewLib.command.console import emit, progress_bar
    from PreopReviewLib.progress import within
    from PreopReviewLib.reports import write_report
    from PreopReviewLib.reports.page import check_path

    chosen = images.selection(series, volume)
    check_path(out, overwrite)
    patient = body.patient()
    with progress_bar(quiet) as progress:
        progress(0.0, "Reading")
        read = read_case(case, labels, chosen, parse_mapping(values) if values else None)
        other = read_named(manual, values)
        file = with_couinaud(read.file, couinaud).onto(read.image)
        resection = cut.resection(file)
        options = MeasureOptions(
            "auto", frozenset(read.models), patient, other, resection, drawn=file.lesions, couinaud=file.couinaud
        )
        measures = measure_all(read.image, file.labels, options, within(progress, 0.05, 0.5))
        who = identity_of(labels if is_plan_folder(case) and labels else case, chosen) if identity else ()
        info = _info(read, file, title, who, simulated)
        page = build_page(measures, info, within(progress, 0.5, 0.95))
        files = [str(file) for file in write_report(page, out, overwrite)]
    data = {"files": files, "volumes_ml": measures.volumes_ml, "not_measured": measures.missing}
    emit(data, as_json, lambda: _print(data))


def _info(read: ReportCase, file: Labels, title: str, who: tuple[tuple[str, str], ...], simulated: bool) -> ReportInfo:
    from LiverPlannerLib.report.page import ReportInfo

    notes = (*read.notes, *file.sentences)
    return ReportInfo(title, who, simulated or read.simulated, read.models, tuple(read.warnings), notes, read.still)


def _print(data: dict) -> None:
    say(f"Written {data['files'][0]}, with {len(data['files']) - 1} tables as CSV beside it.")
    for topic, reason in data["not_measured"].items():
        say(f"Not measured: {topic}. {reason}")
