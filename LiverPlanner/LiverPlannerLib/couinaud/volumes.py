"""Volumes of the Couinaud segments, and which of them a lesion lies in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.lesions import DrawnLesions, numbered_regions
from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.structures import LESIONS_AND_CANDIDATES, SEGMENTS
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, NothingFound
from PreopReviewLib.images.geometry import box_of
from PreopReviewLib.models.segmenter import SegmenterResult
from PreopReviewLib.progress import CancelToken, Progress, silent

if TYPE_CHECKING:
    from LiverPlannerLib.labels import Labels

LEAST_SHARE = 0.05
"""Share of a lesion that a segment must hold to be named with it."""


@dataclass(frozen=True)
class Division:
    """The Couinaud segments of labels of a liver, measured.

    Attributes:
        labels: 1 to 8 in the liver.
        model: name and version.
        volumes: of the eight.
        places: see `segments_of_lesions`.
        notes, warnings: of `find_segments`.
        seconds: of finding them.
    """

    labels: sitk.Image
    model: str
    volumes: list[SegmentVolume]
    places: dict[tuple[str, int], str]
    notes: list[str]
    warnings: list[str]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without the voxels."""
        return {
            "model": self.model,
            "volumes": [asdict(v) for v in self.volumes],
            "lesions": [{"structure": k, "number": n, "segments": words} for (k, n), words in self.places.items()],
            "notes": self.notes,
            "warnings": self.warnings,
        }


def divide(
    labels: sitk.Image,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
    drawn: DrawnLesions | None = None,
    given: sitk.Image | None = None,
    inside: np.ndarray | None = None,
) -> Division:
    """The Couinaud segments of the liver of a label image (values of `structures.STRUCTURES`).

    Args:
        drawn: which of its lesions the file holds apart.
        given: segments 1 to 8, uint8, as someone has drawn or corrected them, on any grid: then the network is not
            asked. What of the liver they leave out goes to the nearest; more than a twentieth of it is reported.
        inside: (K, J, I), of `inside_liver`, where it is known already.

    Raises:
        NothingFound: there is no liver in it, or no given segment. ModelError: the network is not there, or broken.
        GeometryError: the given segments lie elsewhere.
    """
    inside = inside_liver(labels) if inside is None else inside
    if given is not None:
        moved = images.onto_grid(sitk.Cast(given, sitk.sitkUInt8), labels, "segments", "labels")
        return _filled_division(labels, inside, images.array_of(moved.labels), GIVEN, drawn, [AS_GIVEN, *moved.notes])
    from LiverPlannerLib.couinaud.segments import find_segments

    couinaud = find_segments(images.image_like(inside.view(np.uint8), labels), progress=progress, cancel=cancel)
    places = segments_of_lesions(labels, couinaud.labels, drawn)
    volumes = segment_volumes(couinaud.labels)
    return Division(
        couinaud.labels, couinaud.model, volumes, places, couinaud.notes, couinaud.warnings, couinaud.seconds
    )


GIVEN = "the segmentation given"
AS_GIVEN = (
    "The Couinaud segments are those given with the plan, as they are now. Where no one has corrected them they come "
    "from the shape of the liver alone: compare the borders with the veins before you rely on them."
)


def division_of(file: Labels, progress: Progress = silent) -> Division:
    """`divide` with what a label file holds: its lesions, and the segments that were given with it."""
    return divide(file.labels, progress, drawn=file.lesions, given=file.couinaud, inside=file.inside)


def drawn_division(labels: sitk.Image, drawn: SegmenterResult) -> Division:
    """The Couinaud segments that a chosen model has drawn (``segment_1`` to ``segment_8``), in the liver of the labels.

    What of the liver it gives to none goes to the nearest; more than a twentieth of it is reported.

    Raises:
        NothingFound: it has drawn none in the liver.
    """
    table = np.zeros(256, np.uint8)
    for s in SEGMENTS:
        if s.key in drawn.values:
            table[drawn.values[s.key]] = s.label
    return _filled_division(labels, inside_liver(labels), table[images.array_of(drawn.labels)], drawn.model)


def _filled_division(
    labels: sitk.Image,
    liver: np.ndarray,
    numbers: np.ndarray,
    who: str,
    drawn: DrawnLesions | None = None,
    notes: Sequence[str] = (),
) -> Division:
    """Segments (K, J, I) on the grid of the labels cut to the liver, which they then fill.

    Raises:
        NothingFound: no segment lies in the liver.
    """
    from LiverPlannerLib.couinaud.whole_segments import fill_unreached

    numbers = np.where(numbers <= len(SEGMENTS), numbers, 0)
    if not (numbers[liver] > 0).any():
        raise NothingFound(f"{_capital(who)} has no Couinaud segment in the liver", "Choose another one for them")
    empty = float(np.mean(numbers[liver] == 0))
    box = box_of(liver)
    filled = np.zeros(numbers.shape, np.uint8)
    inside = np.where(liver, numbers, 0)[box].astype(np.uint8)
    filled[box] = fill_unreached(inside, liver[box], images.spacing_kji(labels))
    segments = images.image_like(filled, labels)
    missing = [str(s.label) for s in SEGMENTS if not (filled == s.label).any()]
    warnings = [f"{_capital(who)} has no segment {', '.join(missing)}."] if missing else []
    if empty > LEAST_SHARE:
        warnings.append(f"{_capital(who)} gives {empty:.0%} of the liver to no segment; that went to the nearest.")
    places = segments_of_lesions(labels, segments, drawn)
    return Division(segments, who, segment_volumes(segments), places, list(notes), warnings, 0.0)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:] if words == GIVEN else words


@dataclass(frozen=True)
class SegmentVolume:
    """One segment.

    Attributes:
        key, name: of `structures.SEGMENTS`.
        voxels, ml: size on the image's grid, lesions and vessels in it included.
        share: of the total liver volume, 0 to 1.
    """

    key: str
    name: str
    voxels: int
    ml: float
    share: float


def segment_volumes(segments: sitk.Image) -> list[SegmentVolume]:
    """The eight volumes, by voxel counting; a segment without a voxel has 0 ml.

    Args:
        segments: 1 to 8 in the liver.
    """
    counts = images.label_counts(images.array_of(segments))[1:9]
    unit, total = images.voxel_ml(segments), max(int(counts.sum()), 1)
    return [
        SegmentVolume(s.key, s.name, int(n), round(float(n) * unit, 3), round(float(n) / total, 5))
        for s, n in zip(SEGMENTS, counts, strict=True)
    ]


def segments_of_lesions(
    labels: sitk.Image, segments: sitk.Image, drawn: DrawnLesions | None = None
) -> dict[tuple[str, int], str]:
    """Where each lesion lies, e.g. "S5/S8": the segments that hold at least a twentieth of it, by their number.

    Args:
        labels: values of `structures.STRUCTURES`; its tumors and cysts are numbered as by `find_regions`.
        segments: 1 to 8, on the same grid.
        drawn: which lesions the file holds apart.

    Returns:
        By structure key and number; "outside" where no segment holds that much.

    Raises:
        GeometryError: the grids differ.
    """
    if not images.same_grid(labels, segments):
        raise GeometryError("The segments are not on the grid of the labels", "Resample them to the labels")
    values = images.array_of(segments)
    by_lesion = {}
    for key in LESIONS_AND_CANDIDATES:
        for number, (box, inside) in enumerate(numbered_regions(labels, key, drawn), start=1):
            counts = np.bincount(values[box][inside], minlength=9)
            named = [n for n in range(1, 9) if counts[n] >= LEAST_SHARE * counts.sum() and counts[n]]
            by_lesion[key, number] = "/".join(f"S{n}" for n in named) or "outside"
    return by_lesion
