"""From a run to a model package with its card."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import InputError
from PreopReviewLib.models.kinds import simulated
from PreopReviewLib.structured import read_json
from PreopReviewLib.training.applied import inference_settings
from PreopReviewLib.training.card import data_words, license_of, model_card
from PreopReviewLib.training.checkpoint import BEST, LAST, read_checkpoint
from PreopReviewLib.training.recipe import Recipe, recipe_from_dict

if TYPE_CHECKING:
    from torch import Tensor

    from PreopReviewLib.models.package import ModelPackage

_ABOUT = {"labeled-shoulders": "RotatorCuffCAMLib.training.package"}
"""By a recipe's `data.kind`, the module whose `about_run` describes what is not a segmentation."""


def pack_run(
    run: Path,
    folder: Path,
    name: str | None = None,
    version: str = "1.0.0",
    checkpoint: str = "best",
    command: str = "",
    figures: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    license_: str | None = None,
) -> ModelPackage:
    """Write the averaged weights of a run as a package (fp16; batch-norm statistics stay fp32).

    Args:
        run: folder of `preop train`.
        folder: of the package.
        name: of the model; by default the recipe's.
        checkpoint: "best" or "last".
        command: what made the run, for the card.
        figures: measured accuracy, for card and metadata.
        overwrite: replaces an older package.
        license_: see `card.license_of`.

    Raises:
        TrainingError: no such checkpoint.
        OutputError: the package cannot be written.
    """
    from PreopReviewLib.models.package import write_package

    kept = read_checkpoint(run / (BEST if checkpoint == "best" else LAST))
    recipe = recipe_from_dict(kept["recipe"], str(run))
    facts = kept.get("facts", {})
    license_name, terms = license_of(license_, bool(facts.get("simulated")) and "training" not in facts)
    training: dict[str, Any] = {
        "data": data_words(facts),
        "recipe": recipe.as_dict(),
        "iterations": int(kept["iteration"]),
        "minutes": round(float(kept["minutes"]), 1),
        "samples": int(kept["iteration"]) * recipe["data.batch"],
        "seed": recipe["training.seed"],
        "shapes": list(kept.get("shapes", [])),
        "validation": kept["history"][-1] if kept["history"] else {},
        "command": command,
        **({"start": facts["start"]} if facts.get("start") else {}),
        **_counted(facts),
    }
    metadata = {
        "name": name or recipe.name,
        "version": version,
        "license": license_name,
        **_about(recipe),
        "network": {"name": recipe["network.name"], "arguments": recipe["network.arguments"]},
        "training": training,
        "figures": dict(figures or {}),
    }
    if simulated(metadata):
        learned = "Learned from simulated images only" if training.get("simulated") else "Goes on from simulated images"
        metadata["intended_use"] = f"{learned}: {metadata['intended_use']}"
    return write_package(folder, metadata, small_weights(kept["average"]), model_card(metadata), terms, overwrite)


def _counted(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of cases and how they were split; never their names."""
    if "training" not in facts:
        return {"simulated": facts.get("simulated")}
    counts = {f"{part}_cases": len(facts[part]) for part in ("training", "validation")}
    keys = ("training_patients", "validation_patients", "test_cases", "fold", "folds", "simulated", "modality")
    return {**counts, **{k: facts[k] for k in keys if k in facts}, "split": facts.get("split", "all for training")}


def _about(recipe: Recipe) -> dict[str, Any]:
    """What a package of the recipe is for, and how it is applied."""
    kind = recipe["data.kind"]
    if kind in _ABOUT:
        return import_module(_ABOUT[kind]).about_run(recipe)
    return {
        "task": "five-structures" if kind == "phantoms" else "segmentation",
        "description": recipe.title,
        "intended_use": "Research and teaching; a starting point for fine-tuning. Not validated on patients.",
        "inference": inference_settings(recipe),
    }


def read_figures(path: str | Path) -> dict[str, Any]:
    """Measured accuracy as `preop evaluate-model` writes it: test → structure → mean, sd, cases.

    Raises:
        FileMissing, UnreadableImage: no such file, or no JSON.
        InputError: of another form; names the part.
    """
    figures = read_json(path, remedy="Make it again with preop evaluate-model")
    if not isinstance(figures, dict):
        raise InputError(f"{path} holds no figures", "Give the JSON file of preop evaluate-model")
    for test, structures in figures.items():
        for key, values in structures.items() if isinstance(structures, dict) else [("", None)]:
            if not isinstance(values, dict) or not all(
                isinstance(values.get(k), int | float) and not isinstance(values.get(k), bool)
                for k in ("mean", "sd", "cases")
            ):
                raise InputError(
                    f"{path}: {test!r} {key!r} lacks the numbers mean, sd and cases",
                    "Give the JSON file of preop evaluate-model",
                )
    return figures


def small_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as fp16; running statistics stay fp32, whose squares would overflow fp16."""
    import torch

    keep = ("running_mean", "running_var", "num_batches_tracked")
    return {
        key: value if key.endswith(keep) or not value.is_floating_point() else value.to(torch.float16)
        for key, value in state.items()
    }
