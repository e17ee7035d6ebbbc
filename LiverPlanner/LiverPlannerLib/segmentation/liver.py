"""The liver in a CT or MR image, by the KU Leuven network (or another package with its interface).

Preprocessing follows the original (`pyliverlesionseg` 0.3, read, not copied). What differs is said in the model card
(`PreopReviewLib.models.kuleuven_cards`) and where it is done. Importing this does not import torch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.segmentation.liver_answers import SURE, agreed
from LiverPlannerLib.segmentation.liver_core import core_sureness, largest, liver_core, with_rim
from LiverPlannerLib.segmentation.liver_edges import refined_mask
from LiverPlannerLib.segmentation.liver_field import abdomen_box
from LiverPlannerLib.segmentation.liver_growth import grown_liver
from LiverPlannerLib.segmentation.liver_intensity import IntensityMap, RankMap, intensity_map, mr_maps
from LiverPlannerLib.segmentation.liver_walk import with_walks
from LiverPlannerLib.segmentation.morphology import closed
from PreopReviewLib import images, models
from PreopReviewLib.errors import InputError, ModelError, NothingFound
from PreopReviewLib.progress import CancelToken, Progress, silent, within

if TYPE_CHECKING:
    from torch import nn

    from PreopReviewLib.inference import Placement, Predictor

DEFAULT_MODEL = "kuleuven-liver"
GRID_MM = 3.0
THRESHOLD = 0.5
CANVAS = (189, 162, 162)
SLAB_MM = 120.0
"""An image less high than this cannot hold a liver with what is above and below it."""
SLAB_CANVAS = 81
NOTCH_MM = 4.0
"""Chosen on the six MRIs: Dice better on four, by up to .017, and worse on two, by .004 at most."""
GROWN_BELOW = 0.8
"""Mean probability in its core below which an MRI's liver is grown by brightness. On the three of six real MRIs where
growing did anything (probability 0.86 to 0.97), it cost 0.06 to 0.16 of Dice: what is as bright and goes on from the
liver is spleen, stomach or bowel. It is left for livers that the network hardly knows."""


UNSURE = (
    "The liver network is not sure of this MRI: the outline may lack parts of the liver and hold pieces of its "
    "neighbors. On three such MRIs of patients the volume was 20 % too small, 1 % and 5 % too large. Look at the "
    "outline before you use any volume."
)


@dataclass
class LiverResult:
    """What a network found.

    Attributes:
        mask: uint8, 0 and 1, on the image's grid.
        model: name and version of the package.
        probability: float32 on the network's own grid (patient space is the image's); 0 far from the structure.
        raw: the network's own answer there, with what was taken for a neighbor.
        notes: sentences for the reader.
        warnings: what a reader must know.
        device, precision: where and how it was computed.
        seconds: wall time of the whole function.
    """

    mask: sitk.Image
    model: str
    probability: sitk.Image | None = None
    raw: sitk.Image | None = None
    notes: list[str] = field(default_factory=list)
    device: str = "cpu"
    precision: str = "float32"
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Prepared:
    """The network's input.

    Attributes:
        source: (I, J, K), RAS index order, float32, 3 mm, in the image's units.
        intensity: brings them to -0.5…0.5.
        image: an empty-valued image with the geometry of `source`.
        slab: the field of view is too low for the statistics of a whole abdomen.
    """

    source: np.ndarray
    intensity: IntensityMap | RankMap
    image: sitk.Image
    slab: bool

    @property
    def values(self) -> np.ndarray:
        """What the network is shown, float32."""
        return self.intensity(self.source).astype(np.float32)


def segment_liver(
    image: sitk.Image,
    modality: str,
    package: str | Path | models.ModelPackage | None = None,
    device: str = "auto",
    *,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> LiverResult:
    """The liver of a 3-D image (a CT in HU), any spacing and orientation.

    Args:
        modality: ``CT`` or ``MR``.
        package: name, folder or package of a model whose network is `KuLeuvenLiverUNet`; None is `DEFAULT_MODEL`,
            fetched on first use.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        NothingFound: no voxel is liver.
        InputError: unknown modality or device. ModelError: the package is missing or unfit. OutOfMemory. Cancelled.
    """
    start, token = time.perf_counter(), cancel or CancelToken()
    predictor, name = load_predictor(package or DEFAULT_MODEL, "KuLeuvenLiverUNet", modality, device, progress)
    token.raise_if_cancelled()
    progress(0.1, "Preparing the image for the liver network")
    prepared = prepare(image, modality)
    token.raise_if_cancelled()
    probability, seen = _answered(predictor, prepared, modality, within(progress, 0.25, 0.9), token)
    progress(0.9, "Resampling the liver to the image's grid")
    core, threshold = liver_core(probability, GRID_MM**3 / 1000)
    if not core.any():
        raise NothingFound(
            f"The network found no liver in this {modality} image",
            "Check that the image shows the upper abdomen and that its modality is right",
        )
    raw = _as_image(probability, prepared.image)
    sureness = core_sureness(core, probability)
    token.raise_if_cancelled()
    if modality == "MR":
        probability, threshold = with_walks(prepared.source, core, probability, threshold, GRID_MM), THRESHOLD
        core = largest(probability > threshold)
    values = prepared.values
    mask = refined_mask(image, prepared.image, core, probability, threshold, values, prepared.intensity)
    warnings = [UNSURE] if modality == "MR" and sureness < SURE else []
    mask = without_notches(mask) if modality == "MR" else mask
    if modality == "MR" and sureness < GROWN_BELOW:
        mask, grown = _grown(image, mask, name)
        warnings += grown
    kept = _as_image(np.where(with_rim(core, probability, threshold), probability, 0), prepared.image)
    notes = [*predictor.notes, *seen]
    if prepared.slab:
        notes.append(
            f"The image is less than {SLAB_MM:.0f} mm high; its first and last slices were repeated for the network, "
            "which expects a whole abdomen. Check the result carefully."
        )
    progress(1.0, "Liver found")
    placement = predictor.placement
    seconds = round(time.perf_counter() - start, 3)
    return LiverResult(mask, name, kept, raw, notes, placement.device, placement.precision, seconds, warnings)


def _answered(
    predictor: Predictor, prepared: Prepared, modality: str, progress: Progress, cancel: CancelToken
) -> tuple[np.ndarray, list[str]]:
    """Probability (I, J, K) on the 3 mm grid, and what is to be said of how the image was shown."""
    maps = mr_maps(prepared.source) if modality == "MR" else [prepared.intensity]

    def answer(number: int) -> np.ndarray:
        part = within(progress, number / len(maps), (number + 1) / len(maps))
        return _predict(predictor, replace(prepared, intensity=maps[number]), part, cancel)

    probability, used = agreed(len(maps), answer, GRID_MM**3 / 1000)
    if len(used) == 1:
        return probability, []
    named = "; ".join(str(maps[n]) for n in used)
    return probability, [f"The liver network was not sure of this MRI: the mean of its answers under {named} was used."]


def without_notches(mask: sitk.Image) -> sitk.Image:
    """An MRI's liver with the vessels at its surface, which its intensities leave out: closed by a ball of 4 mm."""
    box = images.bounding_box(mask, 2 * NOTCH_MM)
    small = images.crop(mask, box)
    whole = closed(images.array_of(small) > 0, NOTCH_MM, images.spacing_kji(mask).tolist())
    return images.paste(images.image_like(whole.astype(np.uint8), small), mask, box)


def _grown(image: sitk.Image, mask: sitk.Image, name: str) -> tuple[sitk.Image, list[str]]:
    """The mask with what goes on from it and looks like it, and what is to be said of that."""
    grown, milliliters = grown_liver(image, mask)
    if not milliliters:
        return mask, []
    return grown, [
        f"{milliliters:.0f} ml as bright as the liver and continuous with it were added to what {name} calls liver: "
        "look at its outline before you use its volume."
    ]


def load_predictor(
    package: str | Path | models.ModelPackage, network: str, modality: str, device: str, progress: Progress
) -> tuple[Predictor, str]:
    """The package's network where it runs fastest, and the package's name with version.

    Raises:
        InputError: the modality is neither CT nor MR. ModelError: not a package for this task.
    """
    from PreopReviewLib.inference import Predictor

    if modality not in ("CT", "MR"):
        raise InputError(f"The modality {modality!r} is not known to this network", "Give CT or MR")
    if not isinstance(package, models.ModelPackage):
        package = models.require_package(package, within(progress, 0.0, 0.08))
    actual = package.metadata["network"]["name"]
    if actual != network:
        raise ModelError(f"The model {package.name} has the network {actual}, not {network}", "Choose another model")
    progress(0.08, "Loading the network")
    return Predictor.of(package, device), f"{package.name} {package.version}"


def prepare(image: sitk.Image, modality: str) -> Prepared:
    """Crop to the abdomen, 1.5 mm, median of 3³, 3 mm, as the original does."""
    from PreopReviewLib.inference.median import median_of_27
    from PreopReviewLib.inference.resampling import zoom_kji

    image = images.orient(image, "RAS")
    box = abdomen_box(image, modality)
    spacing = images.spacing_kji(image)
    array = images.array_of(image)[box.slices]
    half = median_of_27(zoom_kji(array, spacing / (GRID_MM / 2)))
    small = zoom_kji(half, (0.5, 0.5, 0.5))
    small = small[tuple(slice(0, n) for n in (136, 136, 163))]
    center = [(a + b - 1) / 2 for a, b in zip(box.start[::-1], box.stop[::-1], strict=True)]
    source = np.ascontiguousarray(small.transpose(2, 1, 0))
    grid = _centered(image, center, source.shape)
    return Prepared(source, intensity_map(source, modality), grid, array.shape[0] * spacing[0] < SLAB_MM)


def _centered(image: sitk.Image, center: list[float], shape: tuple[int, ...]) -> sitk.Image:
    """An image of 3 mm voxels around a continuous index of `image`, with its direction."""
    grid = sitk.Image([int(n) for n in shape], sitk.sitkUInt8)
    grid.SetSpacing([GRID_MM] * 3)
    grid.SetDirection(image.GetDirection())
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint(center))
    offset = np.array(image.GetDirection()).reshape(3, 3) @ ((np.array(shape) - 1) / 2 * GRID_MM)
    grid.SetOrigin((middle - offset).tolist())
    return grid


def _as_image(values: np.ndarray, grid: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
    image.CopyInformation(grid)
    return image


def _predict(predictor: Predictor, prepared: Prepared, progress: Progress, cancel: CancelToken) -> np.ndarray:
    """Probability (I, J, K) on the 3 mm grid."""
    import torch

    from PreopReviewLib.models.kuleuven_fast import liver_probability

    values, canvas, before = prepared.values, CANVAS, 0
    if prepared.slab:
        values, canvas, before = fill_height(values)

    def step(fraction: float) -> None:
        cancel.raise_if_cancelled()
        progress(fraction, "Segmenting the liver")

    def compute(network: nn.Module, placement: Placement) -> torch.Tensor:
        tensor = torch.from_numpy(values).to(placement.device, placement.dtype)
        return liver_probability(network, tensor, canvas, step)  # type: ignore[arg-type]

    probability = predictor.run(compute).numpy()
    return probability[:, :, before : before + prepared.values.shape[2]]


def fill_height(values: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int], int]:
    """A slab (K, J, I) continued above and below by its outermost slices, its canvas, and the slices put in front.

    The network's statistics are taken over its input. A thin slab in a canvas of 162 slices is nearly all padding:
    on real slabs of 20 and 13 slices the original's rule finds nothing or little. Here the canvas is as small as
    the slab allows and is filled along K; along I and J there is padding as the network knows it.
    """
    from PreopReviewLib.models.kuleuven_networks import KuLeuvenLiverUNet

    rim, factor = 2 * KuLeuvenLiverUNet.MARGIN, KuLeuvenLiverUNet.FACTOR
    rows, columns = (-(-(n + rim) // factor) * factor for n in values.shape[:2])
    height = SLAB_CANVAS - rim
    missing = height - values.shape[2]
    before = missing // 2
    filled = np.pad(values, ((0, 0), (0, 0), (before, missing - before)), mode="edge")
    return filled, (rows, columns, SLAB_CANVAS), before


def to_source(probability: sitk.Image, image: sitk.Image, threshold: float = THRESHOLD) -> sitk.Image:
    """The probability interpolated on the image's grid, thresholded: uint8. Only the box around it is computed."""
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(image)
    points = np.argwhere(images.array_of(probability) > 0)[:, ::-1]
    low, high = points.min(0) - 1.0, points.max(0) + 1.0
    corners = [np.where(c, high, low).tolist() for c in np.ndindex(2, 2, 2)]
    index = np.array(
        [
            image.TransformPhysicalPointToContinuousIndex(probability.TransformContinuousIndexToPhysicalPoint(c))
            for c in corners
        ]
    )
    size = np.array(image.GetSize())
    start = np.clip(np.floor(index.min(0)).astype(int), 0, size - 1)
    stop = np.clip(np.ceil(index.max(0)).astype(int) + 1, start + 1, size)
    box = images.Box(tuple(start[::-1].tolist()), tuple(stop[::-1].tolist()))
    inside = sitk.Resample(probability, images.crop(image, box), sitk.Transform(), sitk.sitkLinear, 0.0)
    return images.paste(inside > threshold, mask, box)
