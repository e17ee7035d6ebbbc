"""The Voxception-ResNet of Shim 2020, with 2, 3 or 4 blocks.

Sources: Brock 2016 (arXiv 1608.04236) for the blocks; Shim 2020 for the number of blocks and the removed second
fully connected layer. A cube (N, 1, 64, 64, 64) of values 0 to 255 becomes
features (N, C, E, E, E), with C = 128, 256, 512 and E = 16, 8, 4 for 2, 3, 4 blocks, then logits (N, classes).

Two variants:

exact
    As the authors' program computes: convolution, ELU, batch norm in this order inside the blocks; biases
    everywhere; no activation after the last down-sampling; no dropout (theirs never acts); raw 0 to 255 input.
corrected
    Convolution without bias, batch norm, ELU, as Brock has it; ELU after the last down-sampling; real stochastic
    depth where `stochastic_depth` is set; the input shifted and scaled to about -1 to 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

KEEP = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25)
"""Probability that a residual branch is kept, from the first VRN block on."""

LAST_KEEP = 0.6
"""The same for the residual branch of the last convolution."""

CUBE = 64
"""Voxels along each edge of the input."""


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)


class _ConvUnit(nn.Module):
    """A convolution with ELU and batch norm in the variant's order."""

    def __init__(self, inputs: int, outputs: int, kernel: int, corrected: bool) -> None:
        super().__init__()
        self.conv = _conv(inputs, outputs, kernel, bias=not corrected)
        self.norm = nn.BatchNorm3d(outputs)
        self.corrected = corrected

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return F.elu(self.norm(x)) if self.corrected else self.norm(F.elu(x))


def _light_stem(width: int) -> nn.Sequential:
    """To a quarter of the resolution in two steps; voxel i of the result is centered on cube voxel 4 i."""
    half = width // 2
    return nn.Sequential(_conv(1, half, 3, 2, False), nn.BatchNorm3d(half), nn.ELU(), _conv(half, width, 3, 2))


def _drop(branch: torch.Tensor, keep: float, active: bool, sampling: bool) -> torch.Tensor:
    """Stochastic depth: each case keeps its branch with probability `keep`; outside of sampling, the expectation."""
    if not active:
        return branch
    if not sampling:
        return keep * branch
    chosen = torch.rand(branch.shape[0], 1, 1, 1, 1, device=branch.device) < keep
    return branch * chosen.to(branch.dtype)


class VoxceptionResidual(nn.Module):
    """VRN(c): x plus the concatenation of a bottleneck branch (1³, 3³, 1³) and a plain one (3³, 3³)."""

    def __init__(self, channels: int, corrected: bool, keep: float, stochastic_depth: bool) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.norm = nn.BatchNorm3d(channels)
        self.bottleneck = nn.Sequential(
            _ConvUnit(channels, quarter, 1, corrected),
            _ConvUnit(quarter, quarter, 3, corrected),
            _conv(quarter, half, 1),
        )
        self.plain = nn.Sequential(_ConvUnit(channels, quarter, 3, corrected), _conv(quarter, half, 3))
        self.keep, self.stochastic_depth, self.sampling = keep, stochastic_depth, False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.elu(self.norm(x))
        branch = torch.cat([self.bottleneck(y), self.plain(y)], 1)
        return x + _drop(branch, self.keep, self.stochastic_depth, self.training or self.sampling)


class VoxceptionDown(nn.Module):
    """DS(c to 2c): four ways of halving the resolution (strided 3³ and 1³, max and mean pooling), concatenated."""

    def __init__(self, channels: int, corrected: bool, activated: bool) -> None:
        super().__init__()
        quarter = channels // 2
        bias = not corrected
        self.norm = nn.BatchNorm3d(channels)
        self.strided = _conv(channels, quarter, 3, 2, bias)
        self.pointwise = nn.Conv3d(channels, quarter, 1, 2, bias=bias)
        # These two are pooled before their batch norm, and keep their bias.
        self.before_max = _conv(channels, quarter, 3)
        self.before_mean = _conv(channels, quarter, 3)
        self.norms = nn.ModuleList(nn.BatchNorm3d(quarter) for _ in range(4))
        self.activated = activated

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.elu(self.norm(x))
        ways = (
            self.strided(y),
            self.pointwise(y),
            F.max_pool3d(self.before_max(y), 3, 2, 1),
            F.avg_pool3d(self.before_mean(y), 3, 2, 1),
        )
        down = torch.cat([norm(way) for norm, way in zip(self.norms, ways, strict=True)], 1)
        return F.elu(down) if self.activated else down


class _LastConv(nn.Module):
    """ELU(x + BN(conv(x))): the layer whose features the activation map weighs."""

    def __init__(self, channels: int, corrected: bool, stochastic_depth: bool) -> None:
        super().__init__()
        self.conv = _conv(channels, channels, 3, bias=not corrected)
        self.norm = nn.BatchNorm3d(channels)
        self.stochastic_depth, self.sampling, self.keep = stochastic_depth, False, LAST_KEEP
        self.surroundings: tuple[int, ...] = ()
        """What is added around, as `torch.nn.functional.pad` takes it, to make a window the whole again."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch = self.norm(self.conv(x))
        x = F.elu(x + _drop(branch, self.keep, self.stochastic_depth, self.training or self.sampling))
        return F.pad(x, self.surroundings) if self.surroundings else x


class VRN(nn.Module):
    """The classifier.

    Args:
        blocks: 2 (the paper's final network), 3 or 4.
        classes: number of logits.
        width: channels of the first convolution, a multiple of 4 (the paper's: 32).
        variant: ``exact`` or ``corrected``.
        stochastic_depth: drop residual branches in training (corrected only).
        hidden: width of a second fully connected layer before the logits; the paper removed it (0).
        stem_stride: 4 makes a light form for the CPU, which is not the paper's: two strided convolutions of 3³ go
            straight to the resolution of the map, and no down-sampling follows, so that `width` channels carry
            all units at a small part of the work. 1 is the paper's.
        units: residual units in each block (the paper's: 3).
        window: first and last voxel (exclusive) of the map along K, J, I, six numbers: only this part of the cube,
            where the cuff lies, is looked at, and the map is 0 outside. None, the paper's: all of it.
    """

    def __init__(
        self,
        blocks: int = 2,
        classes: int = 5,
        width: int = 32,
        variant: str = "corrected",
        stochastic_depth: bool = False,
        hidden: int = 0,
        stem_stride: int = 1,
        units: int = 3,
        window: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if variant not in ("exact", "corrected"):
            raise ValueError(f"variant is {variant!r}, not exact or corrected")
        if blocks not in (2, 3, 4) or width < 4 or width % 4 or stem_stride not in (1, 4) or units not in (1, 2, 3):
            raise ValueError("blocks must be 2, 3 or 4, width a multiple of 4, stem_stride 1 or 4, units 1 to 3")
        corrected = variant == "corrected"
        if stochastic_depth and not corrected:
            raise ValueError("the exact variant has no stochastic depth: the authors' dropout never acts")
        self.variant, self.stochastic_depth = variant, stochastic_depth
        self.stride = 2**blocks if stem_stride == 1 else stem_stride
        """Cube voxels from one feature voxel to the next."""
        self.first = _conv(1, width, 3) if stem_stride == 1 else _light_stem(width)
        body: list[nn.Module] = []
        channels = width
        for block in range(blocks):
            for unit in range(units):
                body.append(VoxceptionResidual(channels, corrected, KEEP[3 * block + unit], stochastic_depth))
            if stem_stride == 1:
                body.append(VoxceptionDown(channels, corrected, corrected and block == blocks - 1))
                channels *= 2
        self.body = nn.Sequential(*body)
        self.last = _LastConv(channels, corrected, stochastic_depth)
        self.window = _checked_window(window, CUBE // self.stride)
        self.last.surroundings = _surroundings(self.window, CUBE // self.stride)
        self.pooled_norm = nn.BatchNorm1d(channels)
        self.head: nn.Module = nn.Linear(channels, classes)
        if hidden:
            self.head = nn.Sequential(
                nn.Linear(channels, hidden), nn.BatchNorm1d(hidden), nn.ELU(), nn.Linear(hidden, classes)
            )
        self.apply(_xavier)

    def features(self, cube: torch.Tensor) -> torch.Tensor:
        """(N, C, E, E, E) of cubes (N, 1, 64, 64, 64) with values 0 to 255."""
        x = (cube - 64.0) / 64.0 if self.variant == "corrected" else cube
        if self.window is not None:
            k0, k1, j0, j1, i0, i1 = (self.stride * v for v in self.window)
            x = x[:, :, k0:k1, j0:j1, i0:i1]
        return self.last(self.body(self.first(x)))

    def logits_of(self, features: torch.Tensor) -> torch.Tensor:
        """(N, classes) of features."""
        return self.head(self.pooled_norm(features.float().mean((2, 3, 4))))

    def forward(self, cube: torch.Tensor) -> torch.Tensor:
        return self.logits_of(self.features(cube))

    def sample_depth(self, on: bool) -> None:
        """Let stochastic depth act outside of training too, for repeated predictions."""
        for module in self.modules():
            if isinstance(module, VoxceptionResidual | _LastConv):
                module.sampling = on


def _checked_window(window: Sequence[int] | None, edge: int) -> tuple[int, ...] | None:
    if window is None:
        return None
    bounds = tuple(int(v) for v in window)
    if len(bounds) != 6 or any(not 0 <= a < b <= edge for a, b in zip(bounds[::2], bounds[1::2], strict=True)):
        raise ValueError(f"a window is six numbers, first and last of K, J, I within 0 to {edge}, not {window}")
    return bounds


def _surroundings(window: tuple[int, ...] | None, edge: int) -> tuple[int, ...]:
    if window is None:
        return ()
    k0, k1, j0, j1, i0, i1 = window
    return (i0, edge - i1, j0, edge - j1, k0, edge - k1)


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Conv3d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def parameter_count(network: nn.Module) -> int:
    """Trainable numbers, counted with the scale and shift of batch norm."""
    return sum(p.numel() for p in network.parameters())
