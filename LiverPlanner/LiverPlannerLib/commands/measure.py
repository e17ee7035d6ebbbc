"""`preop liver measure`: everything that can be measured on a plan, in one command."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from LiverPlannerLib.commands.cutting import (
    NO_CUT,
    NO_PATIENT,
    Couinaud,
    CutOptions,
    LabelValues,
    Overwrite,
    PatientOptions,
    image_notes,
)
from PreopReviewLib.command.console import say
from PreopReviewLib.command.option_groups import grouped
from PreopReviewLib.command.options import Series, VolumeOfSeries
from PreopReviewLib.command.outcome import Outcome
from PreopReviewLib.errors import Cancelled, OutputError, PreopError

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.radiomics.features import RadiomicsResult
    from LiverPlannerLib.vessels.branches import VesselTree


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("measure")(grouped(measure))


def measure(
    image: Annotated[Path, typer.Argument(help="The CT or MRI.", show_default=False)],
    labels: Annotated[Path, typer.Argument(help="Its labels or segmentation.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    manual: Annotated[Path | None, typer.Option(help="A manual mask to compare with.")] = None,
    body: PatientOptions = NO_PATIENT,
    cut: CutOptions = NO_CUT,
    radiomics: Annotated[bool, typer.Option(help="Radiomics of every structure.")] = True,
    couinaud: Couinaud = None,
    series: Series = None,
    volume: VolumeOfSeries = None,
    values: LabelValues = None,
    overwrite: Overwrite = False,
) -> None:
    """Filter cysts, split branches, measure volumes, margins and radiomics, compare with a manual mask.

    Each is the command of its own name with its defaults, and writes into a folder of that name. What cannot be
    measured is named with the reason. Cysts are filtered first; the other measures use the labels that leaves.
    """
    from LiverPlannerLib.commands.branches import branches_of
    from LiverPlannerLib.commands.compare import comparison_of
    from LiverPlannerLib.commands.cutting import read
    from LiverPlannerLib.commands.margins import margins_of
    from LiverPlannerLib.commands.radiomics_beside import radiomics_beside
    from LiverPlannerLib.commands.volumetry import volumes_of
    from PreopReviewLib import images
    from PreopReviewLib.output import output_folder

    # What cannot be read stops everything; what can be read but not measured is named in its place.
    picture = images.read_image(image, images.selection(series, volume))
    modality, file = images.guess_modality(picture), read(labels, values, couinaud)
    other = read(manual, values) if manual is not None else None
    patient, notes = body.patient(), image_notes(picture, image)
    with output_folder(out, overwrite, "liver measure") as folder, ExitStack() as beside:
        text = [f"PreopReview measures of {labels} on {image}", "Not for clinical use.", ""]

        def step(name: str, make: Callable[[], Outcome]) -> None:
            text.append(_section(name, make, folder / name))
            say(text[-1])

        current = file

        def cysts() -> Outcome:
            nonlocal current
            outcome, current = _cysts(picture, file.onto(picture), modality, notes)
            return outcome

        step("cysts", cysts)
        features = beside.enter_context(radiomics_beside(picture, current, modality)) if radiomics else None
        trees: dict[str, VesselTree] = {}
        step("branches", lambda: branches_of(current, kept=trees))
        step("volumetry", lambda: volumes_of(current, cut, patient))
        step("margins", lambda: margins_of(current, cut, trees=trees))
        if radiomics:
            step("radiomics", lambda: _features(picture, current.onto(picture), modality, notes, features))
        if other is not None:
            step("comparison", lambda: comparison_of(current, other))
        (folder / "measures.txt").write_text("\n".join(text), encoding="utf-8", errors="backslashreplace")
    say(f"Written to {out}.")


def _cysts(picture: sitk.Image, file: Labels, modality: str, notes: list[str]) -> tuple[Outcome, Labels]:
    """What the filter found, and the labels that it leaves."""
    from LiverPlannerLib.commands.cysts import cysts_of
    from LiverPlannerLib.cysts.filter import filter_cysts

    result = filter_cysts(picture, file.labels, modality=modality, lesions_are="labels", drawn=file.lesions)
    return cysts_of(result, [*notes, *file.sentences]), replace(file, labels=result.labels)


def _features(
    picture: sitk.Image, file: Labels, modality: str, notes: list[str], beside: Callable[[], RadiomicsResult] | None
) -> Outcome:
    """Computed here, unless that was begun beside the other measures."""
    from LiverPlannerLib.commands.radiomics import features_of, outcome_of
    from LiverPlannerLib.radiomics.settings import settings_for

    if beside is not None:
        return outcome_of(beside(), file, notes)
    return features_of(picture, file, settings_for(modality), notes)


def _section(name: str, make: Callable[[], Outcome], folder: Path) -> str:
    """What a command says, under a heading, with its files written; or why it could not measure anything."""
    try:
        outcome = make()
        folder.mkdir()
        outcome.write(folder)
        lines = [part if isinstance(part, str) else part.text() for part in outcome.words]
        if outcome.failure is not None:
            lines.append(f"n/a: {outcome.failure}")
    except (Cancelled, OutputError):
        raise
    except PreopError as problem:
        lines = [f"n/a: {problem}"]
    return "\n".join([f"== {name} ==", *lines, ""])
