"""Going on from a model package with a few cases of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelError
from PreopReviewLib.models.kinds import fine_tunable, simulated
from PreopReviewLib.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from PreopReviewLib.models.package import ModelPackage


def start_from(recipe: Recipe, folder: Path) -> tuple[Recipe, dict[str, Tensor]]:
    """The recipe with the package's network, grid and classes, and the package's weights.

    A recipe whose network differs from the package's only by a `detail` stage keeps it: the stage starts at zero, so
    training goes on from the package's own answers.

    Raises:
        ModelError: training here cannot go on from the package (`models.kinds.fine_tunable`).
    """
    from PreopReviewLib.models.package import load_package

    package = load_package(folder)
    require_fine_tunable(package)
    inference: Any = package.metadata["inference"]
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


def told_of(folder: Path) -> dict[str, Any]:
    """What a run keeps of the package that it goes on from: name, version, data, and whether those were simulated."""
    from PreopReviewLib.models.package import load_package

    package = load_package(folder)
    data = (package.metadata.get("training") or {}).get("data", "not said")
    words = {"name": package.name, "version": package.version, "data": str(data)}
    return {**words, "simulated": simulated(package.metadata)}


def require_fine_tunable(package: ModelPackage) -> None:
    """Raises ModelError for a model that training here cannot go on from."""
    if not fine_tunable(package.metadata):
        raise ModelError(
            f"{package.name} cannot be trained further here, since it is run by another program, prepares images its "
            "own way, or draws nothing in images",
            "Start from a package of preop train, such as five-structures-synthetic",
        )


def _with_detail(name: str, arguments: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights, and fresh ones for a last stage that they lack."""
    from PreopReviewLib.models import networks

    fresh = networks.build(name, arguments).state_dict()
    return {key: weights.get(key, value) if key.startswith("detail.") else weights[key] for key, value in fresh.items()}
