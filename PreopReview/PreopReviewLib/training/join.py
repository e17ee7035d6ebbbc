"""From several model packages of one form to one package whose networks answer together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelError
from PreopReviewLib.training.pack import LICENSE_TEXT, model_card, small_weights

if TYPE_CHECKING:
    from PreopReviewLib.models.package import ModelPackage


def join_packages(
    folders: Sequence[Path],
    folder: Path,
    name: str | None = None,
    version: str = "1.0.0",
    figures: Mapping[str, Any] | None = None,
) -> ModelPackage:
    """Write a package of an `Ensemble` of the packages' networks, in the order given.

    Args:
        folders: packages with the same network, grid and classes; what each learned from is kept in the card.
        folder: of the new package.
        name: of the model; by default the first one's.
        figures: measured accuracy of the ensemble, for card and metadata.

    Raises:
        ModelError: fewer than two packages, or they differ in network, grid or classes.
        OutputError: the package cannot be written.
    """
    from PreopReviewLib.models.package import load_package, write_package

    members = [load_package(each) for each in folders]
    if len(members) < 2:
        raise ModelError("An ensemble needs two packages or more", "Name another")
    first = members[0]
    for other in members[1:]:
        for key in ("task", "network", "inference"):
            if other.metadata.get(key) != first.metadata.get(key):
                raise ModelError(
                    f"{other.folder} differs from {first.folder} in its {key}", "Join packages of the same recipe"
                )
    network = first.metadata["network"]
    arguments = {
        "network": network["name"],
        "arguments": network.get("arguments", {}),
        "members": len(members),
    }
    metadata = {
        **first.metadata,
        "name": name or first.name,
        "version": version,
        "network": {"name": "Ensemble", "arguments": arguments},
        "training": {"data": _data(members), "members": [_told(each) for each in members]},
        "figures": dict(figures or {}),
    }
    weights = {
        f"members.{number}.{key}": value
        for number, each in enumerate(members)
        for key, value in small_weights(each.load_network().state_dict()).items()
    }
    return write_package(folder, metadata, weights, model_card(metadata), LICENSE_TEXT)


def _told(package: ModelPackage) -> dict[str, Any]:
    return {"name": package.name, "version": package.version, **package.metadata.get("training", {})}


def _data(members: Sequence[ModelPackage]) -> str:
    """What all of them learned from, each named once."""
    named = [str(each.metadata.get("training", {}).get("data") or "not said") for each in members]
    return "; ".join(dict.fromkeys(named))
