"""The KU Leuven liver network without computing on what is known: same result as its `forward`, a part of the work.

The network's statistics are taken over its whole zero-padded input, so it cannot simply be run on a smaller one.
But most of the work lies at full resolution, and there

- the encoder's answer to the padding is one constant per channel: only the box that holds the image is computed,
  the constant enters the statistics with its count (exact but for rounding);
- the decoder's statistics are estimated from every seventh slice, which also show where the liver is; then only
  the box around the liver is computed (the estimate is the one approximation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from PreopReviewLib.models.kuleuven_networks import (
    KuLeuvenLiverUNet,
    Moments,
    center_crop,
    moments,
    normalize,
)

Region = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Start and stop along I, J, K."""
Step = Callable[[float], None]
"""Called between parts of the work with the fraction done; may raise to stop."""


def _no_step(fraction: float) -> None:
    """The step of a caller that does not want to know."""


SLICE_STEP = 7
LIVER_MARGIN = (8, 8, 9)
_CHUNK = 24


@dataclass
class _Field:
    """A feature map that is one constant per channel outside a box of its canvas."""

    values: Tensor
    start: tuple[int, int, int]
    shape: tuple[int, int, int]
    outside: Tensor

    def moments_in(self, margin: int) -> Moments:
        """Mean and SD over the canvas without `margin` voxels on each side (the box lies inside that)."""
        count = float(np.prod([n - 2 * margin for n in self.shape]))
        inner = self.values[0].flatten(1).float()
        rest = count - inner.shape[1]
        mean = (inner.sum(1) + rest * self.outside.float()) / count
        spread = (inner - mean[:, None]).square_().sum(1) + rest * (self.outside.float() - mean).square()
        return mean, (spread / count).sqrt()

    def region(self, region: Region) -> Tensor:
        """The values in a region of the canvas."""
        sizes = [b - a for a, b in region]
        out = self.outside[None, :, None, None, None].expand(1, -1, *sizes).contiguous()
        source, target = [], []
        for (a, b), start, size in zip(region, self.start, self.values.shape[2:], strict=True):
            low, high = max(a, start), min(b, start + size)
            if high <= low:
                return out
            source.append(slice(low - start, high - start))
            target.append(slice(low - a, high - a))
        out[(slice(None), slice(None), *target)] = self.values[(slice(None), slice(None), *source)]
        return out


def liver_probability(
    network: KuLeuvenLiverUNet, image: Tensor, canvas: tuple[int, int, int], step: Step = _no_step
) -> Tensor:
    """The probability of liver at each voxel of a preprocessed image.

    Args:
        image: (I, J, K), RAS index order, in the network's precision and on its device; at least 13 voxels less
            than the canvas on each axis, in whose center it is put, with zeros around.
        canvas: shape of the network's input, multiples of 27; the original's is 189 × 162 × 162.

    Returns:
        float32 (I, J, K) on the CPU; 0 outside the box around the liver.
    """
    margin = network.MARGIN
    start = tuple(s // 2 - n // 2 for s, n in zip(canvas, image.shape, strict=True))
    skip, x = _encode_image(network, image, canvas, start)
    step(0.25)
    x = _coarse_levels(network, x)
    step(0.4)
    decoder = _Decoder(network, skip, x, margin)
    found = decoder.survey(lambda fraction: step(0.4 + 0.35 * fraction))
    out = torch.zeros(decoder.shape)
    if found is not None:
        first, last = found[0]
        for low in range(first, last, _CHUNK):
            part = (low, min(low + _CHUNK, last))
            out[part[0] : part[1], slice(*found[1]), slice(*found[2])] = decoder.probability((part, *found[1:]))
            step(0.75 + 0.25 * (part[1] - first) / (last - first))
    window = tuple(slice(s - margin, s - margin + n) for s, n in zip(start, image.shape, strict=True))
    return out[window]


def _encode_image(
    network: KuLeuvenLiverUNet, image: Tensor, canvas: tuple[int, int, int], start: tuple[int, ...]
) -> tuple[_Field, Tensor]:
    """The first level on the box of the image: its output, and the pooled whole canvas."""
    first, second = network.down[0]
    low = [(s - 3) // 3 * 3 for s in start]  # two convolutions reach two voxels further; pooling needs threes
    high = [-(-(s + n + 3) // 3) * 3 for s, n in zip(start, image.shape, strict=True)]
    pads = [(s - a, b - s - n) for s, n, a, b in zip(start, image.shape, low, high, strict=True)]
    x = first(F.pad(image[None, None], [p for pair in reversed(pads) for p in pair]))
    field = _Field(x, tuple(low), canvas, first.bias)
    statistics = field.moments_in(0)
    quiet = normalize(first.bias[None, :, None, None, None], statistics)
    # Around the box the input of the second convolution is `quiet`, not 0: convolve the difference.
    x = normalize(x, statistics).sub_(quiet)
    beyond = (second.weight.sum((2, 3, 4)) @ quiet.flatten()) + second.bias
    x = F.conv3d(x, second.weight, None, padding=1).add_(beyond[None, :, None, None, None])
    # What the canvas looks like without any image, its rim included: nine voxels show all there is.
    empty = F.max_pool3d(second(quiet.expand(1, -1, 9, 9, 9)), 3)
    pooled = _stretch(empty, [n // 3 for n in canvas])
    window = tuple(slice(a // 3, b // 3) for a, b in zip(low, high, strict=True))
    pooled[(slice(None), slice(None), *window)] = F.max_pool3d(x, 3)
    return _Field(x, tuple(low), canvas, beyond), pooled


def _stretch(small: Tensor, shape: list[int]) -> Tensor:
    """A 3³ pattern of rim, middle, rim, stretched to a shape by repeating the middle."""
    for axis, n in enumerate(shape, start=2):
        index = torch.ones(n, dtype=torch.long, device=small.device)
        index[0], index[-1] = 0, 2
        small = small.index_select(axis, index)
    return small


def _coarse_levels(network: KuLeuvenLiverUNet, x: Tensor) -> Tensor:
    """Levels 1 to 3 on the whole canvas, as in `forward`: from the pooled first level to before its upsampling."""
    skips = []
    for level in (1, 2, 3):
        first, second = network.down[level]
        x = second(normalize(first(normalize(x if level == 1 else F.max_pool3d(x, 3)))))
        skips.append(x)
    skips.pop()
    for first, second in network.up[:2]:
        x = network.upsample(x)
        x = torch.cat([center_crop(skips.pop(), x.shape[2:]), x], 1)
        x = second(normalize(first(normalize(x))))
    return x


class _Decoder:
    """The last level: concatenation, two convolutions and the head, in any region of the output."""

    def __init__(self, network: KuLeuvenLiverUNet, skip: _Field, deep: Tensor, margin: int) -> None:
        self.network, self.skip, self.deep, self.margin = network, skip, deep, margin
        self.shape = tuple(3 * n - 2 for n in deep.shape[2:])
        self.first, self.second = network.up[2]
        self.statistics: list[Moments] = []

    def _up(self, region: Region) -> Tensor:
        (_, _), (_, _), (low, high) = region
        # Along K only what is asked for is interpolated: a survey asks for single slices.
        where = torch.arange(low, high, device=self.deep.device)
        cell = (where // 3).clamp(max=self.deep.shape[4] - 2)
        weight = ((where - 3 * cell) / 3).to(self.deep.dtype)
        cells = [(a // 3, (b + 1) // 3 + 1) for a, b in region[:2]]
        x = self.deep[:, :, cells[0][0] : cells[0][1], cells[1][0] : cells[1][1]]
        x = torch.lerp(x.index_select(4, cell), x.index_select(4, cell + 1), weight)
        size = [3 * n - 2 for n in x.shape[2:4]]
        x = F.interpolate(x, size=(*size, high - low), mode="trilinear", align_corners=True)
        for axis, ((a, b), (first, _)) in enumerate(zip(region[:2], cells, strict=True), start=2):
            x = x.narrow(axis, a - 3 * first, b - a)
        return x

    def _joined(self, region: Region) -> Tensor:
        moved = tuple((a + self.margin, b + self.margin) for a, b in region)
        return torch.cat([self.skip.region(moved), self._up(region)], 1)  # type: ignore[arg-type]

    def _grown(self, region: Region, halo: tuple[int, int, int]) -> tuple[Region, list[int]]:
        """The region with a halo, kept inside the output, and the padding that makes up for what is outside."""
        grown, padding = [], []
        for (a, b), h, n in zip(region, halo, self.shape, strict=True):
            low, high = max(a - h, 0), min(b + h, n)
            grown.append((low, high))
            padding.append((low - (a - h), b + h - high))
        return tuple(grown), [p for pair in reversed(padding) for p in pair]  # type: ignore[return-value]

    def _after_first(self, region: Region) -> Tensor:
        grown, padding = self._grown(region, (1, 1, 1))
        x = F.pad(normalize(self._joined(grown), self.statistics[0]), padding)
        return F.conv3d(x, self.first.weight, self.first.bias)

    def _after_second(self, x: Tensor, padding: list[int]) -> Tensor:
        x = F.pad(normalize(x, self.statistics[1]), padding)
        return F.conv3d(x, self.second.weight, self.second.bias)

    def probability(self, region: Region) -> Tensor:
        """float32 on the CPU, once the statistics are known."""
        grown, padding = self._grown(region, (1, 1, 0))
        x = self._after_second(self._after_first(grown), padding)
        return torch.sigmoid(self.network.head(normalize(x, self.statistics[2]))[0, 0].float()).cpu()

    def survey(self, step: Step) -> Region | None:
        """Estimates the statistics from every seventh slice; the box around the largest liver seen in them."""
        rows, columns, slices = self.shape
        chosen = list(range((slices % SLICE_STEP) // 2, slices, SLICE_STEP))
        whole = ((0, rows), (0, columns))
        up = [self._up((*whole, (k, k + 1))) for k in chosen]
        deep = moments(torch.cat(up, 4))
        del up
        skip = self.skip.moments_in(self.margin)
        self.statistics = [(torch.cat([skip[0], deep[0]]), torch.cat([skip[1], deep[1]]))]
        features = []
        for number, k in enumerate(chosen, start=1):
            features.append(self._after_first((*whole, (k, k + 1))))
            step(0.8 * number / len(chosen))
        x = torch.cat(features, 4)
        features.clear()
        self.statistics.append(moments(x))
        x = self._after_second(x, [0, 0, 1, 1, 1, 1])
        self.statistics.append(moments(x))
        seen = self.network.head(normalize(x, self.statistics[2]))[0, 0].float().cpu().numpy() > 0
        step(1.0)
        return _liver_region(seen, chosen, self.shape)


def _liver_region(seen: np.ndarray, chosen: list[int], shape: tuple[int, ...]) -> Region | None:
    from scipy import ndimage

    parts, count = ndimage.label(ndimage.binary_erosion(seen, np.ones((3, 3, 1))))
    if count == 0:
        return None
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    box = ndimage.find_objects((parts == largest).astype(np.uint8))[0]
    limits = [(box[0].start, box[0].stop), (box[1].start, box[1].stop)]
    limits.append((chosen[box[2].start], chosen[box[2].stop - 1] + 1))
    return tuple((max(a - m, 0), min(b + m, n)) for (a, b), m, n in zip(limits, LIVER_MARGIN, shape, strict=True))  # type: ignore[return-value]
