"""Radiomic features of each structure, by MIRP; their agreement between masks is in `agreement`.

Shape, first order, GLCM, GLRLM, GLSZM, GLDM and NGTDM as the Image Biomarker Standardisation Initiative defines them
(arXiv 1612.07003). The library was chosen by comparison with pyradiomics 3.0.1, see
`Testing/Benchmarks/bench_radiomics.py`. MIRP is an optional dependency (`pip install "preopreview[radiomics]"`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.lesions import DrawnLesions, regions_of
from LiverPlannerLib.liver_extent import counted_mask
from LiverPlannerLib.radiomics.by_mirp import features_by_mirp
from LiverPlannerLib.radiomics.settings import MR, RadiomicsSettings
from LiverPlannerLib.structures import LESIONS, STRUCTURES, mask_of, structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.images.geometry import Slices, box_of
from PreopReviewLib.progress import Progress, silent

"""Structures of which each region is described on its own."""
LEAST_VOXELS = 10
"""Fewer voxels than this on the resampled grid have no texture worth a number."""
BORDER = 6
"""Resampled voxels around a region: more than the three that are given to MIRP with it."""
SPLINE_VOXELS = 24
"""A B-spline through voxels farther away changes a value by less than 1e-12 of theirs."""


@dataclass(frozen=True)
class StructureFeatures:
    """The features of one structure, or of one lesion of it.

    Attributes:
        key: of the structure.
        voxels: on the resampled grid.
        features: plain name → value; NaN where a feature is not defined for the region. Empty if there is a note.
        note: why there are no features; empty if there are.
        lesion: 1, 2, … by decreasing size; 0 for the whole structure.
    """

    key: str
    voxels: int
    features: dict[str, float]
    note: str = ""
    lesion: int = 0

    @property
    def region(self) -> str:
        """``liver``, or ``tumor_2`` for the second lesion."""
        return f"{self.key}_{self.lesion}" if self.lesion else self.key


def region_name(region: str) -> str:
    """What people read for a `StructureFeatures.region`: ``Liver tumor 2``."""
    key, _, number = region.rpartition("_")
    return f"{structure(key).name} {number}" if number.isdigit() and key in LESIONS else structure(region).name


@dataclass(frozen=True)
class RadiomicsResult:
    """The features of all structures with the settings and the library that made them; notes for the reader."""

    structures: list[StructureFeatures]
    settings: RadiomicsSettings
    library: str
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; undefined features are None."""
        return {
            "settings": asdict(self.settings),
            "library": self.library,
            "notes": list(self.notes),
            "structures": [
                {
                    "structure": s.key,
                    "lesion": s.lesion or None,
                    "region": s.region,
                    "voxels": s.voxels,
                    "note": s.note,
                    "features": {n: v if math.isfinite(v) else None for n, v in s.features.items()},
                }
                for s in self.structures
            ],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RadiomicsResult:
        """The result of which `as_dict` gave these data."""
        structures = [
            StructureFeatures(
                s["structure"],
                s["voxels"],
                {name: math.nan if value is None else value for name, value in s["features"].items()},
                s["note"],
                s["lesion"] or 0,
            )
            for s in data["structures"]
        ]
        return cls(structures, RadiomicsSettings(**data["settings"]), data["library"], tuple(data["notes"]))


def extract(
    image: sitk.Image,
    labels: sitk.Image,
    settings: RadiomicsSettings = MR,
    *,
    structures: Sequence[str] | None = None,
    together: bool = False,
    progress: Progress = silent,
    drawn: DrawnLesions | None = None,
) -> RadiomicsResult:
    """Features of each structure of a label image, of tumors and cysts one by one.

    Args:
        image: CT or MR.
        labels: label image of the table of structures on the image's grid.
        structures: keys; without it, every structure that has a voxel. The liver is what its volume counts.
        together: all lesions of a structure as one region. Its shape is then that of the group: the largest
            diameter is a distance between lesions.
        drawn: which lesions the file holds apart.

    A structure without voxels, or with fewer than `LEAST_VOXELS` on the resampled grid, has a note and no features.

    Raises:
        GeometryError: labels on another grid.
        InputError: an unknown structure, labels without any structure, a constant image, or MIRP not installed.
    """
    if not images.same_grid(image, labels):
        raise GeometryError("The labels are on another grid than the image", "Resample them to the image first")
    present = [s.key for s in STRUCTURES if images.array_of(mask_of(labels, s.key)).any()]
    keys = [structure(k).key for k in structures] if structures is not None else present
    if not keys:
        raise InputError("The labels contain no structure", "Check the label image and its values")
    library = require_library()
    near = images.bounding_box(labels, margin_mm=2 * settings.spacing_mm)
    labels, drawn = images.crop(labels, near), drawn.cropped(near) if drawn else None
    grid = _grid(image, settings.spacing_mm)
    grid = images.crop(grid, images.box_of_grid(labels, grid, border=BORDER))
    resampled = _resampled(_normalized(image, near, settings), grid, sitk.sitkBSpline)
    regions, notes = _regions(labels, keys, together, drawn)
    features = []
    for i, region in enumerate(regions):
        computed = StructureFeatures(region.key, 0, {}, lesion=region.lesion)
        progress(i / len(regions), f"Features of {region_name(computed.region)}")
        computed = _features_of(resampled, region.image(labels), region.key, settings, empty=region.key not in present)
        features.append(replace(computed, lesion=region.lesion))
    progress(1.0, "Features computed")
    return RadiomicsResult(features, settings, library, notes)


@dataclass(frozen=True)
class _Region:
    """What is to be described: a structure, or one lesion (`lesion` > 0): its box (K, J, I) and a mask of the box."""

    key: str
    lesion: int
    box: Slices
    mask: np.ndarray

    def image(self, labels: sitk.Image) -> sitk.Image:
        """The mask with two voxels of background around it, on the lattice of the labels, as far as these go."""
        start = [max(s.start - 2, 0) for s in self.box]
        stop = [min(s.stop + 2, n) for s, n in zip(self.box, labels.GetSize()[::-1], strict=True)]
        near = images.Box(tuple(start), tuple(stop))  # type: ignore[arg-type]
        array = np.zeros(near.shape, np.uint8)
        array[tuple(slice(s.start - a, s.stop - a) for s, a in zip(self.box, start, strict=True))] = self.mask
        return images.image_like(array, images.crop(labels, near))


def _regions(
    labels: sitk.Image, keys: Sequence[str], together: bool, drawn: DrawnLesions | None
) -> tuple[list[_Region], tuple[str, ...]]:
    """Everything to be described, and notes."""
    regions: list[_Region] = []
    notes = []
    for key in keys:
        array = images.array_of(counted_mask(labels, key))
        box = box_of(array > 0) or (slice(0, 1), slice(0, 1), slice(0, 1))
        whole = _Region(key, 0, box, array[box])
        if key not in LESIONS or not whole.mask.any():
            regions.append(whole)
            continue
        lesions = regions_of(labels, key, drawn)
        if together:
            regions.append(whole)
            if len(lesions) > 1:
                name = structure(key).name
                words = f"{name}: {len(lesions)} lesions were taken as one region, so its shape is that of the group:"
                notes.append(f"{words} the largest diameter is a distance between lesions.")
            continue
        regions += [_Region(key, number, *lesions.mask(number)) for number in range(1, len(lesions) + 1)]
    return regions, tuple(notes)


def require_library() -> str:
    """Name and version of the library.

    Raises:
        InputError: it is not installed.
    """
    if find_spec("mirp") is None:
        raise InputError("Radiomics needs the package mirp", 'Install it: pip install "preopreview[radiomics]"')
    try:
        return f"MIRP {version('mirp')}"
    except PackageNotFoundError:
        return "MIRP"


def _normalized(image: sitk.Image, near: images.Box, settings: RadiomicsSettings) -> sitk.Image:
    """The image around a box as 64-bit floats; the z-score is that of the whole image, summed slice by slice."""
    array = images.array_of(image)
    if array.dtype.kind == "f" and not all(np.isfinite(plane).all() for plane in array):
        raise InputError("The image holds values that are not finite", "Repair the image")
    if array.min() == array.max():
        raise InputError("The image is constant, so it has no features", "Check the file")
    reach = [SPLINE_VOXELS + math.ceil((BORDER + 1) * settings.spacing_mm / s) for s in images.spacing_kji(image)]
    start = tuple(max(a - n, 0) for a, n in zip(near.start, reach, strict=True))
    stop = tuple(min(b + n, size) for b, n, size in zip(near.stop, reach, array.shape, strict=True))
    numbers = sitk.Cast(images.crop(image, images.Box(start, stop)), sitk.sitkFloat64)  # type: ignore[arg-type]
    if not settings.normalize:
        return numbers
    mean = sum(float(plane.sum(dtype=np.float64)) for plane in array) / array.size
    squares = sum(float(np.square(plane - mean, dtype=np.float64).sum()) for plane in array)
    return (numbers - mean) * (settings.scale / math.sqrt(squares / (array.size - 1))) + settings.shift


def _grid(image: sitk.Image, spacing: float) -> sitk.Image:
    """Cubic voxels over the image's field of view, centered on it; the same for every mask of one image."""
    old, size = np.array(image.GetSpacing()), np.array(image.GetSize())
    # NIfTI holds spacings in 32 bits: without some tolerance 128 voxels of 2 mm would become 129 beside the old ones.
    counts = np.maximum(np.ceil(size * old / spacing - 1e-3).astype(int), 1)
    first = ((size - 1) - (counts - 1) * spacing / old) / 2
    grid = sitk.Image(counts.tolist(), sitk.sitkUInt8)
    grid.SetSpacing([spacing] * 3)
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return grid


def _resampled(image: sitk.Image, grid: sitk.Image, interpolator: int) -> sitk.Image:
    # Half a voxel beyond the outermost centers belongs to the field of view: repeat the edge there.
    pad = [math.ceil(grid.GetSpacing()[0] / s) + 1 for s in image.GetSpacing()]
    padded = sitk.ZeroFluxNeumannPad(image, pad, pad)
    return sitk.Resample(padded, grid, sitk.Transform(), interpolator, 0.0, image.GetPixelID())


def _features_of(
    image: sitk.Image, region: sitk.Image, key: str, settings: RadiomicsSettings, *, empty: bool
) -> StructureFeatures:
    """Features of a region, whose own grid is finer or coarser than that of the resampled image."""
    near = images.box_of_grid(region, image, border=BORDER)
    image = images.crop(image, near)
    mask = _resampled(region, image, sitk.sitkNearestNeighbor)
    voxels = int(np.count_nonzero(images.array_of(mask)))
    if empty:
        return StructureFeatures(key, 0, {}, "n/a: no voxels")
    if voxels < LEAST_VOXELS:
        return StructureFeatures(key, voxels, {}, f"n/a: {voxels} voxels at {settings.spacing_mm:g} mm are too few")
    box = images.bounding_box(mask, margin_mm=3 * settings.spacing_mm)
    image, mask = images.crop(image, box), images.crop(mask, box)
    return StructureFeatures(key, voxels, features_by_mirp(image, mask, settings))
