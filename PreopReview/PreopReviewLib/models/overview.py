"""What there is to say of every model, from the packages' JSON alone: it works before anything is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import InputError
from PreopReviewLib.models import catalog, kuleuven_cards
from PreopReviewLib.models.package import CARD, METADATA
from PreopReviewLib.structured import read_json


@dataclass(frozen=True)
class ModelNote:
    """One model in words.

    Attributes:
        state: ``installed``, ``built-in``, ``not installed`` or ``broken``.
        description, intended_use, training, license: as its package says; empty where it does not.
    """

    name: str
    state: str
    version: str = ""
    description: str = ""
    intended_use: str = ""
    training: str = ""
    license: str = ""


def overview() -> list[ModelNote]:
    """Every model that is built in, installed, or fetched on first use, by name."""
    known = {m["name"]: m for m in (kuleuven_cards.LIVER_METADATA, kuleuven_cards.LESION_METADATA)}
    notes = {name: _note(name, "not installed", metadata) for name, metadata in known.items()}
    for name, (folder, state) in _folders().items():
        metadata = _read(folder)
        notes[name] = _note(name, state, metadata) if metadata else ModelNote(name, "broken")
    for name, metadata in totalsegmentator_metadata().items():
        notes[name] = _note(name, "installed", metadata)
    return [notes[name] for name in sorted(notes)]


def installed_metadata() -> dict[str, Mapping[str, Any]]:
    """Name and metadata of every installed or built-in package and of TotalSegmentator's tasks, by name; one that
    cannot be read is not offered (using it by name says why)."""
    read = totalsegmentator_metadata() | {name: _read(folder) for name, (folder, _state) in sorted(_folders().items())}
    return {name: read[name] for name in sorted(read) if read[name]}


def totalsegmentator_metadata() -> dict[str, Mapping[str, Any]]:
    """Of TotalSegmentator's tasks, where it is installed."""
    if find_spec("totalsegmentator") is None:
        return {}
    from PreopReviewLib.models.totalsegmentator import all_metadata

    return dict(all_metadata())


def models_with_network(network: str) -> dict[str, Mapping[str, Any]]:
    """Name and metadata of every installed or built-in package that names this network."""
    return {name: data for name, data in installed_metadata().items() if _network(data) == network}


def card(name: str) -> str:
    """The model card, Markdown: of the package, or of a model that is fetched on first use.

    Raises:
        InputError: there is no such model.
    """
    folder = _folders().get(name, (None, ""))[0]
    if folder is not None and (folder / CARD).is_file():
        return (folder / CARD).read_text(encoding="utf-8")
    if name in totalsegmentator_metadata():
        from PreopReviewLib.models import totalsegmentator

        return totalsegmentator.card(name)
    known = {
        kuleuven_cards.LIVER_METADATA["name"]: kuleuven_cards.LIVER_CARD,
        kuleuven_cards.LESION_METADATA["name"]: kuleuven_cards.LESION_CARD,
    }
    if name not in known:
        raise InputError(f"There is no model {name}, or it has no card", "Choose another")
    return known[name]


def _folders() -> dict[str, tuple[Path, str]]:
    try:
        return dict(catalog._folders())
    except ModuleNotFoundError:  # without platformdirs there has been no place to install a model to
        built_in = catalog._built_in_folder()
        folders = sorted(built_in.iterdir()) if built_in else []
        return {f.name: (f, "built-in") for f in folders if (f / METADATA).is_file()}


def _read(folder: Path) -> Mapping[str, Any]:
    try:
        metadata = read_json(folder / METADATA)
    except InputError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _network(metadata: Mapping[str, Any]) -> str:
    network = metadata.get("network")
    return _text(network.get("name")) if isinstance(network, dict) else ""


def _note(name: str, state: str, metadata: Mapping[str, Any]) -> ModelNote:
    training = metadata.get("training")
    training_data = metadata.get("training_data") or (training.get("data") if isinstance(training, dict) else "")
    words = (metadata.get(key) for key in ("version", "description", "intended_use"))
    return ModelNote(name, state, *(_text(w) for w in words), _text(training_data), _text(metadata.get("license")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
