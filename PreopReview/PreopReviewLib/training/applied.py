"""How a recipe's network is applied to whole scans: what a package of it says, and what validation does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from PreopReviewLib.training.image_data import inside_liver
from PreopReviewLib.training.recipe import Recipe

WHOLE = "whole"


def inference_settings(recipe: Recipe) -> dict[str, Any]:
    """A package's `inference`: grid, classes, channels, and where the network sees whole scans how it goes over them.

    With `inference.window` "whole", a scan is one window where it fits into memory, else windows of the training's.
    """
    from PreopReviewLib.models.liver_channels import CHANNELS

    within_liver = inside_liver(recipe)
    settings: dict[str, Any] = {
        "spacing_mm": recipe["data.spacing_mm"],
        "classes": recipe["data.classes"],
        "divisor": divisor_of(recipe["network.arguments"]),
        "channels": list(CHANNELS) if within_liver else ["intensity"],
    }
    if within_liver:
        return settings
    window = recipe.get("inference.window", recipe["data.patch"])
    settings |= {"patch": recipe["data.patch"], "window": recipe["data.patch"] if window == WHOLE else window}
    settings["intensity"] = recipe.get("data.intensity", {"kind": "zscore"})
    if window == WHOLE:
        settings["whole"] = True
    optional = {
        "crop": recipe.get("data.crop"),
        "regions": recipe["loss.arguments"].get("regions"),
        "post": recipe.get("inference.post"),
        "overlap": recipe.get("inference.overlap"),
        "blending": recipe.get("inference.blending"),
        "modalities": recipe.get("inference.modalities"),
    }
    return settings | {key: value for key, value in optional.items() if value is not None}


def divisor_of(arguments: Mapping[str, Any]) -> int:
    """What each side of a network's input must be a multiple of, from its arguments (or its members')."""
    arguments = arguments.get("arguments", arguments)
    if "strides" in arguments:
        return math.prod(max(s) if isinstance(s, list | tuple) else int(s) for s in arguments["strides"])
    return int(arguments.get("block", 1)) * 2 ** (len(arguments.get("widths", [0])) - 1)
