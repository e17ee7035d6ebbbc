"""What the sections Measure and Compare have the worker process do; see `PreopReviewLib.jobs`.

Each task gets plain values and a private folder with label images, and gives plain values and files back. Lesions
that the segmentation holds apart come as `lesions.drawn_request`, and stay apart where they touch.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.lesions import requested_lesions
from LiverPlannerLib.structures import mask_of, structure
from LiverPlannerLib.vessels.by_hand import SetByHand
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.progress import CancelToken, Progress, within
from PreopReviewLib.worker_io import load_image, save_image, save_surface

if TYPE_CHECKING:
    from LiverPlannerLib.resection.cutting import Resection
    from LiverPlannerLib.resections.comparing import Compared
    from LiverPlannerLib.territories.liver import LiverTrees

VESSELS = ("portal_vein", "hepatic_vein", "bile_duct")
DIFFERENCE_SMOOTHING = 0.1
"""Differences are thin: more would smooth them away."""


def radiomics(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Features of each structure.

    Args:
        parameters: ``image``, ``labels``: records of `worker_io`; ``modality``: CT or MR; ``structures``: keys.

    Returns:
        `radiomics.RadiomicsResult.as_dict`.

    Raises:
        InputError: MIRP is not installed, or a constant image.
    """
    from LiverPlannerLib.radiomics.features import extract
    from LiverPlannerLib.radiomics.settings import settings_for

    image, labels = load_image(folder, parameters["image"]), load_image(folder, parameters["labels"])

    def told(fraction: float, words: str) -> None:
        cancel.raise_if_cancelled()
        progress(fraction, words)

    keys, drawn = parameters.get("structures"), requested_lesions(parameters, folder)
    settings = settings_for(parameters["modality"])
    return extract(image, labels, settings, structures=keys, progress=told, drawn=drawn).as_dict()


def branches(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Main and peripheral branches of every vessel in the labels.

    Args:
        parameters: ``labels``: a record of `worker_io`; ``overrides``: by structure key, branch id (text) to part.

    Returns:
        ``trees``: file by structure key, for `vessels.trees.load_tree`; ``absent``: keys; ``notes``.
    """
    from LiverPlannerLib.vessels.branches import split_branches
    from LiverPlannerLib.vessels.trees import save_tree

    labels = load_image(folder, parameters["labels"])
    liver, cava = mask_of(labels, "liver"), mask_of(labels, "inferior_vena_cava")
    files: dict[str, str] = {}
    absent, notes = [], []
    for n, key in enumerate(VESSELS):
        cancel.raise_if_cancelled()
        name = structure(key).name
        progress(n / len(VESSELS), f"Branches of {name.lower()}")
        mask = mask_of(labels, key)
        if not images.array_of(mask).any():
            absent.append(key)
            continue
        try:
            has_cava = bool(images.array_of(cava).any())
            tree = split_branches(mask, key, liver, cava if has_cava else None)
        except InputError as error:  # one vessel that is not a tree must not cost the others
            notes.append(f"{name}: {error}")
            continue
        notes += [f"{name}: {warning}." for warning in tree.warnings]
        files[key] = save_tree(tree, folder / f"{key}.npz").name
    progress(1.0, "Branches found")
    return {"trees": files, "absent": absent, "notes": notes}


def cut(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """What a drawn surface, a curve, a portal territory, Couinaud segments or tumors with a margin leave.

    Args:
        parameters: ``labels``: a record of `worker_io`; ``kind``: ``surface`` (``points`` and ``triangles``, files),
            ``curve`` (``points``, a file of RAS mm; ``flipped``), ``territory`` (``tree``, a file of `vessels.trees`;
            ``branches``, ids) or ``described`` (``plan``, for `resections.plans.make_resection`; where the plan has
            Couinaud segments, ``couinaud``).

    Returns:
        ``remnant``: a record; ``method`` and ``notes`` for the reader.

    Raises:
        NothingFound: there is no liver.
        InputError: a cut that takes nothing or everything, an open surface, points on a line.
    """
    labels = load_image(folder, parameters["labels"])
    progress(0.2, "Cutting")
    resection = _resection(labels, parameters, folder)
    cancel.raise_if_cancelled()
    remnant = save_image(resection.remnant, folder, "remnant")
    progress(1.0, "Cut")
    return {"remnant": remnant, "method": resection.method, "notes": list(resection.notes)}


def _resection(labels: sitk.Image, parameters: dict[str, Any], folder: Path) -> Resection:
    from LiverPlannerLib.resection.curved_cut import resect_by_curve
    from LiverPlannerLib.resection.cutting import resect_by_surface
    from LiverPlannerLib.resections.plans import Liver, make_resection
    from LiverPlannerLib.territories.cutting import resect_by_branches
    from LiverPlannerLib.vessels.trees import load_tree

    kind = parameters["kind"]
    if kind == "described":
        drawn = requested_lesions(parameters, folder)
        return make_resection(Liver(labels, _couinaud(parameters, folder), drawn=drawn), parameters["plan"])
    if kind == "territory":
        tree = load_tree(folder / parameters["tree"], mask_of(labels, "portal_vein"))
        return resect_by_branches(labels, tree, parameters["branches"])
    points = np.load(folder / parameters["points"], allow_pickle=False)
    if kind == "curve":
        return resect_by_curve(labels, points, parameters["flipped"])
    return resect_by_surface(labels, (points, np.load(folder / parameters["triangles"], allow_pickle=False)))


def couinaud(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """The Couinaud segments of the liver, by its shape.

    Args:
        parameters: ``labels``: a record of `worker_io`.

    Returns:
        ``segments``: a record of `worker_io`, on the grid of the labels; ``notes``.

    Raises:
        NothingFound: there is no liver.
    """
    from LiverPlannerLib.couinaud.volumes import divide

    division = divide(load_image(folder, parameters["labels"]), progress, cancel)
    segments = save_image(division.labels, folder, "segments")
    return {"segments": segments, "notes": [*division.warnings, *division.notes]}


def _by_hand(parameters: dict[str, Any]) -> list[SetByHand]:
    """The branches of `scene.branches.by_hand_request`."""
    return [SetByHand(*decision) for decision in parameters.get("branches_by_hand", ())]


def _couinaud(parameters: dict[str, Any], folder: Path) -> sitk.Image | None:
    return load_image(folder, parameters["couinaud"]) if "couinaud" in parameters else None


def _trees(
    labels: sitk.Image, parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken
) -> LiverTrees:
    """Trees named by the Couinaud segments of the plan, else by those of the liver's shape, with their doubts."""
    from LiverPlannerLib.couinaud.volumes import divide
    from LiverPlannerLib.territories.liver import find_trees

    segments = divide(labels, cancel=cancel, given=_couinaud(parameters, folder))
    cancel.raise_if_cancelled()
    by_hand = _by_hand(parameters)
    return find_trees(
        labels, segments.labels, progress=progress, cancel=cancel, by_hand=by_hand, doubts=segments.warnings
    )


def supply(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Trees with named territories, from which it follows what a cut does to inflow and outflow.

    Args:
        parameters: ``labels`` and, where the plan has Couinaud segments, ``couinaud``: records of `worker_io`.

    Returns:
        ``trees``: for `territories.files.load_trees`; ``notes``.

    Raises:
        NothingFound: there is no liver, or neither a portal nor a hepatic vein.
    """
    from LiverPlannerLib.territories.files import save_trees
    from PreopReviewLib.errors import NothingFound

    labels = load_image(folder, parameters["labels"])
    progress(0.05, "Dividing the liver into segments")
    trees = _trees(labels, parameters, folder, within(progress, 0.3, 0.95), cancel)
    if not trees.territories:
        reason = "; ".join(trees.missing.values()) or "the plan has neither a portal nor a hepatic vein"
        raise NothingFound(f"There is no blood supply to follow: {reason}", "Segment the veins first")
    record = save_trees(trees, folder)
    progress(1.0, "Blood supply found")
    return {"trees": record, "notes": trees.warnings}


def resections(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Several resections side by side.

    Args:
        parameters: ``labels``, ``resected_0``, ``resected_1``, … and, where the plan has Couinaud segments,
            ``couinaud``: records of `worker_io`; ``names``; ``patient``: height in cm and weight in kg, or None;
            ``exclude``: keys that are not functional liver.

    Returns:
        ``rows``: of `resections.comparing.Compared.as_rows`; ``notes``.

    Raises:
        NothingFound: there is no liver.
    """
    _labels, _trees, compared = compared_resections(parameters, folder, progress, cancel)
    return {"rows": compared.as_rows(), "notes": list(compared.notes)}


def compared_resections(
    parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken
) -> tuple[sitk.Image, LiverTrees, Compared]:
    """Labels, trees and the comparison of `resections`."""
    from LiverPlannerLib.resection.cutting import resect_by_mask
    from LiverPlannerLib.resection.volumetry import Patient
    from LiverPlannerLib.resections.comparing import compare_resections

    labels = load_image(folder, parameters["labels"])
    progress(0.05, "Dividing the liver into segments")
    trees = _trees(labels, parameters, folder, within(progress, 0.2, 0.5), cancel)
    made_resections = {
        name: resect_by_mask(
            labels,
            images.array_of(load_image(folder, parameters[f"resected_{n}"])) > 0,
            name,
            "Remove this resection from the list, and cut again",
        )
        for n, name in enumerate(parameters["names"])
    }
    compared = compare_resections(
        labels,
        made_resections,
        trees,
        patient=Patient(*parameters["patient"]) if parameters.get("patient") else None,
        exclude=parameters["exclude"],
        drawn=requested_lesions(parameters, folder),
        progress=within(progress, 0.5, 1.0),
        cancel=cancel,
    )
    return labels, trees, compared


def margins(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Distances of every lesion to vessels, ducts and the cut.

    Args:
        parameters: ``labels``: a record of `worker_io`; ``remnant``: what stays, a record or None; ``lesions``: key;
            and what the cut was made by, where that is known exactly: ``planes`` (point and normal each, RAS mm), or
            ``points`` and ``triangles`` (files) of a closed surface.

    Returns:
        ``rows``, ``notes``, ``smallest_mm``, ``uncertainty_mm``.

    Raises:
        NothingFound: no such lesion.
    """
    from LiverPlannerLib.resection.cutting import Plane, resect_by_remnant, with_drawn_lesions
    from LiverPlannerLib.resection.margins import measure_margins

    labels = load_image(folder, parameters["labels"])
    progress(0.1, "Measuring margins")
    remnant = parameters.get("remnant")
    drawn = requested_lesions(parameters, folder)
    cut = resect_by_remnant(labels, load_image(folder, remnant)) if remnant else None
    if cut is not None:
        cut = with_drawn_lesions(cut, labels, drawn)
        planes = tuple(Plane(tuple(point), tuple(normal)) for point, normal in parameters.get("planes", ()))
        names = [parameters[name] for name in ("points", "triangles") if parameters.get(name)]
        surface = tuple(np.load(folder / name, allow_pickle=False) for name in names) or None
        cut = replace(cut, planes=planes, surface=surface)  # type: ignore[arg-type]
    cancel.raise_if_cancelled()
    measured = measure_margins(labels, cut, lesions=parameters.get("lesions", "tumor"), drawn=drawn)
    progress(1.0, "Margins measured")
    return {
        "rows": measured.as_rows(),
        "notes": list(measured.notes),
        "smallest_mm": measured.smallest_mm,
        "uncertainty_mm": measured.uncertainty_mm,
    }


def compare(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """All structures of two segmentations.

    Args:
        parameters: ``prediction``, ``reference``: records of `worker_io`; ``convention``, ``tolerance``, ``branches``:
            as for `comparison.compare`.

    Returns:
        ``rows``, ``notes``; ``lesions``: counts of found, missed and false ones by structure key; ``differences``: by
        structure key the record of an image with 2 where the prediction alone is and 3 where the reference alone is,
        with the files of both surfaces (``surfaces``).

    Raises:
        GeometryError: the two do not overlap in space.
        InputError: both empty.
    """
    from LiverPlannerLib.comparison.pair import compare as compare_labels

    prediction, reference = (load_image(folder, parameters[name]) for name in ("prediction", "reference"))
    progress(0.05, "Comparing structures")
    comparison = compare_labels(
        prediction,
        reference,
        convention=parameters["convention"],
        tolerance=parameters["tolerance"],
        branches=parameters["branches"],
        drawn_prediction=requested_lesions(parameters, folder, "drawn_prediction"),
        drawn_reference=requested_lesions(parameters, folder, "drawn_reference"),
    )
    cancel.raise_if_cancelled()
    progress(0.8, "Drawing differences")
    differences = {}
    for row in comparison.rows:
        image = _difference(comparison.difference(row.key))
        if image is not None:
            record = save_image(image, folder, f"difference_{row.key}")
            differences[row.key] = record | {"surfaces": _difference_surfaces(image, folder, row.key)}
            cancel.raise_if_cancelled()
    lesions = {k: {"found": d.found, "missed": d.missed, "false": d.false} for k, d in comparison.detection.items()}
    progress(1.0, "Compared")
    return {
        "rows": [row.as_row() for row in comparison.rows],
        "notes": list(comparison.notes),
        "differences": differences,
        "lesions": lesions,
    }


def _difference(image: sitk.Image) -> sitk.Image | None:
    """The voxels that one of the two has and the other has not, cropped to them; None if there are none."""
    from LiverPlannerLib.comparison.pair import TRUE_POSITIVE

    values = images.array_of(image)
    differ = np.where(values == TRUE_POSITIVE, 0, values).astype(np.uint8)
    if not differ.any():
        return None
    cropped = images.image_like(differ, image)
    return images.crop(cropped, images.bounding_box(cropped))


def _difference_surfaces(image: sitk.Image, folder: Path, key: str) -> dict[str, str]:
    """File by word, of what is missed and what is extra; on a large liver they take seconds."""
    from LiverPlannerLib.comparison.pair import DIFFERENCES
    from PreopReviewLib.surfaces import surface_of_mask

    files = {}
    for word, value in DIFFERENCES.items():
        mask = images.image_like((images.array_of(image) == value).astype(np.uint8), image)
        if images.array_of(mask).any():
            surface = surface_of_mask(images.crop(mask, images.bounding_box(mask)), DIFFERENCE_SMOOTHING)
            files[word] = save_surface(surface, folder, f"difference_{key}_{word}")
    return files
