"""`preop liver candidates`: lesion candidates listed, accepted and dismissed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from LiverPlannerLib.commands.cutting import LabelValues
from PreopReviewLib.command.console import say


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("candidates")(candidates)


def candidates(
    labels: Annotated[Path, typer.Argument(help="Label image of a plan.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Label image to write, with what was decided.", show_default=False),
    ] = None,
    accept: Annotated[
        list[int] | None, typer.Option(help="Number of a candidate that is a tumor; may be repeated.")
    ] = None,
    dismiss: Annotated[
        list[int] | None, typer.Option(help="Number of a candidate to dismiss; may be repeated.")
    ] = None,
    values: LabelValues = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List lesion candidates; accepted ones become tumors, dismissed ones liver. Not for clinical use."""
    from LiverPlannerLib.candidates import CANDIDATE, decided
    from LiverPlannerLib.commands.cutting import read
    from LiverPlannerLib.labels import name_our_values
    from LiverPlannerLib.plan.measures import find_regions
    from PreopReviewLib import images
    from PreopReviewLib.command.console import emit
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.output import output_files

    file = read(labels, values)
    given = file.labels
    if (accept or dismiss) and out is None:
        raise InputError("No file was given to write the labels to", "Give a file with --out")
    result = decided(given, accept or (), dismiss or ())
    if out is not None:
        with output_files(out.parent, overwrite, [out.name], [labels]) as folder:
            written = images.write_image(result, folder / out.name)
            if written.name.endswith(".nii.gz"):
                name_our_values(written)
    rows = [asdict(r) for r in find_regions(given) if r.structure == CANDIDATE]
    for row in rows:
        row["decision"] = (
            "accepted"
            if row["number"] in (accept or ())
            else "dismissed"
            if row["number"] in (dismiss or ())
            else "open"
        )
    data = {"candidates": rows, "written": str(out) if out else None, "notes": file.sentences}
    emit(data, as_json, lambda: _print(rows, file.sentences, out))


def _print(regions: list[dict], notes: list[str], out: Path | None) -> None:
    from PreopReviewLib.command.console import print_table

    rows = [
        (
            r["number"],
            f"{r['ml']:.2f}",
            f"{r['diameter_mm']:.0f}",
            *(f"{v:.0f}" for v in r["centroid_ras"]),
            r["decision"],
        )
        for r in regions
    ]
    if rows:
        print_table("Lesion candidates", ("number", "ml", "mm across", "R", "A", "S", "decision"), rows)
    else:
        say("There are no lesion candidates.")
    for note in notes:
        say(note)
    if out is not None:
        say(f"Written to {out}.")
