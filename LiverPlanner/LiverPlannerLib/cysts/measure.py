"""From voxels to measured regions: histograms, fits, the split of touching lesions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.cysts import fit as cyst_fit
from LiverPlannerLib.cysts.fit import Scale
from LiverPlannerLib.cysts.necrosis import outside_share, rim_level
from LiverPlannerLib.cysts.pockets import MIN_REGION_CORE, ON_SURFACE, find_pockets
from LiverPlannerLib.cysts.regions import MIN_CORE, Regions, core_voxels, dark_surroundings
from LiverPlannerLib.cysts.rules import CALCIUM, GAS, MIN_VOXELS, SIMPLE_CYST, CystRegion, Settings
from LiverPlannerLib.cysts.split import split_region
from PreopReviewLib import images

# A region is tested for two parts (tumor touching cyst) only where its core is large enough to tell.
TOUCHING_CORE = 100
TOUCHING = {"bic_gain": 10.0, "separation": 1.8, "minor_weight": 0.12}


@dataclass
class Measured:
    """Regions with their measures (no decisions yet) and histograms; `origin`: part to region, from 0."""

    regions: list[CystRegion]
    components: Regions
    counts: np.ndarray
    core_counts: np.ndarray
    origin: dict[int, int]


def measure(
    components: Regions, values: np.ndarray, settings: Settings, source: sitk.Image, split: bool, image: np.ndarray
) -> Measured:
    """Histograms, statistics and fits of all regions; touching tumor and cyst are split if asked.

    Args:
        components: the regions.
        values: (n,) intensity of each of their voxels, in the unit of the settings.
        settings: threshold and scale.
        source: the lesion image, for its geometry.
        image: the whole image, K-J-I, for what surrounds small regions.
    """
    scale, bins, core = settings.scale, settings.scale.bin_of(values), core_voxels(components)
    counts, core_counts = cyst_fit.histograms(bins, components.ids, core, components.count, scale)
    gains, origin, around = {}, {}, {}
    if settings.rule == "robust" and not settings.relative and components.count:
        small = counts.sum(1) < MIN_VOXELS
        share = dark_surroundings(components, image, small, settings.threshold)
        around = {n: float(share[n]) for n in np.flatnonzero(small) if np.isfinite(share[n])}
    if split and components.count:
        gains, cuts = _touching(core_counts, settings)
        components, core, origin = _split(components, values, core, cuts, _searched(core_counts, cuts, settings))
        if origin:
            counts, core_counts = cyst_fit.histograms(bins, components.ids, core, components.count, scale)
    regions = _regions(components, values, counts, core_counts, scale, source)
    for n in set(gains) | set(origin) | set(around):
        parent = origin[n] + 1 if n in origin else None
        regions[n] = replace(
            regions[n], bic_gain=gains.get(origin.get(n, n)), split_from=parent, dark_around=around.get(n)
        )
    if not settings.relative:
        regions = [_with_composition(r, components, values, core, settings) for r in regions]
    return Measured(regions, components, counts, core_counts, origin)


def _with_composition(
    region: CystRegion, components: Regions, values: np.ndarray, core: np.ndarray, settings: Settings
) -> CystRegion:
    """The region with what else it holds; its statistics from its own voxels where the histogram's axis ends."""
    chosen = np.flatnonzero(components.ids == region.id - 1)
    own, inner = values[chosen].astype(float), core[chosen]
    changes: dict[str, float | None] = {
        "gas_share": float(np.mean(own[inner] < GAS)),
        "calcium_share": float(np.mean(own > CALCIUM)),
    }
    low, high = settings.scale.low, settings.scale.high
    if ((own < low) | (own > high)).any():
        median, core_median = float(np.median(own)), float(np.median(own[inner]))
        changes |= {"mean": float(own.mean()), "median": median, "core_median": core_median}
        changes["mad"] = float(np.median(np.abs(own - median)))
        changes["core_mad"] = float(np.median(np.abs(own[inner] - core_median)))
        if not low < median < high:  # the fit saw the end of the axis alone
            changes |= {"fit_mean": float(own.mean()), "fit_sd": float(own.std()), "r2": 0.0}
            changes["fit_sd_corrected"] = float(own.std())
    if settings.is_cyst(region.core_median):
        changes["rim"] = rim_level(components, chosen, values, core, settings.threshold + settings.margin)
    return replace(region, **changes)  # type: ignore[arg-type]


def _touching(core_counts: np.ndarray, settings: Settings) -> tuple[dict[int, float], dict[int, float]]:
    """BIC gain of the regions that were tested for two parts, and where to cut those that have two."""
    scale, limit = settings.scale, settings.threshold
    low, high = (cyst_fit.quantile(core_counts, scale, q) for q in (0.1, 0.9))
    tested = np.flatnonzero((core_counts.sum(1) >= TOUCHING_CORE) & (low < limit) & (high > limit))
    if not len(tested):
        return {}, {}
    mix = cyst_fit.fit_mixtures(core_counts[tested], scale)
    two = (mix.low_mean < limit) & (mix.high_mean > limit)
    for name, least in TOUCHING.items():
        two &= getattr(mix, name) > least
    middle = (mix.low_mean + mix.high_mean) / 2
    gains = dict(zip(tested.tolist(), mix.bic_gain.tolist(), strict=True))
    return gains, dict(zip(tested[two].tolist(), middle[two].tolist(), strict=True))


def _searched(
    core_counts: np.ndarray, cuts: dict[int, float], settings: Settings
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Level and spread of the tumors in which pockets are searched (NaN elsewhere), and how dark these are."""
    if settings.relative:  # there is no level of a simple cyst in relative units
        return None
    scale = settings.scale
    level = cyst_fit.quantile(core_counts, scale, 0.5)
    sd = 1.4826 * cyst_fit.median_deviation(core_counts, scale, level)
    level[(core_counts.sum(1) < MIN_REGION_CORE) | (level < settings.threshold + settings.margin)] = np.nan
    level[list(cuts)] = np.nan
    dark = SIMPLE_CYST + settings.margin
    level[core_counts[:, scale.centers <= dark].sum(1) < MIN_CORE // 2] = np.nan  # no pocket has such a median
    return level, sd, dark


def _split(
    components: Regions,
    values: np.ndarray,
    core: np.ndarray,
    cuts: dict[int, float],
    searched: tuple[np.ndarray, np.ndarray, float] | None,
) -> tuple[Regions, np.ndarray, dict[int, int]]:
    """The regions with each part split off as a region of its own, and where each came from."""
    ids, core, origin = components.ids.copy(), core.copy(), {}
    count = components.count
    for region, cut in cuts.items():
        parts = split_region(components, region, values, core, cut)
        if parts is None:
            continue
        chosen = np.flatnonzero(components.ids == region)
        inner = chosen[core[chosen]]
        if outside_share(components, inner, values[inner] < cut) < ON_SURFACE:
            continue  # necrosis: a dark center is part of its tumor
        dark, core[chosen] = parts
        smaller = dark if 2 * np.count_nonzero(dark) <= len(dark) else ~dark
        ids[chosen[smaller]] = count
        origin[count] = region
        count += 1
    for region, chosen, inner in find_pockets(components, values, core, *searched) if searched else []:
        ids[chosen], core[chosen] = count, inner
        origin[count] = region
        count += 1
    if not origin:
        return components, core, {}
    places = np.unravel_index(components.index, components.shape)
    sizes = np.bincount(ids, minlength=count)
    centroids = np.stack([np.bincount(ids, weights=p, minlength=count) / sizes for p in places], 1)
    return replace(components, ids=ids, count=count, centroids=centroids), core, origin


def _sums(components: Regions, values: np.ndarray, counts: np.ndarray, scale: Scale) -> np.ndarray:
    """Sum of the values of each region; from the histogram where that is exact."""
    whole = np.issubdtype(values.dtype, np.integer) and scale.width == 1
    if whole and not counts[:, [0, -1]].any():
        return counts @ scale.centers
    return np.bincount(components.ids, weights=values, minlength=components.count)


def _regions(
    components: Regions,
    values: np.ndarray,
    counts: np.ndarray,
    core_counts: np.ndarray,
    scale: Scale,
    source: sitk.Image,
) -> list[CystRegion]:
    """The measures of every region, without decisions."""
    if components.count == 0:
        return []
    fits = cyst_fit.fit_gaussians(cyst_fit.smooth(counts, scale), scale)
    median, core_median = (cyst_fit.quantile(c, scale, 0.5) for c in (counts, core_counts))
    sizes = counts.sum(1)
    columns = {
        "voxels": sizes,
        "ml": sizes * images.voxel_ml(source),
        "mean": _sums(components, values, counts, scale) / sizes,
        "median": median,
        "mad": cyst_fit.median_deviation(counts, scale, median),
        "area": fits.area,
        "peak": fits.peak,
        "fit_mean": fits.mean,
        "fit_sd": fits.sd,
        "fit_sd_corrected": fits.sd_corrected,
        "r2": fits.r2,
        "core_voxels": core_counts.sum(1),
        "core_median": core_median,
        "core_mad": cyst_fit.median_deviation(core_counts, scale, core_median),
    }
    centroids = images.kji_to_ras(components.centroids, source).tolist()
    rows = zip(*(c.tolist() for c in columns.values()), strict=True)
    return [
        CystRegion(id=n + 1, centroid_ras=tuple(centroids[n]), unit=scale.unit, **dict(zip(columns, row, strict=True)))
        for n, row in enumerate(rows)
    ]
