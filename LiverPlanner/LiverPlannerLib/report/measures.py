"""Everything that a report says of a plan, measured in one go; what cannot be measured is kept with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    from LiverPlannerLib.cysts.rules import Decision
    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.lesions import DrawnLesions
    from LiverPlannerLib.perfusion.model import Perfusion
    from LiverPlannerLib.resection.cutting import Resection
    from LiverPlannerLib.resection.margins import Margins
    from LiverPlannerLib.resection.vessel_margins import VesselMargin
    from LiverPlannerLib.resection.volumetry import Patient, Volumetry
    from LiverPlannerLib.territories.liver import LiverTrees
    from LiverPlannerLib.vessels.branches import VesselTree
    from LiverPlannerLib.vessels.by_hand import SetByHand

Result = TypeVar("Result")


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
        couinaud: segments as drawn or corrected, see `couinaud.volumes.divide`.
        cyst_options: further arguments of `cysts.filter_cysts`, e.g. threshold, rule, overrides.
        branches_by_hand: main and peripheral branches that someone has set.
        cysts_by_hand: decisions of someone on regions of the cyst filter: number, voxels, ``cyst`` or ``tumor``.
    """

    modality: str = "auto"
    looked_for: frozenset[str] | None = None
    patient: Patient | None = None
    manual: Labels | None = None
    resection: Resection | None = None
    cyst_options: Mapping[str, Any] = field(default_factory=dict)
    segments: bool = True
    drawn: DrawnLesions | None = None
    couinaud: sitk.Image | None = None
    branches_by_hand: Sequence[SetByHand] = ()
    cysts_by_hand: Sequence[tuple[int, int, Decision]] = ()


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
    measures = Measures(image, labels, modality, volumes, find_regions(labels, options.drawn), notes=notes)
    measures.warnings += liver_warnings(labels, volumes["liver"])
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
        step(measures, options)
    progress(1.0, "Measured")
    return measures


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


def _tried(measures: Measures, topic: str, run: Callable[[], Result]) -> Result | None:
    """What `run` gives; a foreseen reason against it is kept for the reader."""
    try:
        return run()
    except Cancelled:
        raise
    except PreopError as problem:
        measures.missing[topic] = str(problem)
        return None


def _volumetry(measures: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.resection.volumetry import volumetry

    measures.resection = options.resection
    remnant = measures.resection.remnant if measures.resection else None
    measures.volumetry = _tried(
        measures, "Volumetry", lambda: volumetry(measures.labels, remnant=remnant, patient=options.patient)
    )


def _segments(measures: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.couinaud.volumes import divide

    given = {"drawn": options.drawn, "given": options.couinaud}
    if options.segments:
        measures.couinaud = _tried(measures, "Couinaud segments", lambda: divide(measures.labels, **given))


def _margins(measures: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.resection.margins import measure_margins

    if any(r.structure == "tumor" for r in measures.regions):
        measures.margins = _tried(
            measures, "Margins", lambda: measure_margins(measures.labels, measures.resection, drawn=options.drawn)
        )


def _branches(measures: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.vessels.branches import split_branches
    from LiverPlannerLib.vessels.by_hand import set_by_hand

    present = _present(measures.labels)
    liver = mask_of(measures.labels, "liver")
    vena_cava = mask_of(measures.labels, "inferior_vena_cava") if "inferior_vena_cava" in present else None
    for s in STRUCTURES:
        if not s.vascular or s.key not in present:
            continue
        name = f"Branches of the {s.name.lower()}"
        tree = _tried(
            measures, name, lambda key=s.key: split_branches(mask_of(measures.labels, key), key, liver, vena_cava)
        )
        if tree is None:
            continue
        tree, lost = set_by_hand(tree, options.branches_by_hand)
        measures.trees.append(tree)
        if lost:
            measures.notes.append(
                f"{lost} decision(s) on main branches of the {s.name.lower()} were made on a tree that has changed and "
                "are left out. Find the branches again."
            )


def _territories(measures: Measures, options: MeasureOptions) -> None:
    """Territories of the trees, and what the resection does to the supply of the remnant."""
    from LiverPlannerLib.perfusion.model import perfusion_of
    from LiverPlannerLib.resection.volumetry import NOT_FUNCTIONAL
    from LiverPlannerLib.territories.liver import find_trees

    segments = (measures.couinaud.labels, measures.couinaud.warnings) if measures.couinaud else (None, ())
    known = {tree.structure: tree for tree in measures.trees}
    if not {"portal_vein", "hepatic_vein"} & set(known):
        return
    trees = _tried(measures, "Territories", lambda: find_trees(measures.labels, segments[0], known, doubts=segments[1]))
    if trees is None:
        return
    measures.territories = trees
    measures.missing |= {f"Territories of the {structure_name(key)}": reason for key, reason in trees.missing.items()}
    if measures.margins is not None:
        from LiverPlannerLib.resection.vessel_margins import vessel_margins

        topic = "Margins to vessels by name"
        measures.vessel_margins = _tried(measures, topic, lambda: vessel_margins(trees, drawn=options.drawn)) or []
    resection = measures.resection
    if resection is not None and trees.territories:
        excluded = measures.volumetry.volumes.excluded if measures.volumetry else NOT_FUNCTIONAL
        topic = "Inflow and outflow of the remnant"
        measures.perfusion = _tried(measures, topic, lambda: perfusion_of(trees, resection.resected, excluded))


def _cysts(measures: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.cysts.filter import filter_cysts

    if not measures.regions:
        return
    arguments = {
        "lesions_are": "labels",
        "reconsider_cysts": True,
        "modality": measures.modality,
        "drawn": options.drawn,
    }
    arguments |= options.cyst_options
    result = _tried(measures, "Cyst filter", lambda: filter_cysts(measures.image, measures.labels, **arguments))
    measures.cysts = result
    if result is None or not options.cysts_by_hand:
        return
    sizes = {r.id: r.voxels for r in result.regions}
    same = {n: decision for n, voxels, decision in options.cysts_by_hand if sizes.get(n) == voxels}
    measures.cysts = result.with_overrides(same)
    if lost := len(options.cysts_by_hand) - len(same):
        measures.notes.append(
            f"{lost} decision(s) on cysts were made on lesions that have changed and are left out. Find them again."
        )


def _comparison(measures: Measures, options: MeasureOptions) -> None:
    from LiverPlannerLib.comparison.pair import compare

    manual = options.manual
    if manual is None:
        return
    drawn = {"drawn_prediction": options.drawn, "drawn_reference": manual.lesions}
    measures.comparison = _tried(measures, "Comparison", lambda: compare(measures.labels, manual.labels, **drawn))


def structure_name(key: str) -> str:
    """What people read, without its capital."""
    return structure(key).name.lower()
