"""Class activation maps as images in the patient's space.

Where a map's voxel lies follows from the network: with symmetric padding and the strides of its down-samplings,
feature voxel i sees the input symmetrically around cube voxel s·i (s = 4 for two blocks). The map is therefore an
image with the cube's origin and direction and s times its spacing; nothing else is needed to lay it on the MRI.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import InputError

if TYPE_CHECKING:
    import torch

    from RotatorCuffCAMLib.network.vrn import VRN
    from RotatorCuffCAMLib.region import Cube

Method = Literal["exact", "contrast", "gradcam", "hirescam"]
METHODS: tuple[Method, ...] = ("exact", "contrast", "gradcam", "hirescam")
"""exact: batch norm folded in. contrast: the exact map less that of no tear. gradcam: MONAI's. hirescam: activations
times gradients, at the resolution of any layer (Draelos and Carin 2020)."""


@dataclass(frozen=True)
class ActivationMap:
    """A map for one class.

    Attributes:
        image: raw values, float32, on the grid of the map.
        class_index: whose map it is.
        method: how it was made.
        bias: what the logit has beyond the mean of an exact map (0 for other methods).
        voxel_mm: edge of a map voxel: the finest detail it can show.
    """

    image: sitk.Image
    class_index: int
    method: Method
    bias: float
    voxel_mm: float


def map_image(values: np.ndarray, cube: sitk.Image) -> sitk.Image:
    """Values (E, E, E) of feature voxels as an image: the cube's origin and direction, 64/E times its spacing."""
    edge = values.shape[-1]
    image = sitk.GetImageFromArray(np.ascontiguousarray(values, np.float32))
    image.SetOrigin(cube.GetOrigin())
    image.SetDirection(cube.GetDirection())
    image.SetSpacing([s * cube.GetSize()[0] / edge for s in cube.GetSpacing()])
    return image


def activate(
    network: VRN, cube: Cube, class_index: int | None = None, method: Method = "exact", layer: str = "last"
) -> ActivationMap:
    """The map of a class (by default the predicted one).

    Args:
        layer: name of the network's layer for gradcam and hirescam; an earlier one is finer.

    Raises:
        InputError: an unknown method, class or layer.
    """
    import torch

    if method not in METHODS:
        raise InputError(f"Unknown activation map method: {method!r}", f"Use one of {', '.join(METHODS)}")
    tensor = as_tensor(cube.image, network)
    if method in ("gradcam", "hirescam"):
        values, index = _by_gradient(network, tensor, class_index, method, layer)
        return _activation_map(values, cube, index, method, 0.0)
    from RotatorCuffCAMLib.network.activation_maps import against, exact_maps, folded_weights

    with torch.inference_mode():
        features = network.features(tensor)
        logits, maps = network.logits_of(features)[0], exact_maps(network, features)
        biases = folded_weights(network)[1]
    index = _checked(class_index, logits)
    if method == "contrast":
        maps, biases = against(maps), biases - biases[0]
    return _activation_map(maps[0, index].cpu().numpy(), cube, index, method, float(biases[index]))


def _activation_map(values: np.ndarray, cube: Cube, index: int, method: Method, bias: float) -> ActivationMap:
    image = map_image(values, cube.image)
    return ActivationMap(image, index, method, bias, float(image.GetSpacing()[0]))


def as_tensor(cube: sitk.Image, network: VRN) -> torch.Tensor:
    """(1, 1, 64, 64, 64) on the network's device."""
    import torch

    device = next(network.parameters()).device
    return torch.from_numpy(sitk.GetArrayFromImage(cube))[None, None].to(device)


def _checked(class_index: int | None, logits: torch.Tensor) -> int:
    if class_index is None:
        return int(logits.argmax())
    if not 0 <= class_index < len(logits):
        raise InputError(f"class index {class_index} is out of range", f"Use 0 to {len(logits) - 1}")
    return class_index


def _by_gradient(
    network: VRN, tensor: torch.Tensor, class_index: int | None, method: Method, layer: str
) -> tuple[np.ndarray, int]:
    import torch
    from monai.visualize.class_activation_maps import GradCAM, ModelWithHooks

    if layer not in dict(network.named_modules()):
        raise InputError(f"The network has no layer {layer!r}", "Use last, or body.N")
    if network.window is not None and layer != "last":
        raise InputError("This network sees part of the cube, so only its last layer maps to a location", "Use last")
    needed = [p.requires_grad for p in network.parameters()]
    network.requires_grad_(True)
    try:
        with torch.no_grad():
            index = _checked(class_index, network(tensor)[0])
        if method == "gradcam":
            # compute_map, not the call: MONAI's own upsampling would shift the map by 1.5 cube voxels.
            return GradCAM(network, layer).compute_map(tensor, class_idx=index)[0, 0].detach().cpu().numpy(), index
        hooked = ModelWithHooks(network, layer, register_forward=True, register_backward=True)
        _, activations, gradients = hooked(tensor, class_idx=index)
        product = (activations[0] * gradients[0]).sum(1)[0]
        return torch.relu(product).detach().cpu().numpy(), index
    finally:
        for parameter, need in zip(network.parameters(), needed, strict=True):
            parameter.requires_grad_(need)
        network.zero_grad(set_to_none=True)


def on_grid(activation: sitk.Image, reference: sitk.Image) -> sitk.Image:
    """The map, linearly interpolated on the reference's grid (the MRI's).

    From the middle of its outer voxels it falls to 0 over one map voxel; beyond that it is 0.
    """
    padded = sitk.ConstantPad(activation, [1, 1, 1], [1, 1, 1], 0.0)
    size = np.array(reference.GetSize())
    low, high = _reach(padded, reference)
    values = np.zeros(size[::-1], np.float32)
    if (low < high).all():  # a cube fills a tenth of a shoulder series: only that part is interpolated
        part = sitk.Resample(
            padded,
            (high - low).tolist(),
            sitk.Transform(),
            sitk.sitkLinear,
            reference.TransformIndexToPhysicalPoint(low.tolist()),
            reference.GetSpacing(),
            reference.GetDirection(),
            0.0,
            sitk.sitkFloat32,
        )
        where = tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
        values[where] = sitk.GetArrayViewFromImage(part)
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(reference)
    return image


def _reach(image: sitk.Image, reference: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """First and last (exclusive) index, I J K, of the reference's voxels that may lie in an image."""
    size = image.GetSize()
    corners = [
        reference.TransformPhysicalPointToContinuousIndex(
            image.TransformContinuousIndexToPhysicalPoint([(-0.5, n - 0.5)[b] for n, b in zip(size, bits, strict=True)])
        )
        for bits in np.ndindex(2, 2, 2)
    ]
    low, high = np.floor(np.min(corners, 0)).astype(int), np.ceil(np.max(corners, 0)).astype(int) + 1
    return np.clip(low, 0, reference.GetSize()), np.clip(high, 0, reference.GetSize())


def normalized(activation: sitk.Image) -> sitk.Image:
    """Positive values over their maximum, 0 to 1; all 0 where nothing is positive."""
    values = np.clip(sitk.GetArrayFromImage(activation), 0, None)
    top = float(values.max())
    image = sitk.GetImageFromArray((values / top if top > 0 else values).astype(np.float32))
    image.CopyInformation(activation)
    return image


def peak_lps(activation: sitk.Image) -> tuple[float, float, float]:
    """The middle of the map's hottest voxel, mm."""
    values = sitk.GetArrayViewFromImage(activation)
    k, j, i = np.unravel_index(int(values.argmax()), values.shape)
    return activation.TransformIndexToPhysicalPoint((int(i), int(j), int(k)))
