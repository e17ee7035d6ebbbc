"""What a resection takes and leaves: by planes, a closed surface, a drawn remnant; `territories.cutting` by territory.

Each way gives a `Resection`: masks of both sides on the grid of the labels, their volumes, and how much of every
tumor is taken. Points and normals are RAS, in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.lesions import DrawnLesions, name_of, regions_of
from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.evaluation.regions import NumberedRegions, number_regions
from PreopReviewLib.images.geometry import Slices, box_of

Point = tuple[float, float, float]
Fate = Literal["resected", "in the remnant", "cut"]

ON_PLANE_MM = 1e-6
"""A voxel whose center lies so near a plane stays, whatever the order in which a file stores its axes."""


@dataclass(frozen=True)
class Plane:
    """A cutting plane through a point; the side that the normal points to is taken. RAS, mm."""

    point: Point
    normal: Point

    def __post_init__(self) -> None:
        values = np.array([self.point, self.normal], float)
        if values.shape != (2, 3) or not np.isfinite(values).all() or np.linalg.norm(values[1]) < 1e-9:
            raise InputError(
                f"There is no plane through {self.point} with the normal {self.normal}",
                "Give three numbers each, in RAS mm, and a normal that is not 0",
            )


@dataclass(frozen=True)
class LesionFate:
    """One lesion and what becomes of it.

    Attributes:
        number: 1, 2, …, by decreasing size.
        ml: volume.
        resected_share: of its voxels.
        fate: ``resected``, ``in the remnant`` or ``cut``.
        name: what the file calls it, where it holds several lesions apart.
    """

    number: int
    ml: float
    resected_share: float
    fate: Fate
    name: str = ""


@dataclass(frozen=True)
class Resection:
    """Two sides of a liver.

    Attributes:
        method: how it was made, in words.
        resected, remnant: uint8 masks on the grid of the labels; together they are the liver.
        resected_ml, remnant_ml: everything of the liver on that side.
        tumor_ml, tumor_resected_ml: tumor in the liver, and of that on the resected side.
        lesions: one by one.
        notes: sentences for the reader.
        planes, surface: what was cut by, where that is known exactly: planes, or points (N, 3) in RAS mm and triangles
            (M, 3) of a closed surface.
    """

    method: str
    resected: sitk.Image = field(repr=False)
    remnant: sitk.Image = field(repr=False)
    resected_ml: float
    remnant_ml: float
    tumor_ml: float
    tumor_resected_ml: float
    lesions: tuple[LesionFate, ...]
    notes: tuple[str, ...] = ()
    planes: tuple[Plane, ...] = ()
    surface: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    @property
    def resected_share(self) -> float:
        """Of the whole liver."""
        return self.resected_ml / (self.resected_ml + self.remnant_ml)

    @property
    def tumor_resected_share(self) -> float | None:
        """None without a tumor."""
        return self.tumor_resected_ml / self.tumor_ml if self.tumor_ml else None


def resect_by_planes(
    labels: sitk.Image, planes: Sequence[Plane], seeds: Sequence[Point] = (), inside: np.ndarray | None = None
) -> Resection:
    """Cuts with one plane or several.

    Without seeds, what lies on the normals' side of every plane is taken (one plane: a half; two: a wedge). With
    seeds, the planes cut the liver into pieces and the connected pieces that hold a seed are taken.

    Args:
        labels: values of the table of structures.
        planes: at least one.
        seeds: points inside the pieces to take, RAS mm.
        inside: (K, J, I), of `inside_liver`, where it is known already.

    Raises:
        NothingFound: there is no liver.
        InputError: no plane, a seed outside the liver, or planes that take nothing or everything.
    """
    if not planes:
        raise InputError("There is no cutting plane", "Give at least one")
    liver, box = _liver(labels, inside)
    sides = [_side(plane, labels, box) for plane in planes]
    if seeds:
        taken, how = _pieces_of(seeds, sides, liver, labels, box), f"pieces between {len(planes)} planes"
    else:
        taken = np.logical_and.reduce(sides) & liver
        how = "one plane" if len(planes) == 1 else f"the side common to {len(planes)} planes"
    remedy = "Move the plane into the liver, or turn it; points are in RAS mm"
    return replace(_finish(labels, taken, liver, box, how, remedy), planes=tuple(planes))


def resect_by_surface(labels: sitk.Image, surface: object) -> Resection:
    """Takes what lies inside a closed surface.

    Args:
        labels: values of the table of structures.
        surface: a vtkPolyData, or (points (N, 3) RAS mm, triangles (M, 3) of point indices).

    Raises:
        NothingFound: there is no liver.
        InputError: the surface is not closed, has bodies that cut into each other, or takes nothing or everything.
    """
    from LiverPlannerLib.resection.closed_surface import inside_surface, require_apart, triangles_of

    liver, box = _liver(labels)
    points, triangles = triangles_of(surface)
    places = images.ras_to_kji(points, labels) - [s.start for s in box]
    taken = inside_surface(places, triangles, liver.shape) & liver
    if taken.any():
        require_apart(places, triangles, liver.shape)
    remedy = "Check that the surface belongs to this image, reaches into the liver, and is in RAS mm"
    resection = _finish(labels, taken, liver, box, "a closed surface", remedy)
    return replace(resection, surface=(points, triangles))


def resect_by_remnant(labels: sitk.Image, remnant: sitk.Image) -> Resection:
    """Takes what a drawn remnant leaves.

    Args:
        labels: values of the table of structures.
        remnant: mask of what stays (anything but 0), on any grid.

    Raises:
        NothingFound: there is no liver.
        GeometryError: the remnant does not overlap the labels.
        InputError: the remnant holds the whole liver, or nothing of it.
    """
    remnant = images.onto_grid(remnant, labels, "remnant mask", "label image").labels
    liver, box = _liver(labels)
    taken = liver & (images.array_of(remnant)[box] == 0)
    return _finish(labels, taken, liver, box, "a drawn remnant", "Check that the mask belongs to this image")


def resect_by_mask(labels: sitk.Image, taken: np.ndarray, method: str, remedy: str) -> Resection:
    """Takes what a mask (K, J, I, boolean, on the grid of the labels) has of the liver.

    Args:
        method, remedy: words, for the result and for the error.

    Raises:
        NothingFound: there is no liver.
        InputError: the mask takes nothing or everything.
    """
    liver, box = _liver(labels)
    return _finish(labels, taken[box] & liver, liver, box, method, remedy)


def _liver(labels: sitk.Image, inside: np.ndarray | None = None) -> tuple[np.ndarray, Slices]:
    """The liver with all that it contains, cropped, and the box it was cropped to."""
    liver = inside_liver(labels) if inside is None else inside
    box = box_of(liver)
    if box is None:
        raise NothingFound("There is no liver in the label image", "Check its values: the liver is 1")
    return liver[box], box


def _side(plane: Plane, labels: sitk.Image, box: Slices) -> np.ndarray:
    """Voxels of the box on the side that the normal points to; a plane is linear along each axis of the grid."""
    corner = [s.start for s in box]
    base = images.kji_to_ras(np.array([corner], float), labels)[0]
    steps = images.kji_to_ras(np.array(corner) + np.eye(3), labels) - base
    normal = np.array(plane.normal, float)
    normal /= np.linalg.norm(normal)
    level = (np.array(plane.point) - base) @ normal + ON_PLANE_MM
    k, j, i = ((step @ normal) * np.arange(s.stop - s.start) for step, s in zip(steps, box, strict=True))
    return k[:, None, None] + j[None, :, None] + i[None, None, :] > level


def _pieces_of(
    seeds: Sequence[Point], sides: Sequence[np.ndarray], liver: np.ndarray, labels: sitk.Image, box: Slices
) -> np.ndarray:
    import cc3d

    if len(sides) > 16:
        raise InputError(f"{len(sides)} planes are too many", "Use up to 16")
    code = np.zeros(liver.shape, np.uint32)
    for bit, side in enumerate(sides):
        code |= side.astype(np.uint32) << bit
    pieces = cc3d.connected_components(np.where(liver, code + 1, 0), connectivity=6)
    taken = np.zeros(liver.shape, bool)
    for seed in seeds:
        at = np.round(images.ras_to_kji(np.array([seed], float), labels)[0]).astype(int) - [s.start for s in box]
        inside = (at >= 0).all() and (at < liver.shape).all() and liver[tuple(at)]
        if not inside:
            raise InputError(f"The point {tuple(seed)} is not in the liver", "Give RAS mm inside the piece to take")
        taken |= pieces == pieces[tuple(at)]
    return taken


def _finish(
    labels: sitk.Image,
    taken: np.ndarray,
    liver: np.ndarray,
    box: Slices,
    method: str,
    remedy: str,
    notes: tuple[str, ...] = (),
) -> Resection:
    count, whole = int(np.count_nonzero(taken)), int(np.count_nonzero(liver))
    if count in (0, whole):
        what = "does not take any of the liver" if count == 0 else "takes the whole liver"
        raise InputError(f"The resection by {method} {what}", remedy)
    ml = images.voxel_ml(labels)
    tumor = images.array_of(labels)[box] == structure("tumor").label
    in_both = int(np.count_nonzero(tumor & taken))
    lesions, cut = _fates(number_regions(tumor), taken, labels)
    notes += cut
    masks = []
    for part in (taken, liver & ~taken):
        array = np.zeros(labels.GetSize()[::-1], np.uint8)
        array[box] = part
        masks.append(images.image_like(array, labels))
    tumor_ml = np.count_nonzero(tumor) * ml
    return Resection(method, *masks, count * ml, (whole - count) * ml, tumor_ml, in_both * ml, lesions, notes)


def with_drawn_lesions(resection: Resection, labels: sitk.Image, drawn: DrawnLesions | None) -> Resection:
    """The resection with the fates of lesions that a file holds apart.

    Args:
        labels: that the resection was made on.
        drawn: on their grid; None changes nothing.
    """
    if drawn is None:
        return resection
    lesions, cut = _fates(regions_of(labels, "tumor", drawn), images.array_of(resection.resected), labels, drawn)
    others = tuple(note for note in resection.notes if not note.startswith(_CUTS_THROUGH))
    return replace(resection, lesions=lesions, notes=(*others, *cut))


_CUTS_THROUGH = "The resection cuts through tumor "


def _fates(
    regions: NumberedRegions, taken: np.ndarray, labels: sitk.Image, drawn: DrawnLesions | None = None
) -> tuple[tuple[LesionFate, ...], tuple[str, ...]]:
    """What becomes of each tumor, and a note on those that are cut."""
    fates, ml = [], images.voxel_ml(labels)
    for number in range(1, len(regions) + 1):
        box, mask = region = regions.mask(number)
        share = float(np.count_nonzero(taken[box][mask]) / np.count_nonzero(mask))
        fate: Fate = "resected" if share == 1 else "in the remnant" if share == 0 else "cut"
        fates.append(LesionFate(number, float(regions.sizes[number] * ml), share, fate, name_of(drawn, region)))
    cut = ", ".join(str(x.number) for x in fates if x.fate == "cut")
    return tuple(fates), (f"{_CUTS_THROUGH}{cut}.",) if cut else ()
