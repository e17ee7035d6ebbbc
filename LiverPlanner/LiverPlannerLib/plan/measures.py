"""What a plan measures on its label image: volumes, regions, and what a reader must be warned of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.cysts.rules import PHASE_MEDIAN
from LiverPlannerLib.lesions import DrawnLesions, name_of, numbered_regions, regions_of
from LiverPlannerLib.liver_extent import counted_mask, inside_liver, outside_ml, outside_notes
from LiverPlannerLib.structures import LESIONS, LESIONS_AND_CANDIDATES, STRUCTURES, mask_of
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.images.geometry import box_of

PLAUSIBLE_ML = (300.0, 5000.0)
"""Outside, a whole liver is hardly possible; a warning, not an error (children, resected or partial livers)."""


@dataclass(frozen=True)
class Region:
    """One lesion.

    Attributes:
        number: 1, 2, …, by decreasing volume within its structure.
        structure: ``tumor``, ``cyst`` or ``candidate``.
        voxels, ml: size on the source grid.
        centroid_ras: mm.
        diameter_mm: largest distance between two of its surface voxels' centers (3-D Feret diameter).
        name: what the file calls it, where it holds several lesions apart.
        seen_by: the models that call some of it tumor; empty where that is not known.
        sureness: highest probability of the lesion network in it, or None.
    """

    number: int
    structure: str
    voxels: int
    ml: float
    centroid_ras: tuple[float, float, float]
    diameter_mm: float
    name: str = ""
    seen_by: tuple[str, ...] = ()
    sureness: float | None = None


def measure_volumes(labels: sitk.Image, keys: set[str] | None = None) -> dict[str, float]:
    """Volumes in ml by voxel counting on the image's own grid, in the order of the table.

    Args:
        keys: structures that were looked for; None is all. One that was looked for and not found has 0 ml.

    Returns:
        Of the liver, what `inside_liver` says; of the others, all their voxels, also those outside the liver.
    """
    unit = images.voxel_ml(labels)
    wanted = [s.key for s in STRUCTURES if keys is None or s.key in keys or s.key == "liver"]
    return {k: round(float(images.array_of(counted_mask(labels, k)).sum()) * unit, 3) for k in wanted}


def find_regions(labels: sitk.Image, drawn: DrawnLesions | None = None) -> list[Region]:
    """Every lesion (26-connected region) of tumor, cyst and lesion candidate, numbered by decreasing volume.

    Args:
        drawn: which of them the file holds apart.
    """
    regions: list[Region] = []
    for key in LESIONS_AND_CANDIDATES:
        regions += _regions_of(labels, key, drawn)
    return regions


def _regions_of(labels: sitk.Image, key: str, drawn: DrawnLesions | None) -> list[Region]:
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.distance import pdist

    regions = []
    for number, (box, inside) in enumerate(numbered_regions(labels, key, drawn), start=1):
        points = np.argwhere(inside) + [s.start for s in box]
        world = images.kji_to_ras(points, labels)
        try:
            corners = world[ConvexHull(world).vertices]
        except QhullError:  # fewer than four points, or all in one plane
            corners = world if len(world) < 2000 else world[:: len(world) // 2000]
        diameter = float(pdist(corners).max()) if len(corners) > 1 else 0.0
        center = tuple(round(float(v), 2) for v in world.mean(axis=0))
        count = len(points)
        ml = round(count * images.voxel_ml(labels), 3)
        name = name_of(drawn, (box, inside))
        regions.append(Region(number, key, count, ml, center, round(diameter, 1), name))  # type: ignore[arg-type]
    return regions


def phase_warning(image: sitk.Image, modality: str, liver: sitk.Image) -> str | None:
    """What to say of a CT whose liver does not enhance as in a portal-venous phase; else None.

    Args:
        liver: mask on the image's grid.
    """
    if modality != "CT":
        return None
    median = float(np.median(images.array_of(image)[images.array_of(liver) > 0]))
    if median >= PHASE_MEDIAN:
        return None
    return (
        f"The liver's median is {median:.0f} HU, so this is not a portal-venous phase. Vessels and ducts are hardly "
        "visible and not reliable; tumors and cysts by the network trained on simulated images were left out."
    )


def unconfirmed_tumors(labels: sitk.Image, model: str) -> str | None:
    """A warning of tumors that a model trained on simulated images has found and no other was asked for, or None."""
    tumors = regions_of(labels, "tumor")
    if not len(tumors):
        return None
    ml = float(tumors.sizes[1:].sum()) * images.voxel_ml(labels)
    who = "1 region" if len(tumors) == 1 else f"{len(tumors)} regions"
    return (
        f"{who} of tumor ({ml:.1f} ml) found by {model} alone, which learned from simulated images and also takes "
        "dark bands and uneven perfusion for tumor: look at each before you use it."
    )


def liver_warnings(labels: sitk.Image, liver_ml: float) -> list[str]:
    """What a reader must know before using the volumes."""
    warnings = []
    inside = inside_liver(labels)
    sides = _touched_sides(labels, inside)
    if sides:
        warnings.append(
            f"The liver reaches the {' and '.join(sides)} border of the image: it is cut off, and {liver_ml:.0f} ml "
            "is the volume of the part that is shown, not the total liver volume."
        )
    low, high = PLAUSIBLE_ML
    if not low <= liver_ml <= high:
        warnings.append(
            f"A liver of {liver_ml:.0f} ml is outside {low:.0f} to {high:.0f} ml: look at the segmentation first."
        )
    return [*warnings, *outside_notes(outside_ml(labels, inside))]


def _touched_sides(labels: sitk.Image, liver: np.ndarray) -> list[str]:
    """The sides of the image, in patient terms, where the liver touches the first or last voxel."""
    names = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
    center = (np.array(liver.shape) - 1) / 2
    touched = []
    for axis in range(3):
        for index in (0, liver.shape[axis] - 1):
            if not liver.take(index, axis=axis).any():
                continue
            point = center.copy()
            point[axis] = index
            step = (images.kji_to_ras(point, labels) - images.kji_to_ras(center, labels))[0]
            main = int(np.abs(step).argmax())
            touched.append(names[main][int(step[main] > 0)])
    return touched


def center_of_interest(labels: sitk.Image) -> tuple[float, float, float]:
    """The point to look at, RAS mm: in the largest region of tumor, else of cyst, else in the liver.

    It is the voxel of that region that is nearest to the region's centroid, so it never lies outside.

    Raises:
        InputError: the label image is empty.
    """
    import cc3d

    for key in (*LESIONS, "liver"):
        mask = images.array_of(mask_of(labels, key)).view(bool)
        box = box_of(mask)
        if box is None:
            continue
        largest = cc3d.largest_k(np.require(mask[box], requirements="CW"), k=1, connectivity=26) > 0
        place = images.middle_voxel(largest, images.spacing_kji(labels))
        nearest = images.kji_to_ras(np.add(place, [s.start for s in box]), labels)[0]
        return tuple(round(float(v), 3) for v in nearest)  # type: ignore[return-value]
    raise InputError("There is no liver in the label image", "Segment it first")
