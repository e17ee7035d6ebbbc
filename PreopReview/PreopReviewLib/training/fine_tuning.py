"""Going on from a model package with a few cases of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelError
from PreopReviewLib.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor


def start_from(recipe: Recipe, folder: Path) -> tuple[Recipe, dict[str, Tensor]]:
    """The recipe with the package's network, grid and classes, and the package's weights.

    A recipe whose network differs from the package's only by a `detail` stage keeps it: the stage starts at zero, so
    training goes on from the package's own answers.

    Raises:
        ModelError: the package does not say on which grid and classes it works.
    """
    from PreopReviewLib.models.package import load_package

    package = load_package(folder)
    inference: Any = package.metadata.get("inference")
    if not isinstance(inference, dict) or not {"spacing_mm", "classes"} <= set(inference):
        raise ModelError(f"{package.name} cannot be fine-tuned: its grid or classes are not stated", "Choose another")
    network = package.metadata["network"]
    weights = package.load_network().state_dict()
    arguments = dict(network.get("arguments", {}))
    wanted = recipe["network.arguments"]
    if recipe["network.name"] == network["name"] and wanted == {**arguments, "detail": wanted.get("detail")}:
        weights = _with_detail(network["name"], wanted, weights)
        arguments = dict(wanted)
    recipe = recipe.changed(
        network__name=network["name"],
        network__arguments=arguments,
        data__spacing_mm=inference["spacing_mm"],
        data__classes=inference["classes"],
    )
    return recipe, weights


def _with_detail(name: str, arguments: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights, and fresh ones for a last stage that they lack."""
    from PreopReviewLib.models import networks

    fresh = networks.build(name, arguments).state_dict()
    return {key: weights.get(key, value) if key.startswith("detail.") else weights[key] for key, value in fresh.items()}
