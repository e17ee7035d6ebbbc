"""Whole scans through networks trained by our recipes: the recipe's own preparation, sliding windows, back again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import ModelError
from PreopReviewLib.models.kinds import simulated, simulated_note
from PreopReviewLib.models.package import ModelPackage
from PreopReviewLib.models.preprocessing import body_box, network_grid, normalize
from PreopReviewLib.models.scan_windows import Windows, logits_in_slabs, nested_values
from PreopReviewLib.models.segmenter import SegmenterResult
from PreopReviewLib.progress import CancelToken, Progress, silent, within

LARGEST_COMPONENT = "largest component of 26 neighbors"
POST = (None, LARGEST_COMPONENT)
_NEEDED = ("spacing_mm", "classes", "divisor", "intensity", "window")
_SLAB = 32
"""Slices of the source that are brought back at a time."""


class WholeScan:
    """One package of a recipe for labeled images, or several folds of it, whose probabilities are averaged.

    Args:
        packages: same classes and preparation.

    Raises:
        ModelError: a package does not state its preparation, or the packages do not go together.
    """

    needs_region = False

    def __init__(self, packages: Sequence[ModelPackage]) -> None:
        first = packages[0]
        self.packages = list(packages)
        self.settings: Mapping[str, Any] = dict(first.metadata["inference"])
        lacking = [key for key in _NEEDED if key not in self.settings]
        if lacking:
            raise ModelError(
                f"The model {first.name} does not state its {', '.join(lacking)}",
                "Pack it again from its run with preop models pack",
            )
        if self.settings.get("post") not in POST:
            raise ModelError(
                f"The post-processing {self.settings['post']!r} of {first.name} is not known", f"Use {POST[1]!r}"
            )
        for other in packages[1:]:
            theirs = other.metadata.get("inference", {})
            if theirs != first.metadata["inference"]:
                differing = sorted(k for k in {*theirs, *self.settings} if theirs.get(k) != self.settings.get(k))
                raise ModelError(
                    f"{other.name} differs from {first.name} in its {', '.join(differing)}, so they are not folds of "
                    "one model",
                    "Name packages of one recipe",
                )
        names = dict.fromkeys(f"{p.name} {p.version}" for p in packages)
        self.name = " and ".join(names)
        self.windows = Windows.of(self.settings)
        self.classes: list[str] = list(self.settings["classes"])
        self.structures = tuple(self.classes[1:])
        self.modalities = tuple(self.settings.get("modalities", ()))
        self.simulated = any(simulated(p.metadata) for p in packages)

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
        """As `Segmenter.segment`; a region leaves out what is beyond it."""
        token = cancel or CancelToken()
        progress(0.0, "Preparing the image")
        small = network_grid(image, self.settings["spacing_mm"], self.settings.get("orientation", "LPS"))
        values = images.array_of(small).astype(np.float32)
        box = body_box(values, self.settings.get("crop"))
        small = images.crop(small, box)
        values = normalize(values[box.slices], self.settings["intensity"])
        reverse = self.settings.get("array_order") == "IJK"  # of a network whose first axis is I
        values = values.T if reverse else values
        token.raise_if_cancelled()
        probabilities: np.ndarray | None = None
        notes = [simulated_note(self.name)] if self.simulated else []
        where = "cpu"
        for number, package in enumerate(self.packages):
            part = within(progress, 0.9 * number / len(self.packages), 0.9 * (number + 1) / len(self.packages))
            of_member, where = self._probabilities(package, values, device, notes, part, token)
            probabilities = of_member if probabilities is None else probabilities + of_member
        assert probabilities is not None
        probabilities /= len(self.packages)
        probabilities = probabilities.transpose(0, 3, 2, 1) if reverse else probabilities
        progress(0.9, "Resampling the structures to the image's grid")
        labels = self._to_source(probabilities, small, image, token)
        if self.settings.get("post") == LARGEST_COMPONENT:
            labels = largest_component(labels)
        labels_image = images.image_like(labels, image)
        if region is not None:
            labels_image = sitk.Mask(labels_image, sitk.Cast(region != 0, sitk.sitkUInt8))
        if modality and self.modalities and modality not in self.modalities:
            notes.append(f"{self.name} was trained on {' and '.join(self.modalities)}; this image is {modality}.")
        progress(1.0, "Done")
        values_of = {name: index for index, name in enumerate(self.classes) if index}
        return SegmenterResult(labels_image, values_of, self.name, notes, [], where)

    def doubt(
        self, image: sitk.Image, *, device: str = "auto", progress: Progress = silent, cancel: CancelToken | None = None
    ) -> float:
        """How unsure it is of an image, 0 to 1: mean entropy of the classes, of the most that is possible, over the
        voxels in which a structure has at least one chance in twenty; 1 where there are none."""
        small = network_grid(image, self.settings["spacing_mm"], self.settings.get("orientation", "LPS"))
        values = normalize(images.array_of(small).astype(np.float32), self.settings["intensity"])
        values = values.T if self.settings.get("array_order") == "IJK" else values
        probabilities = np.mean(
            [
                self._probabilities(package, values, device, [], progress, cancel or CancelToken())[0]
                for package in self.packages
            ],
            axis=0,
            dtype=np.float32,
        )
        regions = bool(self.settings.get("regions"))
        thinkable = probabilities.max(0) > 0.05 if regions else probabilities[0] < 0.95
        if not thinkable.any():
            return 1.0
        p = np.clip(probabilities[:, thinkable], 1e-6, 1 - 1e-6)
        if regions:
            return float(np.mean(-(p * np.log2(p) + (1 - p) * np.log2(1 - p))))
        return float(np.mean(-(p * np.log(p)).sum(0)) / np.log(len(p)))

    # ---- network ------------------------------------------------------------------------------------------

    def _probabilities(
        self,
        package: ModelPackage,
        values: np.ndarray,
        device: str,
        notes: list[str],
        progress: Progress,
        cancel: CancelToken,
    ) -> tuple[np.ndarray, str]:
        """float16 (channels, K, J, I) of values (K, J, I), and the device. Channels are the classes, or nested regions.

        The scan goes through in slabs where the memory does not hold the network's output for all of it.
        """
        from PreopReviewLib.inference import Predictor

        predictor = Predictor.of(package, device, folded=True)
        regions = self.settings.get("regions")
        channels = len(regions) if regions else len(self.classes)
        out = np.empty((channels, *values.shape), np.float16)
        for slab, logits in logits_in_slabs(predictor, values[None], channels, self.windows, progress, cancel):
            out[:, slab] = (logits.sigmoid() if regions else logits.softmax(0)).numpy()
        notes += [note for note in predictor.notes if note not in notes]
        return out, predictor.placement.device

    # ---- back to the image --------------------------------------------------------------------------------

    def _to_source(
        self, probabilities: np.ndarray, small: sitk.Image, image: sitk.Image, cancel: CancelToken
    ) -> np.ndarray:
        """uint8 (K, J, I) on the image's grid, from probabilities interpolated there, some slices at a time."""
        size = image.GetSize()
        labels = np.zeros(size[::-1], np.uint8)
        for start in range(0, size[2], _SLAB):
            cancel.raise_if_cancelled()
            stop = min(start + _SLAB, size[2])
            grid = images.crop(image, images.Box((start, 0, 0), (stop, size[1], size[0])))
            box = images.box_of_grid(grid, small)
            if min(box.shape) < 1:
                continue  # beyond the part of the scan that the network has seen
            labels[start:stop] = self._decided(probabilities, small, box, grid)
        return labels

    def _decided(self, probabilities: np.ndarray, small: sitk.Image, box: images.Box, grid: sitk.Image) -> np.ndarray:
        reference = images.crop(small, box)

        def on_grid(channel: int) -> np.ndarray:
            part = images.image_like(probabilities[channel][box.slices].astype(np.float32), reference)
            padded = sitk.ZeroFluxNeumannPad(part, [1, 1, 1], [1, 1, 1])
            outside = 0.0 if regions or channel else 1.0
            return images.array_of(sitk.Resample(padded, grid, sitk.Transform(), sitk.sitkLinear, outside))

        regions = self.settings.get("regions")
        labels = np.zeros(grid.GetSize()[::-1], np.uint8)
        if regions:
            inner = np.ones(labels.shape, bool)
            for channel, value in enumerate(nested_values(regions)):
                inner &= on_grid(channel) > 0.5
                labels[inner] = value
            return labels
        best = on_grid(0).copy()
        for channel in range(1, len(probabilities)):
            here = on_grid(channel)
            better = here > best
            labels[better], best[better] = channel, here[better]
        return labels


def largest_component(labels: np.ndarray) -> np.ndarray:
    """The labels (K, J, I) without what is not connected, by 26 neighbors, to the largest piece of all together."""
    import cc3d

    foreground = np.ascontiguousarray(labels > 0)
    if not foreground.any():
        return labels
    return np.where(cc3d.largest_k(foreground, k=1, connectivity=26) > 0, labels, 0).astype(np.uint8)
