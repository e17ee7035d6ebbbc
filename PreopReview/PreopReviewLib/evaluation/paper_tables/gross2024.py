"""Gross et al. 2024: Dice by cohort, agreement of automated with manual liver volumes (ICC, Bland–Altman)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation import figures
from PreopReviewLib.evaluation.agreement import BlandAltman, Icc, bland_altman, complete_cases, icc_forms
from PreopReviewLib.evaluation.bootstrap import bootstrap_interval
from PreopReviewLib.evaluation.cohort import Cohort
from PreopReviewLib.evaluation.hypothesis_tests import format_p, mann_whitney
from PreopReviewLib.evaluation.paper_tables import PaperResult
from PreopReviewLib.evaluation.tables import NOT_AVAILABLE, Table, mean_sd, missing_note, present, text

TITLE = "Gross et al., Eur Radiol (2024): Dice, agreement of liver volumes by cohort"
RADIOMICS = True
DICE = ["dice_post", "dice", "dsc", "liver_dsc"]
MANUAL = ["manual_ml", "liver_manual_ml"]
AUTOMATED = ["automated_ml", "liver_automated_ml"]
EXTRA = {
    "dice_raw": "Dice before post-processing",
    "hd95_mm": "HD95 (mm)",
    "liver_hd95_mm": "HD95 (mm)",
    "hd95_post_voxels": "HD95 (voxels)",
    "assd_mm": "ASSD (mm)",
    "liver_assd_mm": "ASSD (mm)",
    "mad_post_voxels": "Mean distance (voxels)",
}


def evaluate(cohort: Cohort, compare: tuple[str, str] | None = None) -> PaperResult:
    """Dice, ICC and Bland–Altman tables by cohort, and the comparison of two cohorts.

    Args:
        cohort: columns dice_post (or dice), manual_ml and automated_ml; distances if there are any.
        compare: the two parts for the Mann–Whitney test; by default internal_test and external, or the only two.

    Raises:
        InputError: columns that are not there, values that are not numbers, unknown parts.
    """
    dice, manual, automated = cohort.require(DICE, MANUAL, AUTOMATED)
    cohort.require_shares(dice, cohort.column("dice_raw"))
    cohort.require_lengths(manual, automated, *(cohort.column(c) for c in EXTRA if c != "dice_raw"))
    result = PaperResult("gross2024")
    result.tables.append(_dice_table(cohort, dice))
    _add_comparison(result, cohort, dice, compare)
    absolute, percent = _add_agreement(result, cohort, manual, automated)
    _add_figures(result, cohort, (dice, manual, automated), absolute, percent)
    return result


def _dice_table(cohort: Cohort, dice: str) -> Table:
    extra = [c for c in EXTRA if c in cohort.columns and c != dice]
    heads = ["Cohort", "n", "Dice, mean ± SD", "95% CI of the mean", "median", "min", *(EXTRA[c] for c in extra)]
    table = Table("gross2024_dice", "Dice similarity coefficient of the liver by cohort", heads)
    for name in cohort.parts:
        part = cohort.part(name)
        values = present(part.numbers(dice))
        interval = NOT_AVAILABLE
        if len(values) >= 2:
            estimate = bootstrap_interval(values)
            interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
        lowest = [text(float(f(values)), 3) if len(values) else None for f in (np.median, np.min)]
        rest = [mean_sd(part.numbers(c), 3) for c in extra]
        table.add(name or "all cases", len(values), mean_sd(values, 3), interval, *lowest, *rest)
        missing = missing_note([dice], [part.numbers(dice)])
        table.notes.append(f"{name or 'all cases'}: {part.summary()}{'. ' + missing if missing else ''}")
    table.notes += [
        f"Column {dice}; SD of the sample (n − 1)",
        "CI: bootstrap over cases (BCa, 9999 resamples, seed 0)",
    ]
    return table


def _add_comparison(result: PaperResult, cohort: Cohort, dice: str, compare: tuple[str, str] | None) -> None:
    pair = compare or _usual_pair(cohort.parts)
    if pair is None:
        result.statements.append("No two cohorts to compare by Mann–Whitney; name the two to compare.")
        return
    unknown = [p for p in pair if p not in cohort.parts]
    if unknown:
        raise InputError(f"There is no cohort {', '.join(unknown)}", f"The cohorts are {', '.join(cohort.parts)}")
    first, second = (present(cohort.part(p).numbers(dice)) for p in pair)
    if min(len(first), len(second)) == 0:
        result.statements.append(f"Dice of {pair[0]} and {pair[1]} cannot be compared: one of them has no value.")
        return
    both, one = mann_whitney(first, second), mann_whitney(first, second, "greater")
    result.statements += [f"Dice, {pair[0]} against {pair[1]}: {r}." for r in (both, one)]
    result.statements.append(
        "In the paper p = .28 is the one-sided value, though it does not say so; the two-sided one is the usual report."
    )
    result.numbers["mann_whitney"] = {
        "cohorts": list(pair),
        "two_sided_p": _finite(both.p),
        "one_sided_p": _finite(one.p),
    }


def _usual_pair(parts: list[str]) -> tuple[str, str] | None:
    if {"internal_test", "external"} <= set(parts):
        return "internal_test", "external"
    return (parts[0], parts[1]) if len(parts) == 2 else None


def _add_agreement(
    result: PaperResult, cohort: Cohort, manual: str, automated: str
) -> tuple[dict[str, BlandAltman], dict[str, BlandAltman]]:
    icc_table, ba_table = _agreement_tables()
    absolute: dict[str, BlandAltman] = {}
    percent: dict[str, BlandAltman] = {}
    result.numbers["icc"], result.numbers["bland_altman"] = {}, {}
    for name in cohort.parts:
        part, label = cohort.part(name), name or "all cases"
        columns = [part.numbers(automated), part.numbers(manual)]
        complete = complete_cases(columns)
        a, m = (c[complete] for c in columns)
        if len(a) < len(complete):
            note = f"{label}: {len(complete) - len(a)} cases without both volumes are left out"
            icc_table.notes.append(note)
            ba_table.notes.append(note)
        if len(a) < 2:
            icc_table.add(label, len(a), *[NOT_AVAILABLE] * 6)
            ba_table.add(label, len(a), "ml", *[NOT_AVAILABLE] * 5)
            result.statements.append(f"{label}: agreement needs two cases or more with both volumes, not {len(a)}.")
            continue
        forms = icc_forms(np.column_stack([m, a]))
        icc_table.add(label, len(a), *(_icc_cell(forms[f]) for f in icc_table.columns[2:]))
        absolute[label] = bland_altman(a, m)
        _add_bland_altman_row(ba_table, label, absolute[label])
        _add_percent(ba_table, label, a, m, percent)
        result.numbers["icc"][label] = {f: _icc_numbers(v) for f, v in forms.items()}
        result.numbers["bland_altman"][label] = [
            _limits(agreement[label]) for agreement in (absolute, percent) if label in agreement
        ]
        result.statements.append(f"{label}: {forms['ICC(2,1)']}, {forms['ICC(2,k)']}; {absolute[label]}.")
    _add_agreement_notes(icc_table, ba_table)
    result.tables += [icc_table, ba_table]
    return absolute, percent


def _agreement_tables() -> tuple[Table, Table]:
    """Those of ICC and of Bland and Altman, without rows."""
    icc_table = Table(
        "gross2024_icc",
        "Intraclass correlation of automated and manual liver volumes",
        ["Cohort", "n", "ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)"],
    )
    ba_table = Table(
        "gross2024_bland_altman",
        "Bland–Altman agreement of liver volumes, automated − manual",
        ["Cohort", "n", "unit", "bias (95% CI)", "lower limit (95% CI)", "upper limit (95% CI)", "SD", "p of slope"],
    )
    return icc_table, ba_table


def _add_percent(
    table: Table, label: str, automated: np.ndarray, manual: np.ndarray, percent: dict[str, BlandAltman]
) -> None:
    sized = automated + manual != 0  # 0 of 0 has no percentage
    if not sized.all():
        table.notes.append(f"{label}: {int((~sized).sum())} cases of two empty volumes have no percentage")
    if sized.sum() >= 2:
        percent[label] = bland_altman(automated[sized], manual[sized], percent=True)
        _add_bland_altman_row(table, label, percent[label])
    else:
        table.add(label, int(sized.sum()), "%", *[NOT_AVAILABLE] * 5)


def _add_agreement_notes(icc_table: Table, ba_table: Table) -> None:
    icc_table.notes += [
        "(1,·) one-way random; (2,·) two-way random, absolute agreement; (3,·) two-way mixed, consistency",
        "(·,1) reliability of one measurement; (·,k) of the mean of both; the paper's 0.97 (external) is ICC(2,k)",
        "In brackets: 95% confidence interval from F distributions",
    ]
    ba_table.notes.append("Limits of agreement: bias ± 1.96 SD; percent: of the pair's mean; slope: difference on mean")


def _icc_cell(value: Icc) -> str:
    if np.isnan(value.value):
        return f"{NOT_AVAILABLE} (no variation)"
    return f"{value.value:.3f} ({text(value.low, 3)} to {text(value.high, 3)})"


def _icc_numbers(value: Icc) -> dict[str, float | None]:
    return {"value": _finite(value.value), "low": _finite(value.low), "high": _finite(value.high)}


def _add_bland_altman_row(table: Table, label: str, agreement: BlandAltman) -> None:
    cells = [f"{e.value:.1f} ({e.low:.1f} to {e.high:.1f})" for e in (agreement.bias, agreement.lower, agreement.upper)]
    table.add(
        label,
        agreement.cases,
        agreement.unit,
        *cells,
        text(agreement.sd, 1),
        format_p(agreement.slope_p).removeprefix("= "),
    )


def _limits(agreement: BlandAltman) -> dict[str, Any]:
    ends = {k: getattr(agreement, k).__dict__ for k in ("bias", "lower", "upper")}
    return {"unit": agreement.unit, "n": agreement.cases, "sd": agreement.sd, **ends}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _add_figures(
    result: PaperResult,
    cohort: Cohort,
    columns: tuple[str, str, str],
    absolute: dict[str, BlandAltman],
    percent: dict[str, BlandAltman],
) -> None:
    dice, manual, automated = columns
    by_part = {p or "all cases": cohort.part(p) for p in cohort.parts}
    panels = {"Dice": {n: c.numbers(dice) for n, c in by_part.items()}}
    title = "Dice of the liver by cohort"
    result.figures["gross2024_dice"] = partial(figures.distributions, panels, title, note="Points are cases.")
    if absolute:
        title = "Automated and manual liver volumes"
        result.figures["gross2024_bland_altman"] = partial(figures.bland_altman_plot, absolute, title)
        title += ", in percent"
        if percent:
            result.figures["gross2024_bland_altman_percent"] = partial(figures.bland_altman_plot, percent, title)
        groups = {n: (c.numbers(manual), c.numbers(automated)) for n, c in by_part.items()}
        labels = ("Manual volume (ml)", "Automated volume (ml)")
        result.figures["gross2024_volumes"] = partial(figures.identity_plot, groups, labels, "Liver volumes")
