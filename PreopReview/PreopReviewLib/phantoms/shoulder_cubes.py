"""Training cubes from synthetic shoulders, drawn and rendered by the batch, on a GPU at hundreds a second.

A cube is what `RotatorCuffCAMLib.region` cuts from an MRI: 64³ voxels around the humeral head, I from lateral to
medial, J from superior to inferior, K from anterior to posterior, values 0 to 255 between the percentiles 0.5 and 99.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PreopReviewLib.phantoms.shoulder_anatomy import draw_parameters, stack
from PreopReviewLib.phantoms.shoulder_tears import draw_tear

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CUBE = 64
TRAINING_SHARES = (0.28, 0.20, 0.16, 0.21, 0.15)
"""Shares of the classes in training: nearer to equal than the paper's, as small and partial tears are hard."""

_SLICES, _SUB = 27, 2


@dataclass(frozen=True)
class ShoulderCubes:
    """A batch of cubes with what was drawn in them.

    Attributes:
        cubes: (B, 1, 64, 64, 64) float32, 0 to 255.
        classes: (B,) int64, 0 to 4.
        torn: (B, 64, 64, 64) float32, the torn part of each voxel.
        voxel_mm: (B,) float32, edge of a cube voxel.
    """

    cubes: torch.Tensor
    classes: torch.Tensor
    torn: torch.Tensor
    voxel_mm: torch.Tensor


def draw_classes(rng: np.random.Generator, count: int, shares: tuple[float, ...] = TRAINING_SHARES) -> np.ndarray:
    """Random classes with the given shares."""
    return rng.choice(len(shares), count, p=np.array(shares) / sum(shares))


def render_cubes(
    seed: int,
    classes: np.ndarray,
    device: str = "cpu",
    jitter_voxels: float = 6.0,
    contrasts: tuple[str, ...] = ("t2", "t2fs"),
) -> ShoulderCubes:
    """Cubes of new shoulders with tears of the given classes.

    Args:
        seed: gives the shoulders; textures and noise also depend on the device's generator.
        classes: (B,) 0 to 4.
        jitter_voxels: how far the cube's middle may lie from the head's, along each axis.
    """
    import torch

    from PreopReviewLib.phantoms.shoulder_paint import paint_shoulders

    rng = np.random.default_rng([seed, 21])
    count = len(classes)
    drawn = [
        draw_parameters(rng, contrasts[int(rng.integers(len(contrasts)))], draw_tear(rng, int(c))) for c in classes
    ]
    generator = torch.Generator(device).manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator, device=device)

    edge = torch.from_numpy(rng.uniform(80, 100, count).astype(np.float32)).to(device)
    voxel = edge / CUBE
    step = torch.from_numpy(rng.uniform(3.6, 4.4, count).astype(np.float32)).to(device).clamp(min=(edge + 1) / _SLICES)
    offset = torch.from_numpy(rng.uniform(-jitter_voxels, jitter_voxels, (count, 3)).astype(np.float32)).to(device)
    phase = torch.from_numpy(rng.uniform(-0.5, 0.5, count).astype(np.float32)).to(device)
    axes = torch.from_numpy(_tilts(rng, count)).to(device)
    inplane = torch.arange(CUBE, device=device) - (CUBE - 1) / 2
    along_i = voxel[:, None] * (inplane + offset[:, 0:1])
    along_j = voxel[:, None] * (inplane + offset[:, 1:2])
    slices = (torch.arange(_SLICES, device=device) - (_SLICES - 1) / 2 + phase[:, None]) * step[:, None]
    sub = (torch.arange(_SUB, device=device) - (_SUB - 1) / 2) * 0.9 / _SUB
    middle = voxel * offset[:, 2]
    along_k = (middle[:, None] + slices)[:, :, None] + sub * step[:, None, None]
    points = _points(axes, along_i, along_j, along_k.reshape(count, _SLICES * _SUB))
    q = stack(drawn, device)
    painted = paint_shoulders(points, q, (normal(3, 9, 9, 9), normal(2, 56, 56, 56)), edge=1.0)
    signal, torn = (x.view(count, _SLICES, _SUB, CUBE, CUBE).mean(2) for x in (painted.signal, painted.tear))
    level = torch.from_numpy(rng.uniform(0.010, 0.035, count).astype(np.float32)).to(device).view(-1, 1, 1, 1)
    shape = (_SLICES, CUBE, CUBE)
    signal = torch.sqrt((signal + level * normal(*shape)) ** 2 + (level * normal(*shape)) ** 2)
    wanted = voxel[:, None] * inplane
    cubes, torn = (_between_slices(x, slices, wanted, step) for x in (signal, torn))
    return ShoulderCubes(
        _to_bytes(cubes)[:, None], torch.from_numpy(np.asarray(classes, np.int64)).to(device), torn, voxel
    )


def _points(axes: Tensor, along_i: Tensor, along_j: Tensor, along_k: Tensor) -> tuple[Tensor, ...]:
    """R, A and S of every voxel, each (B, K, J, I), from its places along the three axes of its cube (B, n)."""
    u, v, w = along_i[:, None, None, :], along_j[:, None, :, None], along_k[:, :, None, None]
    return tuple(
        axes[:, a, 0].view(-1, 1, 1, 1) * u + axes[:, a, 1].view(-1, 1, 1, 1) * v + axes[:, a, 2].view(-1, 1, 1, 1) * w
        for a in range(3)
    )


def _tilts(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3, 3): the cube's axes I, J, K in the shoulder frame as columns, tilted as a planned series is."""
    from scipy.spatial.transform import Rotation

    turned = Rotation.from_euler("zyx", rng.uniform(-0.12, 0.12, (count, 3))).as_matrix()
    return (turned @ -np.eye(3)[[0, 2, 1]].T).astype(np.float32)


def _between_slices(
    values: torch.Tensor, slices: torch.Tensor, wanted: torch.Tensor, step: torch.Tensor
) -> torch.Tensor:
    """Linear interpolation along K from the slices' places to the wanted ones (mm)."""
    import torch

    place = ((wanted - slices[:, :1]) / step[:, None]).clamp(0, _SLICES - 1)
    weights = (1 - (place[:, :, None] - torch.arange(_SLICES, device=values.device)).abs()).clamp(min=0)
    return torch.einsum("bkn,bnji->bkji", weights, values)


def _to_bytes(cubes: torch.Tensor) -> torch.Tensor:
    import torch

    sample = cubes.flatten(1)[:, ::5].contiguous()
    ranked = torch.sort(sample, 1).values
    low = ranked[:, int(0.005 * ranked.shape[1])].view(-1, 1, 1, 1)
    high = ranked[:, int(0.995 * ranked.shape[1])].view(-1, 1, 1, 1)
    return ((cubes - low) / (high - low).clamp(min=1e-6)).clamp(0, 1) * 255
