"""What a region is: cyst, tumor or undecided, and why.

Two rules. ``lin2024`` is the paper's: the mean M of the fitted Gaussian below the threshold is a cyst.
``robust`` (the default) asks the median of the eroded core instead, which an over-drawn outline does not move,
and says *undecided* where there are too few voxels or the value lies at the threshold. An undecided region
stays a tumor: a missed tumor costs more than a cyst kept.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from LiverPlannerLib.cysts.fit import Scale
from PreopReviewLib.errors import InputError

Rule = Literal["robust", "lin2024"]
Decision = Literal["cyst", "tumor", "undecided"]

MIN_VOXELS = 50
MIN_CORE = 8
CLEARLY = 3.0  # standard errors
BRIGHT_AROUND = 0.1  # at most this share of the voxels around a region is darker than the threshold
MIN_R2 = 0.8
MAX_FIT_SHIFT = 15.0  # HU between M and the median before the fit is called poor
SIMPLE_CYST = 20.0  # HU; conventional upper bound of a simple cyst
FLUID = -10.0  # HU; what is darker holds fat or gas
GAS = -150.0  # HU; what is darker is not fat
CALCIUM = 250.0  # HU; no tissue enhances so much
FOREIGN_SHARE = 0.02  # of a region's voxels, from three up, that are gas or calcium
PHASE_MEDIAN = 75.0  # HU; below it the liver is not in the portal-venous phase the 45 HU rule was made for


@dataclass(frozen=True)
class LiverLevel:
    """Intensity of the parenchyma: median, median absolute deviation and how many voxels were asked."""

    median: float
    mad: float
    voxels: int


@dataclass(frozen=True)
class Settings:
    """What the decision depends on besides the region.

    `threshold` is in the unit of `scale`. With HU, cysts lie below it. In relative units a negative threshold
    means cysts darker than the liver (hepatobiliary phase, T1), a positive one brighter (T2).
    """

    rule: Rule
    threshold: float
    scale: Scale
    liver: LiverLevel | None = None

    @property
    def relative(self) -> bool:
        return self.scale.unit != "HU"

    @property
    def margin(self) -> float:
        return 0.5 if self.relative else 5.0

    @property
    def low_phase(self) -> bool:
        """Whether the liver is known not to be in a portal-venous phase."""
        return not self.relative and self.liver is not None and self.liver.median < PHASE_MEDIAN

    def is_cyst(self, value: float) -> bool:
        if self.relative and self.threshold > 0:
            return value > self.threshold
        return value < self.threshold


@dataclass(frozen=True)
class CystRegion:
    """One region of the lesion mask: measures, decision and reason. Intensities are in `unit`.

    Attributes:
        id: its value in the region image, from 1.
        voxels, ml: size.
        centroid_ras: mm.
        mean, median, mad: over all voxels; MAD is not scaled.
        area, peak, fit_mean, fit_sd, fit_sd_corrected, r2: Gaussian fitted to the smoothed histogram (A, peak,
            M, S, S without the smoothing). `area` is in voxels times unit.
        core_voxels, core_median, core_mad: the same over the core (region eroded by one voxel; where that
            leaves fewer than 8 voxels, the innermost third).
        dark_around: of the voxels around a small region, the share below the threshold; None where it was not asked.
        gas_share, calcium_share: of the core, darker than gas is; of all voxels, brighter than tissue is.
        rim: median of the layer below the surface of a dark core, where that is brighter than the threshold, as a wall
            of tumor around necrosis is; None where there is no such rim or it was not asked.
        bic_gain: how much better two Gaussians fit the core than one; None where it was not asked.
        decision, reason: what the region was taken for, and why, in words.
        suggestion: what the rule leans to, also where it is undecided.
        rule_decision: the decision before an override by hand.
        paper_decision: what Lin 2024 decides (always M against the threshold).
        split_from: id of the region that this one was split off, or None.
        overridden: whether a human decided.
    """

    id: int
    voxels: int
    ml: float
    centroid_ras: tuple[float, float, float]
    unit: str
    mean: float
    median: float
    mad: float
    area: float
    peak: float
    fit_mean: float
    fit_sd: float
    fit_sd_corrected: float
    r2: float
    core_voxels: int
    core_median: float
    core_mad: float
    dark_around: float | None = None
    gas_share: float = 0.0
    calcium_share: float = 0.0
    rim: float | None = None
    bic_gain: float | None = None
    decision: Decision = "undecided"
    reason: str = ""
    suggestion: Literal["cyst", "tumor"] = "tumor"
    rule_decision: Decision = "undecided"
    paper_decision: Literal["cyst", "tumor"] = "tumor"
    split_from: int | None = None
    overridden: bool = False

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        return asdict(self)


def decided(region: CystRegion, settings: Settings) -> CystRegion:
    """The region with decision, suggestion, reason and the paper's decision filled in."""
    paper = "cyst" if settings.is_cyst(region.fit_mean) else "tumor"
    if settings.rule == "lin2024":
        decision, suggestion, reason = paper, paper, _paper_reason(region, settings)
    else:
        suggestion = "cyst" if settings.is_cyst(region.core_median) else "tumor"
        doubt = _doubt(region, settings, suggestion)
        decision = "undecided" if doubt else suggestion
        reason = f"{_core_reason(region, settings)}{doubt}{_fit_note(region, settings)}"
    if region.split_from is not None:
        reason += f"; split off region {region.split_from} by intensity"
    return replace(
        region,
        decision=decision,
        rule_decision=decision,
        suggestion=suggestion,
        paper_decision=paper,
        reason=reason,
        overridden=False,
    )


def _side(value: float, settings: Settings) -> str:
    return "below" if value < settings.threshold else "not below"


def _number(value: float, settings: Settings) -> str:
    return f"{value:.1f}" if settings.relative else f"{value:.0f}"


def _paper_reason(region: CystRegion, settings: Settings) -> str:
    value, unit = region.fit_mean, settings.scale.unit
    foreign = _no_fluid(region, settings).replace(", but undecided", "; doubtful")
    side = _side(value, settings)
    return f"fitted mean {value:.1f} {unit}, {side} {settings.threshold:g} {unit} (rule of Lin 2024){foreign}"


def _core_reason(region: CystRegion, settings: Settings) -> str:
    value, unit = region.core_median, settings.scale.unit
    side = _side(value, settings)
    return f"core median {_number(value, settings)} {unit}, {side} {settings.threshold:g} {unit}"


def _doubt(region: CystRegion, settings: Settings, suggestion: str) -> str:
    """Why the region is undecided, in words; empty where it is decided."""
    sd = 1.4826 * region.core_mad
    error = sd / np.sqrt(max(region.core_voxels, 1))
    away = abs(region.core_median - settings.threshold)
    if region.core_voxels < MIN_CORE:
        return f", but undecided: only {region.core_voxels} of its {region.voxels} voxels are core"
    foreign = _no_fluid(region, settings)
    if foreign:
        return foreign
    if region.rim is not None and suggestion == "cyst":
        rim = f"{_number(region.rim, settings)} {settings.scale.unit}"
        return f", but undecided: its dark center lies inside a rim of {rim}, as necrosis in a tumor does"
    # Partial volume with the parenchyma moves a small cyst towards a tumor and never a tumor towards a cyst:
    # a small region is believed where it is clearly a cyst, and only there.
    if region.voxels < MIN_VOXELS and suggestion == "cyst" and _dark_throughout(region, settings):
        return _phase_doubt(region, settings)
    if region.voxels < MIN_VOXELS and (suggestion == "tumor" or away < 2 * max(settings.margin, error)):
        return f", but undecided: {region.voxels} voxels are too few (fewer than {MIN_VOXELS})"
    margin = max(settings.margin, 2 * error)
    if away < margin:
        return f", but undecided: within {_number(margin, settings)} {settings.scale.unit} of the threshold"
    return _phase_doubt(region, settings) if suggestion == "cyst" else ""


def _no_fluid(region: CystRegion, settings: Settings) -> str:
    """Why a region holds something that is neither fluid nor soft tissue; empty where it does not."""
    if settings.relative:
        return ""
    value = region.core_median
    error = 1.4826 * region.core_mad / np.sqrt(max(region.core_voxels, 1))
    if value < FLUID - max(settings.margin, 2 * error):
        what = "gas" if value < GAS else "fat (or gas in fluid)"
        return f", but undecided: darker than fluid ({FLUID:g} HU), so it holds {what}"
    if value > CALCIUM:
        return f", but undecided: brighter than tissue ({CALCIUM:g} HU), so it is calcified (or holds contrast agent)"
    least = max(FOREIGN_SHARE, 3 / max(region.voxels, 1))
    contents = [n for n, s in (("gas", region.gas_share), ("calcium", region.calcium_share)) if s >= least]
    if contents and settings.is_cyst(value):
        return f", but undecided: it holds {' and '.join(contents)}"
    return ""


def _dark_throughout(region: CystRegion, settings: Settings) -> bool:
    """Whether all voxels of a small region together, its partial volume included, are clearly below the threshold.

    Where everything around is brighter than the threshold, partial volume makes every voxel of the region brighter.
    The mean of all of them is then an upper bound of the lesion's own level, and known better than the core's.
    """
    if settings.relative or region.dark_around is None or region.dark_around > BRIGHT_AROUND:
        return False
    error = max(1.4826 * region.mad, region.fit_sd_corrected) / np.sqrt(region.voxels)
    return region.mean + max(settings.margin, CLEARLY * error) < settings.threshold


def _phase_doubt(region: CystRegion, settings: Settings) -> str:
    if settings.low_phase and region.core_median > SIMPLE_CYST:
        return (
            f", but undecided: the liver (median {settings.liver.median:.0f} HU) is not in a portal-venous phase, "
            f"where only up to {SIMPLE_CYST:g} HU is a cyst"
        )
    return ""


def _fit_note(region: CystRegion, settings: Settings) -> str:
    notes = []
    if region.r2 < MIN_R2:
        notes.append(f"the Gaussian fits poorly (R² {region.r2:.2f})")
    if not settings.relative and abs(region.fit_mean - region.median) > MAX_FIT_SHIFT:
        notes.append(f"fitted mean {region.fit_mean:.0f} HU is far from the median {region.median:.0f} HU")
    return f"; {', '.join(notes)}" if notes else ""


def overridden(region: CystRegion, decision: Decision) -> CystRegion:
    """The region as a human decided it; the rule's decision stays beside it."""
    if decision not in ("cyst", "tumor", "undecided"):
        raise InputError(f"Region {region.id} cannot be set to {decision!r}", "Use one of cyst, tumor, undecided")
    reason = f"set to {decision} by hand (the rule said {region.rule_decision}: {region.reason})"
    return replace(region, decision=decision, reason=reason, overridden=True)
