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

    Raises:
        ModelError: the package does not say on which grid and classes it works.
    """
    from PreopReviewLib.models.package import load_package

    package = load_package(folder)
    inference: Any = package.metadata.get("inference")
    if not isinstance(inference, dict) or not {"spacing_mm", "classes"} <= set(inference):
        raise ModelError(f"{package.name} cannot be fine-tuned: its grid or classes are not stated", "Choose another")
    network = package.metadata["network"]
    recipe = recipe.changed(
        network__name=network["name"],
        network__arguments=network.get("arguments", {}),
        data__spacing_mm=inference["spacing_mm"],
        data__classes=inference["classes"],
    )
    return recipe, package.load_network().state_dict()
