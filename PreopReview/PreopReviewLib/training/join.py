"""From several model packages of one form to one package whose networks answer together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelError
from PreopReviewLib.training.card import model_card
from PreopReviewLib.training.pack import small_weights

if TYPE_CHECKING:
    from PreopReviewLib.models.package import ModelPackage


def join_packages(
    folders: Sequence[Path],
    folder: Path,
    name: str | None = None,
    version: str = "1.0.0",
    figures: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> ModelPackage:
    """Write a package of an `Ensemble` of the packages' networks, in the order given.

    Args:
        folders: packages with the same network, grid, classes and license; what each learned from is kept in the card.
        folder: of the new package.
        name: of the model; by default the first one's.
        figures: measured accuracy of the ensemble, for card and metadata.
        overwrite: replaces an older package.

    Raises:
        ModelError: fewer than two packages, they differ in one of these, or they are ensembles.
        OutputError: the package cannot be written.
    """
    from PreopReviewLib.models.package import LICENSE, load_package, write_package

    members = [load_package(each) for each in folders]
    if len(members) < 2:
        raise ModelError("An ensemble needs two packages or more", "Name another")
    first = members[0]
    if first.metadata["network"]["name"] == "Ensemble":
        raise ModelError(f"{first.folder} is an ensemble already", "Join the packages of its members")
    for other in members[1:]:
        for key in ("task", "license", "network", "inference"):
            if other.metadata.get(key) != first.metadata.get(key):
                raise ModelError(
                    f"{other.folder} differs from {first.folder} in its {key}", "Join packages of the same recipe"
                )
    network = first.metadata["network"]
    arguments = {
        "network": network["name"],
        "arguments": network.get("arguments", {}),
        "members": len(members),
        **({"nested": True} if "regions" in first.metadata.get("inference", {}) else {}),
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
    terms = (first.folder / LICENSE).read_text(encoding="utf-8")
    return write_package(folder, metadata, weights, model_card(metadata), terms, overwrite)


def _told(package: ModelPackage) -> dict[str, Any]:
    return {"name": package.name, "version": package.version, **package.metadata.get("training", {})}


def _data(members: Sequence[ModelPackage]) -> str:
    """What all of them learned from, each named once."""
    named = [str(each.metadata.get("training", {}).get("data") or "not said") for each in members]
    return "; ".join(dict.fromkeys(named))
