"""The pipeline from an image to measured liver structures; each step can be called alone.

`make_plan` takes an image and returns a `LiverPlan`; it neither reads nor writes files (see `files`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.cysts.rules import PHASE_MEDIAN
from LiverPlannerLib.plan.chosen_models import ChosenModels, choose
from LiverPlannerLib.plan.measures import Region, find_regions, liver_warnings, measure_volumes, unconfirmed_tumors
from LiverPlannerLib.structures import STRUCTURES, members, structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, ModelError, NothingFound
from PreopReviewLib.models.segmenter import Segmenter, SegmenterResult
from PreopReviewLib.progress import CancelToken, Progress, silent, within

if TYPE_CHECKING:
    from LiverPlannerLib.couinaud.volumes import Division

MIN_LIVER_ML = 20.0
"""Below this volume, what was found is not a liver."""
MIN_LESION_ML = 0.05
LESION_MARGIN_MM = 3.0
LESIONS = ("tumor", "cyst")
PAINTING = tuple(s.key for s in sorted(STRUCTURES, key=lambda s: s.paint) if s.key != "liver")
"""Structures of chosen models in the order in which they are drawn; a later one wins."""


@dataclass(frozen=True)
class PlanOptions:
    """What to compute and with what.

    Attributes:
        modality: ``auto``, ``CT`` or ``MR``.
        models: which model draws what (see `chosen_models.choose`): ``NAME`` for everything that it draws, or
            ``STRUCTURE=NAME``; names of models or folders of packages. Structures that none is chosen for come from
            the default ones.
        lesions: look for lesions with the real lesion network.
        structures: find vessels, duct, tumors and cysts with the network trained on simulated images.
        device: ``auto``, ``cuda``, ``mps`` or ``cpu``.
        segments: divide the liver into Couinaud segments.
    """

    modality: str = "auto"
    models: Sequence[str] = ()
    lesions: bool = True
    structures: bool = True
    device: str = "auto"
    segments: bool = True


@dataclass
class LiverPlan:
    """The result of the pipeline.

    Attributes:
        image: the source.
        labels: uint8, on the image's grid, values of `structures.STRUCTURES`; they exclude each other.
        volumes_ml: by structure key; ``liver`` is everything counted in it. Only structures looked for.
        regions: tumors and cysts, each connected region numbered.
        warnings: sentences for the reader.
        models: by structure key, which model package gave it.
        seconds: by step.
        couinaud: the Couinaud segments, if they were wanted and found.
    """

    image: sitk.Image
    labels: sitk.Image
    modality: str
    volumes_ml: dict[str, float]
    regions: list[Region]
    warnings: list[str]
    models: dict[str, str]
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = "cpu"
    couinaud: Division | None = None


def make_plan(
    image: sitk.Image,
    options: PlanOptions | None = None,
    *,
    liver_mask: sitk.Image | None = None,
    source: str = "The image",
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> LiverPlan:
    """Liver, lesions and vessels of one CT or MRI, with volumes and warnings.

    Args:
        image: 3-D scalar image; a CT in HU.
        liver_mask: a liver that was drawn or corrected, in place of the network's.
        source: what errors call the image.

    Raises:
        NothingFound: there is no liver in the image.
        InputError, ModelError, Cancelled: as the steps raise them.
    """
    options = options or PlanOptions()
    modality = images.guess_modality(image) if options.modality == "auto" else options.modality.upper()
    findings = images.require_usable(image, source, modality)
    run = _Run(image, modality, options, progress, cancel or CancelToken(), liver_mask is not None)
    liver = run.given_liver(liver_mask) if liver_mask is not None else run.find_liver()
    if float(images.array_of(liver).sum()) * images.voxel_ml(image) < MIN_LIVER_ML:
        raise NothingFound(
            f"No liver was found in {source}",
            "Check that the upper abdomen is in the image and that its modality "
            f"({modality}) is right; or give a liver mask with --liver",
        )
    run.labels = labels_from_mask(liver)
    if options.structures and run.chosen.rest():
        run.add_structures(liver)
    if options.lesions and "tumor" not in run.chosen.by_structure:
        run.add_lesions(liver)
    run.add_chosen(liver)
    run.labels = without_tiny_lesions(run.labels)
    couinaud = run.segments() if options.segments else None
    progress(0.98, "Measuring")
    volumes = measure_volumes(run.labels, set(run.models))
    regions = find_regions(run.labels)
    warnings = [f"Of the image: {note}." for note in images.notes_of(image)]
    warnings += [f"The image {f.problem}. {f.remedy}." for f in findings]
    warnings += run.warnings + liver_warnings(run.labels, volumes["liver"])
    if options.structures and (doubt := unconfirmed_tumors(run.labels, run.confirmed)):
        warnings.append(doubt)
    run.lap("measuring")
    progress(1.0, "Done")
    return LiverPlan(
        image,
        run.labels,
        modality,
        volumes,
        regions,
        warnings,
        run.models,
        run.notes,
        run.seconds,
        run.device,
        couinaud,
    )


class _Run:
    """One run of the pipeline: what the steps have found so far, and how long they took."""

    def __init__(
        self,
        image: sitk.Image,
        modality: str,
        options: PlanOptions,
        progress: Progress,
        cancel: CancelToken,
        liver_given: bool,
    ) -> None:
        self.image, self.modality, self.options = image, modality, options
        self.chosen: ChosenModels = choose(options.models)
        self.cancel = cancel
        self.labels = image  # replaced by the first step
        self.models: dict[str, str] = {}
        self._asked: dict[int, SegmenterResult] = {}
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.seconds: dict[str, float] = {}
        self.confirmed: np.ndarray | None = None  # what the lesion network, trained on patients, has found
        self.device = options.device
        self._since = time.perf_counter()
        # How the progress is shared out, by the usual time of each step.
        weights = {
            "liver": 3.0 * (not liver_given),
            "structures": 1.5 * options.structures,
            "lesions": 6.0 * options.lesions,
            "segments": 0.3 * options.segments,
        }
        done, total = 0.0, sum(weights.values()) or 1.0
        self._progress: dict[str, Progress] = {}
        for step, weight in weights.items():
            self._progress[step] = within(progress, 0.96 * done / total, 0.96 * (done + weight) / total)
            done += weight

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(now - self._since, 3)
        self._since = now

    def given_liver(self, mask: sitk.Image) -> sitk.Image:
        if not images.same_grid(mask, self.image):
            raise GeometryError("The liver mask given is not on the image's grid", "Resample it to the image first")
        self.models["liver"] = "given"
        return mask > 0

    def find_liver(self) -> sitk.Image:
        from LiverPlannerLib.segmentation.liver_growth import grown_liver

        model = self.chosen.by_structure.get("liver") or self.chosen.default("kuleuven-liver", self._progress["liver"])
        found = self._run(model, None, self._progress["liver"])
        self.models["liver"], self.device = found.model, found.device
        liver = plausible_liver(found.mask(*(s.key for s in members("liver"))))
        if self.modality == "MR" and len(found.values) == 1:
            liver, milliliters = grown_liver(self.image, liver)
            if milliliters:
                self.warnings.append(
                    f"{milliliters:.0f} ml as bright as the liver and continuous with it were added to what "
                    f"{found.model} calls liver: look at its outline before you use its volume."
                )
        self.lap("liver")
        return liver

    def _run(self, model: Segmenter, region: sitk.Image | None, progress: Progress) -> SegmenterResult:
        """What a model finds; one that has been asked already is not asked again."""
        if id(model) not in self._asked:
            found = model.segment(
                self.image,
                region if model.needs_region else None,
                modality=self.modality,
                device=self.options.device,
                progress=progress,
                cancel=self.cancel,
            )
            self.notes += found.notes
            self._asked[id(model)] = found
        return self._asked[id(model)]

    def add_chosen(self, liver: sitk.Image) -> None:
        """Structures by the models that were chosen for them, in place of the default ones'."""
        for key in PAINTING:
            model = self.chosen.by_structure.get(key)
            if model is None:
                continue
            found = self._run(model, liver, self._progress["structures"])
            mask = images.array_of(drawn_part(found.mask(key), key, liver)) > 0
            self._put(np.full(mask.shape, structure(key).label, np.uint8), mask)
            self.models[key] = found.model
            self.warnings += [w for w in found.warnings if w not in self.warnings]
            self.lap("chosen models")

    def add_structures(self, liver: sitk.Image) -> None:
        """Vessels, duct, tumors and cysts from the network that works inside a given liver."""
        model = self.chosen.default("five-structures-synthetic", self._progress["structures"])
        found = self._run(model, liver, self._progress["structures"])
        inner = images.array_of(found.labels)
        keys = self.chosen.rest()
        inner = np.where(
            np.isin(inner, [structure(k).label for k in self.chosen.by_structure if k != "liver"]), 0, inner
        )
        phase = self.phase_warning(liver)
        if phase:
            # The network has learned contrast phases only: elsewhere it takes any dark patch for a lesion.
            self.warnings.append(phase)
            inner = np.where(np.isin(inner, [structure(k).label for k in LESIONS]), 0, inner)
            keys = [k for k in keys if k not in LESIONS]
        else:
            self.warnings += found.warnings
        self._put(inner, inner > structure("liver").label)
        for key in keys:
            self.models[key] = found.model
        self.lap("structures")

    def phase_warning(self, liver: sitk.Image) -> str | None:
        """What to say of a CT whose liver does not enhance as in a portal-venous phase; else None."""
        if self.modality != "CT":
            return None
        median = float(np.median(images.array_of(self.image)[images.array_of(liver) > 0]))
        if median >= PHASE_MEDIAN:
            return None
        return (
            f"The liver's median is {median:.0f} HU, so this is not a portal-venous phase. Vessels and ducts "
            "are hardly visible and not reliable; tumors and cysts by the network trained on simulated images were "
            "left out."
        )

    def add_lesions(self, liver: sitk.Image) -> None:
        """Lesions of the real network; it adds to what the network trained on simulated images calls tumor."""
        model = self.chosen.default("kuleuven-lesion", self._progress["lesions"])
        found = self._run(model, liver, self._progress["lesions"])
        kept = images.array_of(lesions_inside(found.mask("tumor"), liver)) > 0
        self.confirmed = kept
        self._put(np.full(kept.shape, structure("tumor").label, np.uint8), kept)
        self.models["tumor"] = " and ".join(filter(None, (found.model, self.models.get("tumor"))))
        self.lap("lesions")

    def segments(self) -> Division | None:
        """The Couinaud segments of what was found; a plan is worth having without them, too."""
        from LiverPlannerLib.couinaud.volumes import divide

        try:
            found = divide(self.labels, self._progress["segments"], self.cancel)
        except (ModelError, NothingFound) as problem:
            self.warnings.append(f"Couinaud segments could not be computed: {problem}")
            return None
        self.warnings += found.warnings
        self.notes += found.notes
        self.lap("segments")
        return found

    def _put(self, values: np.ndarray, where: np.ndarray) -> None:
        merged = images.array_of(self.labels).copy()
        merged[where] = values[where]
        self.labels = images.image_like(merged, self.image)


def plausible_liver(mask: sitk.Image) -> sitk.Image:
    """The component of a mask that is most plausibly the liver, with its holes filled.

    The largest, unless it lies left of another that is at least half as large: the liver is on the right.
    """
    import cc3d

    array = np.ascontiguousarray(images.array_of(mask) > 0)
    components, count = cc3d.connected_components(array, connectivity=26, return_N=True)
    if count == 0:
        return images.image_like(array, mask)
    statistics = cc3d.statistics(components)
    sizes = statistics["voxel_counts"][1:].astype(float)
    rivals = np.flatnonzero(sizes >= 0.5 * sizes.max())
    right = images.kji_to_ras(statistics["centroids"][1:][rivals], mask)[:, 0]
    chosen = int(rivals[right.argmax()]) + 1
    return sitk.BinaryFillhole(images.image_like(components == chosen, mask), fullyConnected=False)


def drawn_part(mask: sitk.Image, key: str, liver: sitk.Image) -> sitk.Image:
    """What of a model's structure a plan draws: of what is counted in the liver, the pieces that reach into it.

    Cava and gallbladder lie beside the liver and are drawn whole.
    """
    return pieces_in(mask, liver) if structure(key).parent == "liver" else mask


def pieces_in(mask: sitk.Image, liver: sitk.Image) -> sitk.Image:
    """The 26-connected pieces of a mask that reach into the liver; both on one grid."""
    import cc3d

    pieces = cc3d.connected_components(np.ascontiguousarray(images.array_of(mask) > 0), connectivity=26)
    inside = np.unique(pieces[images.array_of(liver) > 0])
    return images.image_like(np.isin(pieces, inside[inside > 0]).astype(np.uint8), mask)


def lesions_inside(
    lesions: sitk.Image, liver: sitk.Image, margin_mm: float = LESION_MARGIN_MM, min_ml: float = MIN_LESION_ML
) -> sitk.Image:
    """Lesion voxels in the liver grown by a margin (a lesion at the surface bulges out), without tiny regions.

    Args:
        lesions, liver: masks on one grid.
        margin_mm: how far outside the liver a lesion may reach.
        min_ml: regions (26-connected) below this volume are dropped.
    """
    import cc3d

    found = images.array_of(lesions) > 0
    if not found.any():
        return images.image_like(found, lesions)
    near = sitk.SignedMaurerDistanceMap(liver > 0, squaredDistance=False, useImageSpacing=True) <= margin_mm
    found = np.ascontiguousarray(found & (images.array_of(near) > 0))
    threshold = int(np.ceil(min_ml / images.voxel_ml(lesions)))
    return images.image_like(cc3d.dust(found, threshold=threshold, connectivity=26), lesions)


def without_tiny_lesions(labels: sitk.Image, min_ml: float = MIN_LESION_ML) -> sitk.Image:
    """The labels with regions of tumor or cyst below a volume given back to the liver.

    Where two networks are put together, single voxels of one are left beside the other's.
    """
    import cc3d

    array = images.array_of(labels).copy()
    threshold = int(np.ceil(min_ml / images.voxel_ml(labels)))
    for key in ("tumor", "cyst"):
        mask = np.ascontiguousarray(array == structure(key).label)
        kept = cc3d.dust(mask, threshold=threshold, connectivity=26) if mask.any() else mask
        array[mask & ~kept.astype(bool)] = structure("liver").label
    return images.image_like(array, labels)


def labels_from_mask(mask: sitk.Image) -> sitk.Image:
    """A label image with the liver alone, from a binary mask.

    Raises:
        InputError: the mask is empty.
    """
    array = images.array_of(mask) > 0
    if not array.any():
        raise InputError("The liver mask is empty", "Draw the liver first, or leave the mask out")
    return images.image_like(array.astype(np.uint8) * structure("liver").label, mask)
