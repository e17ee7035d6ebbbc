"""What the adapters of foreign models share: weights, how images are prepared, the model card.

No pickle is loaded except with `weights_only=True`, which refuses anything that is not tensors and plain values.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import FileMissing, ModelCorrupt, ModelError


def checked_preparation(given: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What an image goes through before a foreign network sees it, as `whole_scan.WholeScan` needs it.

    Args:
        given: ``spacing_mm`` (one number or three, I-J-K), ``window`` (voxels, in the order of the network's axes),
            ``intensity`` (a rule of `preprocessing.normalize`); and, if they are not the usual, ``divisor`` (of a
            window's sides, 16), ``orientation`` (LPS; empty: as the image lies), ``array_order`` (KJI), ``overlap``,
            ``post``, ``modalities``.

    Raises:
        ModelError: something is missing, not known, or of the wrong kind; names it.
    """
    import numpy as np

    from PreopReviewLib.errors import TrainingError
    from PreopReviewLib.models.preprocessing import normalize, spacing_of
    from PreopReviewLib.models.whole_scan import POST

    defaults = {"divisor": 16, "orientation": "LPS", "array_order": "KJI"}
    known = ("spacing_mm", "window", "intensity", "overlap", "post", "modalities", *defaults)
    settings = {**defaults, **given}
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ModelError(f"{source}: the setting {', '.join(unknown)} is not one of {', '.join(known)}", "Leave it out")
    missing = [key for key in known[:3] if key not in settings]
    if missing:
        raise ModelError(
            f"{source} does not say its {', '.join(missing)}, without which images cannot be prepared for it",
            "Give them in a settings file",
        )
    try:
        spacing = spacing_of(settings["spacing_mm"])
        window = [int(n) for n in settings["window"]]
        normalize(np.arange(8.0).reshape(2, 2, 2), settings["intensity"])
        step = int(settings["divisor"])
    except (TrainingError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{source} has settings that cannot be used ({error})", "Correct them") from error
    problem = (
        (len(spacing) != 3 or min(spacing) <= 0, "spacing_mm"),
        (len(window) != 3 or min(window) < 1, "window"),
        (step < 1, "divisor"),
        (
            sorted(settings["array_order"]) != ["I", "J", "K"] or settings["array_order"] not in ("KJI", "IJK"),
            "array_order",
        ),
        (not _is_orientation(settings["orientation"]), "orientation"),
        (settings.get("post") not in POST, "post"),
        (not 0 <= float(settings.get("overlap", 0.25)) < 1, "overlap"),
    )
    wrong = [name for bad, name in problem if bad]
    if wrong:
        raise ModelError(f"{source} has a {wrong[0]} that cannot be used ({settings.get(wrong[0])})", "Correct it")
    return {**settings, "spacing_mm": list(spacing), "window": [max(step, -(-n // step) * step) for n in window]}


def _is_orientation(axes: Any) -> bool:
    return axes == "" or (
        isinstance(axes, str)
        and len(axes) == 3
        and all(sum(c in pair for c in axes) == 1 for pair in ("RL", "AP", "SI"))
    )


def read_weights(file: Path) -> dict[str, Any]:
    """Tensors of a safetensors file or of a pickle that holds nothing else.

    Raises:
        FileMissing: no such file.
        ModelCorrupt: damaged, or carrying code (which is not run).
    """
    import pickle

    if not file.is_file():
        raise FileMissing(f"There is no file {file}", "Check the path")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        import torch

        state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelCorrupt(
            f"{file} holds more than weights, or is damaged; nothing in it was run", "Ask for a file of tensors only"
        ) from error
    except Exception as error:
        # safetensors and torch raise types of their own for each kind of damage
        raise ModelCorrupt(f"{file} cannot be read ({str(error).splitlines()[0]})", "Download it again") from error
    if not isinstance(state, dict):
        raise ModelCorrupt(f"{file} does not contain a dictionary of weights", "Save a state_dict")
    return state


def card_of_foreign(metadata: Mapping[str, Any], source: Path) -> str:
    """The card of an imported model, Markdown: what its file says, and what no one has said."""
    inference = metadata["inference"]
    lines = [
        f"# {metadata['name']} {metadata['version']}",
        "",
        f"{metadata['description']}. Imported from `{source.name}`.",
        "",
        "## Known",
        "",
        f"- Network: {metadata['network']['name']}.",
        f"- It segments {', '.join(inference['classes'][1:])}.",
        f"- Images are brought to {inference['spacing_mm']} mm, intensities by {inference['intensity']}, and go "
        f"through in windows of {inference['window']} voxels.",
        f"- License: {metadata['license']}.",
        f"- Intended use: {metadata['intended_use']}.",
        *(f"- {note}" for note in metadata.get("notes", ())),
        "",
        "## Not known",
        "",
        f"- Training data: {metadata.get('training', {}).get('data', 'not stated')}; not checked here.",
        "- How accurate it is: nothing was measured here. Measure it on patients that it has not seen.",
        "",
    ]
    return "\n".join(lines)
