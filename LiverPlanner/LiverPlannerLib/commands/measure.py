"""`preop liver measure`: everything that can be measured on a plan, in one command."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from LiverPlannerLib.commands.cutting import LabelValues, Out, Overwrite, Planes
from PreopReviewLib.command.console import say
from PreopReviewLib.command.options import Series, VolumeOfSeries


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("measure")(measure)


def measure(
    image: Annotated[Path, typer.Argument(help="The CT or MRI.", show_default=False)],
    labels: Annotated[Path, typer.Argument(help="Its labels or segmentation.", show_default=False)],
    out: Out = None,
    manual: Annotated[Path | None, typer.Option(help="A manual mask to compare with.")] = None,
    height: Annotated[float | None, typer.Option(help="Of the patient, cm.")] = None,
    weight: Annotated[float | None, typer.Option(help="Of the patient, kg.")] = None,
    plane: Planes = None,
    radiomics: Annotated[bool, typer.Option(help="Radiomics of every structure.")] = True,
    series: Series = None,
    volume: VolumeOfSeries = None,
    values: LabelValues = None,
    overwrite: Overwrite = False,
) -> None:
    """Filter cysts, split branches, measure volumes, margins and radiomics, compare with a manual mask.

    Each is the command of its own name with its defaults, and writes into a folder of that name. What cannot be
    measured is named with the reason. Cysts are filtered first; the other measures use the labels that leaves.
    """
    from LiverPlannerLib.commands import branches, compare, cysts, margins, volumetry
    from LiverPlannerLib.commands.cutting import read
    from PreopReviewLib import images
    from PreopReviewLib.errors import OutputError
    from PreopReviewLib.output import output_folder

    if out is None:
        raise OutputError("Measuring everything needs a folder to write to", "Give -o FOLDER")
    # What cannot be read stops everything; what can be read but not measured is named in its place.
    picture = images.read_image(image, images.selection(series, volume))
    file = read(labels, values)
    other = read(manual, values) if manual is not None else None
    with output_folder(out, overwrite, "liver measure") as folder:
        text = [f"PreopReview measures of {labels} on {image}", "Not for clinical use.", ""]

        def step(name: str, run: Callable[[Path], None]) -> None:
            words = _section(name, lambda: run(folder / name))
            text.append(words.replace(str(folder), str(out)))  # the folder takes its name at the end
            say(text[-1])

        chosen = {"series": series, "volume": volume}
        kind = cysts.LesionKind.labels
        step("cysts", lambda place: cysts.cysts(image, file, place, lesions_are=kind, **chosen))
        filtered = folder / "cysts" / "labels.nii.gz"
        current = file
        if filtered.is_file():
            current = replace(file.onto(picture), labels=read(filtered, None).labels)
        step("branches", lambda place: branches.branches(current, place))
        step("volumetry", lambda place: volumetry.volumetry(current, place, height, weight, plane=plane))
        step("margins", lambda place: margins.margins(current, place, plane=plane))
        if radiomics:
            from LiverPlannerLib.commands import radiomics as features

            step("radiomics", lambda place: features.radiomics(image, current, place, **chosen))
        if other is not None:
            step("comparison", lambda place: compare.compare(current, other, place))
        (folder / "measures.txt").write_text("\n".join(text), encoding="utf-8")
    say(f"Written to {out}.")


def _section(name: str, run: Callable[[], None]) -> str:
    """What a command prints, under a heading; or why it could not measure anything."""
    from PreopReviewLib.errors import Cancelled, OutputError, PreopError

    words = StringIO()
    try:
        with redirect_stdout(words):
            run()
    except (Cancelled, OutputError):
        raise
    except PreopError as problem:
        words.write(f"n/a: {problem}\n")
    return f"== {name} ==\n{words.getvalue()}"
