"""How well an activation map shows where the tear is, against a box that a specialist drew around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.tables import read_table


@dataclass(frozen=True)
class DrawnBox:
    """A box in the patient's space, as a markups ROI is: middle (LPS, mm), half sizes (mm), axes as columns."""

    center_lps: tuple[float, float, float]
    half_mm: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))

    def __post_init__(self) -> None:
        if not np.isfinite([*self.center_lps, *self.half_mm]).all():
            raise InputError("The box has a value that is not finite", "Give center and sizes in mm")
        if not all(h > 0 for h in self.half_mm):
            raise InputError("The box has no size", "Draw it around the tear")

    @classmethod
    def around(cls, low_lps: Sequence[float], high_lps: Sequence[float], margin_mm: float = 0.0) -> DrawnBox:
        """The box along the patient's axes between two opposite corners, wider by a margin on each side."""
        low, high = np.minimum(low_lps, high_lps), np.maximum(low_lps, high_lps)
        return cls(tuple((low + high) / 2), tuple((high - low) / 2 + margin_mm))

    def holds(self, points_lps: np.ndarray) -> np.ndarray:
        """Which of the points (..., 3) lie in the box, faces included."""
        local = (np.asarray(points_lps) - np.array(self.center_lps)) @ np.array(self.axes, float)
        return (np.abs(local) <= np.array(self.half_mm) + 1e-9).all(-1)


@dataclass(frozen=True)
class Localization:
    """One map against one box.

    Attributes:
        pointing: whether the maximum lies in the box (pointing game).
        energy_inside: part of the positive values that lies in the box.
        iou: intersection over union of the box and the voxels of at least half the maximum.
        centroid_mm: from the box's center to the centroid of those voxels; None for a map with nothing positive.
        peak_mm: from the box's center to the maximum.
    """

    pointing: bool
    energy_inside: float
    iou: float
    centroid_mm: float | None
    peak_mm: float | None


def compare(activation: sitk.Image, box: DrawnBox, share: float = 0.5) -> Localization:
    """A map, on whatever grid (best the MRI's), against a box. A map with nothing positive points nowhere."""
    values = np.clip(sitk.GetArrayFromImage(activation), 0, None).astype(float)
    points = voxel_centers(activation)
    inside = box.holds(points)
    top = values.max()
    if top <= 0:
        return Localization(False, 0.0, 0.0, None, None)
    hot = values >= share * top
    peaks = points[values == top]
    middle = np.array(box.center_lps)
    centroid = np.average(points[hot], axis=0, weights=values[hot])
    union = (hot | inside).sum()
    return Localization(
        bool(box.holds(peaks).any()),
        float(values[inside].sum() / values.sum()),
        float((hot & inside).sum() / union),
        float(np.linalg.norm(centroid - middle)),
        float(np.linalg.norm(peaks.mean(0) - middle)),
    )


def read_boxes(table: str | Path) -> dict[str, DrawnBox]:
    """Boxes by case from a CSV: middle (r, a, s) and whole sizes (size_r, size_a, size_s), mm, along patient axes.

    Raises:
        FileMissing: no such table.
        InputError: a column is missing, a value is not a number, a case twice, no box.
    """
    table = Path(table)
    needed = ("case", "r", "a", "s", "size_r", "size_a", "size_s")
    boxes: dict[str, DrawnBox] = {}
    held = read_table(table, needed)
    for row in held.rows:
        case, where = row.get("case"), held.where(row)
        if not case or case in boxes:
            raise InputError(f"{where}: the case {case!r} is {'listed twice' if case else 'no name'}", "Name each once")
        boxes[case] = box_of([held.number(row, c) for c in needed[1:]], where)
    return boxes


def box_of(values: Sequence[float], where: str) -> DrawnBox:
    """The box of R, A, S, SIZE_R, SIZE_A, SIZE_S in mm.

    Raises:
        InputError: other than six finite numbers, or a box without size; begins with `where`.
    """
    if len(values) != 6 or not np.isfinite(values).all():
        raise InputError(f"{where}: a box needs six finite numbers", "Give R,A,S,SIZE_R,SIZE_A,SIZE_S in mm")
    r, a, s, *size = values
    try:
        return DrawnBox((-r, -a, s), tuple(v / 2 for v in size))  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{where}: {error.problem}", error.remedy) from error


def compare_folder(table: str | Path, maps: str | Path) -> dict[str, Localization]:
    """Every box of a table against ``activation.nii.gz`` of its case in a folder of classified cases.

    Raises:
        FileMissing: no table, or no map of a case.
        InputError: as `read_boxes`.
    """
    localizations = {}
    for case, box in read_boxes(table).items():
        path = Path(maps) / case / "activation.nii.gz"
        if not path.is_file():
            raise FileMissing(f"There is no map {path}", "Run preop cuff classify on the case first")
        localizations[case] = compare(images.read_image(path), box)
    return localizations


def voxel_centers(image: sitk.Image) -> np.ndarray:
    """(K, J, I, 3): the middle of each voxel, LPS mm."""
    steps = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    index = np.moveaxis(np.indices(image.GetSize()[::-1], dtype=float)[::-1], 0, -1)
    return np.array(image.GetOrigin()) + index @ steps.T


def summarize(cases: Sequence[Localization]) -> dict[str, float | int | None]:
    """A cohort: share of hits, medians and quartiles.

    Raises:
        InputError: no case.
    """
    if not cases:
        raise InputError("There is no case with a box", "Draw boxes around the tears first")
    summary: dict[str, float | int | None] = {
        "cases": len(cases),
        "pointing_game": float(np.mean([c.pointing for c in cases])),
    }
    for name in ("energy_inside", "iou", "centroid_mm", "peak_mm"):
        held = [v for c in cases if (v := getattr(c, name)) is not None]
        low, middle, high = np.percentile(held, [25, 50, 75]) if held else (None,) * 3
        summary |= {f"{name}_median": middle, f"{name}_q1": low, f"{name}_q3": high}
    return summary
