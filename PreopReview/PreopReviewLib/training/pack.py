"""From a run to a model package with its card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import InputError
from PreopReviewLib.structured import read_json
from PreopReviewLib.training.checkpoint import BEST, LAST, read_checkpoint
from PreopReviewLib.training.recipe import Recipe, recipe_from_dict

if TYPE_CHECKING:
    from torch import Tensor

    from PreopReviewLib.models.package import ModelPackage

LICENSE_TEXT = """Licensed under the Apache License, Version 2.0 (the "License"); you may not use these files except in
compliance with the License. You may obtain a copy of the License at

    http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, the files are distributed on an "AS IS" BASIS, WITHOUT
WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
permissions and limitations under the License.
"""


def pack_run(
    run: Path,
    folder: Path,
    name: str | None = None,
    version: str = "1.0.0",
    checkpoint: str = "best",
    command: str = "",
    figures: Mapping[str, Any] | None = None,
    overwrite: bool = False,
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

    Raises:
        TrainingError: no such checkpoint.
        OutputError: the package cannot be written.
    """
    from PreopReviewLib.models.package import write_package

    kept = read_checkpoint(run / (BEST if checkpoint == "best" else LAST))
    recipe = recipe_from_dict(kept["recipe"], str(run))
    name = name or recipe.name
    facts = {
        "iterations": int(kept["iteration"]),
        "minutes": round(float(kept["minutes"]), 1),
        "samples": int(kept["iteration"]) * recipe["data.batch"],
        "seed": recipe["training.seed"],
        "data": kept.get("data", ""),
        "shapes": list(kept.get("shapes", [])),
        "validation": kept["history"][-1] if kept["history"] else {},
        "command": command,
    }
    metadata = _metadata(recipe, name, version, facts, figures or {})
    return write_package(
        folder, metadata, small_weights(kept["average"]), model_card(metadata), LICENSE_TEXT, overwrite
    )


def read_figures(path: str | Path) -> dict[str, Any]:
    """Measured accuracy as `preop evaluate-model` writes it: test → structure → mean, sd, cases.

    Raises:
        FileMissing, UnreadableImage: no such file, or no JSON.
        InputError: of another form; names the part.
    """
    found = read_json(path, remedy="Make it again with preop evaluate-model")
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no figures", "Give the JSON file of preop evaluate-model")
    for test, structures in found.items():
        for key, values in structures.items() if isinstance(structures, dict) else [("", None)]:
            if not isinstance(values, dict) or not all(
                isinstance(values.get(k), int | float) and not isinstance(values.get(k), bool)
                for k in ("mean", "sd", "cases")
            ):
                raise InputError(
                    f"{path}: {test!r} {key!r} lacks the numbers mean, sd and cases",
                    "Give the JSON file of preop evaluate-model",
                )
    return found


def small_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as fp16; running statistics stay fp32, whose squares would overflow fp16."""
    import torch

    keep = ("running_mean", "running_var", "num_batches_tracked")
    return {
        key: value if key.endswith(keep) or not value.is_floating_point() else value.to(torch.float16)
        for key, value in state.items()
    }


def _metadata(
    recipe: Recipe, name: str, version: str, facts: dict[str, Any], figures: Mapping[str, Any]
) -> dict[str, Any]:
    synthetic = facts["data"] == "phantoms"
    data = "synthesized images only" if synthetic else facts["data"]
    inside_liver = recipe["data.kind"] == "phantoms"
    return {
        "name": name,
        "version": version,
        "task": "five-structures" if inside_liver else "segmentation",
        "description": recipe.title,
        "license": "Apache-2.0",
        "intended_use": "Research and teaching; a starting point for fine-tuning. Not validated on patients.",
        "network": {"name": recipe["network.name"], "arguments": recipe["network.arguments"]},
        "inference": _preparation(recipe, inside_liver),
        "training": {"data": data, "recipe": recipe.as_dict(), **{k: v for k, v in facts.items() if k != "data"}},
        "figures": dict(figures),
    }


def _preparation(recipe: Recipe, inside_liver: bool) -> dict[str, Any]:
    """What `models.whole_scan`, or the network inside a liver, must know to prepare an image as training did."""
    from PreopReviewLib.models.liver_channels import CHANNELS

    said: dict[str, Any] = {
        "spacing_mm": recipe["data.spacing_mm"],
        "classes": recipe["data.classes"],
        "divisor": divisor_of(recipe["network.arguments"]),
        "channels": list(CHANNELS) if inside_liver else ["intensity"],
    }
    if inside_liver:
        return said
    said["intensity"] = recipe.get("data.intensity", {"kind": "zscore"})
    said["window"] = recipe.get("inference.window", recipe["data.patch"])
    for key, name in (("regions", "loss.arguments"), ("post", "inference.post"), ("overlap", "inference.overlap")):
        value = recipe.get(name)
        value = value.get("regions") if key == "regions" else value
        if value is not None:
            said[key] = value
    return said


def divisor_of(arguments: Mapping[str, Any]) -> int:
    """What each side of a network's input must be a multiple of, from its arguments (or its members')."""
    arguments = arguments.get("arguments", arguments)
    if "strides" in arguments:
        return math.prod(max(s) if isinstance(s, list | tuple) else int(s) for s in arguments["strides"])
    return int(arguments.get("block", 1)) * 2 ** (len(arguments.get("widths", [0])) - 1)


def model_card(metadata: Mapping[str, Any]) -> str:
    """The card of a package, Markdown, from its metadata."""
    training, figures = metadata["training"], metadata["figures"]
    members = training.get("members")
    lines = [
        f"# {metadata['name']} {metadata['version']}",
        "",
        f"{metadata['description']}. {metadata['intended_use']}",
        "",
        "## Training",
        "",
    ]
    if members:
        lines += [f"{len(members)} networks, whose answers are averaged.", ""]
    for member in members or [training]:
        if members:
            lines += [f"### {member['name']} {member['version']}", ""]
        lines += [*_told(member), ""]
    if figures:
        lines += ["", "## Measured", ""]
        for test, values in figures.items():
            lines += [f"**{test}**", "", "| structure | Dice, mean | SD | cases |", "| --- | --- | --- | --- |"]
            lines += [f"| {k} | {v['mean']:.3f} | {v['sd']:.3f} | {v['cases']} |" for k, v in values.items()]
            lines.append("")
    lines += ["", "## Limits", "", _limits(metadata), ""]
    return "\n".join(lines)


def _limits(metadata: Mapping[str, Any]) -> str:
    needs = " It needs a liver mask." if len(metadata["inference"].get("channels", ())) > 1 else ""
    if "synthe" in str(metadata["training"]["data"]):
        return (
            "The images it learned from are simulated. Figures on simulated images say how well the generator was "
            f"learned, not how good the model is on patients.{needs}"
        )
    return (
        f"It knows only what its data show: other scanners, phases and diseases are not covered by its figures.{needs}"
    )


def _told(training: Mapping[str, Any]) -> list[str]:
    """How one network was trained."""
    if "recipe" not in training:
        return ["- Not said."]
    lines = [
        f"- Data: {training['data']}; real liver shapes bent into phantoms: {', '.join(training['shapes']) or 'none'}.",
        f"- Recipe `{training['recipe']['name']}`, seed {training['seed']}, {training['iterations']} iterations "
        f"({training['samples']} samples), {training['minutes']} minutes.",
    ]
    if training["command"]:
        lines += ["- Command:", "", "```", training["command"], "```"]
    held_out = {k: v for k, v in training["validation"].items() if k not in ("minutes", "loss", "learning_rate")}
    return [*lines, "", f"Held-out patches while training (Dice): {held_out}."]
