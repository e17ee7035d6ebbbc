"""The KU Leuven lesion network on one window, with the result of its `forward`, in a part of the time.

A window of the liver's box is mostly margin, and the margin mostly beyond that box, where the input is 0. There every
feature map of the encoder is one constant per channel: it is carried along as such, and enters the statistics with
its count. Everything is exact but for rounding. Axes in this file are K-I-J; the network's own order is I-J-K.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from PreopReviewLib.models.folded import Conv, Field, Region, activate_, channels_last, moments, slices, volume
from PreopReviewLib.models.kuleuven_networks import KuLeuvenLesionUNet


@dataclass
class _Block:
    """The convolutions of a residual block; `shortcut` None where the input is added as it is."""

    first: Conv
    second: Conv
    shortcut: Conv | None

    @classmethod
    def of(cls, block: nn.Module) -> _Block:
        shortcut = None if block.shortcut is None else Conv.of(block.shortcut)
        return cls(Conv.of(block.first), Conv.of(block.second), shortcut)

    def __call__(self, x: Field, raw: bool = False) -> Field:
        y = _convolved(x, self.first, normalized=not raw)
        y = _convolved(y, self.second)
        cut = [(a - b) // 2 for a, b in zip(x.shape, y.shape, strict=True)]
        short = x.region(tuple((low + c, high + c) for (low, high), c in zip(y.box, cut, strict=True)))  # type: ignore[arg-type]
        outside = x.outside
        if self.shortcut is not None:
            short, outside = self.shortcut(channels_last(short)), self.shortcut.of_constant(outside)
        y.values.add_(short)
        y.outside = y.outside + outside
        return y


def lesion_logits(
    network: KuLeuvenLesionUNet, values: Tensor, start: tuple[int, ...], shape: tuple[int, ...]
) -> Tensor:
    """The network's output for an input of `shape` that is 0 but for `values`.

    Args:
        values: (I, J, K), in the network's precision and on its device.
        start: where they lie in the input.
        shape: a possible input of the network, I-J-K.

    Returns:
        float32 (I, J, K) logits on the network's device.
    """
    order = (2, 0, 1)
    slices_of = channels_last(values.permute(*order).unsqueeze(1))
    zero = torch.zeros(1, device=values.device)
    x = Field(slices_of, tuple(start[n] for n in order), tuple(shape[n] for n in order), zero)
    skips = []
    for level, block in enumerate(network.down):
        x = _Block.of(block)(_pooled(x) if level else x, raw=level == 0)
        skips.append(x)
    dense = skips.pop().region(x.whole)
    for block in network.up:
        dense = slices(F.interpolate(volume(dense), scale_factor=2, mode="nearest"))
        skip = skips.pop()
        size = (dense.shape[0], *dense.shape[2:])
        cut = [(a - b) // 2 for a, b in zip(skip.shape, size, strict=True)]
        middle = skip.region(tuple((c, c + n) for c, n in zip(cut, size, strict=True)))  # type: ignore[arg-type]
        del skip
        dense = channels_last(torch.cat([middle, dense], 1))
        dense = _Block.of(block)(Field.dense(dense)).values
    statistics = moments(dense)
    logits = Conv.of(network.head).folded(statistics, dense.dtype)(activate_(dense, statistics))
    return logits[:, 0].permute(1, 2, 0).float()


def _convolved(x: Field, conv: Conv, normalized: bool = True) -> Field:
    """The convolution without padding of a field, which is normalized first."""
    lost = [n - 1 for n in conv.weight.shape[2:]]
    region: Region = tuple(
        (max(low - n, 0), min(high + n, size)) for (low, high), n, size in zip(x.box, lost, x.shape, strict=True)
    )  # type: ignore[assignment]
    values, outside = x.region(region, own=normalized), x.outside
    if normalized:
        statistics = x.moments_in(0)
        values = activate_(values, statistics)
        outside = activate_(outside[None, :, None, None].to(values.dtype, copy=True), statistics).flatten()
        conv = conv.folded(statistics, values.dtype)
    values = conv(channels_last(values), pad=False)
    shape = tuple(size - n for size, n in zip(x.shape, lost, strict=True))
    return Field(values, tuple(low for low, _ in region), shape, conv.of_constant(outside))


def _pooled(x: Field) -> Field:
    """The maximum of each 2³."""
    region: Region = tuple(
        (low // 2 * 2, min(-(-high // 2) * 2, size // 2 * 2)) for (low, high), size in zip(x.box, x.shape, strict=True)
    )  # type: ignore[assignment]
    values = slices(F.max_pool3d(volume(x.region(region)), 2))
    start, shape = tuple(low // 2 for low, _ in region), tuple(size // 2 for size in x.shape)
    return Field(values, start, shape, x.outside)
