"""Every structure of two label images at once: overlap, surface distances, volumes, branches, lesions.

The numbers of Oh 2023 (DSC, main and peripheral branches), Lin 2024 (DSC, HD95) and Gross 2024 (DSC, volumes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.comparison.columns import StructureComparison
from LiverPlannerLib.labels import Labels
from LiverPlannerLib.lesions import DrawnLesions
from LiverPlannerLib.liver_extent import counted_mask
from LiverPlannerLib.structures import LESIONS, STRUCTURES, mask_of, structure, unknown_labels
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.detection import Detection, detect
from PreopReviewLib.evaluation.overlap import dice, overlap
from PreopReviewLib.evaluation.surfaces import DESCRIPTIONS, Convention, surface_distances
from PreopReviewLib.images.geometry import Slices, box_of, union_box

if TYPE_CHECKING:
    from LiverPlannerLib.vessels.branches import VesselTree

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2, 3
"""Values of a difference image."""
DIFFERENCES = {"missed": FALSE_NEGATIVE, "extra": FALSE_POSITIVE}


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    Attributes:
        rows: one per structure, in the order of the table of structures.
        detection: lesion by lesion, for tumors and cysts that occur in either image.
        notes: what the reader must know: resampling, fields of view, conventions, what was left out.
        convention: of HD95, see `PreopReviewLib.evaluation.surfaces`.
        tolerance: of NSD, mm.
        specificity_box: size in voxels (K, J, I) of the box in which specificity is computed.
        prediction, reference: the label images compared, both on the reference's grid, padded where the prediction
            reaches beyond it.
    """

    rows: tuple[StructureComparison, ...]
    detection: dict[str, Detection]
    notes: tuple[str, ...]
    convention: str
    tolerance: float
    specificity_box: tuple[int, int, int]
    prediction: sitk.Image = field(repr=False)
    reference: sitk.Image = field(repr=False)
    _livers: tuple[sitk.Image, sitk.Image] = field(repr=False)

    def difference(self, key: str) -> sitk.Image:
        """uint8: 1 true positive, 2 false positive, 3 false negative, on the grid of both."""
        if key != "liver":
            return _difference(mask_of(self.prediction, key), mask_of(self.reference, key))
        return _difference(*self._livers)

    def row(self, key: str) -> StructureComparison:
        """The row of a structure.

        Raises:
            InputError: it was not compared.
        """
        for row in self.rows:
            if row.key == key:
                return row
        raise InputError(f"The structure {key!r} was not compared", f"There are {', '.join(r.key for r in self.rows)}")

    @property
    def missed(self) -> tuple[str, ...]:
        """Structures that the reference has and the prediction has not."""
        return tuple(row.key for row in self.rows if row.overlap.state == "missed")

    @property
    def false(self) -> tuple[str, ...]:
        """Structures that the prediction has and the reference has not."""
        return tuple(row.key for row in self.rows if row.overlap.state == "false positive")


def compare(
    prediction: sitk.Image,
    reference: sitk.Image,
    *,
    structures: Sequence[str] | None = None,
    tolerance: float = 2.0,
    convention: Convention = "max-of-two",
    branches: bool = True,
    trees: Mapping[str, VesselTree] | None = None,
    drawn_prediction: DrawnLesions | None = None,
    drawn_reference: DrawnLesions | None = None,
) -> Comparison:
    """Compares two label images with the values of the table of structures.

    Args:
        prediction: e.g. automatic; resampled to the reference's grid where it has another one.
        reference: e.g. manual.
        structures: keys; without it, all that occur in either image.
        tolerance: of NSD, mm.
        convention: of HD95.
        branches: split vessels into main and peripheral branches.
        trees: by structure key, the reference's tree where it is there already, e.g. corrected by hand.
        drawn_prediction, drawn_reference: which lesions their files hold apart.

    Raises:
        GeometryError: the images do not overlap in space.
        InputError: no label images, both empty, or an unknown structure.
    """
    notes: list[str] = []
    first = Labels(_checked_labels(prediction, "prediction", notes), lesions=drawn_prediction)
    second = Labels(_checked_labels(reference, "reference", notes), lesions=drawn_reference)
    first, second = _on_one_grid(first, second, notes)
    prediction, reference = first.labels, second.labels
    keys = _chosen(prediction, reference, structures, notes)
    near = _around_labels(prediction, reference)
    p_near, r_near = images.crop(prediction, near), images.crop(reference, near)
    liver = counted_mask(p_near, "liver"), counted_mask(r_near, "liver")
    box = _liver_box(*liver, p_near, r_near, notes)
    ml, mm = images.voxel_ml(reference), images.spacing_kji(reference)
    rows, detection = [], {}
    for key in keys:
        masks = liver if key == "liver" else (mask_of(p_near, key), mask_of(r_near, key))
        p, r = (images.array_of(mask).view(bool) for mask in masks)
        counts = overlap(p, r, box)
        distances = surface_distances(p, r, mm, tolerance=tolerance, convention=convention)
        vascular = branches and structure(key).vascular and counts.state != "both empty"
        parts = _branch_dsc(*masks, key, r_near, (trees or {}).get(key), notes) if vascular else (None, None)
        rows.append(StructureComparison(key, counts, distances, counts.predicted * ml, counts.expected * ml, *parts))
        if key in LESIONS and counts.state != "both empty":
            apart = [None if x.lesions is None else x.lesions.cropped(near).array for x in (first, second)]
            detection[key] = detect(p, r, drawn_prediction=apart[0], drawn_reference=apart[1]).moved(near.start)
    notes += _conventions(convention, tolerance, bool(detection), any(row.main_dsc is not None for row in rows))
    shape = tuple(s.stop - s.start for s in box)
    livers = tuple(_uncropped(mask, near, reference) for mask in liver)
    given = (convention, tolerance, shape, prediction, reference, livers)
    return Comparison(tuple(rows), detection, tuple(notes), *given)  # type: ignore[arg-type]


def _uncropped(mask: sitk.Image, box: images.Box, grid: sitk.Image) -> sitk.Image:
    whole = np.zeros(grid.GetSize()[::-1], np.uint8)
    whole[box.slices] = images.array_of(mask)
    return images.image_like(whole, grid)


def difference_image(prediction: sitk.Image, reference: sitk.Image, key: str) -> sitk.Image:
    """uint8: 1 true positive, 2 false positive, 3 false negative.

    On the reference's grid, padded where the prediction reaches beyond it.

    Raises:
        GeometryError: the images do not overlap in space.
    """
    one, two = (x.labels for x in _on_one_grid(Labels(prediction), Labels(reference), []))
    return _difference(counted_mask(one, key), counted_mask(two, key))


def _difference(prediction: sitk.Image, reference: sitk.Image) -> sitk.Image:
    """The difference of two masks on one grid."""
    p, r = images.array_of(prediction), images.array_of(reference)
    # In twos: prediction only, reference only, both.
    value = np.array([0, FALSE_POSITIVE, FALSE_NEGATIVE, TRUE_POSITIVE], np.uint8)
    return images.image_like(value[p + 2 * r], reference)


def _checked_labels(image: sitk.Image, name: str, notes: list[str]) -> sitk.Image:
    """The image with whole numbers; a note is added on values that the table of structures does not know.

    Raises:
        InputError: not 3-D, several values per voxel, or non-integer values.
    """
    dimension, components = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if dimension != 3 or components != 1:
        raise InputError(
            f"The {name} has {dimension} dimensions and {components} values per voxel",
            "Give one 3-D label image; read segmentations with several layers as label files",
        )
    if image.GetPixelID() >= sitk.sitkFloat32:
        array = images.array_of(image)
        if not (np.isfinite(array).all() and (array == np.round(array)).all()):
            raise InputError(
                f"The {name} is not a label image: it has non-integer values", "Threshold probabilities first"
            )
        image = sitk.Cast(image, sitk.sitkInt32)
    unknown = unknown_labels(image)
    if unknown:
        notes.append(
            f"The {name} has label values that the table of structures does not know, which were ignored: "
            f"{', '.join(map(str, unknown))}."
        )
    return image


def _on_one_grid(prediction: Labels, reference: Labels, notes: list[str]) -> tuple[Labels, Labels]:
    """Both on the reference's lattice, on a grid that holds every label of either; notes are added."""
    beyond = images.onto_grid(prediction.labels, reference.labels, "predicted labels", "reference").outside_ml
    missed = images.onto_grid(reference.labels, prediction.labels).outside_ml
    if beyond:
        whole = images.covering_grid(reference.labels, prediction.labels)
        reference = reference.onto(whole)
        notes.append(
            f"{sum(beyond.values()):.1f} ml of the prediction lie outside the reference's field of view and count as "
            "false positives."
        )
    moved = prediction.onto(reference.labels, "predicted labels", "reference")
    notes += moved.notes[len(prediction.notes) :]
    if missed:
        notes.append(
            f"{sum(missed.values()):.1f} ml of the reference lie outside the prediction's field of view and count as "
            "missed."
        )
    return moved, reference


def _chosen(
    prediction: sitk.Image, reference: sitk.Image, structures: Sequence[str] | None, notes: list[str]
) -> list[str]:
    present = {v for labels in (prediction, reference) for v in images.label_values(images.array_of(labels))}
    if structures is not None:
        wanted = {structure(key).key for key in structures}
        return [s.key for s in STRUCTURES if s.key in wanted]
    keys = [s.key for s in STRUCTURES if s.label in present]
    if not keys:
        raise InputError("Both label images are empty", "Check that the files hold the labels of the liver structures")
    absent = [s.name.lower() for s in STRUCTURES if s.key not in keys]
    if absent:
        notes.append(f"In neither image, and not compared: {', '.join(absent)}.")
    return keys


def _around_labels(prediction: sitk.Image, reference: sitk.Image) -> images.Box:
    """The box that holds every label of both images: all is computed in it, for speed alone."""
    near = union_box(images.array_of(prediction) != 0, images.array_of(reference) != 0)
    size = reference.GetSize()[::-1]
    if near is None:
        return images.Box((0, 0, 0), size)
    start = tuple(max(s.start - 2, 0) for s in near)
    return images.Box(start, tuple(min(s.stop + 2, n) for s, n in zip(near, size, strict=True)))  # type: ignore[arg-type]


def _liver_box(
    first: sitk.Image, second: sitk.Image, prediction: sitk.Image, reference: sitk.Image, notes: list[str]
) -> Slices:
    """The box around the livers (`first`, `second`) of both label images: where specificity is computed."""
    box = union_box(*(images.array_of(mask).view(bool) for mask in (first, second)))
    if box is not None:
        notes.append("Specificity is computed in the box around the liver of both images.")
        return box
    either = (images.array_of(prediction) != 0) | (images.array_of(reference) != 0)
    notes.append("Neither image has a liver: specificity is computed in the box around all labels.")
    return box_of(either) or (slice(0, 1), slice(0, 1), slice(0, 1))


def _branch_dsc(
    prediction: sitk.Image,
    reference: sitk.Image,
    key: str,
    labels: sitk.Image,
    tree: VesselTree | None,
    notes: list[str],
) -> tuple[float | None, float | None]:
    """DSC of main and peripheral branches of two masks: the reference is split, and its partition carried over."""
    from LiverPlannerLib.vessels.branches import MAIN, PERIPHERAL, split_branches, transfer

    name = structure(key).name
    if not images.array_of(reference).any():
        notes.append(f"{name}: main and peripheral branches are n/a, because there is no reference to split.")
        return None, None
    if tree is None:
        liver, ivc = mask_of(labels, "liver"), mask_of(labels, "inferior_vena_cava")
        has_ivc = bool(images.array_of(ivc).any())
        try:
            tree = split_branches(reference, key, liver, ivc if has_ivc else None)
        except InputError as error:
            notes.append(f"{name}: main and peripheral branches are n/a. {error.problem}.")
            return None, None
    notes += [f"{name}, branches: {warning}." for warning in tree.warnings]
    parts = [images.array_of(transfer(tree, mask)) for mask in (prediction, reference)]
    main, peripheral = (dice(parts[0] == part, parts[1] == part) for part in (MAIN, PERIPHERAL))
    return main, peripheral


def _conventions(convention: str, tolerance: float, lesions: bool, branches: bool) -> list[str]:
    notes = [
        f"HD95: {DESCRIPTIONS[convention]} ({convention}). NSD at {tolerance:g} mm.",
        "n/a: not defined where a mask is empty; such rows are counted as missed or false, never averaged.",
    ]
    if branches:
        notes.append(
            "Main and peripheral DSC: one partition of space, that of the reference's branches, for both masks."
        )
    if lesions:
        notes.append("Lesions: 26-connected; linked from 10 % of the smaller one, found from a DSC of 0.1.")
    return notes
