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

from LiverPlannerLib import candidates
from LiverPlannerLib.plan.chosen_models import COUINAUD, ChosenModels, choose
from LiverPlannerLib.plan.masks import (
    drawn_part,
    labels_from_mask,
    lesions_inside,
    plausible_liver,
    without_tiny_lesions,
)
from LiverPlannerLib.plan.measures import (
    Region,
    find_regions,
    liver_warnings,
    measure_volumes,
    phase_warning,
    unconfirmed_tumors,
)
from LiverPlannerLib.structures import LESIONS, SEGMENTS, STRUCTURES, members, structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, ModelError, NothingFound
from PreopReviewLib.models.segmenter import Segmenter, SegmenterResult
from PreopReviewLib.progress import CancelToken, Progress, silent, within

if TYPE_CHECKING:
    from LiverPlannerLib.couinaud.volumes import Division

MIN_LIVER_ML = 20.0
"""Below this volume, what was found is not a liver."""
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
    others: Sequence[sitk.Image] = (),
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> LiverPlan:
    """Liver, lesions and vessels of one CT or MRI, with volumes and warnings.

    Args:
        image: 3-D scalar image; a CT in HU.
        liver_mask: a liver that was drawn or corrected, in place of the network's.
        source: what errors call the image.
        others: further images of the scan, on its grid, for a chosen model that needs several, in its order.

    Raises:
        NothingFound: there is no liver in the image.
        InputError, ModelError, Cancelled: as the steps raise them.
    """
    options = options or PlanOptions()
    modality = images.guess_modality(image) if options.modality == "auto" else options.modality.upper()
    findings = images.require_usable(image, source, modality)
    run = _Run(image, modality, options, progress, cancel or CancelToken(), liver_mask is not None)
    run.take_others(others)
    liver = run.given_liver(liver_mask) if liver_mask is not None else run.find_liver()
    if float(images.array_of(liver).sum()) * images.voxel_ml(image) < MIN_LIVER_ML:
        raise NothingFound(
            f"No liver was found in {source}",
            f"Check that the abdomen is in the image and that it is {modality}; or keep a liver that was drawn",
            "liver",
        )
    run.liver, run.labels = liver, labels_from_mask(liver)
    if options.structures and run.chosen.rest():
        run.add_structures(liver)
    run.add_chosen(liver)
    if options.lesions and run.needs_a_second_opinion():
        run.add_lesions(liver)
    run.tidy_lesions()
    couinaud = run.segments() if options.segments else None
    progress(0.98, "Measuring")
    volumes = measure_volumes(run.labels, set(run.models))
    warnings = run.all_warnings(findings, volumes["liver"])
    run.lap("measuring")
    progress(1.0, "Done")
    return LiverPlan(
        image,
        run.labels,
        modality,
        volumes,
        run.regions(),
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
        self.image, padding = images.without_padding(image) if modality == "CT" else (image, "")
        self.modality, self.options = modality, options
        self.chosen: ChosenModels = choose(options.models)
        self.cancel = cancel
        self.liver = self.labels = image  # replaced by the first step
        self.models: dict[str, str] = {}
        # With the models themselves: the id of one that is gone may become that of the next.
        self._asked: list[tuple[Segmenter, SegmenterResult]] = []
        self._others: Sequence[sitk.Image] = ()
        self.notes: list[str] = []
        self.warnings: list[str] = [f"Of the image: {padding}"] if padding else []
        self.seconds: dict[str, float] = {}
        self.tumors: dict[str, np.ndarray] = {}  # what each model calls tumor
        self.lesion_probability: sitk.Image | None = None
        self.confirmed: np.ndarray | None = None  # what the lesion network, trained on patients, has found
        self.doubted: str = ""  # the model trained on simulated images that was asked for tumors
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

    def take_others(self, others: Sequence[sitk.Image]) -> None:
        """Further images for models that need several; raises before anything is computed where they do not fit."""
        needed = self.chosen.channels()
        if len(needed) > 1 + len(others):
            raise InputError(
                f"The chosen model needs {len(needed)} images of the scan: {', '.join(needed)}",
                "Give the others as well, in this order",
            )
        for number, other in enumerate(others, 2):
            if not images.same_grid(other, self.image):
                raise GeometryError(f"Image {number} is not on the grid of the first", "Resample it to the first")
        self._others = others

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
        model = self.chosen.by_structure.get("liver") or self.chosen.default("kuleuven-liver", self._progress["liver"])
        result = self._run(model, None, self._progress["liver"])
        self.models["liver"], self.device = result.model, result.device
        liver = plausible_liver(result.mask(*(s.key for s in (*members("liver"), *SEGMENTS))))
        self.warnings += result.warnings
        self.lap("liver")
        return liver

    def _run(self, model: Segmenter, region: sitk.Image | None, progress: Progress) -> SegmenterResult:
        """What a model finds; one that has been asked already is not asked again."""
        for asked, known in self._asked:
            if asked is model:
                return known
        channels = len(getattr(model, "channels", ()))
        result = model.segment(
            self.image if channels < 2 else together([self.image, *self._others[: channels - 1]]),
            region if model.needs_region else None,
            modality=self.modality,
            device=self.options.device,
            progress=progress,
            cancel=self.cancel,
        )
        self.notes += result.notes
        self._asked.append((model, result))
        return result

    def add_chosen(self, liver: sitk.Image) -> None:
        """Structures by the models that were chosen for them, in place of the default ones'."""
        for key in PAINTING:
            model = self.chosen.by_structure.get(key)
            if model is None:
                continue
            result = self._run(model, liver, self._progress["structures"])
            if key in LESIONS and not self._sees_lesions(model, liver):
                continue
            mask = images.array_of(drawn_part(result.mask(key), key, liver)) > 0
            if key == "tumor":
                self._note_tumors(model, result.model, mask)
            if key == "liver_vessel" and self._name_vessels(mask, result.model):
                continue
            self._put(np.full(mask.shape, structure(key).label, np.uint8), mask)
            before = self.models.get(key) if self.chosen.adds(key) else None
            self.models[key] = " and ".join(filter(None, (result.model, before)))
            self.warnings += [w for w in result.warnings if w not in self.warnings]
            self.lap("chosen models")

    def needs_a_second_opinion(self) -> bool:
        """Whether the lesion network is asked: not where a model that learned from patients was chosen for tumors."""
        chosen = self.chosen.by_structure.get("tumor")
        return chosen is None or getattr(chosen, "simulated", False)

    def _note_tumors(self, model: Segmenter, name: str, mask: np.ndarray) -> None:
        self.tumors[name] = mask
        if getattr(model, "simulated", False):
            self.doubted = name

    def _sees_lesions(self, model: Segmenter, liver: sitk.Image) -> bool:
        """Not where simulated contrast phases were learned and this is none: any dark patch is a lesion there."""
        phase = phase_warning(self.image, self.modality, liver) if getattr(model, "simulated", False) else None
        self.warnings += [phase] if phase and phase not in self.warnings else []
        return not phase

    def _name_vessels(self, vessel: np.ndarray, model: str) -> bool:
        """Undivided vessels as portal and hepatic vein, by what is called so until now; False where nothing is."""
        from LiverPlannerLib.vessels.undivided import portal_part

        if {"portal_vein", "hepatic_vein"} & set(self.chosen.by_structure) - {
            k for k in PAINTING if self.chosen.adds(k)
        }:
            return False
        labels = images.array_of(self.labels)
        portal, hepatic, cava = (
            labels == structure(k).label for k in ("portal_vein", "hepatic_vein", "inferior_vena_cava")
        )
        is_portal = portal_part(vessel, portal, hepatic, tuple(images.spacing_kji(self.image)), cava)
        if is_portal is None:
            self.notes.append(
                f"{model} draws all vessels as one structure, and nothing here told portal from hepatic veins."
            )
            return False
        plain = np.full(labels.shape, structure("liver").label, np.uint8)
        self._put(plain, (portal | hepatic) & ~vessel & (images.array_of(self.liver) > 0))
        for key, part in (("portal_vein", vessel & is_portal), ("hepatic_vein", vessel & ~is_portal)):
            self._put(np.full(labels.shape, structure(key).label, np.uint8), part)
            self.models[key] = f"{model}, named by {self.models.get(key, 'its own')}"
        self.lap("chosen models")
        return True

    def add_structures(self, liver: sitk.Image) -> None:
        """Vessels, duct, tumors and cysts from the network that works inside a given liver."""
        model = self.chosen.default("five-structures-synthetic", self._progress["structures"])
        result = self._run(model, liver, self._progress["structures"])
        inner = images.array_of(result.labels)
        keys = self.chosen.rest()
        inner = np.where(
            np.isin(inner, [structure(k).label for k in self.chosen.by_structure if k != "liver"]), 0, inner
        )
        if not self._sees_lesions(model, liver):
            inner = np.where(np.isin(inner, [structure(k).label for k in LESIONS]), 0, inner)
            keys = [k for k in keys if k not in LESIONS]
        else:
            self.warnings += result.warnings
        self._put(inner, inner > structure("liver").label)
        if "tumor" in keys:
            self._note_tumors(model, result.model, inner == structure("tumor").label)
        for key in keys:
            self.models[key] = result.model
        self.lap("structures")

    def add_lesions(self, liver: sitk.Image) -> None:
        """Lesions of the real network; it adds to what the network trained on simulated images calls tumor."""
        model = self.chosen.default("kuleuven-lesion", self._progress["lesions"])
        result = self._run(model, liver, self._progress["lesions"])
        kept = images.array_of(lesions_inside(result.mask("tumor"), liver)) > 0
        self.confirmed = kept
        if self.modality == "MR":
            kept, self.confirmed = candidates.on_mri(kept, self.labels, self.tumors)
        self.tumors[result.model] = kept
        self.lesion_probability = result.probability.get("tumor")
        self._put(np.full(kept.shape, structure("tumor").label, np.uint8), kept)
        self.models["tumor"] = " and ".join(filter(None, (result.model, self.models.get("tumor"))))
        self.lap("lesions")

    def tidy_lesions(self) -> None:
        """Tiny ones go; tumors that one network alone has found become candidates (CT: the one of simulated images)."""
        self.labels = without_tiny_lesions(self.labels)
        if self.confirmed is not None:
            self.labels = candidates.set_aside(self.labels, self.confirmed)

    def regions(self) -> list[Region]:
        """Lesions and candidates, with the models that saw them."""
        return candidates.with_sources(find_regions(self.labels), self.labels, self.tumors, self.lesion_probability)

    def segments(self) -> Division | None:
        """The Couinaud segments of what was found; a plan is useful without them, too."""
        from LiverPlannerLib.couinaud.volumes import divide, drawn_division

        model = self.chosen.by_structure.get(COUINAUD)
        try:
            if model is not None:
                drawn = self._run(model, self.liver, self._progress["segments"])
                division = drawn_division(self.labels, drawn)
            else:
                division = divide(self.labels, self._progress["segments"], self.cancel)
        except (ModelError, NothingFound) as problem:
            self.warnings.append(f"Couinaud segments could not be computed: {problem}")
            return None
        self.warnings += division.warnings
        self.notes += division.notes
        self.lap("segments")
        return division

    def all_warnings(self, findings: Sequence[images.Finding], liver_ml: float) -> list[str]:
        """Of the image, of the models, and of what was found."""
        warnings = [f"Of the image: {note}." for note in images.notes_of(self.image)]
        warnings += [f"The image {f.problem}. {f.remedy}." for f in findings]
        warnings += self.warnings + liver_warnings(self.labels, liver_ml)
        doubt = candidates.warning(self.regions())
        if self.doubted and self.confirmed is None:
            doubt = unconfirmed_tumors(self.labels, self.doubted)
        return [*warnings, doubt] if doubt else warnings

    def _put(self, values: np.ndarray, where: np.ndarray) -> None:
        merged = images.array_of(self.labels).copy()
        merged[where] = values[where]
        self.labels = images.image_like(merged, self.image)


def together(several: Sequence[sitk.Image]) -> sitk.Image:
    """One image with the values of several, float32, as its components."""
    return sitk.Compose([sitk.Cast(image, sitk.sitkFloat32) for image in several])
