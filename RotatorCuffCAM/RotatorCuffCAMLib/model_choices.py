"""Which models of tears a panel can offer, read without the packages that run them."""

from __future__ import annotations

import json
from pathlib import Path

from PreopReviewLib.resources import resource

DEFAULT = "tear-synthetic"


def tear_models() -> dict[str, dict]:
    """Name of each model package for tears → its metadata; the default one first."""
    found = {}
    for folder in _folders():
        try:
            data = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # a folder that is no package is no choice; using it by name says why
        if isinstance(data, dict) and (data.get("network") or {}).get("name") == "VRN":
            found[folder.name] = data | {"folder": str(folder)}
    return dict(sorted(found.items(), key=lambda item: (item[0] != DEFAULT, item[0])))


def card(metadata: dict) -> str:
    """The model card, Markdown; empty where the package has none."""
    path = Path(metadata["folder"]) / "docs" / "README.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _folders() -> list[Path]:
    places = [resource("Models")]
    try:
        from PreopReviewLib.models import models_folder

        places.append(models_folder())
    except ImportError:  # what it needs is installed by the first computation; nothing is in the folder before
        pass
    return [f for p in places if p.is_dir() for f in sorted(p.iterdir()) if f.is_dir()]
