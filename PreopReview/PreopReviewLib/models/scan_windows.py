"""A network over a whole scan, in slabs that fit into memory: the one road of prediction and of validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.errors import ModelError, OutOfMemory
from PreopReviewLib.progress import CancelToken, Progress, within

if TYPE_CHECKING:
    from torch import Tensor

    from PreopReviewLib.inference import Predictor

_LEAST_SLAB = 32
"""Slices that must fit into memory at least."""


@dataclass(frozen=True)
class Windows:
    """How a network is applied to a scan that is larger than what it was trained on.

    Attributes:
        size: of a window, K-J-I.
        whole: the scan is one window where it fits into memory.
        divisor: what each side of a window must be a multiple of.
        least: what a smaller scan is continued to: the patches of the training.
        overlap: of neighboring windows.
        blending: how they are averaged there, "gaussian" or "constant".
    """

    size: tuple[int, int, int]
    divisor: int
    whole: bool = False
    overlap: float = 0.25
    blending: str = "gaussian"
    least: tuple[int, int, int] = (1, 1, 1)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Windows:
        """Of a package's `inference` settings."""
        return cls(
            tuple(int(w) for w in settings["window"]),  # type: ignore[arg-type]
            int(settings["divisor"]),
            bool(settings.get("whole", False)),
            float(settings.get("overlap", 0.25)),
            str(settings.get("blending", "gaussian")),
            tuple(int(w) for w in settings.get("patch", settings["window"])),  # type: ignore[arg-type]
        )

    def padded(self, shape: Sequence[int]) -> list[int]:
        """To what a scan (K, J, I) is continued: whole windows need no more than the training's patches."""
        even = [-(-max(n, p) // self.divisor) * self.divisor for n, p in zip(shape, self.least, strict=True)]
        if self.whole:
            return even
        return [n if n >= w else min(w, e) for n, w, e in zip(shape, self.size, even, strict=True)]


def logits_in_slabs(
    predictor: Predictor, values: np.ndarray, channels: int, windows: Windows, progress: Progress, cancel: CancelToken
) -> Iterator[tuple[slice, Tensor]]:
    """Slabs of a scan and their logits (channels, K, J, I), float32 on the CPU; one slab where memory allows.

    Args:
        values: (inputs, K, J, I), as the network was trained on them.

    Raises:
        ModelError: the network gives another number of channels.
        OutOfMemory, Cancelled.
    """
    depth = values.shape[1]
    core, halo = _slab_height(values.shape[1:], channels, windows), windows.size[0] // 2
    for start in range(0, depth, core):
        stop = min(start + core, depth)
        low, high = max(0, start - halo), min(depth, stop + halo)
        part = within(progress, start / depth, stop / depth)
        logits = _logits(predictor, values[:, low:high], channels, windows, part, cancel)
        yield slice(start, stop), logits[:, start - low : stop - low]


def _logits(
    predictor: Predictor, values: np.ndarray, channels: int, windows: Windows, progress: Progress, cancel: CancelToken
) -> Tensor:
    import torch

    from PreopReviewLib.inference.predictor import predict_logits

    # As in training, an image smaller than a patch is continued by reflection, not by zeros.
    wanted = windows.padded(values.shape[1:])
    pad = [((w - n) // 2, w - n - (w - n) // 2) for w, n in zip(wanted, values.shape[1:], strict=True)]
    shown = np.pad(values, [(0, 0), *pad], mode="symmetric") if any(map(any, pad)) else values
    logits = predict_logits(
        predictor,
        torch.from_numpy(np.ascontiguousarray(shown, np.float32)),
        window=[min(w, n) for w, n in zip(windows.size, wanted, strict=True)],
        one_pass=windows.whole,
        multiple=windows.divisor,
        classes=channels,
        overlap=windows.overlap,
        blending=windows.blending,
        progress=progress,
        cancel=cancel,
    )
    if logits.shape[0] != channels:
        raise ModelError(
            f"The network gives {logits.shape[0]} channels, but names {channels}", "Correct its list of classes"
        )
    inside = tuple(slice(p[0], p[0] + n) for p, n in zip(pad, values.shape[1:], strict=True))
    return logits[(slice(None), *inside)]


def _slab_height(shape: Sequence[int], channels: int, windows: Windows) -> int:
    """Slices whose output fits into half of the free memory; float32, its sum and its counts."""
    from PreopReviewLib.inference.memory import available_bytes

    slice_bytes = shape[1] * shape[2] * 4 * (3 * channels + 2)
    whole = shape[0] * shape[1] * shape[2] * 2 * channels
    free = available_bytes() - whole
    fitting = int(0.5 * free / slice_bytes) - windows.size[0]
    if fitting < min(_LEAST_SLAB, shape[0]):
        raise OutOfMemory("There is not enough memory for this image", "Close other programs, or crop the image")
    return min(fitting, shape[0])


def nested_values(regions: Sequence[Sequence[int]]) -> list[int]:
    """The class that each nested region adds to the next inner one, outermost first."""
    inner = [set(r) for r in regions[1:]] + [set()]
    return [min(set(region) - within_it) for region, within_it in zip(regions, inner, strict=True)]
