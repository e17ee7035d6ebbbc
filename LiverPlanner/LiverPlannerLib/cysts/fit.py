"""Histograms of regions and Gaussians fitted to all of them at once.

The model is Lin 2024, formula (2), with the sign that its exponent must have:
``f(x) = A / sqrt(2 pi S^2) * exp(-(x - M)^2 / (2 S^2))``, so that A is the area (voxels x bin width) and the
peak is ``A / (sqrt(2 pi) S)``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Scale:
    """The intensity axis of the histograms.

    Attributes:
        unit: what one unit is, "HU" or "liver MAD".
        low, high: centers of the first and the last bin; values beyond go into these.
        width: bin width.
        smoothing: sigma of the histogram's Gaussian smoothing, in bins.
        sd_range: bounds of S.
    """

    unit: str
    low: float
    high: float
    width: float
    smoothing: float = 3.0
    sd_range: tuple[float, float] = (2.0, 120.0)

    @property
    def centers(self) -> np.ndarray:
        return self.low + self.width * np.arange(round((self.high - self.low) / self.width) + 1)

    def bin_of(self, values: np.ndarray) -> np.ndarray:
        """Bin of each value, of any shape (nearest center, clipped to the ends)."""
        last = len(self.centers) - 1
        if np.issubdtype(values.dtype, np.integer) and self.width == 1.0:
            low = round(self.low)
            if np.iinfo(values.dtype).min > low or np.iinfo(values.dtype).max < low + last:
                values = values.astype(np.int64)
            bins = np.clip(values, low, low + last).astype(np.int64)
            bins -= low
            return bins
        return np.clip(np.rint((values - self.low) / self.width), 0, last).astype(np.int64)


_TAIL = 60  # bins
_STEP = 2  # every second bin is fitted: smoothed over a sigma of three bins, those between say nothing new

HOUNSFIELD = Scale("HU", -200.0, 300.0, 1.0)
RELATIVE = Scale("liver MAD", -50.0, 100.0, 0.25, sd_range=(0.5, 40.0))


@dataclass
class GaussianFits:
    """One Gaussian per row of a histogram matrix; arrays of length R, in the unit of the scale.

    `sd` is that of the smoothed histogram; `sd_corrected` has the smoothing taken out.
    """

    area: np.ndarray
    peak: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    sd_corrected: np.ndarray
    r2: np.ndarray


@dataclass
class Mixtures:
    """Two Gaussians per row against one; arrays of length R.

    `bic_gain` is BIC(one) - BIC(two): above 10, two are strongly preferred.
    """

    low_mean: np.ndarray
    high_mean: np.ndarray
    separation: np.ndarray
    minor_weight: np.ndarray
    bic_gain: np.ndarray


def histograms(
    bins: np.ndarray, ids: np.ndarray, core: np.ndarray, count: int, scale: Scale
) -> tuple[np.ndarray, np.ndarray]:
    """(count, bins) voxel counts, of all and of the core voxels, from bin, region and core flag of each voxel."""
    width = len(scale.centers)
    cell = ids * width
    cell += bins
    counts = (np.bincount(c, minlength=count * width).reshape(count, width) for c in (cell, cell[core]))
    return tuple(counts)  # type: ignore[return-value]


def quantile(counts: np.ndarray, scale: Scale, share: float) -> np.ndarray:
    """(R,) quantile of each histogram, to one bin; the middle of two where it falls between them."""
    total = counts.sum(1, keepdims=True)
    running = counts.cumsum(1)
    lower = (running >= share * total).argmax(1)
    upper = (running > share * total).argmax(1)
    return (scale.centers[lower] + scale.centers[upper]) / 2


def median_deviation(counts: np.ndarray, scale: Scale, median: np.ndarray) -> np.ndarray:
    """(R,) median absolute deviation from `median` (not scaled to a standard deviation), to one bin."""
    width = counts.shape[1]
    distance = np.abs(scale.centers[None] - median[:, None]) / scale.width
    bins = np.minimum(np.rint(distance * 2).astype(np.int64), 2 * width - 1)  # half bins: a median may lie between
    rows = np.arange(len(counts))[:, None] * (2 * width)
    folded = np.bincount((rows + bins).ravel(), weights=counts.ravel(), minlength=len(counts) * 2 * width)
    running = folded.reshape(len(counts), -1).cumsum(1)
    return (running >= 0.5 * running[:, -1:]).argmax(1) * scale.width / 2


def smooth(counts: np.ndarray, scale: Scale) -> np.ndarray:
    """Histograms (regions, bins) smoothed along the bins (Lin 2024 does not state how; Gaussian, sigma 3 bins)."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(counts.astype(float), scale.smoothing, axis=1, mode="constant")


@dataclass
class _State:
    """Rows still being fitted; `theta` is (peak, mean, log sd), `bell` the Gaussian of height 1 there."""

    rows: np.ndarray
    data: np.ndarray
    theta: np.ndarray
    bell: np.ndarray
    cost: np.ndarray
    damping: np.ndarray

    def keep(self, mask: np.ndarray) -> _State:
        return _State(*(getattr(self, f.name)[mask] for f in fields(self)))


def _offset(x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return (x[None] - theta[:, 1:2].astype(x.dtype)) * np.exp(-theta[:, 2:3]).astype(x.dtype)


def _bell(x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    z = _offset(x, theta)
    return np.exp(-0.5 * z * z)


def fit_gaussians(smoothed: np.ndarray, scale: Scale, iterations: int = 400) -> GaussianFits:
    """Least-squares Gaussians of all rows at once, by Levenberg-Marquardt with one damping per row.

    Args:
        smoothed: (R, bins) histograms, each with a positive sum.
        scale: their axis; bounds M to it and S to `scale.sd_range`.
        iterations: at most that many steps.
    """
    # Single precision is twice as fast and moves M by some thousandths of a HU; rows are scaled to height 1 first.
    theta, height = _start(smoothed, scale), smoothed.max(1)
    theta[:, 0] /= height
    used = _used(smoothed)
    x = scale.centers[used].astype(np.float32)
    smoothed = (smoothed[:, used] / height[:, None]).astype(np.float32)
    bell = _bell(x, theta)
    cost = _squared(smoothed - theta[:, :1].astype(np.float32) * bell)
    state = _State(np.arange(len(theta)), smoothed, theta, bell, cost, np.full(len(theta), 1e-3))
    result, final = theta.copy(), cost.copy()
    for _ in range(iterations):
        if len(state.rows) == 0:
            break
        moving = _step(state, scale, x)
        result[state.rows], final[state.rows] = state.theta, state.cost
        if not moving.all():
            state = state.keep(moving)
    peak, mean, sd = result[:, 0] * height, result[:, 1], np.exp(result[:, 2])
    total = _squared(smoothed) - smoothed.sum(1, dtype=float) ** 2 / (len(scale.centers) / _STEP)
    return GaussianFits(
        area=peak * np.sqrt(2 * np.pi) * sd,
        peak=peak,
        mean=mean,
        sd=sd,
        sd_corrected=np.sqrt(np.maximum(sd**2 - (scale.smoothing * scale.width) ** 2, 0.0)),
        r2=1 - final / np.maximum(total, 1e-12),
    )


def _used(smoothed: np.ndarray) -> slice:
    """Every second of the bins that hold anything, with as many around them as a Gaussian's tail needs."""
    hit = np.flatnonzero(smoothed.any(0))
    return slice(max(int(hit[0]) - _TAIL, 0), int(hit[-1]) + 1 + _TAIL, _STEP) if len(hit) else slice(0, 0)


def _squared(residual: np.ndarray) -> np.ndarray:
    return np.einsum("rb,rb->r", residual, residual).astype(float)


def _start(smoothed: np.ndarray, scale: Scale) -> np.ndarray:
    quartiles = [quantile(smoothed, scale, q) for q in (0.25, 0.5, 0.75)]
    sd = np.clip((quartiles[2] - quartiles[0]) / 1.349, *scale.sd_range)
    area = smoothed.sum(1) * scale.width
    return np.stack([area / (np.sqrt(2 * np.pi) * sd), quartiles[1], np.log(sd)], 1)


def _step(state: _State, scale: Scale, x: np.ndarray) -> np.ndarray:
    """One damped step of every row, in place; returns which rows have not settled yet."""
    theta, bell = state.theta, state.bell
    peak = theta[:, :1].astype(x.dtype)
    z = _offset(x, theta)
    residual = state.data - peak * bell
    slope = peak * bell * z
    jacobian = np.stack([bell, slope * np.exp(-theta[:, 2:3]).astype(x.dtype), slope * z], 1)
    normal = (jacobian @ jacobian.transpose(0, 2, 1)).astype(float)
    gradient = (jacobian @ residual[..., None])[..., 0].astype(float)
    diagonal = np.einsum("nii->ni", normal)
    diagonal *= 1 + state.damping[:, None]
    diagonal += 1e-12
    move = np.linalg.solve(normal, gradient[..., None])[..., 0]
    limit = np.array([np.inf, 40 * scale.width, 0.7])
    trial = theta + np.clip(move, -limit, limit)
    trial[:, 0] = np.maximum(trial[:, 0], 1e-9)
    trial[:, 1] = np.clip(trial[:, 1], scale.low, scale.high)
    trial[:, 2] = np.clip(trial[:, 2], *np.log(scale.sd_range))
    trial_bell = _bell(x, trial)
    cost = _squared(state.data - trial[:, :1].astype(x.dtype) * trial_bell)
    better = cost < state.cost
    gain = np.where(better, (state.cost - cost) / np.maximum(state.cost, 1e-12), 0.0)
    shift = np.abs(trial - theta)[:, 1] / scale.width
    state.theta = np.where(better[:, None], trial, theta)
    state.bell = np.where(better[:, None], trial_bell, bell)
    state.cost = np.where(better, cost, state.cost)
    state.damping = np.where(better, state.damping * 0.3, state.damping * 8)
    settled = np.where(better, (gain < 1e-5) & (shift < 0.01), state.damping > 1e3)
    return ~settled


def fit_mixtures(counts: np.ndarray, scale: Scale, iterations: int = 30) -> Mixtures:
    """Two Gaussians in each histogram by expectation-maximization, compared with one by BIC.

    Args:
        counts: (R, bins) voxel counts, each row with a positive sum; four bins are pooled, which is fine for
            the standard deviations of CT and four times faster.
    """
    hit = np.flatnonzero(counts.any(0))
    used = slice(int(hit[0]) // 4 * 4, int(hit[-1]) + 1)
    pooled, x = _pool(counts[:, used], scale.centers[used], 4)
    total = pooled.sum(1)
    mean = (pooled @ x) / total
    floor = (2 * scale.width) ** 2
    variance = np.maximum((pooled * (x - mean[:, None]) ** 2).sum(1) / total, floor)
    single = (pooled * _log_normal(x, mean, variance)).sum(1)
    centers = np.stack([quantile(counts, scale, q) for q in (0.2, 0.8)], 1)
    spread = np.repeat(variance[:, None] / 2, 2, 1)
    weight = np.full((len(counts), 2), 0.5)
    for _ in range(iterations):
        joint = _densities(x, centers, spread, weight)
        share = joint * (pooled / joint.sum(1))[:, None]
        mass = np.maximum(share.sum(2), 1e-9)
        weight = mass / total[:, None]
        centers = (share @ x) / mass
        spread = np.maximum((share * (x - centers[..., None]) ** 2).sum(2) / mass, floor)
    double = (pooled * np.log(_densities(x, centers, spread, weight).sum(1))).sum(1)
    order = np.argsort(centers, 1)
    centers = np.take_along_axis(centers, order, 1)
    sd = np.sqrt((weight * spread).sum(1))
    return Mixtures(
        low_mean=centers[:, 0],
        high_mean=centers[:, 1],
        separation=(centers[:, 1] - centers[:, 0]) / sd,
        minor_weight=weight.min(1),
        bic_gain=2 * (double - single) - 3 * np.log(total),  # five parameters against two
    )


def _pool(counts: np.ndarray, x: np.ndarray, by: int) -> tuple[np.ndarray, np.ndarray]:
    extra = -len(x) % by
    padded = np.pad(counts, ((0, 0), (0, extra)))
    first = x[::by]
    step = x[1] - x[0]
    return padded.reshape(len(counts), -1, by).sum(2).astype(float), first + step * (by - 1) / 2


def _log_normal(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    mean, variance = mean[..., None], variance[..., None]
    return -0.5 * ((x - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def _densities(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(R, 2, bins) weighted density of each component, never quite 0."""
    return weight[..., None] * np.exp(_log_normal(x, mean, variance)) + 1e-200
