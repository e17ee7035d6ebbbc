"""Lesion by lesion: which reference lesions were found, which were missed, and which predicted ones are false.

Lesions are 26-connected regions (see `regions`). Two lesions are linked where their intersection is at least
`minimum_share` of the smaller one; linked lesions form groups, so that two neighbors drawn as one (merged) or one drawn
in two parts (split) are not counted as errors of detection. A group counts as found where the DSC of its union is at
least `minimum_dsc`: a prediction that floods the liver finds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.overlap import mask_pair
from PreopReviewLib.evaluation.regions import NumberedRegions, number_regions
from PreopReviewLib.images.geometry import Slices, union_box

Outcome = Literal["matched", "merged", "split", "merged and split", "missed", "false"]


@dataclass(frozen=True)
class Lesion:
    """One lesion, or one group of lesions that belong together.

    Attributes:
        outcome: ``matched`` (one to one), ``merged`` (several reference lesions in one), ``split`` (one reference
            lesion in several parts), ``merged and split``, ``missed`` or ``false``.
        reference, prediction: numbers of the lesions, as in the label arrays of `Detection`.
        reference_voxels, prediction_voxels: sizes.
        dsc: of the union of the one against the union of the other; None where one side has no lesion.
        centroid_kji: of the reference, or of the prediction where there is none; voxels.
    """

    outcome: Outcome
    reference: tuple[int, ...]
    prediction: tuple[int, ...]
    reference_voxels: int
    prediction_voxels: int
    dsc: float | None
    centroid_kji: tuple[float, float, float]


@dataclass(frozen=True)
class Detection:
    """All lesions of one case.

    Attributes:
        lesions: found ones first, each in order of falling reference size; then missed, then false.
        found, missed, false: counts of reference lesions, reference lesions and predicted lesions.
        minimum_share, minimum_dsc: the rule.
        box: around both masks; None where both are empty.
        reference_labels, prediction_labels: the box, each lesion with its number from 1, by decreasing size.
    """

    lesions: tuple[Lesion, ...]
    found: int
    missed: int
    false: int
    minimum_share: float
    minimum_dsc: float
    box: Slices | None
    reference_labels: np.ndarray
    prediction_labels: np.ndarray

    def moved(self, start: tuple[int, int, int]) -> Detection:
        """The same in the voxels (K, J, I) of a grid in which the masks were a box that begins at `start`."""
        lesions = tuple(
            replace(x, centroid_kji=tuple(c + s for c, s in zip(x.centroid_kji, start, strict=True)))
            for x in self.lesions
        )
        box = self.box and tuple(slice(b.start + s, b.stop + s) for b, s in zip(self.box, start, strict=True))
        return replace(self, lesions=lesions, box=box)

    @property
    def sensitivity(self) -> float | None:
        """Found among all reference lesions; None without any."""
        total = self.found + self.missed
        return self.found / total if total else None

    @property
    def precision(self) -> float | None:
        """Predicted lesions that are not false; None without any prediction."""
        total = int(self.prediction_labels.max(initial=0))
        return 1.0 - self.false / total if total else None


def detect(
    prediction: np.ndarray,
    reference: np.ndarray,
    *,
    minimum_share: float = 0.1,
    minimum_dsc: float = 0.1,
    minimum_voxels: int = 1,
    drawn_prediction: np.ndarray | None = None,
    drawn_reference: np.ndarray | None = None,
) -> Detection:
    """Compares the lesions of two binary masks.

    Args:
        prediction, reference: (K, J, I), boolean or 0 and 1, one grid.
        minimum_share: of the smaller lesion, above 0 and up to 1.
        minimum_dsc: of a group, 0 to 1.
        minimum_voxels: smaller regions are not lesions.
        drawn_prediction, drawn_reference: which of the lesions that were drawn one by one a voxel belongs to; see
            `regions.number_regions`.

    Raises:
        GeometryError: different sizes.
        InputError: no binary masks, or a threshold outside its range.
    """
    prediction, reference = mask_pair(prediction, reference)
    if not 0 < minimum_share <= 1 or not 0 <= minimum_dsc <= 1 or minimum_voxels < 1:
        raise InputError(
            f"A share of {minimum_share}, a DSC of {minimum_dsc} and {minimum_voxels} voxels are not valid thresholds",
            "Use a share above 0 and up to 1, a DSC from 0 to 1 and at least 1 voxel",
        )
    box = union_box(prediction, reference)
    inside = box or (slice(0, 1), slice(0, 1), slice(0, 1))  # one voxel of nothing, where both are empty
    references = number_regions(reference, drawn_reference, minimum_voxels)
    predictions = number_regions(prediction, drawn_prediction, minimum_voxels)
    r, r_size, r_center = _in_box(references, inside), references.sizes, _centers(references)
    p, p_size, p_center = _in_box(predictions, inside), predictions.sizes, _centers(predictions)
    common = _intersections(r, p, len(r_size), len(p_size))
    rows, matched, missed, false = [], 0, 0, 0
    for refs, preds in _groups(common, r_size, p_size, minimum_share):
        dsc = 2.0 * int(common[np.ix_(refs, preds)].sum()) / int(r_size[refs].sum() + p_size[preds].sum())
        if refs and preds and dsc >= minimum_dsc:
            center = np.average(r_center[refs], axis=0, weights=r_size[refs])
            rows.append(_lesion(_kind(refs, preds), refs, preds, r_size, p_size, dsc, center))
            matched += len(refs)
            continue
        missed, false = missed + len(refs), false + len(preds)
        rows += [_lesion("missed", [n], [], r_size, p_size, None, r_center[n]) for n in refs]
        rows += [_lesion("false", [], [n], r_size, p_size, None, p_center[n]) for n in preds]
    rows.sort(key=lambda row: (_RANK.get(row.outcome, 0), -row.reference_voxels, -row.prediction_voxels))
    return Detection(tuple(rows), matched, missed, false, minimum_share, minimum_dsc, box, r, p)


_RANK = {"missed": 1, "false": 2}


def _centers(regions: NumberedRegions) -> np.ndarray:
    """Centers (K, J, I) of the regions in the whole image, with a row 0 for the background."""
    at = np.nonzero(regions.numbers)
    which = regions.numbers[at]
    start = [s.start for s in regions.box] if regions.box else [0, 0, 0]
    sums = [np.bincount(which, weights=axis, minlength=len(regions) + 1) for axis in at]
    return np.stack(sums, axis=1) / np.maximum(regions.sizes, 1)[:, None] + start


def _in_box(regions: NumberedRegions, box: Slices) -> np.ndarray:
    """The numbers of the regions in a box that holds all of them."""
    array = np.zeros(tuple(s.stop - s.start for s in box), np.int32)
    if regions.box is not None:
        array[tuple(slice(f.start - b.start, f.stop - b.start) for f, b in zip(regions.box, box, strict=True))] = (
            regions.numbers
        )
    return array


def _intersections(r: np.ndarray, p: np.ndarray, references: int, predictions: int) -> np.ndarray:
    """Voxels shared by each pair (references, predictions), the background included as number 0."""
    both = np.flatnonzero((r > 0) & (p > 0))
    pairs = r.ravel()[both].astype(np.int64) * predictions + p.ravel()[both]
    return np.bincount(pairs, minlength=references * predictions).reshape(references, predictions)


def _groups(
    common: np.ndarray, r_size: np.ndarray, p_size: np.ndarray, minimum_share: float
) -> list[tuple[list[int], list[int]]]:
    """Connected groups of the graph of linked lesions, as (reference numbers, prediction numbers)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    smaller = np.minimum(r_size[:, None], p_size[None, :])
    i, j = np.nonzero((common > 0) & (common >= minimum_share * smaller))
    n, m = len(r_size) - 1, len(p_size) - 1
    graph = coo_array((np.ones(len(i)), (i - 1, n + j - 1)), shape=(n + m, n + m))
    count, group = connected_components(graph, directed=False) if n + m else (0, np.zeros(0, int))
    groups: list[tuple[list[int], list[int]]] = [([], []) for _ in range(count)]
    for node, g in enumerate(group):
        groups[g][0 if node < n else 1].append(node + 1 if node < n else node - n + 1)
    return groups


def _kind(references: list[int], predictions: list[int]) -> Outcome:
    if len(references) == 1:
        return "matched" if len(predictions) == 1 else "split"
    return "merged" if len(predictions) == 1 else "merged and split"


def _lesion(
    outcome: Outcome,
    references: list[int],
    predictions: list[int],
    r_size: np.ndarray,
    p_size: np.ndarray,
    dsc: float | None,
    center: np.ndarray,
) -> Lesion:
    return Lesion(
        outcome,
        tuple(references),
        tuple(predictions),
        int(r_size[references].sum()),
        int(p_size[predictions].sum()),
        dsc,
        tuple(center.tolist()),  # type: ignore[arg-type]
    )
