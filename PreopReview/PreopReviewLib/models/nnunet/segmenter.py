"""nnU-Net behind the seam for models: prepared, run in windows and brought back by nnunetv2's own code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import InputError, OutOfMemory
from PreopReviewLib.memory_errors import is_out_of_memory
from PreopReviewLib.models.nnunet.plans import TURNED
from PreopReviewLib.models.package import ModelPackage
from PreopReviewLib.models.segmenter import SegmenterResult
from PreopReviewLib.progress import CancelToken, Progress, silent

if TYPE_CHECKING:
    from PreopReviewLib.models.nnunet.network import NnUNet


class NnUNetSegmenter:
    """An imported nnU-Net with all its folds.

    Attributes:
        channels: the images that it needs, in this order, as components of the one image it is given.
    """

    needs_region = False

    def __init__(self, package: ModelPackage) -> None:
        self.package = package
        self.name = f"{package.name} {package.version}"
        inference = package.metadata["inference"]
        self.structures = tuple(n for n in inference["classes"] if n != "background")
        self.modalities = tuple(inference.get("modalities", ()))
        self.channels = tuple(inference["channels"])
        self._structure_of = {int(value): name for value, name in inference["values"].items()}
        self._mirror = inference.get("mirror_axes")
        plans = package.metadata["network"]["arguments"]["plans"]
        self._turns = plans.get("image_reader_writer") in TURNED

    def segment(
        self,
        image: sitk.Image,
        region: sitk.Image | None = None,
        *,
        modality: str | None = None,
        device: str = "auto",
        progress: Progress = silent,
        cancel: CancelToken | None = None,
    ) -> SegmenterResult:
        """As `Segmenter.segment`; a region leaves out what is beyond it.

        Args:
            image: with as many components as the model has channels.

        Raises:
            InputError: it has another number of components.
        """
        token = cancel or CancelToken()
        if image.GetNumberOfComponentsPerPixel() != len(self.channels):
            raise InputError(
                f"The model {self.name} needs {len(self.channels)} images of the scan ({', '.join(self.channels)}), "
                f"and was given {image.GetNumberOfComponentsPerPixel()}",
                "Give the others as well, in this order",
            )
        progress(0.0, "Preparing the image")
        turned = sitk.DICOMOrient(image, "RAS") if self._turns else image
        predicted, where, notes = self._predict(turned, device, progress, token)
        progress(0.95, "Naming the structures")
        values = {name: number for number, name in enumerate(self.structures, 1)}
        table = np.zeros(256, np.uint8)
        for value, name in self._structure_of.items():
            table[value] = values[name]
        labels = sitk.GetImageFromArray(table[predicted])
        labels.CopyInformation(turned)
        if self._turns:
            labels = images.resample_to(labels, image, "nearest", 0)
        if region is not None:
            labels = sitk.Mask(labels, sitk.Cast(region != 0, sitk.sitkUInt8))
        notes += self._doubts(image, modality)
        progress(1.0, "Done")
        return SegmenterResult(labels, values, self.name, notes, [], where)

    def _doubts(self, image: sitk.Image, modality: str | None) -> list[str]:
        notes = []
        if modality and self.modalities and modality not in self.modalities:
            notes.append(f"{self.name} was trained on {' and '.join(self.modalities)}; this image is {modality}.")
        across = np.array(image.GetDirection()).reshape(3, 3)[:, 2]
        if not self._turns and abs(across[2]) < max(abs(across[0]), abs(across[1])):
            notes.append(
                f"{self.name} sees images as they lie in the file, and this one's slices are not axial: if its "
                "training images were, turn this one first."
            )
        return notes

    # ---- nnunetv2 -----------------------------------------------------------------------------------------

    def _predict(
        self, image: sitk.Image, device: str, progress: Progress, token: CancelToken
    ) -> tuple[np.ndarray, str, list[str]]:
        """uint8 (K, J, I) of nnU-Net's own values, the device, and notes."""
        from PreopReviewLib.inference.device import choose_device

        where = choose_device(device)
        try:
            return self._run(image, where, progress, token), where, []
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if where == "cpu":
                raise OutOfMemory(
                    "There is not enough memory for this image", "Close other programs, or crop the image"
                ) from error
        note = f"Out of memory on the device {where}; computed on the CPU."
        return self._run(image, "cpu", progress, token), "cpu", [note]

    def _run(self, image: sitk.Image, device: str, progress: Progress, token: CancelToken) -> np.ndarray:
        import torch

        from PreopReviewLib.models.nnunet.network import quiet, require_nnunet

        require_nnunet()
        from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape

        with quiet():
            network = self._network()
            predictor = _predictor(network, device, self._mirror, progress, token)
        with _threads():
            array = images.array_of(image)
            array = array[None] if image.GetNumberOfComponentsPerPixel() == 1 else np.moveaxis(array, -1, 0)
            spacing = [float(s) for s in image.GetSpacing()[::-1]]
            self._require_memory(network, array.shape[1:], spacing)
            prepare = network.configuration.preprocessor_class(verbose=False)
            data, _, properties = prepare.run_case_npy(
                array, None, {"spacing": spacing}, network.plans, network.configuration, network.dataset
            )
            token.raise_if_cancelled()
            logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu()
            token.raise_if_cancelled()
            progress(0.9, "Resampling the structures to the image's grid")
            return convert_predicted_logits_to_segmentation_with_correct_shape(
                logits, network.plans, network.configuration, predictor.label_manager, properties
            ).astype(np.uint8)

    def _network(self) -> NnUNet:
        """Its weights stay in memory in a process that keeps networks."""
        from PreopReviewLib.inference import Predictor, warm
        from PreopReviewLib.inference.device import Placement

        def load() -> Predictor:
            return Predictor(self.package.load_network(), Placement("cpu", "float32"))

        return warm.predictor(self.package, "nnunet", load).network  # type: ignore[return-value]

    def _require_memory(self, network: NnUNet, shape: Sequence[int], spacing: Sequence[float]) -> None:
        """nnU-Net holds the scores of all classes at once, in its own grid (half) and in the image's (float)."""
        from PreopReviewLib.inference.memory import available_bytes

        heads = network.plans.get_label_manager(network.dataset).num_segmentation_heads
        forward = network.plans.transpose_forward
        target = list(network.configuration.spacing)
        spacing = [spacing[i] for i in forward]
        target = [spacing[0], *target] if len(target) == 2 else target
        here = math.prod(shape)
        there = here * math.prod(s / t for s, t in zip(spacing, target, strict=True))
        needed = heads * (2 * there * 2 + 4 * here) + 4 * (here + there)
        if needed > available_bytes():
            raise OutOfMemory(
                f"nnU-Net needs about {needed / 1e9:.0f} GB for {heads} classes of this image, more than is free",
                "Close other programs, or crop the image to the liver",
            )


def _predictor(
    network: NnUNet, device: str, mirror: Sequence[int] | None, progress: Progress, token: CancelToken
) -> Any:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    folds = len(network.folds)

    class Watched(nnUNetPredictor):
        """Tells how far it is, and stops between windows."""

        done = total = 0

        def _internal_get_sliding_window_slicers(self, image_size: Any) -> Any:
            slicers = super()._internal_get_sliding_window_slicers(image_size)
            self.total = len(slicers) * folds
            return _UntilCancelled(slicers, token)

        def _internal_maybe_mirror_and_predict(self, x: Any) -> Any:
            # Raising here would leave nnU-Net's own thread waiting for ever with the image in its hands.
            if token.cancelled:
                return torch.zeros((x.shape[0], self.label_manager.num_segmentation_heads, *x.shape[2:]))
            logits = super()._internal_maybe_mirror_and_predict(x)
            self.done += 1
            progress(0.1 + 0.8 * self.done / self.total, f"Window {self.done} of {self.total}")
            return logits

    predictor = Watched(
        use_mirroring=mirror is not None,
        perform_everything_on_device=device == "cuda",
        device=torch.device(device),
        allow_tqdm=False,
    )
    weights = [fold.state_dict() for fold in network.folds]
    # The folds stay on the CPU as they are; one network of the same form takes the weights of each in turn.
    predictor.manual_initialization(
        deepcopy(network.folds[0]),
        network.plans,
        network.configuration,
        weights,
        network.dataset,
        network.trainer,
        None if mirror is None else tuple(mirror),
    )
    return predictor


class _UntilCancelled(list):
    def __init__(self, items: Sequence[Any], token: CancelToken) -> None:
        super().__init__(items)
        self._token = token

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            if self._token.cancelled:
                return
            yield item


@contextmanager
def _threads() -> Iterator[None]:
    """nnU-Net sets torch's number of threads, and leaves it so where it is stopped."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
