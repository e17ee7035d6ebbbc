"""A residual U-Net that thinks at a coarser grid than it sees, for CPUs.

The input's blocks of 2x2x2 voxels become channels (space to depth), the U-Net works on the coarse grid with batch
norm, and each coarse voxel's features give the classes of its eight fine ones (depth to space). Against a U-Net of
equal width at full resolution this takes about an eighth of the operations.

Thin vessels are finer than the coarse grid. With `detail` channels, a last stage of two convolutions on the fine grid
sees the input again beside what the U-Net says of each fine voxel, and corrects its logits. Its last layer starts at
zero: weights trained without the stage are loaded into a network that has it, and go on from the same answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm3d, "instance": nn.InstanceNorm3d}


class ResidualUNet3D(nn.Module):
    """Residual encoder and decoder with skips, batch norm and ReLU.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        widths: channels of each level, finest first.
        block: edge of the blocks that become channels; 1 works at full resolution.
        detail: channels of the last stage on the fine grid; 0 leaves it out.
        norm: ``batch``, or ``instance`` for images whose intensities have nothing in common.

    Shape: (N, in_channels, K, J, I) to (N, out_channels, K, J, I); K, J and I must be multiples of `divisor`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        widths: Sequence[int] = (24, 48, 96, 160),
        block: int = 2,
        detail: int = 0,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        widths, layer = list(widths), NORMS[norm]
        self.block = block
        self.divisor = block * 2 ** (len(widths) - 1)
        self.stem = convolution(in_channels * block**3, widths[0], layer)
        self.down = nn.ModuleList(Residual(a, b, 2, layer) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose3d(b, a, 2, 2) for a, b in itertools.pairwise(widths))
        self.fuse = nn.ModuleList(Residual(2 * a, a, 1, layer) for a in widths[1:-1])
        self.fuse.insert(0, convolution(2 * widths[0], widths[0], layer))
        self.head = nn.Conv3d(widths[0], out_channels * block**3, 1)
        self.detail = Detail(widths[0], in_channels, out_channels, detail, block) if detail else None

    def forward(self, image: Tensor) -> Tensor:
        levels = [self.stem(to_depth(image, self.block))]
        for down in self.down:
            levels.append(down(levels[-1]))
        out = levels.pop()
        for up, fuse in zip(reversed(self.up), reversed(self.fuse), strict=True):
            out = fuse(torch.cat([up(out), levels.pop()], 1))
        logits = to_space(self.head(out), self.block)
        return logits if self.detail is None else logits + self.detail(out, image)


class Detail(nn.Module):
    """What the fine grid adds to the logits: two 3x3x3 convolutions over the input and the U-Net's own features."""

    def __init__(self, coarse: int, in_channels: int, out_channels: int, channels: int, block: int) -> None:
        super().__init__()
        self.block = block
        self.spread = nn.Conv3d(coarse, channels * block**3, 1)
        self.see = convolution(channels + in_channels, channels)
        self.join = convolution(channels, channels)
        self.correct = nn.Conv3d(channels, out_channels, 1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        fine = to_space(self.spread(features), self.block)
        return self.correct(self.join(self.see(torch.cat([fine, image], 1))))


def convolution(in_channels: int, out_channels: int, norm: type[nn.Module] = nn.BatchNorm3d) -> nn.Sequential:
    """One 3x3x3 convolution with a norm and ReLU (the finest level costs the most, so it has no more)."""
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=False),
        _norm(norm, out_channels),
        nn.ReLU(inplace=True),
    )


def _norm(norm: type[nn.Module], channels: int) -> nn.Module:
    return norm(channels, affine=True)


class Residual(nn.Module):
    """Two 3x3x3 convolutions with a norm each, added to a projection of the input."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, norm: type[nn.Module] = nn.BatchNorm3d
    ) -> None:
        super().__init__()
        self.first = nn.Conv3d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.first_norm = _norm(norm, out_channels)
        self.second = nn.Conv3d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.second_norm = _norm(norm, out_channels)
        same = in_channels == out_channels and stride == 1
        self.skip = nn.Identity() if same else nn.Conv3d(in_channels, out_channels, stride, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(y)) + self.skip(x))


def to_depth(x: Tensor, block: int) -> Tensor:
    """(N, C, K, J, I) to (N, C·b³, K/b, J/b, I/b)."""
    if block == 1:
        return x
    n, c, k, j, i = x.shape
    b = block
    x = x.reshape(n, c, k // b, b, j // b, b, i // b, b).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return x.reshape(n, c * b**3, k // b, j // b, i // b)


def to_space(x: Tensor, block: int) -> Tensor:
    """The inverse of `to_depth`, of (N, C, K, J, I)."""
    n, c, k, j, i = x.shape
    b = block
    x = x.reshape(n, c // b**3, b, b, b, k, j, i).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(n, c // b**3, k * b, j * b, i * b)
