"""From a cube to the probabilities of the five tear classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from PreopReviewLib.errors import InputError, ModelError

if TYPE_CHECKING:
    import SimpleITK as sitk

    from RotatorCuffCAMLib.network.vrn import VRN
    from RotatorCuffCAMLib.region import Cube

Repeat = Literal["jitter", "depth"]


@dataclass(frozen=True)
class Answer:
    """What the network says.

    Attributes:
        probabilities: five, in ordinal order; the mean over repetitions where there were any.
        class_index: the likeliest class.
        tear_score: 1 less the probability of no tear.
        logits: before temperature and softmax (of the first pass).
        spread: standard deviation of each probability over the repetitions, or None.
        repetitions: how many there were (1: a single, deterministic pass).
    """

    probabilities: tuple[float, ...]
    class_index: int
    tear_score: float
    logits: tuple[float, ...]
    spread: tuple[float, ...] | None
    repetitions: int


def load_network(name: str | Path = "tear-synthetic") -> VRN:
    """The network of a model package for tear classification.

    Raises:
        ModelError: the package is unknown, or made for another task.
    """
    from PreopReviewLib.models import require_package

    package = require_package(name)
    if package.metadata["network"]["name"] != "VRN":
        raise ModelError(f"The model {package.name} is not made for rotator cuff tears", "Use tear-synthetic")
    return package.load_network()  # type: ignore[return-value]


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities along the last axis of logits of any shape."""
    scaled = np.asarray(logits, float) / temperature
    scaled = np.exp(scaled - scaled.max(-1, keepdims=True))
    return scaled / scaled.sum(-1, keepdims=True)


def classify(network: VRN, cube: Cube, temperature: float = 1.0) -> Answer:
    """One deterministic pass."""
    logits = _logits(network, cube.image)
    return _answer(logits[None], temperature, single=True)


def classify_repeatedly(
    network: VRN, image: sitk.Image, cube: Cube, repetitions: int = 60, kind: Repeat = "jitter", seed: int = 0
) -> Answer:
    """Many passes, with the spread of the probabilities.

    The paper repeats its test 60 times without saying what changed between the times; a network in evaluation mode
    gives the same answer each time. ``jitter`` moves the cube by up to 3 of its voxels, ``depth`` keeps stochastic
    depth acting (for a network trained with it). Repetitions are not readers: do not compare them as if they were.

    Raises:
        InputError: fewer than 2 repetitions, or ``depth`` with a network that has none.
    """
    from RotatorCuffCAMLib.region import cut_cube

    if repetitions < 2:
        raise InputError(f"A spread needs at least 2 repetitions, got {repetitions}", "Ask for more")
    if kind == "depth" and not network.stochastic_depth:
        raise InputError("This network was made without stochastic depth", "Repeat with jitter")
    rng = np.random.default_rng(seed)
    rows = [_logits(network, cube.image)]
    if kind == "jitter":
        reach = 3 * cube.edge_mm / cube.image.GetSize()[0]
        for _ in range(repetitions - 1):
            center = tuple(np.array(cube.center_lps) + rng.uniform(-reach, reach, 3))
            rows.append(_logits(network, cut_cube(image, center, cube.edge_mm, cube.side, any_plane=True).image))
    else:
        import torch

        torch.manual_seed(seed)
        network.sample_depth(True)
        try:
            rows = [_logits(network, cube.image) for _ in range(repetitions)]
        finally:
            network.sample_depth(False)
    return _answer(np.array(rows), 1.0, single=False)


def _logits(network: VRN, cube: sitk.Image) -> np.ndarray:
    import torch

    from RotatorCuffCAMLib.network.activation import as_tensor

    with torch.inference_mode():
        return network(as_tensor(cube, network))[0].float().cpu().numpy()


def _answer(logits: np.ndarray, temperature: float, single: bool) -> Answer:
    each = softmax(logits, temperature)
    mean = each.mean(0)
    return Answer(
        tuple(map(float, mean)),
        int(mean.argmax()),
        float(1 - mean[0]),
        tuple(map(float, logits[0])),
        None if single else tuple(map(float, each.std(0, ddof=1))),
        len(each),
    )


@dataclass(frozen=True)
class Calibration:
    """How far probabilities can be taken at their word.

    Attributes:
        temperature: divide the logits by it.
        error_before, error_after: expected calibration error without and with it.
        bins: (confidence, accuracy, cases) of each bin that holds cases, with the temperature.
    """

    temperature: float
    error_before: float
    error_after: float
    bins: tuple[tuple[float, float, int], ...]


def calibrate(logits: np.ndarray, classes: np.ndarray, bins: int = 10) -> Calibration:
    """The temperature of greatest likelihood (Guo 2017) and the reliability of the likeliest class.

    Args:
        logits: (N, 5) of labeled cases that were not trained on.
        classes: (N,) true ordinal indices.

    Raises:
        InputError: fewer than 20 cases, or shapes that do not fit.
    """
    from scipy.optimize import minimize_scalar

    logits, classes = np.asarray(logits, float), np.asarray(classes, int)
    if logits.ndim != 2 or len(logits) != len(classes) or len(classes) < 20:
        raise InputError("Calibration needs logits and classes of at least 20 cases", "Give more labeled cases")

    def unlikelihood(log_temperature: float) -> float:
        chosen = softmax(logits, float(np.exp(log_temperature)))[np.arange(len(classes)), classes]
        return float(-np.log(np.clip(chosen, 1e-12, None)).mean())

    temperature = float(np.exp(minimize_scalar(unlikelihood, bounds=(-3, 3), method="bounded").x))
    before, _ = reliability(softmax(logits), classes, bins)
    after, table = reliability(softmax(logits, temperature), classes, bins)
    return Calibration(temperature, before, after, table)


def reliability(
    probabilities: np.ndarray, classes: np.ndarray, bins: int = 10
) -> tuple[float, tuple[tuple[float, float, int], ...]]:
    """Expected calibration error, and (confidence, accuracy, cases) of each bin that holds cases.

    Args:
        probabilities: (N, 5).
        classes: (N,).
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == classes
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    table = tuple(
        (float(confidence[place == b].mean()), float(right[place == b].mean()), int((place == b).sum()))
        for b in range(bins)
        if (place == b).any()
    )
    error = sum(abs(c - a) * n for c, a, n in table) / len(classes)
    return float(error), table
