"""The KU Leuven liver network without computing on what is known: same result as its `forward`, a part of the work.

The network's statistics are taken over its whole zero-padded input, so it cannot simply be run on a smaller one.
But most of the work lies at full resolution, and there

- the encoder's answer to the padding is one constant per channel: only the box that holds the image is computed,
  the constant enters the statistics with its count (exact but for rounding);
- the decoder's statistics are estimated from every seventh slice of the image (every 28th of what is around it),
  which also shows where the liver is; then only the box around the liver is computed (the one approximation).

What is computed is computed slice by slice, channels last (`PreopReviewLib.models.folded`). Inside this file axes
are K-I-J; the network's own order is I-J-K.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from PreopReviewLib.models.folded import (
    Conv,
    Field,
    Region,
    Sample,
    activate_,
    channels_last,
    moments,
    slices,
    upsampled_moments,
    volume,
)
from PreopReviewLib.models.kuleuven_networks import KuLeuvenLiverUNet, Moments, center_crop

Step = Callable[[float], None]
"""Called between parts of the work with the fraction done; may raise to stop."""


def _no_step(fraction: float) -> None:
    """The step of a caller that does not want to know."""


SLICE_STEP = 7
OUTER_STEP = 4
"""Of the slices of the survey, every fourth is also computed outside the image, where little changes."""
LIVER_MARGIN = (9, 8, 8)
_CHUNK = 12


@dataclass
class _Layers:
    """The network's convolutions by place, in K-I-J order and channels last."""

    down: list[tuple[Conv, Conv]]
    up: list[tuple[Conv, Conv]]
    head: Conv

    @classmethod
    def of(cls, network: KuLeuvenLiverUNet) -> _Layers:
        pairs = [[(Conv.of(a), Conv.of(b)) for a, b in part] for part in (network.down, network.up)]
        return cls(*pairs, Conv.of(network.head))


def liver_probability(
    network: KuLeuvenLiverUNet, image: Tensor, canvas: tuple[int, int, int], step: Step = _no_step
) -> Tensor:
    """The probability of liver at each voxel of a preprocessed image.

    Args:
        image: (I, J, K), RAS index order, in the network's precision and on its device; at least 13 voxels less
            than the canvas on each side, in whose center it is put, with zeros around.
        canvas: shape of the network's input, multiples of 27; the original's is 189 × 162 × 162.

    Returns:
        float32 (I, J, K) on the CPU; 0 outside the box around the liver.
    """
    margin, layers = network.MARGIN, _Layers.of(network)
    image, shape = image.permute(2, 0, 1).contiguous(), (canvas[2], *canvas[:2])
    start = tuple(s // 2 - n // 2 for s, n in zip(shape, image.shape, strict=True))
    skip, x = _encode_image(layers, image, shape, start)
    step(0.3)
    x = _coarse_levels(layers, x)
    step(0.6)
    inner = tuple((a - margin, a - margin + n) for a, n in zip(start, image.shape, strict=True))
    decoder = _Decoder(layers, skip, x, margin)
    liver = decoder.survey(inner, lambda fraction: step(0.6 + 0.15 * fraction))
    out = torch.zeros(decoder.shape)
    if liver is not None:
        first, last = liver[0]
        for low in range(first, last, _CHUNK):
            part = (low, min(low + _CHUNK, last))
            out[slice(*part), slice(*liver[1]), slice(*liver[2])] = decoder.probability((part, *liver[1:]))
            step(0.75 + 0.25 * (part[1] - first) / (last - first))
    return out[tuple(slice(*limits) for limits in inner)].permute(1, 2, 0).contiguous()


def _encode_image(
    layers: _Layers, image: Tensor, canvas: tuple[int, int, int], start: tuple[int, ...]
) -> tuple[Field, Tensor]:
    """The first level on the box of the image: its output, and the pooled whole canvas."""
    first, second = layers.down[0]
    low = [(s - 3) // 3 * 3 for s in start]  # two convolutions reach two voxels further; pooling needs threes
    high = [-(-(s + n + 3) // 3) * 3 for s, n in zip(start, image.shape, strict=True)]
    pads = [(s - a, b - s - n) for s, n, a, b in zip(start, image.shape, low, high, strict=True)]
    x = first(F.pad(image, [p for pair in reversed(pads) for p in pair]).unsqueeze(1))
    statistics = Field(x, tuple(low), canvas, first.bias).moments_in(0)
    # Around the box the input of the second convolution is `quiet`, not 0: convolve the difference.
    quiet = activate_(first.bias[None, :, None, None].to(x.dtype, copy=True), statistics)
    x = activate_(x, statistics).sub_(quiet)
    scaled = second.folded(statistics, x.dtype)
    beyond = scaled.of_constant(quiet.flatten())
    x = Conv(scaled.weight, beyond)(x)
    # What the canvas looks like without any image, its rim included: nine voxels show all there is.
    empty = _pooled(scaled(channels_last(quiet.expand(9, -1, 9, 9))))
    pooled = _stretch(empty, [n // 3 for n in canvas])
    k, i, j = (slice(a // 3, b // 3) for a, b in zip(low, high, strict=True))
    pooled[k, :, i, j] = _pooled(x)
    return Field(x, tuple(low), canvas, beyond), pooled


def _pooled(x: Tensor) -> Tensor:
    """The maximum of each 3³ of (K, C, I, J)."""
    return slices(F.max_pool3d(volume(x), 3))


def _stretch(small: Tensor, shape: list[int]) -> Tensor:
    """A 3³ pattern of rim, middle, rim, stretched to a shape by repeating the middle."""
    for axis, n in zip((0, 2, 3), shape, strict=True):
        index = torch.ones(n, dtype=torch.long, device=small.device)
        index[0], index[-1] = 0, 2
        small = small.index_select(axis, index)
    return channels_last(small)


def _coarse_levels(layers: _Layers, x: Tensor) -> Tensor:
    """Levels 1 to 3 on the whole canvas, as in `forward`: from the pooled first level to before its upsampling."""
    skips = []
    for level in (1, 2, 3):
        x = _two_convs(layers.down[level], x if level == 1 else _pooled(x))
        skips.append(x)
    skips.pop()
    for pair in layers.up[:2]:
        size = [3 * n - 2 for n in (x.shape[0], *x.shape[2:])]
        x = F.interpolate(volume(x), size=size, mode="trilinear", align_corners=True)
        x = _two_convs(pair, channels_last(slices(torch.cat([center_crop(volume(skips.pop()), size), x], 1))))
    return x


def _two_convs(pair: tuple[Conv, Conv], x: Tensor) -> Tensor:
    """Both convolutions of a block, each on its normalized input, which is overwritten."""
    for conv in pair:
        statistics = moments(x)
        x = conv.folded(statistics, x.dtype)(activate_(x, statistics))
    return x


class _Decoder:
    """The last level: concatenation, two convolutions and the head, in any region of the output."""

    def __init__(self, layers: _Layers, skip: Field, deep: Tensor, margin: int) -> None:
        self.skip, self.deep, self.margin, self.head = skip, deep, margin, layers.head
        self.shape = tuple(3 * n - 2 for n in (deep.shape[0], *deep.shape[2:]))
        self.first, self.second = layers.up[2]
        parts = (skip.moments_in(margin), upsampled_moments(deep))
        self.statistics: list[Moments] = [tuple(torch.cat(pair) for pair in zip(*parts, strict=True))]  # type: ignore[list-item]

    def _up(self, region: Region) -> Tensor:
        low, high = region[0]
        where = torch.arange(low, high, device=self.deep.device)
        cell = (where // 3).clamp(max=self.deep.shape[0] - 2)
        weight = ((where - 3 * cell) / 3).to(self.deep.dtype)[:, None, None, None]
        cells = [(a // 3, (b + 1) // 3 + 1) for a, b in region[1:]]
        x = self.deep[:, :, cells[0][0] : cells[0][1], cells[1][0] : cells[1][1]]
        x = channels_last(torch.lerp(x[cell], x[cell + 1], weight))
        x = F.interpolate(x, size=[3 * n - 2 for n in x.shape[2:]], mode="bilinear", align_corners=True)
        for axis, ((a, b), (first, _)) in enumerate(zip(region[1:], cells, strict=True), start=2):
            x = x.narrow(axis, a - 3 * first, b - a)
        return x

    def _joined(self, region: Region) -> Tensor:
        moved = tuple((a + self.margin, b + self.margin) for a, b in region)
        return channels_last(torch.cat([self.skip.region(moved), self._up(region)], 1))  # type: ignore[arg-type]

    def _grown(self, region: Region, halo: tuple[int, int, int]) -> tuple[Region, list[int]]:
        """The region with a halo, kept inside the output, and the padding that makes up for what is outside."""
        grown, padding = [], []
        for (a, b), h, n in zip(region, halo, self.shape, strict=True):
            low, high = max(a - h, 0), min(b + h, n)
            grown.append((low, high))
            padding.append((low - (a - h), b + h - high))
        return tuple(grown), [p for pair in reversed(padding) for p in pair]  # type: ignore[return-value]

    def after_first(self, region: Region) -> Tensor:
        """(K, C, I, J): the first convolution's output in a region."""
        grown, padding = self._grown(region, (1, 1, 1))
        x = activate_(self._joined(grown), self.statistics[0])
        return self.first.folded(self.statistics[0], x.dtype)(_padded(x, padding), pad=False)

    def after_second(self, x: Tensor, padding: list[int]) -> Tensor:
        """The same of the second convolution, of the first one's output with one voxel more in the plane."""
        x = activate_(x, self.statistics[1])
        return self.second.folded(self.statistics[1], x.dtype)(_padded(x, padding), pad=False)

    def logits(self, x: Tensor) -> Tensor:
        """float32 (K, I, J) on the CPU, of the second convolution's output."""
        x = activate_(x, self.statistics[2])
        return self.head.folded(self.statistics[2], x.dtype)(x)[:, 0].float().cpu()

    def probability(self, region: Region) -> Tensor:
        """float32 on the CPU, once the statistics are known."""
        grown, padding = self._grown(region, (0, 1, 1))
        return torch.sigmoid(self.logits(self.after_second(self.after_first(grown), padding)))

    def survey(self, image: Region, step: Step) -> Region | None:
        """Estimates the statistics from some slices; the box around the largest liver seen in them.

        Args:
            image: where the image lies in the output. The slices of the survey that pass through it are computed
                inside it, every fourth slice in the whole plane.
        """
        low, high, plane, share = self._overlap(image)
        chosen = list(range((self.shape[0] % SLICE_STEP) // 2, self.shape[0], SLICE_STEP))
        inside = [k for k in chosen if low <= k < high] or [(low + high) // 2]
        outer = chosen[OUTER_STEP // 2 :: OUTER_STEP]
        whole = tuple((0, n) for n in self.shape[1:])
        near = self._grown(((low, high), *plane), (0, 1, 1))[0][1:]
        surveyed: list[_Slice] = []
        for number, k in enumerate(sorted({*inside, *outer}), start=1):
            region = whole if k in outer else near
            x = self.after_first(((k, k + 1), *region))
            surveyed.append(_Slice(region, x, plane if k in inside else None, k in outer))
            step(number / len(chosen))
        self.statistics.append(_estimated(surveyed, share))
        for one in surveyed:
            target = whole if one.outer else plane
            padding = self._grown(((0, 1), *target), (0, 1, 1))[1]
            one.values, one.region = self.after_second(one.values, padding), target
        self.statistics.append(_estimated(surveyed, share))
        seen = [self.logits(channels_last(one.part()))[0].numpy() > 0 for one in surveyed if one.inner]
        return _liver_region(np.stack(seen), (inside, *plane), self.shape)

    def _overlap(self, image: Region) -> tuple[int, int, tuple[tuple[int, int], ...], float]:
        """The image in the output: first and last + 1 slice, region of the plane, share of the output."""
        (low, high), *plane = ((max(a, 0), min(b, n)) for (a, b), n in zip(image, self.shape, strict=True))
        share = (high - low) * np.prod([b - a for a, b in plane]) / np.prod(self.shape)
        return low, high, tuple(plane), float(share)


@dataclass
class _Slice:
    """Features (1, C, I, J) in a region of a plane; `inner` is the image in that plane, None where there is none.

    `outer`: the whole plane was computed.
    """

    region: tuple
    values: Tensor
    inner: tuple | None
    outer: bool

    def part(self) -> Tensor:
        """The features inside the image."""
        x = self.values
        for axis, ((first, _), (a, b)) in enumerate(zip(self.region, self.inner or self.region, strict=True), start=2):
            x = x.narrow(axis, a - first, b - a)
        return x

    def around(self) -> Tensor:
        """(n, C) features outside the image."""
        beyond = torch.ones(self.values.shape[2:], dtype=torch.bool, device=self.values.device)
        if self.inner:
            beyond[tuple(slice(*limits) for limits in self.inner)] = False
        return self.values[0].permute(1, 2, 0)[beyond]


def _padded(x: Tensor, padding: list[int]) -> Tensor:
    """Zeros around (K, C, I, J); the padding in the order J, I, K."""
    return slices(F.pad(volume(x), padding)) if any(padding) else x


def _estimated(surveyed: list[_Slice], share: float) -> Moments:
    """Mean and SD in the whole output, of which the image is a share, from slices."""
    inner = Sample.merged([Sample.of(one.part()) for one in surveyed if one.inner])
    around = [rows for rows in (one.around() for one in surveyed if one.outer) if len(rows)]
    if not around:
        return Sample.pooled([(inner, 1.0)])
    return Sample.pooled([(inner, share), (Sample.merged([Sample.of_rows(rows) for rows in around]), 1 - share)])


def _liver_region(seen: np.ndarray, limits: tuple, shape: tuple[int, ...]) -> Region | None:
    from scipy import ndimage

    parts, count = ndimage.label(ndimage.binary_erosion(seen, np.ones((1, 3, 3))))
    if count == 0:
        return None
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    box = ndimage.find_objects((parts == largest).astype(np.uint8))[0]
    chosen = limits[0]
    ranges = [(chosen[box[0].start], chosen[box[0].stop - 1] + 1)]
    ranges += [(a + s.start, a + s.stop) for (a, _), s in zip(limits[1:], box[1:], strict=True)]
    return tuple((max(a - m, 0), min(b + m, n)) for (a, b), m, n in zip(ranges, LIVER_MARGIN, shape, strict=True))  # type: ignore[return-value]
