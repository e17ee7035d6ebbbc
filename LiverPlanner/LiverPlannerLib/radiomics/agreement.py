"""Agreement of radiomic features between two masks of the same cases (Gross 2024)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.agreement import Icc, icc


@dataclass(frozen=True)
class FeatureAgreement:
    """Agreement of features between two masks of the same cases (Gross 2024 reports mean ± SD).

    Attributes:
        form: of the ICC.
        cases: compared.
        values: feature → ICC; its value is NaN where no case differs from another.
        left_out: feature → why it has no ICC.
        mean, sd: over the features that have a value; NaN where there are none, or one for the SD.
        share_excellent: share of those above 0.9.
    """

    form: str
    cases: int
    values: dict[str, Icc]
    left_out: dict[str, str]
    mean: float
    sd: float
    share_excellent: float

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return f"{self.form} of features n/a (n = {self.cases})"
        defined = sum(math.isfinite(v.value) for v in self.values.values())
        return (
            f"{self.form} of {defined} features: {self.mean:.2f} ± {self.sd:.2f}, "
            f"{self.share_excellent:.0%} above 0.9 (n = {self.cases} cases)"
        )


def feature_agreement(
    first: Sequence[Mapping[str, float]], second: Sequence[Mapping[str, float]], form: str = "ICC(2,1)"
) -> FeatureAgreement:
    """ICC of every feature over the cases.

    Args:
        first, second: the features of each case with the one and the other mask, in the same order.

    Raises:
        InputError: cases that do not pair, fewer than two, or an unknown form.
    """
    if len(first) != len(second):
        raise InputError(f"{len(first)} and {len(second)} cases do not pair", "Give the same cases with both masks")
    if len(first) < 2:
        raise InputError(f"Agreement of features needs two cases or more, not {len(first)}", "Add cases")
    values, left_out = {}, {}
    for name in dict.fromkeys(n for case in [*first, *second] for n in case):
        table = np.array([[a.get(name, math.nan), b.get(name, math.nan)] for a, b in zip(first, second, strict=True)])
        gaps = int((~np.isfinite(table)).any(1).sum())
        if gaps:
            left_out[name] = f"not defined in {gaps} of {len(table)} cases"
            continue
        values[name] = icc(table, form)
    defined = np.array([v.value for v in values.values() if math.isfinite(v.value)])
    return FeatureAgreement(
        form,
        len(first),
        values,
        left_out,
        float(defined.mean()) if len(defined) else math.nan,
        float(defined.std(ddof=1)) if len(defined) > 1 else math.nan,
        float((defined > 0.9).mean()) if len(defined) else math.nan,
    )
