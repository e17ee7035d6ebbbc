"""`preop phantom shoulder`: synthetic shoulder MRI with a tear of known class, size and place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.csv_text import csv_text

if TYPE_CHECKING:
    from PreopReviewLib.phantoms.shoulder import ShoulderPhantom


def shoulder(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.", show_default=False)],
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same phantom.")] = 7,
    tear: Annotated[str, typer.Option(help="none, partial, small, medium, large, or any.")] = "medium",
    contrast: Annotated[str, typer.Option(help="t2, t2fs or t1.")] = "t2fs",
    side: Annotated[str | None, typer.Option(help="R or L; by the seed if not given.")] = None,
    plane: Annotated[str, typer.Option(help="coronal, axial or sagittal.")] = "coronal",
    size: Annotated[int, typer.Option(help="Columns and rows.", min=32)] = 256,
    slices: Annotated[int, typer.Option(help="Slices of 4 mm.", min=8)] = 24,
    count: Annotated[
        int, typer.Option(help="More than 1: a folder with cases.csv, for training or a study.", min=1)
    ] = 1,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder.")] = False,
) -> None:
    """Write image.nii.gz, labels.nii.gz and planted.json; with --count, CASE.nii.gz of many and cases.csv."""
    from PreopReviewLib import images
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.output import output_folder
    from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom
    from PreopReviewLib.phantoms.shoulder_tears import TEAR_CLASSES

    if tear not in (*TEAR_CLASSES, "any"):
        raise InputError(f"Unknown tear class: {tear!r}", f"Use {', '.join(TEAR_CLASSES)} or any")
    if side is not None and side.upper() not in ("R", "L"):
        raise InputError(f"side must be R or L, got {side!r}", "Use R or L")

    def make(number: int) -> ShoulderPhantom:
        # "any" goes round the classes, so that a table of many cases has all of them.
        index = (seed + number) % len(TEAR_CLASSES) if tear == "any" else TEAR_CLASSES.index(tear)
        chosen: Any = side.upper() if side else None
        return make_shoulder_phantom(
            seed + number, index, contrast, chosen, plane, (size, size, slices)  # type: ignore[arg-type]
        )  # fmt: skip

    with output_folder(output, overwrite, "phantom shoulder") as folder:
        if count == 1:
            phantom = make(0)
            images.write_image(phantom.image, folder / "image.nii.gz")
            images.write_image(phantom.labels, folder / "labels.nii.gz")
            text = json.dumps(planted(phantom), indent=2)
            (folder / "planted.json").write_text(text + "\n", encoding="utf-8")
        else:
            _write_cases(folder, [("case", "image", "class", "r", "a", "s")], count, make)
    say(output)


def _write_cases(folder: Path, rows: list[tuple], count: int, make: Any) -> None:
    from PreopReviewLib import images
    from PreopReviewLib.phantoms.shoulder_tears import TEAR_CLASSES

    boxes: list[tuple] = [("case", "r", "a", "s", "size_r", "size_a", "size_s")]
    for number in range(count):
        phantom, name = make(number), f"S{number + 1:03d}"
        images.write_image(phantom.image, folder / f"{name}.nii.gz")
        facts = planted(phantom)
        rows.append((name, f"{name}.nii.gz", TEAR_CLASSES[phantom.tear_class], *facts["head_ras"]))
        if facts["tear_box"]:
            boxes.append((name, *facts["tear_box"]["center_ras"], *facts["tear_box"]["size_mm"]))
    for name, table in (("cases.csv", rows), ("boxes.csv", boxes)):
        (folder / name).write_text(csv_text(table), encoding="utf-8", newline="")


def planted(phantom: ShoulderPhantom) -> dict[str, Any]:
    """What is known of a phantom, RAS mm."""
    from PreopReviewLib.phantoms.shoulder_tears import TEAR_CLASSES

    def ras(lps: tuple[float, ...] | None) -> list[float] | None:
        return None if lps is None else [round(float(v), 3) for v in (-lps[0], -lps[1], lps[2])]

    box = None
    if phantom.tear_corners_lps is not None:
        low, high = phantom.tear_corners_lps
        center = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
        box = {"center_ras": ras(center), "size_mm": [round(b - a, 3) for a, b in zip(low, high, strict=True)]}
    drawn = phantom.tear
    return {
        "simulated": True,
        "class": TEAR_CLASSES[phantom.tear_class],
        "side": phantom.side,
        "head_ras": ras(phantom.head_center_lps),
        "tear_center_ras": ras(phantom.tear_center_lps),
        "tear_box": box,
        "tear": None
        if drawn is None
        else {"width_mm": drawn.width_mm, "length_mm": drawn.length_mm, "depth": list(drawn.depth)},
    }
