"""Shapes that tell a structure from others: trees of vessels, organs in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import LESIONS
from PreopReviewLib import images

MAX_TREE_SOLIDITY, LEAST_TREE_ML = 0.2, 2.0
"""A piece that fills less of its convex hull is a tree; smaller pieces are not judged. Of one patient and a phantom,
veins and arteries fill 0.06 to 0.16, lesions 0.65 to 0.85; organs of a CT 0.25 (colon) to 0.83."""
PAIR_SHARE, PAIR_APART_MM = 0.3, 15.0
"""Two pieces side by side are a pair of organs if the smaller has so much of the larger one's volume."""


def tree_shaped(labels: sitk.Image, structures: Mapping[int, str]) -> list[str]:
    """Clauses on lesions whose largest piece is a tree of vessels; `structures` are keys by label value."""
    array, mm = images.array_of(labels), images.spacing_kji(labels)
    boxes = images.value_boxes(array)
    unit = images.voxel_ml(labels)
    return [
        f"a {key} with the shape of a vessel tree"
        for value, key in structures.items()
        if key in LESIONS
        and value in boxes
        and (piece := _largest(array[boxes[value]] == value)).sum() * unit >= LEAST_TREE_ML
        and _solidity(piece, mm) < MAX_TREE_SOLIDITY
    ]


def two_sided(labels: sitk.Image, liver: Sequence[int]) -> list[str]:
    """A clause if the liver lies in two pieces side by side, as kidneys and lungs do."""
    import cc3d

    array = images.array_of(labels)
    boxes = [box for value, box in images.value_boxes(array).items() if value in liver]
    if not boxes:
        return []
    box = tuple(slice(min(b[a].start for b in boxes), max(b[a].stop for b in boxes)) for a in range(3))
    pieces = cc3d.connected_components(np.require(np.isin(array[box], liver), requirements="CW"), connectivity=26)
    about = cc3d.statistics(pieces)
    counts = np.asarray(about["voxel_counts"], np.int64).copy()
    counts[0] = 0
    if len(counts) < 3:
        return []
    first, second = (int(n) for n in np.argsort(-counts)[:2])
    if counts[second] < PAIR_SHARE * counts[first]:
        return []
    ends = [_ends(about["bounding_boxes"][n], box, labels) for n in (first, second)]
    apart = max(ends[0][0] - ends[1][1], ends[1][0] - ends[0][1])
    return [f"a liver in two pieces, {apart:.0f} mm apart"] if apart > PAIR_APART_MM else []


def gap_mm(labels: sitk.Image, one: Sequence[int], other: Sequence[int]) -> float:
    """How far apart (mm) the voxels of two sets of values lie where they come closest; 0 if one of them is empty."""
    import edt

    array = images.array_of(labels)
    boxes = images.value_boxes(array)
    if not all(any(v in boxes for v in values) for values in (one, other)):
        return 0.0
    found = [boxes[v] for v in (*one, *other) if v in boxes]
    box = tuple(slice(min(b[a].start for b in found), max(b[a].stop for b in found)) for a in range(3))
    outside = np.ascontiguousarray(~np.isin(array[box], one))
    distance = edt.edt(outside, anisotropy=tuple(images.spacing_kji(labels)), black_border=False)
    return float(distance[np.isin(array[box], other)].min())


def _ends(piece: tuple[slice, ...], box: tuple[slice, ...], labels: sitk.Image) -> tuple[float, float]:
    """From where to where a piece reaches from left to right, mm."""
    ends = [(s.start + b.start, s.stop - 1 + b.start) for s, b in zip(piece, box, strict=True)]
    corners = [[ends[axis][pick[axis]] for axis in range(3)] for pick in np.ndindex(2, 2, 2)]
    across = images.kji_to_ras(np.array(corners, float), labels)[:, 0]
    return float(across.min()), float(across.max())


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a mask (K, J, I) whose voxels touch by faces, edges or corners, in its own box."""
    import cc3d

    pieces = cc3d.connected_components(np.require(mask, requirements="CW"), connectivity=26)
    about = cc3d.statistics(pieces)
    counts = np.asarray(about["voxel_counts"], np.int64).copy()
    counts[0] = 0
    largest = int(counts.argmax())
    return pieces[tuple(about["bounding_boxes"][largest])] == largest


def _solidity(mask: np.ndarray, mm: np.ndarray) -> float:
    """What share of its convex hull a mask fills; 1 for what lies in one plane."""
    from scipy.spatial import ConvexHull

    rows = mask.any(2)
    k, j = np.nonzero(rows)
    first, last = mask.argmax(2)[rows], mask.shape[2] - 1 - mask[:, :, ::-1].argmax(2)[rows]
    ends = np.concatenate([np.stack([k, j, first - 0.5], 1), np.stack([k, j, last + 0.5], 1)])
    corners = np.concatenate([ends + (a, b, 0) for a in (-0.5, 0.5) for b in (-0.5, 0.5)])
    return float(mask.sum() * np.prod(mm) / ConvexHull(corners * mm).volume)
