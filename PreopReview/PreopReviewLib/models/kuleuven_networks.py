"""The two networks of KU Leuven (`pyliverlesionseg` 0.3), written anew in PyTorch.

Both are four-level U-Nets without learned normalization: before every convolution but the first, each channel is
brought to mean 0 and SD 1 over the whole input (`(x - mean) / (SD + 1e-7)`), then LeakyReLU 0.01. The statistics
therefore depend on the field of view and on padding. Axes of all tensors: N, C, then I-J-K of an image in RAS
index order. Source: Tang et al., Eur J Nucl Med Mol Imaging 47, 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-7
SLOPE = 0.01

Moments = tuple[Tensor, Tensor]
"""Mean and SD of each channel, float32, shape (C,)."""


def moments(x: Tensor) -> Moments:
    """Mean and population SD of each channel of (1, C, I, J, K), in float32 whatever the precision of `x`."""
    spread, mean = torch.var_mean(x[0].flatten(1).float(), dim=1, correction=0)
    return mean, spread.sqrt()


def normalize(x: Tensor, statistics: Moments | None = None) -> Tensor:
    """LeakyReLU of the normalized channels; the statistics are those of `x` unless given."""
    mean, sd = statistics or moments(x)
    scaled = F.batch_norm(x, mean, (sd + EPSILON).square(), eps=0.0)
    return F.leaky_relu_(scaled, SLOPE)


def center_crop(x: Tensor, shape: Sequence[int]) -> Tensor:
    """The central part of the last three axes; for an odd difference the smaller half is cut off in front."""
    for axis, size in enumerate(shape, start=2):
        x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
    return x


def _conv(inputs: int, outputs: int, depth: int, same: bool) -> nn.Conv3d:
    kernel = (3, 3, depth)
    return nn.Conv3d(inputs, outputs, kernel, padding=tuple(k // 2 for k in kernel) if same else 0)


class KuLeuvenLiverUNet(nn.Module):
    """Liver at 3 mm: two "same" convolutions a level, pooling by 3, upsampling that loses a rim.

    Input (1, 1, 27a, 27b, 27c) with values in -0.5…0.5; output: logits (1, 1, 27a - 26, …), 13 voxels less on
    each side. The original always works on 189 × 162 × 162.
    """

    MARGIN = 13
    FACTOR = 27

    def __init__(self, features: Sequence[int] = (20, 40, 80, 160)) -> None:
        super().__init__()
        f = list(features)
        self.down = nn.ModuleList()
        inputs = 1
        for level in range(3):
            self.down.append(nn.ModuleList([_conv(inputs, f[level], 1, True), _conv(f[level], f[level + 1], 3, True)]))
            inputs = f[level + 1]
        self.down.append(nn.ModuleList([_conv(inputs, f[3], 3, True), _conv(f[3], f[3], 3, True)]))
        self.up = nn.ModuleList()
        for level in (2, 1, 0):
            wide = f[level + 1]
            self.up.append(nn.ModuleList([_conv(2 * wide, wide, 3, True), _conv(wide, f[level], 1, True)]))
        self.head = nn.Conv3d(f[0], 1, 1)

    @staticmethod
    def upsample(x: Tensor) -> Tensor:
        """n voxels become 3n - 2 by linear interpolation.

        The original repeats each voxel three times and takes the mean of 3³ without padding, which is the same.
        """
        size = [3 * n - 2 for n in x.shape[2:]]
        return F.interpolate(x, size=size, mode="trilinear", align_corners=True)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, (first, second) in enumerate(self.down):
            x = first(normalize(F.max_pool3d(x, 3)) if level else x)
            x = second(normalize(x))
            skips.append(x)
        for level, (first, second) in zip((2, 1, 0), self.up, strict=True):
            x = self.upsample(x)
            x = torch.cat([center_crop(skips[level], x.shape[2:]), x], 1)
            skips.pop()
            x = first(normalize(x))
            x = second(normalize(x))
        return self.head(normalize(x))


class _Residual(nn.Module):
    """(3, 3, 1) then (3, 3, 3) convolution, or the reverse, without padding, plus the cropped input."""

    def __init__(self, inputs: int, middle: int, outputs: int, depths: tuple[int, int]) -> None:
        super().__init__()
        self.first = _conv(inputs, middle, depths[0], False)
        self.second = _conv(middle, outputs, depths[1], False)
        self.shortcut = nn.Conv3d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, raw: bool = False) -> Tensor:
        y = self.second(normalize(self.first(x if raw else normalize(x))))
        short = center_crop(x, y.shape[2:])
        return y.add_(short if self.shortcut is None else self.shortcut(short))


class KuLeuvenLesionUNet(nn.Module):
    """Lesions inside the liver at 1 × 1 × 3 mm: residual blocks without padding, pooling by 2, nearest upsampling.

    Input (N, 1, 8a + 4, 8b + 4, 8c + 6), N = 1; output: logits, 88 × 88 × 44 voxels less. The original works on
    180 × 172 × 86, which gives 92 × 84 × 42.
    """

    LOSS = (88, 88, 44)

    def __init__(self, features: Sequence[int] = (20, 40, 80, 160)) -> None:
        super().__init__()
        f = list(features)
        self.down = nn.ModuleList()
        inputs = 1
        for level in range(3):
            self.down.append(_Residual(inputs, f[level], f[level + 1], (1, 3)))
            inputs = f[level + 1]
        self.down.append(_Residual(inputs, f[3], f[3], (1, 3)))
        self.up = nn.ModuleList()
        for level in (2, 1, 0):
            wide = f[level + 1]
            self.up.append(_Residual(2 * wide, wide, f[level], (3, 1)))
            # (the upper level's input is its skip, `wide`, and what comes up, `wide`)
        self.head = nn.Conv3d(f[0], 1, 1)

    @classmethod
    def input_shape(cls, wanted: Sequence[int]) -> tuple[int, int, int]:
        """The smallest possible input that gives at least `wanted` voxels of output."""
        return tuple(n + loss for n, loss in zip(cls.output_shape(wanted), cls.LOSS, strict=True))  # type: ignore[return-value]

    @staticmethod
    def output_shape(wanted: Sequence[int]) -> tuple[int, int, int]:
        """The smallest possible output of at least `wanted` voxels: 8n + 4, 8n + 4, 8n + 2."""
        return tuple(-(-max(w - r, 8) // 8) * 8 + r for w, r in zip(wanted, (4, 4, 2), strict=True))  # type: ignore[return-value]

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool3d(x, 2), False) if level else block(x, raw=True)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            skip = skips.pop()
            x = block(torch.cat([center_crop(skip, x.shape[2:]), x], 1))
        return self.head(normalize(x))
