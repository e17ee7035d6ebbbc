"""Tables of labeled shoulders, and the cubes of their images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from PreopReviewLib.errors import FileMissing, InputError, TrainingError
from PreopReviewLib.tables import read_table


@dataclass(frozen=True)
class Case:
    """One row of the table: an MRI, its class (ordinal index), and the head's middle in RAS mm if it is given."""

    image: Path
    class_index: int
    center_ras: tuple[float, float, float] | None = None


def read_cases(table: str | Path, every_class: bool = True) -> list[Case]:
    """The cases of a CSV with the columns ``image`` and ``class``, and optionally ``r``, ``a``, ``s``.

    Paths are taken from the table's folder.

    Args:
        every_class: refuse a table in which a class has no case.

    Raises:
        FileMissing: no such table or image.
        UnreadableImage: it is not text of a known encoding.
        InputError: a column is missing, an invalid class or number, a duplicate image; the line is named.
        TrainingError: a class without cases.
    """
    from PreopReviewLib.tables import point_in
    from RotatorCuffCAMLib.tears import TEAR_CLASSES, tear_class

    table = Path(table)
    held_table = read_table(table, ("image", "class"))
    cases: list[Case] = []
    for row in held_table.rows:
        where = held_table.where(row)
        try:
            index = tear_class(row.get("class")).index
        except InputError as error:
            raise InputError(f"{where}: {error.problem}", error.remedy) from error
        image = held_table.file(row, "image")
        if not row.get("image") or not os.path.exists(image):
            raise FileMissing(f"{where}: there is no image {image}", "Paths are taken from the table's folder")
        if any(c.image == image for c in cases):
            raise InputError(f"{where}: the image {row.get('image')} is listed twice", "Keep one line for each image")
        cases.append(Case(image, index, point_in(held_table, row)))
    held = {c.class_index for c in cases}
    lacking = [c.key for c in TEAR_CLASSES if c.index not in held]
    if every_class and lacking:
        raise TrainingError(f"{table} has no case of {', '.join(lacking)}", "Every class needs cases to be learned")
    return cases


def cube_of(path: Path, center_ras: tuple[float, float, float] | None) -> np.ndarray:
    """The cube (64, 64, 64) of a shoulder as bytes; where no point is given, the humeral head is looked for.

    Raises:
        what reading and cutting an image raise, naming the path.
    """
    from PreopReviewLib import images
    from RotatorCuffCAMLib.head import find_head
    from RotatorCuffCAMLib.region import cut_cube

    image = images.read_image(path)
    ras = center_ras
    center = (-ras[0], -ras[1], ras[2]) if ras else find_head(image).center_lps
    return np.round(images.array_of(cut_cube(image, center, source=str(path)).image)).astype(np.uint8)


def refuse_another_run(folder: Path, resume: bool) -> None:
    """Raises TrainingError if a run is in a folder that a new one would write over."""
    held = next((name for name in ("state.pt", "model.safetensors") if (folder / name).exists()), None)
    if held is not None and not resume:
        raise TrainingError(f"{folder} holds a run already ({held})", "Continue it, or choose another folder")
