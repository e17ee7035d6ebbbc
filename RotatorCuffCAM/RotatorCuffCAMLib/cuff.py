"""From an MRI to class, probabilities and activation map: the steps in one call, and its files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.progress import Progress, silent
from PreopReviewLib.structured import json_text
from RotatorCuffCAMLib.head import HeadGuess, find_head
from RotatorCuffCAMLib.network.activation import ActivationMap, Method, activate, on_grid, peak_lps
from RotatorCuffCAMLib.network.classifier import Answer, classify, classify_repeatedly
from RotatorCuffCAMLib.region import Cube, Side, cut_cube
from RotatorCuffCAMLib.tears import TEAR_CLASSES

if TYPE_CHECKING:
    from RotatorCuffCAMLib.network.vrn import VRN

UNSURE = 0.3
"""Confidence of the head's guess below which a person must place the point."""


@dataclass(frozen=True)
class CuffResult:
    """What was found in one shoulder.

    Attributes:
        answer: class and probabilities.
        activation: the class's map on its own grid.
        on_source: the same, interpolated on the MRI's grid.
        cube: what the network saw.
        guess: how the head was found, or None where its middle was given.
        warnings: doubts, for people.
        seconds: from the cut to the map, without reading and loading.
    """

    answer: Answer
    activation: ActivationMap
    on_source: sitk.Image
    cube: Cube
    guess: HeadGuess | None
    warnings: tuple[str, ...]
    seconds: float = 0.0


@dataclass(frozen=True)
class CuffOptions:
    """How to look at a shoulder; None means found automatically.

    Attributes:
        center_lps: middle of the humeral head, mm; with `radius_mm` and `confidence` where `head.find_head` gave it
            before, so that the answer is the same as if it were looked for now.
    """

    center_lps: tuple[float, float, float] | None = None
    edge_mm: float | None = None
    side: Side | None = None
    class_index: int | None = None
    method: Method = "exact"
    repetitions: int = 1
    any_plane: bool = False
    radius_mm: float | None = None
    confidence: float | None = None


def examine(
    image: sitk.Image,
    network: VRN,
    options: CuffOptions | None = None,
    source: str = "The image",
    progress: Progress = silent,
) -> CuffResult:
    """Cuts the cube, classifies it and makes the map."""
    options = options or CuffOptions()
    guess, warnings = None, [f"of the image: {note}" for note in images.notes_of(image)]
    center = options.center_lps
    if center is None:
        progress(0.1, "Locating the humeral head")
        guess = find_head(image)
        center = guess.center_lps
    elif options.radius_mm is not None and options.confidence is not None:
        guess = HeadGuess(center, options.radius_mm, options.confidence)
    if guess is not None and guess.confidence < UNSURE:
        warnings.append(f"the humeral head was found with low confidence ({guess.confidence:.2f}): give its center")
    began = time.perf_counter()
    cube = cut_cube(image, center, options.edge_mm, options.side, source, options.any_plane)
    progress(0.5, "Classifying")
    answer = (
        classify_repeatedly(network, image, cube, options.repetitions)
        if options.repetitions > 1
        else classify(network, cube)
    )
    progress(0.8, "Computing the class activation map")
    chosen = answer.class_index if options.class_index is None else options.class_index
    activation = activate(network, cube, chosen, options.method)
    if chosen == 0:
        warnings.append("the map is that of the class None: evidence for no tear has no location; choose a tear class")
    if answer.class_index in (1, 2):
        warnings.append(
            f"a voxel of the map is {activation.voxel_mm:.1f} mm wide: too coarse to measure a tear below 1 cm"
        )
    on_source = on_grid(activation.image, image)
    seconds = time.perf_counter() - began
    return CuffResult(answer, activation, on_source, cube, guess, (*cube.warnings, *warnings), seconds)


def maps_of_all(network: VRN, result: CuffResult, classes: Sequence[int] | None = None) -> tuple[ActivationMap, ...]:
    """The maps of several classes (by default all) of one answer, by the method of its own map."""
    wanted = range(len(TEAR_CLASSES)) if classes is None else classes
    return tuple(activate(network, result.cube, index, result.activation.method) for index in wanted)


def as_dict(result: CuffResult, source: str, model: str) -> dict[str, Any]:
    """For JSON. Points in RAS, mm."""
    from PreopReviewLib.models import require_package

    answer, cube = result.answer, result.cube
    tear = TEAR_CLASSES[answer.class_index]
    return {
        "image": source,
        "model": model,
        "intended_use": require_package(model).metadata["intended_use"],
        "class": tear.key,
        "class_name": tear.name,
        "class_index": answer.class_index,
        "tear_score": answer.tear_score,
        "probabilities": {c.key: p for c, p in zip(TEAR_CLASSES, answer.probabilities, strict=True)},
        "spread": None
        if answer.spread is None
        else dict(zip([c.key for c in TEAR_CLASSES], answer.spread, strict=True)),
        "repetitions": answer.repetitions,
        "logits": list(answer.logits),
        "side": cube.side,
        "plane": cube.plane,
        "cube": {"center_ras": _ras(cube.center_lps), "edge_mm": cube.edge_mm, "inside": cube.inside},
        "head_confidence": result.guess.confidence if result.guess else None,
        "head_radius_mm": result.guess.radius_mm if result.guess else None,
        "activation": {
            "class": TEAR_CLASSES[result.activation.class_index].key,
            "method": result.activation.method,
            "voxel_mm": result.activation.voxel_mm,
            "bias": result.activation.bias,
            "peak_ras": _ras(peak_lps(result.activation.image)),
        },
        "seconds": result.seconds,
        "warnings": list(result.warnings),
    }


def _ras(lps: tuple[float, float, float]) -> list[float]:
    return [-lps[0], -lps[1], lps[2]]


def write_files(result: CuffResult, summary: dict[str, Any], folder: Path) -> None:
    """probabilities.json, activation.nii.gz (on the MRI's grid), activation-raw.nrrd and cube.nrrd."""
    text = json_text(summary)
    (folder / "probabilities.json").write_text(text + "\n", encoding="utf-8")
    images.write_image(result.on_source, folder / "activation.nii.gz")
    # NRRD holds the mirrored (left-handed) grids of left shoulders as they are.
    images.write_image(result.activation.image, folder / "activation-raw.nrrd")
    images.write_image(result.cube.image, folder / "cube.nrrd")
