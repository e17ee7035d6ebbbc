"""nnU-Net's checkpoints, read without running anything in them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelCorrupt, ModelError

if TYPE_CHECKING:
    from torch import Tensor

_KEYS = {"network_weights": dict, "init_args": dict, "trainer_name": str}


def read_checkpoint(file: Path) -> dict[str, Any]:
    """The weights (``network_weights``), ``init_args``, ``trainer_name`` and mirroring axes of a checkpoint.

    Beside tensors and plain values, the numpy scalars and dtypes of nnU-Net's own training log are let in; anything
    else is refused before it is made (torch's `weights_only`).

    Raises:
        ModelCorrupt: it holds code or other objects, is damaged, or is not an nnU-Net checkpoint.
    """
    import torch

    try:
        with torch.serialization.safe_globals(allowed()):
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelCorrupt(
            f"{file} holds more than weights and numbers, or is damaged; nothing in it was run ({_named(error)})",
            "Ask its authors for a checkpoint as nnU-Net writes it",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelCorrupt(f"{file} cannot be read ({str(error).splitlines()[0]})", "Copy it again") from error
    if not isinstance(checkpoint, dict) or not all(isinstance(checkpoint.get(k), kind) for k, kind in _KEYS.items()):
        raise ModelError(f"{file} is not a checkpoint of nnU-Net v2", "Give the folder that nnUNetv2_train has made")
    weights = checkpoint["network_weights"]
    if not weights or not all(isinstance(v, torch.Tensor) for v in weights.values()):
        raise ModelCorrupt(f"{file} holds no network weights", "Copy it again")
    return checkpoint


def plain_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights by their names without what data-parallel training and torch.compile put before them."""
    return {key.removeprefix("module.").removeprefix("_orig_mod."): value for key, value in weights.items()}


def allowed() -> list[Any]:
    """What may be in a checkpoint beside tensors: numpy's scalars and plain dtypes, which hold numbers only."""
    import _codecs

    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(name)) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")}
    # numpy 1 and 2 name the function differently; files of either are read by either.
    named = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return [*named, np.dtype, _codecs.encode, *kinds]


def _named(error: Exception) -> str:
    import re

    match = re.search(r"GLOBAL ([\w.]+)|class ([\w.]+)|global ([\w.]+)", str(error))
    return next((g for g in match.groups() if g), "") if match else "its contents are not what they should be"
