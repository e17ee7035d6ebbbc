"""Which models of the liver a panel can offer, read without the packages that run them.

A panel is open before anything is installed, so this reads the packages' JSON and cards and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from PreopReviewLib.errors import InputError

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
    found = {folder.name: _metadata(folder) for folder in _folders()}
    choices = [ModelChoice(n, _words(m), True) for n, m in found.items() if _network(m) == NETWORK]
    if DEFAULT not in found:
        choices.append(ModelChoice(DEFAULT, "liver in CT and MR, by KU Leuven; fetched on first use (27 MB)", False))
    return sorted(choices, key=lambda c: (c.name != DEFAULT, c.name))


def card(name: str) -> str:
    """The model card, Markdown; of a model that is not installed yet, the one that comes with PreopReview.

    Raises:
        InputError: there is no such model.
    """
    for folder in _folders():
        text = folder / "docs" / "README.md"
        if folder.name == name and text.is_file():
            return text.read_text(encoding="utf-8")
    from PreopReviewLib.models import kuleuven_cards

    known = {"kuleuven-liver": kuleuven_cards.LIVER_CARD, "kuleuven-lesion": kuleuven_cards.LESION_CARD}
    if name not in known:
        raise InputError(f"There is no model {name}", "Choose another")
    return known[name]


def _folders() -> list[Path]:
    from PreopReviewLib.resources import resource

    places = [resource("Models")]
    try:
        from PreopReviewLib.models import models_folder

        places.append(models_folder())
    except ImportError:  # the packages it needs are installed by the first Apply; nothing is in the folder before
        pass
    return [f for p in places if p.is_dir() for f in sorted(p.iterdir()) if (f / "configs" / "metadata.json").is_file()]


def _metadata(folder: Path) -> dict:
    try:
        found = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _network(metadata: dict) -> str:
    network = metadata.get("network")
    return network.get("name", "") if isinstance(network, dict) else ""


def _words(metadata: dict) -> str:
    return f"{metadata.get('description', '')} Version {metadata.get('version', '?')}."
