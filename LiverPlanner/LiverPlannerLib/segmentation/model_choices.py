"""Which models that draw liver structures a panel can offer, read without the packages that run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from PreopReviewLib.models.kinds import structures_of
from PreopReviewLib.models.overview import installed_metadata

DEFAULT = "kuleuven-liver"
OTHERS = ("kuleuven-lesion", "five-structures-synthetic")
"""What a plan uses besides the liver's model; their cards are shown, too."""


@dataclass(frozen=True)
class ModelChoice:
    """A model to plan with.

    Attributes:
        name: of its package; the folder's name.
        words: what it is, one line.
        installed: False if it is fetched on first use.
        structures: what it draws, in place of the default models.
        channels: the images of a scan that it needs; empty where one is enough.
        lacks: what is not installed that it needs, a clause; empty where nothing is.
    """

    name: str
    words: str
    installed: bool
    structures: tuple[str, ...] = ("liver",)
    channels: tuple[str, ...] = ()
    lacks: str = ""


def plan_models() -> list[ModelChoice]:
    """The default model first, then every installed package that draws liver structures; those that a plan
    uses anyway are not listed."""
    choices = []
    for name, data in installed_metadata().items():
        drawn = structures_of(data)
        if drawn and name not in OTHERS:
            words = f"{data.get('description', '')} Draws {', '.join(drawn)}. Version {data.get('version', '?')}."
            channels = tuple(data.get("inference", {}).get("channels", ()))
            several = channels if len(channels) > 1 and data["network"]["name"] == "NnUNet" else ()
            choices.append(ModelChoice(name, words.strip(), True, drawn, several, _lacks(name, data)))
    if DEFAULT not in {c.name for c in choices}:
        choices.append(ModelChoice(DEFAULT, "liver in CT and MR, by KU Leuven; fetched on first use (27 MB)", False))
    return sorted(choices, key=lambda c: (c.name != DEFAULT, c.name))


def _lacks(name: str, metadata: Mapping[str, Any]) -> str:
    network = metadata["network"]["name"]
    if network == "NnUNet" and find_spec("nnunetv2") is None:
        return "the Python package nnunetv2"
    if network == "TotalSegmentator":
        from PreopReviewLib.models.totalsegmentator import missing_weights, task_of

        missing = missing_weights(task_of(name) or "")
        return f"weights of TotalSegmentator ({', '.join(missing)})" if missing else ""
    return ""
