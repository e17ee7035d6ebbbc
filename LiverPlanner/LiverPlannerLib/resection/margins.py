"""Distances that decide a resection: each lesion to the cut and to the vessels and bile ducts.

Lesions, vessels and ducts are measured from the faces of their voxels, so that boxes along the grid come out exact; a
drawn outline may lie up to half a voxel diagonal from the true one. A plane or a mesh is measured to
itself and not to the steps that voxels make of it; a cut that was drawn, or is a territory, has the uncertainty of an
outline of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.lesions import DrawnLesions, name_of, regions_of
from LiverPlannerLib.resection.cutting import Fate, Resection
from LiverPlannerLib.resection.sheet import Sheet, sheet_of_mesh, sheet_of_planes
from LiverPlannerLib.structures import mask_of, structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, NothingFound
from PreopReviewLib.images.geometry import Slices, box_of
from PreopReviewLib.nearest import nearest

NEIGHBORS = ("portal_vein", "hepatic_vein", "bile_duct")
REFERENCE_LINES: tuple[tuple[float, str], ...] = (
    (
        1.0,
        "more than 1 mm against less: better survival in a meta-analysis (medluna.com/article/29189379); "
        "1 mm called acceptable (JCTH-2022-00383)",
    ),
    (10.0, "more than 1 cm against less: better survival in the same meta-analysis (medluna.com/article/29189379)"),
)
"""Margins (mm) that the literature compares, with the source; for orientation, no advice."""


Point = tuple[float, float, float]


@dataclass(frozen=True)
class LesionMargins:
    """One lesion.

    Attributes:
        number: 1, 2, …, by decreasing size, as in `Resection.lesions`.
        voxels, ml, centroid_ras: size and place.
        fate: what the resection does to it; None without one.
        to_cut_mm: to the resection surface inside the liver; 0 where it is cut; None without a resection.
        nearest_ras: the point of the lesion nearest to the cut.
        to_mm: distance to each neighbor by key; 0 where they touch; None where the neighbor is not in the labels.
        contact_mm2: area of the faces shared with each neighbor that is in the labels.
        name: what the file calls it, where it holds several lesions apart.
        lines: by key of a neighbor, and ``cut``: the nearest points of the lesion and of the other, RAS mm.
    """

    number: int
    voxels: int
    ml: float
    centroid_ras: tuple[float, float, float]
    fate: Fate | None
    to_cut_mm: float | None
    nearest_ras: tuple[float, float, float] | None
    to_mm: dict[str, float | None]
    contact_mm2: dict[str, float]
    name: str = ""
    lines: dict[str, tuple[Point, Point]] = field(default_factory=dict)

    @property
    def nearest(self) -> str | None:
        """What lies nearest, a key of `lines`; None where there is nothing to measure to."""
        reach = {k: v for k, v in (("cut", self.to_cut_mm), *self.to_mm.items()) if v is not None and k in self.lines}
        return min(reach, key=lambda k: reach[k]) if reach else None


@dataclass(frozen=True)
class Margins:
    """The result of `measure_margins`.

    Attributes:
        structure: key of the lesions.
        lesions: one by one.
        uncertainty_mm: of the margin: half the diagonal of a voxel for the lesion, and as much again where the cut
            was drawn too; without a cut, that of a distance between two outlines.
        smallest_mm: the smallest margin of a lesion that the resection takes or cuts; None without one.
        notes: sentences for the reader.
    """

    structure: str
    lesions: tuple[LesionMargins, ...]
    uncertainty_mm: float
    smallest_mm: float | None
    notes: tuple[str, ...]

    def as_rows(self) -> list[dict[str, Any]]:
        """One row per lesion, plain values under names with units; None is n/a."""
        return [
            {
                "lesion": lesion.number,
                **({"name": lesion.name} if any(x.name for x in self.lesions) else {}),
                "ml": lesion.ml,
                "centroid_ras": " ".join(f"{v:.1f}" for v in lesion.centroid_ras),
                "fate": lesion.fate,
                "margin_mm": lesion.to_cut_mm,
                **{f"to_{key}_mm": value for key, value in lesion.to_mm.items()},
                **{f"contact_{key}_mm2": lesion.contact_mm2.get(key) for key in lesion.to_mm},
                "uncertainty_mm": self.uncertainty_mm,
                **_nearest_cells(lesion),
            }
            for lesion in self.lesions
        ]


def _nearest_cells(lesion: LesionMargins) -> dict[str, str | None]:
    """The name of what lies nearest, and the line to it: two points, RAS mm."""
    key = lesion.nearest
    if key is None:
        return {"nearest": None, "line_ras": None}
    name = "Cut" if key == "cut" else structure(key).name
    return {"nearest": name, "line_ras": " ".join(f"{v:.2f}" for point in lesion.lines[key] for v in point)}


def measure_margins(
    labels: sitk.Image,
    resection: Resection | None = None,
    *,
    lesions: str = "tumor",
    neighbors: Sequence[str] = NEIGHBORS,
    drawn: DrawnLesions | None = None,
) -> Margins:
    """Distances of every lesion to the cut and to its neighbors.

    Args:
        labels: values of the table of structures.
        resection: on the grid of the labels; without it only the neighbors are measured.
        lesions: key of the structure whose regions are measured.
        neighbors: keys of the structures to measure to.
        drawn: which lesions the file holds apart.

    Raises:
        NothingFound: there is no such lesion.
        GeometryError: the resection lies on another grid.
    """
    near, sides, box = _around(labels, resection, lesions)
    drawn = drawn.cropped(box) if drawn else None
    regions = regions_of(near, lesions, drawn)
    mm = images.spacing_kji(near)
    masks = {key: images.array_of(mask_of(near, key)).view(bool) for key in neighbors}
    targets = {key: _Target(face_centers(m) * mm, m) for key, m in masks.items()}
    cut = _Target(_between(*sides) * mm, sides[0], _sheet(near, sides, resection)) if sides and resection else None
    measured = tuple(
        _measure(number, regions.mask(number, margin=1), near, cut, targets, drawn)
        for number in range(1, len(regions) + 1)
    )
    outlines = 1 if cut is not None and cut.sheet is not None else 2
    uncertainty = outlines * float(np.linalg.norm(mm) / 2)
    return Margins(lesions, measured, uncertainty, _smallest(measured), tuple(_notes(measured, targets, mm, cut)))


def _sheet(labels: sitk.Image, sides: tuple[np.ndarray, ...], resection: Resection) -> Sheet | None:
    """The cut itself, where it is known better than in voxels."""
    if resection.planes:
        return sheet_of_planes(_between(*sides), resection.planes, labels, sides[0])
    if resection.surface is not None:
        return sheet_of_mesh(*resection.surface, labels, sides[0] | sides[1])
    return None


def cut_surface(labels: sitk.Image, resection: Resection, lesions: str = "tumor") -> tuple[np.ndarray, np.ndarray]:
    """The resection surface inside the liver, for coloring by its distance to the nearest lesion.

    Returns:
        Centers of the voxel faces between the two sides (N, 3) in RAS mm, and their distances (N,) in mm.

    Raises:
        NothingFound: there is no such lesion.
    """
    from scipy.spatial import cKDTree

    near, sides, _ = _around(labels, resection, lesions)
    mm = images.spacing_kji(near)
    lesion = images.array_of(mask_of(near, lesions)).view(bool)
    faces = _between(*sides)
    distance = nearest(cKDTree(face_centers(lesion) * mm), faces * mm)[0]
    return images.kji_to_ras(faces, near), distance


def _around(
    labels: sitk.Image, resection: Resection | None, lesions: str
) -> tuple[sitk.Image, tuple[np.ndarray, ...], images.Box]:
    """The labels and the masks of both sides of the cut, cropped to the box around all labels; and that box."""
    array = images.array_of(labels)
    if not (array == structure(lesions).label).any():
        raise NothingFound(f"There is no {structure(lesions).name.lower()} in the label image", "Check its values")
    if resection is not None and not images.same_grid(resection.resected, labels):
        raise GeometryError("The resection and the labels lie on different grids", "Make the resection on these labels")
    inner = box_of(array != 0)
    assert inner is not None  # a lesion is in it
    start = tuple(max(s.start - 1, 0) for s in inner)
    box = images.Box(start, tuple(min(s.stop + 1, n) for s, n in zip(inner, array.shape, strict=True)))  # type: ignore[arg-type]
    masks = (resection.resected, resection.remnant) if resection is not None else ()
    return images.crop(labels, box), tuple(images.array_of(images.crop(m, box)).view(bool) for m in masks), box


class _Target:
    """What distances go to: points in mm on the axes of the grid with their search tree, and a mask in the box.

    For a neighbor the mask is the neighbor; for the cut it is the resected side.
    """

    def __init__(self, points: np.ndarray, mask: np.ndarray, sheet: Sheet | None = None) -> None:
        from scipy.spatial import cKDTree

        self.mask, self.sheet = mask, sheet
        self.tree = cKDTree(points) if len(points) else None

    def nearest(self, points: np.ndarray, labels: sitk.Image) -> tuple[float, int, np.ndarray] | None:
        """The smallest distance from any of the points, which one it is, and the target's point; None without one.

        Of several pairs as near as each other the first by place in the patient, so that it does not depend on the
        order in which a file stores its voxels.
        """
        if self.tree is None:
            return None
        # Some of the points give a bound, beyond which the tree need not look for the others.
        bound = float(self.tree.query(points[::50])[0].min())
        distance, index = nearest(self.tree, points, distance_upper_bound=bound * (1 + 1e-9) + 1e-9)
        least, data = float(distance.min()), np.asarray(self.tree.data)
        near = np.flatnonzero(distance <= least + TIE_MM)
        at = int(near[_first_place(points[near], labels)])
        ends = np.array(self.tree.query_ball_point(points[at], least + TIE_MM), int)
        ends = ends if len(ends) else index[at : at + 1]
        return least, at, data[ends[_first_place(data[ends], labels)]]


TIE_MM = 1e-6


def _first_place(points: np.ndarray, labels: sitk.Image) -> int:
    """Which of the points (mm along K, J and I) comes first by R, then A, then S."""
    places = images.kji_to_ras(points / images.spacing_kji(labels), labels).round(4)
    return int(np.lexsort(places.T[::-1])[0])


def face_centers(mask: np.ndarray) -> np.ndarray:
    """Centers (N, 3) of the faces between the mask and everything else, in voxels, K-J-I."""
    return _between(np.pad(mask, 1), np.pad(~mask, 1, constant_values=True)) - 1.0


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Centers (N, 3) of the faces that have `a` on one side and `b` on the other, in voxels, K-J-I."""
    centers = []
    for axis in range(3):
        low: list[slice] = [slice(None)] * 3
        high: list[slice] = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        lo, hi = tuple(low), tuple(high)
        faces = (a[lo] & b[hi]) | (b[lo] & a[hi])
        where = np.unravel_index(np.flatnonzero(faces), faces.shape)
        centers.append(np.stack(where, axis=1) + 0.5 * np.eye(3)[axis])
    return np.concatenate(centers)


def _measure(
    number: int,
    region: tuple[Slices, np.ndarray],
    labels: sitk.Image,
    cut: _Target | None,
    targets: dict[str, _Target],
    drawn: DrawnLesions | None,
) -> LesionMargins:
    """One lesion, given as a box of the labels and a mask of it."""
    inside, lesion = region
    corner, mm = np.array([s.start for s in inside]), images.spacing_kji(labels)
    voxels = np.argwhere(lesion) + corner
    faces = face_centers(lesion) + corner
    fate: Fate | None = None
    to_cut = nearest_ras = None
    lines: dict[str, tuple[Point, Point]] = {}
    if cut is not None:
        taken = int(np.count_nonzero(cut.mask[inside] & lesion))
        fate = "resected" if taken == len(voxels) else "cut" if taken else "in the remnant"
        closest = cut.nearest(faces * mm, labels)
        if closest is not None:
            lines["cut"] = _line(faces[closest[1]], closest[2] / mm, labels)
        if cut.sheet is not None:
            distance = cut.sheet.distances(images.kji_to_ras(faces, labels), taken > 0)
            closest = float(distance.min()), int(distance.argmin()), faces[0]
        if closest is not None:
            to_cut = 0.0 if fate == "cut" else closest[0]
            nearest_ras = tuple(images.kji_to_ras(faces[closest[1]], labels)[0].tolist())
    reach = {key: target.nearest(faces * mm, labels) for key, target in targets.items()}
    lines |= {k: _line(faces[f[1]], f[2] / mm, labels) for k, f in reach.items() if f is not None}
    return LesionMargins(
        number=number,
        voxels=len(voxels),
        ml=len(voxels) * images.voxel_ml(labels),
        centroid_ras=tuple(images.kji_to_ras(voxels.mean(axis=0), labels)[0].tolist()),  # type: ignore[arg-type]
        fate=fate,
        to_cut_mm=to_cut,
        nearest_ras=nearest_ras,  # type: ignore[arg-type]
        to_mm={key: None if closest is None else closest[0] for key, closest in reach.items()},
        contact_mm2={key: _contact(lesion, t.mask[inside], mm) for key, t in targets.items() if t.tree is not None},
        name=name_of(drawn, region),
        lines=lines,
    )


def _line(start: np.ndarray, stop: np.ndarray, labels: sitk.Image) -> tuple[Point, Point]:
    """Two points given in voxels, K-J-I, in RAS mm."""
    a, b = images.kji_to_ras(np.stack([start, stop]), labels)
    return tuple(map(float, a)), tuple(map(float, b))  # type: ignore[return-value]


def _contact(lesion: np.ndarray, neighbor: np.ndarray, mm: np.ndarray) -> float:
    """Area in mm2 of the faces that both share; each face center is at a half along the axis it is normal to."""
    faces = _between(lesion, neighbor & ~lesion)
    axis = (faces % 1).argmax(axis=1)
    return float((mm.prod() / mm)[axis].sum())


def _smallest(lesions: Sequence[LesionMargins]) -> float | None:
    margins = [x.to_cut_mm for x in lesions if x.to_cut_mm is not None and x.fate != "in the remnant"]
    return min(margins, default=None)


def _notes(
    lesions: Sequence[LesionMargins], targets: dict[str, _Target], mm: np.ndarray, cut: _Target | None
) -> list[str]:
    half = float(np.linalg.norm(mm) / 2)
    notes = []
    if cut is not None and cut.sheet is not None:
        words = f"Margins to the cut, which is known exactly, are known to about ± {half:.1f} mm"
        notes.append(f"{words}, half the diagonal of a voxel, for the lesion's outline.")
    elif cut is not None:
        words = f"Margins to the cut are known to about ± {2 * half:.1f} mm"
        notes.append(f"{words}: half the diagonal of a voxel each for the lesion's outline and for the cut's.")
    if any(target.tree is not None for target in targets.values()):
        notes.append(f"Distances to vessels and ducts, between two outlines, are known to about ± {2 * half:.1f} mm.")
    for fate, words in (("cut", "cut by the resection"), ("in the remnant", "not resected")):
        numbers = [str(x.number) for x in lesions if x.fate == fate]
        if numbers:
            subject = f"Lesion {numbers[0]} is" if len(numbers) == 1 else f"Lesions {', '.join(numbers)} are"
            notes.append(f"{subject} {words}.")
    missing = [structure(key).name.lower() for key, target in targets.items() if target.tree is None]
    if missing:
        notes.append(f"Not in the labels, so no distance to it: {', '.join(missing)}.")
    return notes
