"""Makes the model package `tear-synthetic` from trained weights: measures them on held-out shoulders, writes the card.

``python -m RotatorCuffCAMLib.training.package WEIGHTS FOLDER`` (weights as `train_on_phantoms` writes them).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import FileMissing, ModelCorrupt
from PreopReviewLib.models import ModelPackage, write_package
from PreopReviewLib.training.card import TEARS
from RotatorCuffCAMLib.tears import KEYS
from RotatorCuffCAMLib.training.evaluation import all_figures, answer_held_out

if TYPE_CHECKING:
    from PreopReviewLib.training.recipe import Recipe

INTENDED_USE = "Demonstration only: learned from synthetic shoulders. Never for patients."


def package(weights: Path, folder: Path, cases: int = 200, device: str = "cpu") -> ModelPackage:
    """Measures and packs; the license is that of this repository.

    Raises:
        FileMissing: no such weights.
        ModelCorrupt: weights that do not say what network they are for.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file

    from PreopReviewLib.models import networks

    if not weights.is_file():
        raise FileMissing(f"There is no file {weights}", "Train one first")
    with safe_open(weights, framework="numpy") as held:
        about = held.metadata() or {}
    if not {"width", "blocks", "stem_stride"} <= set(about):
        raise ModelCorrupt(f"{weights} does not say what network it is for", "Use model.safetensors of a whole run")
    arguments = {k: int(about[k]) for k in ("blocks", "width", "stem_stride", "units") if k in about}
    arguments["variant"] = "corrected"  # type: ignore[assignment]
    if "window" in about:
        arguments["window"] = [int(v) for v in about["window"].split(",")]  # type: ignore[assignment]
    network = networks.build("VRN", arguments)
    network.load_state_dict(load_file(weights))
    figures = all_figures(answer_held_out(network.to(device), cases, device))  # type: ignore[arg-type]
    metadata = _metadata(arguments, about, figures)
    license_text = (Path(__file__).resolve().parents[3] / "LICENSE").read_text(encoding="utf-8")
    return write_package(folder, metadata, network.state_dict(), card(about, figures), license_text)


def about_run(recipe: Recipe) -> dict[str, Any]:
    """What a package of a run on labeled shoulders is for; see `PreopReviewLib.training.pack`."""
    return {
        "task": TEARS,
        "description": recipe.title,
        "intended_use": "Research only; never for diagnosis.",
        "classes": list(KEYS),
        "input": {"voxels": [64, 64, 64], "axes": "I medial, J inferior, K posterior", "range": [0, 255]},
        "modality": "MR",
    }


def _metadata(arguments: dict[str, Any], about: dict[str, str], figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "tear-synthetic",
        "version": "0.1.0",
        "task": TEARS,
        "description": "Five tear classes from a coronal shoulder MRI; learned from synthetic shoulders only",
        "license": "Apache-2.0",
        "intended_use": INTENDED_USE,
        "network": {"name": "VRN", "arguments": arguments},
        "classes": list(KEYS),
        "input": {"voxels": [64, 64, 64], "axes": "I medial, J inferior, K posterior", "range": [0, 255]},
        "modality": "MR, T2-weighted with or without fat suppression",
        "training": {**about, "simulated": True},
        "figures_on_held_out_synthetic_shoulders": figures,
    }


def card(about: dict[str, str], figures: dict[str, Any]) -> str:
    """The model card."""
    class_figures = figures["classes"]
    rows = [
        ("binary accuracy", f"{class_figures['binary_accuracy']:.3f}"),
        ("top-1", f"{class_figures['top1']:.3f}"),
        ("top-1±1", f"{class_figures['top1_within_1']:.3f}"),
        ("sensitivity", f"{class_figures['sensitivity']:.3f}"),
        ("specificity", f"{class_figures['specificity']:.3f}"),
    ]
    for key, title in (
        ("plain_map_box_plus_0mm", "exact map, box as tight as the tear"),
        ("plain_map_box_plus_3mm", "exact map, box 3 mm wider"),
        ("contrast_map_box_plus_3mm", "map less that of no tear, box 3 mm wider"),
    ):
        pointing = figures[key]
        rows.append((f"pointing game ({title})", f"{pointing['pointing_game']:.3f}"))
    plain = figures["plain_map_box_plus_0mm"]
    rows.append(("median distance of centroids, mm", f"{plain['median_centroid_mm']:.1f}"))
    rows.append(("a voxel of the map, mm", f"{plain['map_voxel_mm']:.1f}"))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    looks = " It looks only at the part of the cube where the phantom's cuff lies." if "window" in about else ""
    light = about["stem_stride"] != "1"
    guided = float(about.get("guidance", 0)) > 0 and ("local_share" in about or float(about.get("weak_share", 1)) < 1)
    network = "the light form for a CPU, not the paper's network" if light else "the paper's two-block network"
    how = (
        "Besides the class, the training was told where the planted tear lies (a loss on the map's energy, and in the "
        "light form one on every voxel); the paper's network never is."
        if guided
        else "Only the class was told in training, as in the paper."
    )
    return f"""# tear-synthetic

**A demonstration. It has seen synthetic shoulders only and no patient. It must not be used on patients.**

A Voxception-ResNet ({network}) that tells five classes of rotator cuff tear
apart in drawn shoulders with planted tears, so that the module can be shown and tested.{looks}
{how}

| on {class_figures["cases"]} held-out synthetic shoulders | |
|---|---|
{table}

The figures measure the generator as much as the network; they say nothing about patients. To train on your own
labeled shoulders: `preop cuff train TABLE.csv --recipe shim2020` (a GPU is needed).

Trained on {about.get("shoulders", "?")} synthetic shoulders in {about.get("step", "?")} steps. The paper's network on
as many as a GPU draws in an hour:

    preop cuff train --synthetic 60 --device cuda -o runs/cuff
    python -m RotatorCuffCAMLib.training.package runs/cuff/model.safetensors Resources/Models/tear-synthetic
"""


def main() -> None:
    """Two arguments: weights and folder."""
    packed = package(Path(sys.argv[1]), Path(sys.argv[2]))
    print(packed.card)


if __name__ == "__main__":
    main()
