"""Gaussian cyst filter: which regions of a tumor mask are cysts (Lin 2024, section 2.5).

A suspected cyst moves to the structure `cyst`; nothing is deleted, every decision carries its reason, and any
of them can be overridden: ``result.with_overrides({3: "tumor"})``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.cysts import THRESHOLD_HU, checks
from LiverPlannerLib.cysts import rules as cyst_rules
from LiverPlannerLib.cysts.contour import clinical_contour
from LiverPlannerLib.cysts.fit import HOUNSFIELD, RELATIVE
from LiverPlannerLib.cysts.measure import Measured, measure
from LiverPlannerLib.cysts.regions import Regions, find_regions
from LiverPlannerLib.cysts.rules import CystRegion, Decision, Rule, Settings
from LiverPlannerLib.lesions import DrawnLesions
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.images.geometry import box_of

__all__ = ["CystRegion", "CystResult", "Settings", "clinical_contour", "filter_cysts"]

MASK_ML = 500.0  # more than this in a mask that no one called a lesion mask is worth a word
LesionKind = Literal["auto", "labels", "mask"]


@dataclass
class CystResult:
    """Outcome of the filter. Images are built when first asked for.

    Attributes:
        regions: one per independent region, the largest first; ids from 1.
        warnings: what a reader of the result must know.
        settings: rule, threshold, unit and the liver's level.
        counts: (R, bins) histogram of each region, all voxels; `settings.scale.centers` is its axis.
        core_counts: the same of the cores.
    """

    regions: list[CystRegion]
    warnings: list[str]
    settings: Settings
    counts: np.ndarray
    core_counts: np.ndarray
    _components: Regions = field(repr=False)
    _source: sitk.Image = field(repr=False)
    _is_labels: bool = field(repr=False)

    def region(self, region_id: int) -> CystRegion:
        """The region with that id.

        Raises:
            InputError: there is none.
        """
        if not 1 <= region_id <= len(self.regions):
            raise InputError(f"There is no region {region_id}", f"Regions are numbered 1 to {len(self.regions)}")
        return self.regions[region_id - 1]

    def with_overrides(self, overrides: dict[int, Decision]) -> CystResult:
        """The result with regions decided by hand, on top of earlier overrides; nothing is measured again.

        Raises:
            InputError: an unknown region or decision.
        """
        regions = list(self.regions)
        for region_id, decision in overrides.items():
            regions[self.region(region_id).id - 1] = cyst_rules.overridden(
                self._by_rule(self.region(region_id)), decision
            )
        return replace(self, regions=regions)

    def _by_rule(self, region: CystRegion) -> CystRegion:
        return cyst_rules.decided(region, self.settings) if region.overridden else region

    @cached_property
    def region_labels(self) -> sitk.Image:
        """Region ids (uint16) on the grid of the input."""
        return self._painted(np.arange(1, len(self.regions) + 1, dtype=np.uint16))

    @cached_property
    def tumor(self) -> sitk.Image:
        """Mask (uint8) of the regions that are tumors or undecided."""
        return self._painted(np.array([r.decision != "cyst" for r in self.regions], np.uint8))

    @cached_property
    def cyst(self) -> sitk.Image:
        """Mask (uint8) of the suspected cysts, with the cysts that a label image had already."""
        suspected = self._painted(np.array([r.decision == "cyst" for r in self.regions], np.uint8))
        if not self._is_labels:
            return suspected
        known = images.array_of(self._source) == structure("cyst").label
        known.reshape(-1)[self._components.index] = False
        return sitk.Or(suspected, images.image_like(known, self._source))

    @cached_property
    def labels(self) -> sitk.Image:
        """The label image with suspected cysts moved to `cyst`; of a mask, one with only tumor and cyst."""
        values = [structure("cyst" if r.decision == "cyst" else "tumor").label for r in self.regions]
        return self._painted(np.array(values, np.uint8), keep=self._is_labels)

    def _painted(self, value_of_region: np.ndarray, keep: bool = False) -> sitk.Image:
        shape = self._components.shape
        array = sitk.GetArrayFromImage(self._source) if keep else np.zeros(shape, value_of_region.dtype)
        if len(value_of_region):
            array.reshape(-1)[self._components.index] = value_of_region[self._components.ids]
        return images.image_like(array, self._source)


def filter_cysts(
    image: sitk.Image,
    lesions: sitk.Image,
    liver_mask: sitk.Image | None = None,
    rule: Rule = "robust",
    threshold: float = THRESHOLD_HU,
    modality: Literal["CT", "MR"] = "CT",
    overrides: dict[int, Decision] | None = None,
    relative_threshold: float | None = None,
    lesions_are: LesionKind = "auto",
    reconsider_cysts: bool = False,
    split_touching: bool = True,
    drawn: DrawnLesions | None = None,
) -> CystResult:
    """Tells cysts from tumors among the independent regions of a lesion mask.

    Args:
        image: the CT in HU (or the MRI, see `modality`).
        lesions: on the image's grid: a label image with the values of `structures`, of which `tumor` is
            asked, or a mask of 0 and 1.
        liver_mask: the liver, for the check of units and phase; a label image brings its own parenchyma.
        rule: ``robust`` (core median, undecided class) or ``lin2024`` (M of the fit, nothing else).
        threshold: HU; below it lies a cyst.
        modality: ``MR`` switches to units relative to the liver, ``(value - median) / MAD``, which are not HU;
            off unless `relative_threshold` is given.
        overrides: region id to decision, for what a human knows better.
        relative_threshold: in liver MADs; negative: cysts are darker than that (T1, hepatobiliary phase),
            positive: brighter (T2). There is no published value.
        lesions_are: ``labels`` or ``mask``; ``auto`` takes an image of only 0 and 1 for a mask.
        reconsider_cysts: asks the regions labeled `cyst` again, with the tumors.
        split_touching: splits a region in which tumor and cyst touch (robust rule only).
        drawn: which lesions the file holds apart.

    Raises:
        GeometryError: the images are not on one grid.
        ImplausibleImage: the image is not a CT in HU, or holds NaN in a lesion.
        InputError: an MRI without a relative threshold, a mask that fills the image, an absurd threshold.

    A mask without any lesion gives a result without regions, and a warning that says so.
    """
    checks.require_options(rule, threshold, modality, relative_threshold)
    array, labels = checks.require_images(image, lesions, liver_mask)
    box = box_of(labels != 0) or (slice(0, 0),) * 3
    is_labels = lesions_are == "labels" or (lesions_are == "auto" and int(labels[box].max(initial=0)) > 1)
    wanted = (structure("tumor").label,) if is_labels else (1,)
    if is_labels and reconsider_cysts:
        wanted += (structure("cyst").label,)
    components = find_regions(labels, wanted, box, None if drawn is None else drawn.array)
    checks.require_lesions(len(components.index), labels.size)
    settings, warnings = _settings(array, labels, is_labels, liver_mask, rule, modality, threshold, relative_threshold)
    ml = len(components.index) * images.voxel_ml(lesions)
    if lesions_are == "auto" and not is_labels and ml > MASK_ML:
        warnings.append(f"The image of 0 and 1 was read as a lesion mask of {ml:.0f} ml; is it a liver?")
    values = array.reshape(-1)[components.index]
    checks.require_finite(values)
    if settings.relative:
        values = (values - settings.liver.median) / settings.liver.mad
    measured = measure(components, values, settings, lesions, split_touching and rule == "robust", array)
    result = _filtered(measured, settings, lesions, is_labels, warnings)
    return result.with_overrides(overrides) if overrides else result


def _filtered(
    measured: Measured, settings: Settings, lesions: sitk.Image, is_labels: bool, warnings: list[str]
) -> CystResult:
    if measured.components.count == 0:
        warnings.append("There is no lesion in the mask, so nothing was filtered")
    if measured.origin:
        pairs = ", ".join(f"{parent + 1} and {part + 1}" for part, parent in measured.origin.items())
        warnings.append(
            f"Tumor and cyst seem to touch in {len(set(measured.origin.values()))} region(s), "
            f"split by intensity into {pairs}"
        )
    decided = [cyst_rules.decided(r, settings) for r in measured.regions]
    counts, core_counts = measured.counts, measured.core_counts
    return CystResult(decided, warnings, settings, counts, core_counts, measured.components, lesions, is_labels)


def _settings(
    array: np.ndarray,
    labels: np.ndarray,
    is_labels: bool,
    liver_mask: sitk.Image | None,
    rule: Rule,
    modality: str,
    threshold: float,
    relative_threshold: float | None,
) -> tuple[Settings, list[str]]:
    """The settings for an image whose units have been checked, and what to warn of."""
    liver = checks.liver_level(array, labels, is_labels, liver_mask)
    if modality == "MR":
        liver = checks.require_liver_spread(liver)
        words = (
            f"Intensities are relative to the liver (median {liver.median:.4g}, MAD {liver.mad:.3g}); "
            "they are not Hounsfield units, and no threshold for them is published"
        )
        return Settings(rule, float(relative_threshold), RELATIVE, liver), [words]
    checks.require_hounsfield(array, liver)
    warning = checks.phase_warning(liver)
    return Settings(rule, float(threshold), HOUNSFIELD, liver), [warning] if warning else []
