"""Everything that a report says of a plan, measured in one go; what cannot be measured is kept with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import SimpleITK as sitk

from LiverPlannerLib.plan.measures import Region, find_regions, liver_warnings, measure_volumes
from LiverPlannerLib.structures import STRUCTURES, mask_of, structure
from PreopReviewLib import images
from PreopReviewLib.errors import Cancelled, NothingFound, PreopError
from PreopReviewLib.progress import CancelToken, Progress, silent

if TYPE_CHECKING:
    from LiverPlannerLib.comparison.pair import Comparison
    from LiverPlannerLib.couinaud.volumes import Division
    from LiverPlannerLib.cysts.filter import CystResult
    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.lesions import DrawnLesions
    from LiverPlannerLib.perfusion.model import Perfusion
    from LiverPlannerLib.resection.cutting import Resection
    from LiverPlannerLib.resection.margins import Margins
    from LiverPlannerLib.resection.vessel_margins import VesselMargin
    from LiverPlannerLib.resection.volumetry import Patient, Volumetry
    from LiverPlannerLib.territories.liver import LiverTrees
    from LiverPlannerLib.vessels.branches import VesselTree

Made = TypeVar("Made")


@dataclass
class Measures:
    """What was measured on one label image.

    Attributes:
        image, labels: on one grid.
        volumes_ml: by structure key; only structures that occur or were looked for.
        regions: tumors and cysts, one by one.
        missing: by topic, why it was not measured.
        notes: what the reader must know besides the notes of each measure.
    """

    image: sitk.Image
    labels: sitk.Image
    modality: str
    volumes_ml: dict[str, float]
    regions: list[Region]
    volumetry: Volumetry | None = None
    resection: Resection | None = None
    margins: Margins | None = None
    trees: list[VesselTree] = field(default_factory=list)
    territories: LiverTrees | None = None
    perfusion: Perfusion | None = None
    vessel_margins: list[VesselMargin] = field(default_factory=list)
    cysts: CystResult | None = None
    comparison: Comparison | None = None
    couinaud: Division | None = None
    missing: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MeasureOptions:
    """What to measure besides the label image.

    Attributes:
        modality: ``auto``, ``CT`` or ``MR``.
        looked_for: structures that were looked for: absent ones are reported with 0 ml. None: only what occurs.
        patient: for standard volumes.
        manual: labels to compare with.
        drawn: which lesions of the labels their file holds apart, on the image's grid.
        resection: made from the labels on the image's grid (see `on_image_grid`); None for none.
        segments: divide the liver into Couinaud segments.
        cyst_options: further arguments of `cysts.filter_cysts`, e.g. threshold, rule, overrides.
    """

    modality: str = "auto"
    looked_for: frozenset[str] | None = None
    patient: Patient | None = None
    manual: Labels | None = None
    resection: Resection | None = None
    cyst_options: Mapping[str, Any] = field(default_factory=dict)
    segments: bool = True
    drawn: DrawnLesions | None = None


def measure_all(
    image: sitk.Image,
    labels: sitk.Image,
    options: MeasureOptions | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Measures:
    """Volumes, remnant, margins, branches, cysts and comparison of one case.

    Args:
        image: the CT or MRI.
        labels: values of `structures.STRUCTURES`; resampled if they are not on the image's grid.

    Raises:
        GeometryError: labels and image do not overlap.
        NothingFound: there is no liver in the labels.
        Cancelled: by the token.
    """
    options, cancel = options or MeasureOptions(), cancel or CancelToken()
    modality = images.guess_modality(image) if options.modality == "auto" else options.modality.upper()
    labels, notes = on_image_grid(labels, image)
    present = _present(labels)
    if not present & {s.key for s in STRUCTURES if s.key == "liver" or s.parent == "liver"}:
        raise NothingFound("There is no liver in the segmentation", "Segment the liver first")
    volumes = measure_volumes(labels, present | (options.looked_for or frozenset()))
    made = Measures(image, labels, modality, volumes, find_regions(labels, options.drawn), notes=notes)
    made.warnings += liver_warnings(labels, volumes["liver"])
    steps = (
        (0.05, "Measuring volumes and remnant", _volumetry),
        (0.10, "Dividing the liver into segments", _segments),
        (0.15, "Measuring margins", _margins),
        (0.30, "Splitting branches", _branches),
        (0.45, "Territories and drainage", _territories),
        (0.60, "Classifying cysts", _cysts),
        (0.75, "Comparing", _comparison),
    )
    for fraction, words, step in steps:
        cancel.raise_if_cancelled()
        progress(fraction, words)
        step(made, options)
    progress(1.0, "Measured")
    return made


def on_image_grid(labels: sitk.Image, image: sitk.Image) -> tuple[sitk.Image, list[str]]:
    """The labels on the grid of the image, and notes saying what that took.

    Raises:
        GeometryError: they do not overlap.
    """
    moved = images.onto_grid(sitk.Cast(labels, sitk.sitkUInt8), image, "labels", "image")
    return moved.labels, moved.notes


def _present(labels: sitk.Image) -> frozenset[str]:
    values = set(images.label_values(images.array_of(labels)))
    return frozenset(s.key for s in STRUCTURES if s.label in values)


def _tried(made: Measures, topic: str, run: Callable[[], Made]) -> Made | None:
    """What `run` gives; a foreseen reason against it is kept for the reader."""
    try:
        return run()
    except Cancelled:
        raise
    except PreopError as problem:
        made.missing[topic] = str(problem)
        return None


def _volumetry(made: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.resection.volumetry import volumetry

    made.resection = options.resection
    remnant = made.resection.remnant if made.resection else None
    made.volumetry = _tried(made, "Volumetry", lambda: volumetry(made.labels, remnant=remnant, patient=options.patient))


def _segments(made: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.couinaud.volumes import divide

    if options.segments:
        made.couinaud = _tried(made, "Couinaud segments", lambda: divide(made.labels, drawn=options.drawn))


def _margins(made: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.resection.margins import measure_margins

    if any(r.structure == "tumor" for r in made.regions):
        made.margins = _tried(
            made, "Margins", lambda: measure_margins(made.labels, made.resection, drawn=options.drawn)
        )


def _branches(made: Measures, _options: MeasureOptions) -> None:
    from LiverPlannerLib.vessels.branches import split_branches

    present = _present(made.labels)
    liver = mask_of(made.labels, "liver")
    vena_cava = mask_of(made.labels, "inferior_vena_cava") if "inferior_vena_cava" in present else None
    for s in STRUCTURES:
        if not s.vascular or s.key not in present:
            continue
        name = f"Branches of the {s.name.lower()}"
        tree = _tried(made, name, lambda key=s.key: split_branches(mask_of(made.labels, key), key, liver, vena_cava))
        if tree is not None:
            made.trees.append(tree)


def _territories(made: Measures, options: MeasureOptions) -> None:
    """Territories of the trees, and what the resection does to the supply of the remnant."""
    from LiverPlannerLib.perfusion.model import perfusion_of
    from LiverPlannerLib.resection.volumetry import NOT_FUNCTIONAL
    from LiverPlannerLib.territories.liver import find_trees

    segments = made.couinaud.labels if made.couinaud else None
    known = {tree.structure: tree for tree in made.trees}
    if not {"portal_vein", "hepatic_vein"} & set(known):
        return
    found = _tried(made, "Territories", lambda: find_trees(made.labels, segments, known))
    if found is None:
        return
    made.territories = found
    made.missing |= {f"Territories of the {structure_name(key)}": why for key, why in found.missing.items()}
    if made.margins is not None:
        from LiverPlannerLib.resection.vessel_margins import vessel_margins

        topic = "Margins to vessels by name"
        made.vessel_margins = _tried(made, topic, lambda: vessel_margins(found, drawn=options.drawn)) or []
    resection = made.resection
    if resection is not None and found.territories:
        excluded = made.volumetry.volumes.excluded if made.volumetry else NOT_FUNCTIONAL
        topic = "Inflow and outflow of the remnant"
        made.perfusion = _tried(made, topic, lambda: perfusion_of(found, resection.resected, excluded))


def _cysts(made: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.cysts.filter import filter_cysts

    if not made.regions:
        return
    arguments = {"lesions_are": "labels", "reconsider_cysts": True, "modality": made.modality, "drawn": options.drawn}
    arguments |= options.cyst_options
    made.cysts = _tried(made, "Cyst filter", lambda: filter_cysts(made.image, made.labels, **arguments))


def _comparison(made: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.comparison.pair import compare

    manual = options.manual
    if manual is None:
        return
    drawn = {"drawn_prediction": options.drawn, "drawn_reference": manual.lesions}
    made.comparison = _tried(made, "Comparison", lambda: compare(made.labels, manual.labels, **drawn))


def structure_name(key: str) -> str:
    """What people read, without its capital."""
    return structure(key).name.lower()
