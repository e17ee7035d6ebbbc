"""Which models of the liver a panel can offer, read without the packages that run them."""

from __future__ import annotations

from dataclasses import dataclass

from PreopReviewLib.models.overview import models_with_network

DEFAULT = "kuleuven-liver"
NETWORK = "KuLeuvenLiverUNet"
OTHERS = ("kuleuven-lesion", "five-structures-synthetic")
"""What a plan uses besides the liver's model; their cards are shown, too."""


@dataclass(frozen=True)
class ModelChoice:
    """A model of the liver.

    Attributes:
        name: of its package; the folder's name.
        words: what it is, one line.
        installed: False if it is fetched on first use.
    """

    name: str
    words: str
    installed: bool


def liver_models() -> list[ModelChoice]:
    """The default model first, then every installed package with the same network."""
    found = models_with_network(NETWORK)
    choices = [
        ModelChoice(name, f"{data.get('description', '')} Version {data.get('version', '?')}.", True)
        for name, data in found.items()
    ]
    if DEFAULT not in found:
        choices.append(ModelChoice(DEFAULT, "liver in CT and MR, by KU Leuven; fetched on first use (27 MB)", False))
    return sorted(choices, key=lambda c: (c.name != DEFAULT, c.name))
