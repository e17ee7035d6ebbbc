"""What a package's metadata make of it: the segmenter behind it, and what it draws. No heavy imports."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from PreopReviewLib.models.adapter import adapters

_BY_NETWORK = {
    "KuLeuvenLiverUNet": "LiverPlannerLib.segmentation.segmenters:KuLeuvenLiver",
    "KuLeuvenLesionUNet": "LiverPlannerLib.segmentation.segmenters:KuLeuvenLesions",
    "TotalSegmentator": "PreopReviewLib.models.totalsegmentator:TotalSegmentatorTask",
}
"""Networks with preparation of their own, beside those of adapters; any other is known by its package's `inference`."""
_INSIDE_LIVER = "LiverPlannerLib.segmentation.segmenters:InsideLiver"
WHOLE_SCAN = "PreopReviewLib.models.whole_scan:WholeScan"
SIMULATED_DATA = ("synthesized images only", "phantoms and labeled scans, painted")
"""What the cards of networks that learned from phantoms say of their data."""
_OF_A_MASK = ("couinaud-segments",)
"""Tasks of networks that divide a given mask and see no image."""


def label_reader() -> ModuleType:
    """The library that interprets the labels of others; it is a higher layer."""
    return import_module("LiverPlannerLib.labels")


def kind_of(metadata: Mapping[str, Any]) -> str | None:
    """The segmenter's class, as ``module:class``, for a package's metadata; None if it is not for segmentation."""
    network = metadata.get("network")
    if not isinstance(network, Mapping) or metadata.get("task") in _OF_A_MASK:
        return None
    name = str(network.get("name"))
    for segmenters in (_BY_NETWORK, *(adapter.segmenters for adapter in adapters().values())):
        if name in segmenters:
            return segmenters[name]
    inference = metadata.get("inference")
    if not isinstance(inference, Mapping) or not {"spacing_mm", "classes"} <= set(inference):
        return None
    arguments = network.get("arguments") or {}
    of_one = arguments.get("arguments", arguments)  # of an ensemble's members
    return _INSIDE_LIVER if of_one.get("in_channels") == 2 else WHOLE_SCAN


def simulated(metadata: Mapping[str, Any]) -> bool:
    """Whether a package, or one of those that it averages, says that it learned from simulated images.

    One that goes on from such a package counts as one, unless its own images are said to be of patients.
    """
    training = metadata.get("training")
    training = training if isinstance(training, Mapping) else {}
    parts = [training, *(p for p in training.get("members", ()) if isinstance(p, Mapping))]
    return any(_simulated(part) for part in parts)


def _simulated(training: Mapping[str, Any]) -> bool:
    said, start = training.get("simulated"), training.get("start")
    if said is None and isinstance(start, Mapping):
        return start.get("simulated") is True
    return said is True or training.get("data") in SIMULATED_DATA


def simulated_note(name: str) -> str:
    """What is said wherever the output of such a model is shown."""
    return f"{name}: learned from simulated images, not validated on patients."


def fine_tunable(metadata: Mapping[str, Any]) -> bool:
    """Whether training can go on from a package: it draws in an image, and that is prepared as in training here."""
    kind, inference = kind_of(metadata), metadata.get("inference")
    if not isinstance(inference, Mapping) or not {"spacing_mm", "classes"} <= set(inference):
        return False
    turned = inference.get("orientation", "LPS") != "LPS" or inference.get("array_order", "KJI") != "KJI"
    return kind in (WHOLE_SCAN, _INSIDE_LIVER) and not turned and metadata["network"]["name"] != "TorchScript"


def structures_of(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of what a package's model finds, from its metadata alone; empty if it is not for segmentation."""
    kind = kind_of(metadata)
    if kind is None:
        return ()
    if "inference" in metadata and "classes" in metadata["inference"]:
        return tuple(name for name in metadata["inference"]["classes"] if name != "background")
    return ("tumor",) if kind.endswith(":KuLeuvenLesions") else ("liver",)
