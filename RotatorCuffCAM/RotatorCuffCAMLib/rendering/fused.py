"""MRI and activation map in one volume of colors and opacities, so that the heat lies inside the tissue.

Two volumes that overlap are not told apart in depth by a renderer: the later one simply lies on top. Here every voxel
has one color and one opacity. What does not change with a slider (intensity, edges, percent of the map, whether the
voxel lies before the cut) is packed into one number for each voxel, and a slider only changes a table of what each
number looks like: two milliseconds for each million voxels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from RotatorCuffCAMLib.body import GRID_MM, body_mask
from RotatorCuffCAMLib.rendering.tissues import Levels, measure_levels
from RotatorCuffCAMLib.rendering.viewpoint import Viewpoint

VOXEL_MM = 0.9
"""Edge of a voxel: the in-plane detail of a shoulder MRI that is left after smoothing away its noise."""

FIELD_MM = 132.0
"""Edge of what is drawn around the humeral head: the joint with acromion, cuff and the muscles that move it."""

INTENSITIES, EDGES, PERCENTS, PLACES = 128, 8, 101, 6
"""Steps that are told apart."""

BEHIND, FACE, BEFORE = range(3)
"""Where a voxel lies of the cut through the middle of the map: behind it, on its face, or before it."""

SKIN = 3
"""Added to the place of a voxel of the skin."""

FACE_MM = 2.7
"""Thickness of the face: three voxels, so that no ray steps over it."""

SKIN_MM, FAT_MM = 3.0, 9.0
"""Depths to which there is skin, drawn as a veil, and fat, whose borders are left out: both hide every shoulder."""


@dataclass(frozen=True)
class Field:
    """One shoulder with one map, ready to be colored.

    Attributes:
        packed: uint32 (K, J, I): `pack`.
        grid: image with the geometry of `packed`; right-handed.
        levels: of the MRI.
    """

    packed: np.ndarray
    grid: sitk.Image
    levels: Levels


@dataclass(frozen=True)
class Surroundings:
    """What of a field is the same for all maps of one shoulder.

    Attributes:
        intensity: uint32 (K, J, I), 0 to INTENSITIES - 1 between 0 and `levels.top`.
        edge: uint32, 0 to EDGES - 1: how much of a border between tissues runs through the voxel.
        skin: bool.
        grid, levels: as in `Field`.
    """

    intensity: np.ndarray
    edge: np.ndarray
    skin: np.ndarray
    grid: sitk.Image
    levels: Levels


def surroundings(image: sitk.Image, head_lps: tuple[float, float, float], voxel_mm: float = VOXEL_MM) -> Surroundings:
    """The MRI around a humeral head, on cubic voxels along the series' own axes.

    Args:
        head_lps: middle of the head (of the cube that the network saw), mm.
    """
    grid = _grid(image, head_lps, voxel_mm)
    smooth = sitk.SmoothingRecursiveGaussian(sitk.Cast(image, sitk.sitkFloat32), _sigmas(image))
    placed = sitk.Resample(smooth, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    values = np.clip(sitk.GetArrayFromImage(placed), 0, None)
    levels = measure_levels(images.image_like(values, placed), head_lps)
    depth = _depth(image, grid)
    scaled = np.clip(values / levels.top, 0, 1) * (depth > 0)  # noise of the air would be dots in every picture
    return Surroundings(
        (scaled * (INTENSITIES - 1) + 0.5).astype(np.uint32),
        _edges(scaled, levels, depth),
        (depth > 0) & (depth <= SKIN_MM),
        grid,
        levels,
    )


def _sigmas(image: sitk.Image) -> list[float]:
    """Of a Gaussian that takes the noise, and the steps from slice to slice."""
    return [0.7 if s < 1.5 else 0.4 * s for s in image.GetSpacing()]


def _grid(image: sitk.Image, head_lps: tuple[float, float, float], voxel_mm: float) -> sitk.Image:
    """Cubic voxels around the head along the image's axes, within the image, right-handed."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    size, spacing = np.array(image.GetSize()), np.array(image.GetSpacing())
    middle = np.array(image.TransformPhysicalPointToContinuousIndex(head_lps)) * spacing
    low = np.maximum(middle - FIELD_MM / 2, 0.0)
    high = np.minimum(middle + FIELD_MM / 2, (size - 1) * spacing)
    count = np.maximum(np.floor((high - low) / voxel_mm).astype(int) + 1, 2)
    origin = np.array(image.GetOrigin()) + direction @ low
    if np.linalg.det(direction) < 0:
        origin = origin + direction[:, 0] * voxel_mm * (count[0] - 1)
        direction[:, 0] *= -1
    grid = sitk.Image(count.tolist(), sitk.sitkUInt8)
    grid.SetSpacing([voxel_mm] * 3)
    grid.SetOrigin(origin.tolist())
    grid.SetDirection(direction.ravel().tolist())
    return grid


def _depth(image: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """mm below the skin (K, J, I), 0 outside the body."""
    # Where the field of view ends there is no skin: the body goes on beyond it.
    mask = sitk.ZeroFluxNeumannPad(body_mask(image), [8] * 3, [8] * 3)
    distance = sitk.SignedMaurerDistanceMap(mask, True, False, True)
    smooth = sitk.SmoothingRecursiveGaussian(distance, GRID_MM)  # the mask is coarse, and skin has no steps
    placed = sitk.Resample(smooth, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return np.clip(sitk.GetArrayFromImage(placed), 0, None)


def _edges(scaled: np.ndarray, levels: Levels, depth_mm: np.ndarray) -> np.ndarray:
    """Gradients, with the step between muscle and bone as a full edge, less those of the skin."""
    from scipy import ndimage

    step = max(abs(levels.muscle - levels.bone), 0.15 * levels.muscle) / levels.top
    strength = ndimage.gaussian_gradient_magnitude(scaled, 1.6) / (0.22 * step)
    strength = np.clip(strength, 0, 1) * np.clip((depth_mm - 0.5 * FAT_MM) / FAT_MM, 0, 1)
    return np.round(strength * (EDGES - 1)).astype(np.uint32)


def fuse(
    around: Surroundings, percent: sitk.Image, cut_lps: tuple[float, float, float], normal_lps: np.ndarray
) -> Field:
    """A field of a shoulder and a map.

    Args:
        percent: the map in percent of its maximum.
        cut_lps: a point on the cut through the tissue, mm.
        normal_lps: (3,), the cut's normal, towards the viewer.
    """
    heat = _heat(around.grid, percent)
    place = _places(around.grid, cut_lps, normal_lps) + around.skin * np.uint32(SKIN)
    return Field(pack(around.intensity, around.edge, heat, place), around.grid, around.levels)


def make_field(image: sitk.Image, percent: sitk.Image, view: Viewpoint) -> Field:
    """A field of an MRI and a map, cut where it is looked at."""
    return fuse(surroundings(image, view.head_lps), percent, view.cut_lps, np.array(view.normal_lps))


def with_heat(field: Field, percent: sitk.Image, view: Viewpoint) -> Field:
    """The same shoulder with another map, cut through the middle of that one."""
    row, place = np.divmod(field.packed, np.uint32(PLACES))
    place = place // SKIN * SKIN + _places(field.grid, view.cut_lps, np.array(view.normal_lps))
    return Field((row // PERCENTS * PERCENTS + _heat(field.grid, percent)) * PLACES + place, field.grid, field.levels)


def _heat(grid: sitk.Image, percent: sitk.Image) -> np.ndarray:
    """uint32 (K, J, I): percent of the map in each voxel."""
    placed = sitk.Resample(percent, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return np.clip(np.round(sitk.GetArrayViewFromImage(placed)), 0, 100).astype(np.uint32)


def _places(grid: sitk.Image, cut_lps: tuple[float, float, float], normal_lps: np.ndarray) -> np.ndarray:
    """uint32 (K, J, I): BEHIND, FACE or BEFORE."""
    direction = np.array(grid.GetDirection()).reshape(3, 3)
    normal = direction.T @ (np.asarray(normal_lps) / np.linalg.norm(normal_lps))
    start = normal @ (direction.T @ (np.array(grid.GetOrigin()) - np.array(cut_lps)))
    i, j, k = (np.arange(n) * grid.GetSpacing()[0] * normal[a] for a, n in enumerate(grid.GetSize()))
    along = start + k[:, None, None] + j[None, :, None] + i[None, None, :]
    return np.select([along > 0, along > -FACE_MM], [BEFORE, FACE], BEHIND).astype(np.uint32)


def field_images(field: Field) -> tuple[sitk.Image, dict[str, float]]:
    """A field as an image and its levels, to be sent from one process to another; see `field_from`."""
    return images.image_like(field.packed, field.grid), asdict(field.levels)


def field_from(packed: sitk.Image, levels: dict[str, float]) -> Field:
    """The field of `field_images`."""
    return Field(sitk.GetArrayFromImage(packed), packed, Levels(**levels))


def pack(intensity: np.ndarray, edge: np.ndarray, heat: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The four, of one shape, in one number, the row of the table of `looks.table`."""
    return ((intensity * EDGES + edge) * PERCENTS + heat) * PLACES + place


def paint(field: Field, table: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """uint8 (K, J, I, 4): red, green, blue, opacity of every voxel.

    Args:
        table: (rows, 4) uint8, as `looks.table` makes it.
        out: to be filled instead of new memory.
    """
    colors = np.ascontiguousarray(table).view(np.uint32)[:, 0]
    target = None if out is None else out.view(np.uint32)[..., 0]
    return np.take(colors, field.packed, out=target, mode="clip").view(np.uint8).reshape(*field.packed.shape, 4)
