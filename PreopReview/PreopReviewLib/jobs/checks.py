"""A task that tells what the worker has to compute with."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from PreopReviewLib.progress import CancelToken, Progress


def surroundings(
    parameters: dict[str, Any],  # noqa: ARG001
    folder: Path,  # noqa: ARG001
    progress: Progress,
    cancel: CancelToken,  # noqa: ARG001
) -> dict[str, Any]:
    """Python, torch and devices of the worker.

    Args:
        parameters: none are used.

    Returns:
        ``python`` (version), ``executable``, ``torch`` (version, or None if it is not installed), ``devices``.
    """
    facts: dict[str, Any] = {"python": platform.python_version(), "executable": sys.executable, "torch": None}
    facts["devices"] = ["cpu"]
    try:
        facts["torch"] = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return facts
    progress(0.2, "Loading torch")
    import torch

    if torch.cuda.is_available():
        facts["devices"].append("cuda")
    if torch.backends.mps.is_available():
        facts["devices"].append("mps")
    return facts
