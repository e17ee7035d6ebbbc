"""Running a network on an image: one pass where it fits, overlapping windows else, another device as last resort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from PreopReviewLib.errors import OutOfMemory
from PreopReviewLib.inference import warm
from PreopReviewLib.inference.device import Placement, place
from PreopReviewLib.inference.memory import available_bytes, fitting_window, kept_memory
from PreopReviewLib.memory_errors import is_out_of_memory
from PreopReviewLib.models.package import ModelPackage
from PreopReviewLib.progress import CancelToken, Progress, silent

if TYPE_CHECKING:
    from torch import Tensor, nn

Result = TypeVar("Result")


@dataclass
class Predictor:
    """A network in its place, with the notes of what had to be changed to get it to run.

    Attributes:
        network: on `placement.device`, in `placement.precision`.
        notes: sentences for the reader, e.g. that the GPU ran out of memory.
    """

    network: nn.Module
    placement: Placement
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, package: ModelPackage, device: str = "auto", folded: bool = False) -> Predictor:
        """Loads the package's weights and puts the network where it runs fastest (see `device.place`).

        A process that keeps networks (see `warm`) may give the one of an earlier run.

        Args:
            folded: on the CPU, batch norms become part of the convolutions before them (see `fusing.fused`).
        """

        def load() -> Predictor:
            network = package.load_network()
            placement = place(network, f"{package.name} {package.version}", device)
            if folded and placement.device == "cpu":
                from PreopReviewLib.inference.fusing import fused, has_batch_norm

                network = fused(network) if has_batch_norm(network) else network
            return cls(_move(network, placement), placement)

        return warm.predictor(package, device, load)

    def run(self, compute: Callable[[nn.Module, Placement], Result]) -> Result:
        """Calls `compute`, on the CPU in float32 if the device runs out of memory.

        Raises:
            OutOfMemory: the CPU runs out of memory, too.
        """
        import torch

        with torch.inference_mode():
            try:
                return compute(self.network, self.placement)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.placement.device == "cpu":
                    raise OutOfMemory(
                        "Out of memory for this image", "Close other programs, or crop the image"
                    ) from error
            self._fall_back()
            return self.run(compute)

    def _fall_back(self) -> None:
        import torch

        warm.forget(self)
        self.notes.append(f"Out of memory on the device {self.placement.device}; computed on the CPU instead.")
        self.placement = Placement("cpu", "float32")
        self.network = _move(self.network, self.placement)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _move(network: nn.Module, placement: Placement) -> nn.Module:
    return network.to(device=placement.device, dtype=placement.dtype)


def predict_logits(
    predictor: Predictor,
    image: Tensor,
    *,
    window: Sequence[int],
    one_pass: bool = False,
    multiple: int = 16,
    classes: int = 1,
    overlap: float = 0.25,
    blending: str = "gaussian",
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Tensor:
    """Logits (classes, I, J, K), float32 on the CPU, of a network whose output has the shape of its input.

    Args:
        image: (channels, I, J, K), normalized.
        window: what the network was trained on; used with MONAI's sliding windows (no mirroring).
        one_pass: the network gave the same result in one pass as in windows (its package says so), so the whole
            image may be one window if it fits into memory.
        multiple: each side of a window must be a multiple of this.
        blending: of overlapping windows, "gaussian" or "constant".

    Raises:
        OutOfMemory, Cancelled.
    """
    token = cancel or CancelToken()
    wanted = image.shape[1:] if one_pass else window

    def compute(network: nn.Module, placement: Placement) -> Tensor:
        width = 4 if placement.precision == "float32" else 2
        free = available_bytes(placement.device)
        size = fitting_window(network, wanted, free, multiple, width, classes)
        if size is None:
            raise MemoryError("no window fits")
        while True:
            try:
                return _windows(network, placement, image, size, (overlap, blending), progress, token)
            except (RuntimeError, MemoryError) as error:
                smaller = tuple(max(n // 2 // multiple * multiple, multiple) for n in size)
                if not is_out_of_memory(error) or smaller == size:
                    raise
            predictor.notes.append(f"Memory ran out with windows of {size}; smaller ones were used.")
            size = smaller

    with kept_memory():
        return predictor.run(compute)


def _windows(
    network: nn.Module,
    placement: Placement,
    image: Tensor,
    size: tuple[int, ...],
    blended: tuple[float, str],
    progress: Progress,
    cancel: CancelToken,
) -> Tensor:
    import torch
    from monai.inferers import sliding_window_inference
    from monai.inferers.utils import dense_patch_slices

    overlap, mode = blended
    # MONAI pads a smaller image to the window; then there is one window.
    padded = [max(n, s) for n, s in zip(image.shape[1:], size, strict=True)]
    steps = [s if s == n else max(int(s * (1 - overlap)), 1) for s, n in zip(size, padded, strict=True)]
    total = len(dense_patch_slices(padded, size, steps))
    done = 0

    def one(patch: Tensor) -> Tensor:
        nonlocal done
        cancel.raise_if_cancelled()
        out = network(patch.to(placement.device, placement.dtype)).float().cpu()
        done += len(patch)
        progress(min(done / total, 1.0), f"Window {min(done, total)} of {total}")
        return out

    with torch.inference_mode():
        if tuple(image.shape[1:]) == tuple(size):  # weighing what nothing overlaps takes half as long as the network
            return one(image[None].float())[0]
        logits = sliding_window_inference(
            image[None].float(), size, 1, one, overlap=overlap, mode=mode, sw_device="cpu", device="cpu"
        )
    return logits[0]
