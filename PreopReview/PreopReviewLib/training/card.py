"""What a package says of itself: the data its networks saw, how they were trained, what was measured, its limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PreopReviewLib.models.kinds import SIMULATED_DATA

NO_LICENSE = "none chosen"
APACHE = "Apache-2.0"
LICENSE_TEXT = """Licensed under the Apache License, Version 2.0 (the "License"); you may not use these files except in
compliance with the License. You may obtain a copy of the License at

    http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, the files are distributed on an "AS IS" BASIS, WITHOUT
WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
permissions and limitations under the License.
"""


def license_of(chosen: str | None, simulated_only: bool) -> tuple[str, str]:
    """Name and text of a package's license.

    Args:
        chosen: a name (an SPDX identifier), or a file with the text; None takes Apache-2.0 where a model learned from
            phantoms, whose pictures are of no patient, and else says that none was chosen.
    """
    if chosen is None:
        if simulated_only:
            return APACHE, LICENSE_TEXT
        words = "No license was chosen for this model. Ask its authors before you use it or pass it on.\n"
        return NO_LICENSE, words
    path = Path(chosen)
    if path.is_file():
        return path.stem, path.read_text(encoding="utf-8")
    if chosen == APACHE:
        return APACHE, LICENSE_TEXT
    return chosen, f"Licensed under {chosen}.\n"


def data_words(facts: Mapping[str, Any]) -> str:
    """What a run learned from, from the facts of its checkpoint: how many cases of how many patients, real or not."""
    if "training" not in facts:
        return SIMULATED_DATA[0 if facts.get("simulated") else 1]
    count = len(facts["training"])
    kind = {True: "simulated images", False: "images of patients", None: "images"}[facts.get("simulated")]
    words = f"{count} {kind} of {facts['training_patients']} patients"
    if facts.get("simulated"):
        words = f"{count} simulated (synthesized) images"
    if facts.get("modality"):
        words += f", {facts['modality']}"
    if facts.get("simulated") is None:
        words += "; the data set does not say whether they are real"
    return words


def model_card(metadata: Mapping[str, Any]) -> str:
    """The card of a package, Markdown, from its metadata."""
    training, figures = metadata["training"], metadata["figures"]
    members = training.get("members")
    lines = [
        f"# {metadata['name']} {metadata['version']}",
        "",
        f"{metadata['description']}. {metadata['intended_use']}",
        "",
        f"License: {metadata['license']}.",
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
    lines += ["", "## Measured", ""]
    for test, values in figures.items():
        measure = "share" if metadata["task"] == TEARS else "Dice"
        lines += [f"**{test}**", "", f"| what | {measure}, mean | SD | cases |", "| --- | --- | --- | --- |"]
        lines += [f"| {k} | {v['mean']:.3f} | {v['sd']:.3f} | {v['cases']} |" for k, v in values.items()]
        lines.append("")
    if not figures:
        lines += ["Nothing was measured on cases that it has not seen in training.", ""]
    lines += ["## Limits", "", _limits(metadata), ""]
    return "\n".join(lines)


TEARS = "rotator cuff tear classification"


def _limits(metadata: Mapping[str, Any]) -> str:
    channels = metadata.get("inference", {}).get("channels", ())
    needs = " It needs a liver mask." if len(channels) > 1 else ""
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
        return ["- Not stated."]
    shapes = ", ".join(training.get("shapes", ())) or "none"
    bent = f"; real liver shapes bent into phantoms: {shapes}" if "split" not in training else ""
    lines = [f"- Data: {training['data']}{bent}."]
    if start := training.get("start"):
        lines.append(f"- Goes on from {start['name']} {start['version']}, whose data were: {start['data']}.")
    if "split" in training:
        lines.append(f"- Split: {training['split']}.")
    lines.append(
        f"- Recipe `{training['recipe']['name']}`, seed {training['seed']}, {training['iterations']} iterations "
        f"({training['samples']} samples), {training['minutes']} minutes."
    )
    if training["command"]:
        lines += ["- Command:", "", "```", training["command"], "```"]
    counted = ("minutes", "loss", "learning_rate")
    held_out = {k: v for k, v in training["validation"].items() if k not in counted}
    if not held_out:
        return [*lines, "", "It was not validated while it was trained."]
    what = "whole validation cases" if "split" in training else "held-out patches"
    return [*lines, "", f"On {what} while training: {held_out}. They chose the checkpoint, so they flatter it."]
