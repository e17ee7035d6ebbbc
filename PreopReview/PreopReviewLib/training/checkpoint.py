"""Checkpoints that are whole or absent, read without running any code in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PreopReviewLib.errors import OutputError, TrainingError
from PreopReviewLib.memory_errors import is_out_of_memory
from PreopReviewLib.output import whole_file

LAST, BEST = "last.pt", "best.pt"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write beside, then rename: a kill or a full disk leaves the earlier file as it was.

    Raises:
        OutputError: it cannot be written.
    """
    import torch

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            torch.save(state, part)
    except (OSError, RuntimeError) as error:
        raise OutputError(
            f"The checkpoint {path} cannot be written ({error})", "Free some space; the earlier one is intact"
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Tensors and plain values only (`weights_only=True`): a pickle that carries code is refused, not run.

    Raises:
        TrainingError: missing, damaged or code-carrying file.
    """
    import pickle

    import torch

    if not path.is_file():
        raise TrainingError(f"There is no checkpoint {path}", "Train first, or check the folder")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        if is_out_of_memory(error):
            raise
        raise TrainingError(
            f"The checkpoint {path} cannot be read ({str(error).splitlines()[0]})",
            "It is damaged, or holds more than tensors and numbers",
        ) from error
    if not isinstance(state, dict):
        raise TrainingError(f"{path} is not a checkpoint of preop train", "Check the file")
    return state
