"""The network of a run as a model package with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from LiverPlannerLib.couinaud.channels import SPACING

if TYPE_CHECKING:
    from LiverPlannerLib.couinaud.measuring import Figures
    from PreopReviewLib.models.package import ModelPackage

LICENSE_TEXT = """The weights of this model were learned from label maps of two sources:
- Couinaud segments of 140 patients, xukun-zhang/Couinaud-Segmentation, MIT License;
- which were drawn on CT of LiTS and of the Medical Segmentation Decathlon (Task 8), CC BY-SA 4.0.

The weights are given under the Creative Commons Attribution-ShareAlike 4.0 International License (CC BY-SA 4.0):
https://creativecommons.org/licenses/by-sa/4.0/legalcode
"""


def write_couinaud_package(
    folder: Path,
    state: Path,
    figures: Figures | None,
    left_out: Mapping[str, str],
    usual_shares: Sequence[Sequence[float]],
    learned: int,
    command: str,
    version: str = "1.0.0",
) -> ModelPackage:
    """The averaged weights of `state` (a checkpoint of `training.train`) as a package (fp16).

    Args:
        figures: measured on patients that the network has not seen.
        left_out: maps not learned from, and why.
        usual_shares: lowest and highest share of the liver of each segment in the maps learned from.
        learned: number of maps learned from.
    """
    from LiverPlannerLib.couinaud.segments import TASK
    from LiverPlannerLib.couinaud.settings import NETWORK, settings_from
    from PreopReviewLib.models.package import write_package
    from PreopReviewLib.training.checkpoint import read_checkpoint
    from PreopReviewLib.training.pack import small_weights

    kept = read_checkpoint(state)
    settings = settings_from(json.loads(kept["settings"]))
    metadata = {
        "name": "couinaud",
        "version": version,
        "task": TASK,
        "description": "Couinaud segments 1 to 8 from the shape of a liver mask, for CT and MRI alike",
        "license": "CC-BY-SA-4.0",
        "intended_use": "Research and teaching; a first division to be corrected. Not validated for patients.",
        "network": {"name": NETWORK, "arguments": settings.arguments},
        "inference": {
            "spacing_mm": SPACING,
            "divisor": settings.block * 2 ** (len(settings.widths) - 1),
            "classes": [f"segment_{n}" for n in range(1, 9)],
            "channels": ["mask", "signed distance", "place in the box (z, y, x)", "place in deviations (z, y, x)"],
            "usual_shares": [[round(float(v), 4) for v in pair] for pair in usual_shares],
        },
        "training": {
            "data": "Couinaud label maps of real patients (LiTS, MSD Task 8), 2 mm",
            "maps": learned,
            "left_out": dict(left_out),
            "steps": int(kept["step"]),
            "minutes": round(float(kept["minutes"]), 1),
            "batch": settings.batch,
            "seed": settings.seed,
            "command": command,
        },
        "figures": figures.as_dict() if figures else {},
    }
    return write_package(
        folder, metadata, small_weights(kept["network"]), card_of(metadata), LICENSE_TEXT, overwrite=True
    )


def card_of(metadata: Mapping[str, Any]) -> str:
    """The model card, Markdown."""
    training, figures = metadata["training"], metadata["figures"]
    lines = [
        f"# {metadata['name']} {metadata['version']}",
        "",
        f"{metadata['description']}. {metadata['intended_use']}",
        "",
        "## What it sees, and what it cannot know",
        "",
        "A mask of the liver at 4 mm, its distance map and places in the liver's own frame: no image and no vessel.",
        "It divides the liver as livers of that outline were divided. Where a patient's portal or hepatic veins run",
        "otherwise (trifurcation, a right anterior branch from the left, an inferior right hepatic vein), no outline",
        "tells, and the borders are wrong without a sign of it. Not for livers after hepatectomy, cut off by the image",
        "or mirrored; the program warns of what it notices of these.",
        "",
        "## Training",
        "",
        f"- {training['data']}: {training['maps']} maps, {training['steps']} steps of {training['batch']} bent maps, "
        f"{training['minutes']} minutes on CPU cores shared with other work, seed {training['seed']}.",
        "- Labels: xukun-zhang/Couinaud-Segmentation (MIT), drawn on LiTS and MSD Task 8 (CC BY-SA 4.0). Undivided",
        "  vessels of the MSD maps were given to the nearest segment.",
        "- The maps are divided by planes, so what it has learned, and is measured by, is a division by planes.",
        "- Left out of training, and of the figures where said:",
        *[f"  - {name}: {reason}" for name, reason in training["left_out"].items()],
        "- Command:",
        "",
        "```",
        training["command"],
        "```",
    ]
    return "\n".join([*lines, *_measured(figures), ""])


def _measured(figures: Mapping[str, Any]) -> list[str]:
    if not figures:
        return ["", "## Measured", "", "Not measured."]
    lines = [
        "",
        "## Measured",
        "",
        f"{figures['what']}: {figures['cases']} patients. {figures['remark']}",
        "",
        "| segment | Dice, mean | SD | lowest |",
        "| --- | --- | --- | --- |",
    ]
    for number, row in figures["segments"].items():
        lines.append(f"| {number} | {row['mean']:.3f} | {row['sd']:.3f} | {row['lowest']:.3f} |")
    lines += [
        f"| mean | {figures['mean']:.3f} | {figures['sd']:.3f} | {figures['lowest']:.3f} |",
        "",
        f"Median distance of the borders between segments: {figures['border_mm']:.1f} mm (median of the patients).",
        f"Targets were a mean of .83 and .75 for every segment: {figures['targets']}.",
        "",
        "Lowest patients (mean Dice): " + ", ".join(f"{k} {v:.3f}" for k, v in figures["worst"].items()) + ".",
    ]
    return lines
