"""Convolutions on normalized input, with as few passes over memory as possible.

The KU Leuven networks bring each channel to mean 0 and SD 1, apply LeakyReLU and convolve. LeakyReLU does not mind
a positive factor, so that 1 / SD can go into the weights of the convolution: what is left for the feature map is to
subtract the mean and to apply LeakyReLU, both in place.

Feature maps here are (K, C, I, J) with the channels last in memory ([K, I, J, C]): a stack of slices for the
networks' many (3, 3, 1) kernels, and at the same time a volume for the others. oneDNN convolves twice as fast in
this order as in the usual one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from PreopReviewLib.models.kuleuven_networks import EPSILON, SLOPE, Moments

Region = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Start and stop along K, I, J."""


def channels_last(x: Tensor) -> Tensor:
    """(N, C, I, J) with the channels last in memory, where the device gains from it."""
    return x.contiguous() if x.device.type == "mps" else x.contiguous(memory_format=torch.channels_last)


@dataclass
class Conv:
    """A convolution with kernel axes K-I-J: `weight` (O, C, k, i, j) and `bias` (O), both float32."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, layer: nn.Conv3d) -> Conv:
        """A layer whose kernel axes are I-J-K."""
        bias = torch.zeros(layer.out_channels, device=layer.weight.device) if layer.bias is None else layer.bias
        return cls(layer.weight.float().permute(0, 1, 4, 2, 3), bias.float())

    def folded(self, statistics: Moments, dtype: torch.dtype) -> Conv:
        """The convolution that takes over the division by the SD of its input, where `activate_` leaves that to it."""
        if dtype != torch.float32:
            return self
        return Conv(self.weight / (statistics[1] + EPSILON)[None, :, None, None, None], self.bias)

    def of_constant(self, x: Tensor) -> Tensor:
        """(O) float32: the output for one and the same value (C) everywhere."""
        return self.weight.sum((2, 3, 4)) @ x.float() + self.bias

    def __call__(self, x: Tensor, pad: bool = True) -> Tensor:
        """(K, C, I, J) to (K', O, I', J'), the same size with zeros around if `pad`."""
        padding = [n // 2 if pad else 0 for n in self.weight.shape[2:]]
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        if self.weight.shape[2] == 1:
            return F.conv2d(x, channels_last(weight[:, :, 0]), bias, padding=padding[1:])
        if x.device.type != "mps":
            weight = weight.contiguous(memory_format=torch.channels_last_3d)
        return F.conv3d(volume(x), weight, bias, padding=padding)[0].transpose(0, 1)


def volume(x: Tensor) -> Tensor:
    """(K, C, I, J) as (1, C, K, I, J), the same memory."""
    return x.unsqueeze(0).transpose(1, 2)  # in this order the strides are those of channels last


def slices(x: Tensor) -> Tensor:
    """(1, C, K, I, J) as (K, C, I, J), the same memory."""
    return x[0].transpose(0, 1)


def activate_(x: Tensor, statistics: Moments) -> Tensor:
    """LeakyReLU of (K, C, I, J) minus its mean, in place; the division by the SD is the next convolution's.

    In half precision it is done here: the weights of a channel that hardly varies would overflow.
    """
    mean, sd = statistics
    x = x.sub_(mean.to(x.dtype)[:, None, None])
    if x.dtype != torch.float32:
        x = x.mul_((1 / (sd + EPSILON)).clamp(max=1e4).to(x.dtype)[:, None, None])
    return F.leaky_relu_(x, SLOPE)


@dataclass
class Sample:
    """Count, mean and variance of each channel, float64."""

    count: float
    mean: Tensor
    variance: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Sample:
        """Of (K, C, I, J)."""
        return cls.merged([cls.of_rows(s.permute(1, 2, 0).reshape(-1, x.shape[1])) for s in x])

    @classmethod
    def of_rows(cls, x: Tensor) -> Sample:
        """Of (n, C); of some ten thousand rows at a time single precision is enough."""
        if x.device.type == "cpu" and len(x) > 1:
            # The kernel of batch normalization reads channels-last memory ten times faster than var_mean.
            mean, variance = torch.batch_norm_update_stats(x.float().contiguous(), None, None, 0.0)
        else:
            variance, mean = torch.var_mean(x.float(), dim=0, correction=0)
        exact = torch.float32 if x.device.type == "mps" else torch.float64
        return cls(float(len(x)), mean.to(exact), variance.to(exact))

    @classmethod
    def pooled(cls, parts: Sequence[tuple[Sample, float]]) -> Moments:
        """Mean and SD, float32, of parts with the weights given (their sizes in the population)."""
        parts = [(s, w) for s, w in parts if w > 0]
        total = sum(w for _, w in parts)
        mean = sum(w * s.mean for s, w in parts) / total
        variance = sum(w * (s.variance + (s.mean - mean).square()) for s, w in parts) / total
        return mean.float(), variance.sqrt().float()

    @classmethod
    def merged(cls, parts: Sequence[Sample]) -> Sample:
        """The parts together."""
        parts = [p for p in parts if p.count]
        count = sum(p.count for p in parts)
        mean = sum(p.count * p.mean for p in parts) / count
        variance = sum(p.count * (p.variance + (p.mean - mean).square()) for p in parts) / count
        return cls(count, mean, variance)


def moments(x: Tensor) -> Moments:
    """Mean and population SD of each channel of (K, C, I, J), float32."""
    sample = Sample.of(x)
    return Sample.pooled([(sample, 1.0)])


def upsampled_moments(x: Tensor) -> Moments:
    """`moments` of (K, C, I, J) after linear interpolation from n to 3n - 2 voxels, without interpolating.

    The sum and the sum of squares of what is interpolated are a linear and a quadratic form of `x`, the same along
    each axis.
    """
    x = x.float()
    center = x.mean((0, 2, 3), keepdim=True)
    x = x - center
    total, squares, count = x, x, 1
    for axis in (0, 2, 3):
        n = x.shape[axis]
        weights = _interpolation(n).to(x.device)
        total = _along(total, weights.sum(0)[None], axis)
        squares = _along(squares, weights.T @ weights, axis)
        count *= 3 * n - 2
    mean = total.sum((0, 2, 3)) / count
    variance = (x * squares).sum((0, 2, 3)) / count - mean.square()
    return mean + center.flatten(), variance.clamp(min=0).sqrt()


def _along(x: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """The matrix (m, n) applied along one axis of n."""
    return torch.movedim(torch.tensordot(matrix, x, ([1], [axis])), 0, axis)


def _interpolation(n: int) -> Tensor:
    """(3n - 2, n) weights of linear interpolation with aligned corners."""
    if n == 1:
        return torch.ones(1, 1)
    at = torch.arange(3 * n - 2)
    return (1 - (at[:, None] / 3 - torch.arange(n)).abs()).clamp(min=0)


@dataclass
class Field:
    """A feature map (K, C, I, J) that is one constant per channel outside a box of its canvas."""

    values: Tensor
    start: tuple[int, int, int]
    shape: tuple[int, int, int]
    outside: Tensor

    @classmethod
    def dense(cls, values: Tensor) -> Field:
        """A field without an outside."""
        return cls(values, (0, 0, 0), (values.shape[0], *values.shape[2:]), values.new_zeros(values.shape[1]))

    @property
    def box(self) -> Region:
        """Where the values lie in the canvas."""
        sizes = (self.values.shape[0], *self.values.shape[2:])
        return tuple((a, a + n) for a, n in zip(self.start, sizes, strict=True))  # type: ignore[return-value]

    @property
    def whole(self) -> Region:
        """The canvas."""
        return tuple((0, n) for n in self.shape)  # type: ignore[return-value]

    def moments_in(self, margin: int) -> Moments:
        """Mean and SD over the canvas without `margin` voxels on each side."""
        inner = self.values
        for axis, (a, n) in enumerate(zip(self.start, self.shape, strict=True)):
            along = (0, 2, 3)[axis]
            low, high = max(margin - a, 0), min(n - margin - a, inner.shape[along])
            inner = inner.narrow(along, low, high - low)
        sample = Sample.of(inner)
        rest = float(np.prod([n - 2 * margin for n in self.shape])) - sample.count
        constant = self.outside.to(sample.mean)
        return Sample.pooled([(sample, sample.count), (Sample(1, constant, torch.zeros_like(constant)), rest)])

    def region(self, region: Region, own: bool = False) -> Tensor:
        """The values in a region of the canvas: a view where that can be, a copy if it is to be overwritten (`own`)."""
        (k, i, j) = ((low - start, high - start) for (low, high), start in zip(region, self.start, strict=True))
        sizes = (self.values.shape[0], *self.values.shape[2:])
        if all(a >= 0 and b <= n for (a, b), n in zip((k, i, j), sizes, strict=True)):
            view = self.values[k[0] : k[1], :, i[0] : i[1], j[0] : j[1]]
            return view.clone(memory_format=torch.channels_last) if own else view
        shape = [b - a for a, b in (k, i, j)]
        out = self.outside.to(self.values.dtype).expand(*shape, -1).contiguous().permute(0, 3, 1, 2)
        source = [slice(max(a, 0), max(min(b, n), 0)) for (a, b), n in zip((k, i, j), sizes, strict=True)]
        if any(s.stop <= s.start for s in source):
            return out
        target = [slice(s.start - a, s.stop - a) for s, (a, _) in zip(source, (k, i, j), strict=True)]
        out[target[0], :, target[1], target[2]] = self.values[source[0], :, source[1], source[2]]
        return out
