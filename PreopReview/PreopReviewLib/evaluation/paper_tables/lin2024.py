"""Lin et al. 2024: tumor DSC and HD95 by data set (Table 1), and with and without the cyst filter (Table 2)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from PreopReviewLib.evaluation import figures
from PreopReviewLib.evaluation.agreement import complete_cases
from PreopReviewLib.evaluation.cohort import Cohort
from PreopReviewLib.evaluation.hypothesis_tests import format_p, paired_t, wilcoxon
from PreopReviewLib.evaluation.paper_tables import PaperResult
from PreopReviewLib.evaluation.tables import Table, mean_sd, missing_note, present

TITLE = "Lin et al., Front Oncol 14:1423774 (2024): tumors with and without the cyst filter; tables 1 and 2"
MEASURES = {"dsc": "DSC", "hd95_mm": "HD95 (mm)"}
COLUMNS = {"dsc": ["dsc", "dice", "tumor_dsc", "tumor"], "hd95_mm": ["hd95_mm", "tumor_hd95_mm"]}
FILTERED = {
    "dsc": ["dsc_filtered", "dice_filtered", "tumor_filtered_dsc"],
    "hd95_mm": ["hd95_filtered_mm", "hd95_mm_filtered", "tumor_filtered_hd95_mm"],
}
CONVENTION = "HD95: the larger of the two directed 95th percentiles, unless the measurements say otherwise"


def evaluate(cohort: Cohort) -> PaperResult:
    """Table 1, and Table 2 if the cohort holds results with the filter.

    Args:
        cohort: columns dsc and hd95_mm (of the tumor); dsc_filtered and hd95_filtered_mm for Table 2. Its parts
            are the data sets.

    Raises:
        InputError: columns that are not there, values that are not numbers.
    """
    result = PaperResult("lin2024")
    plain = dict(zip(MEASURES, cohort.require(*COLUMNS.values()), strict=True))
    filtered = {m: cohort.column(*names) for m, names in FILTERED.items()}
    cohort.require_shares(plain["dsc"], filtered["dsc"])
    cohort.require_lengths(plain["hd95_mm"], filtered["hd95_mm"])
    result.tables.append(_table1(cohort, plain))
    result.numbers["table1"] = {
        p: {m: _numbers(cohort.part(p).numbers(c)) for m, c in plain.items()} for p in cohort.parts
    }
    panels = {
        MEASURES[m]: {p or "all cases": cohort.part(p).numbers(c) for p in cohort.parts} for m, c in plain.items()
    }
    result.figures["lin2024_datasets"] = partial(
        figures.distributions, panels, "Tumor segmentation by data set", limits={"DSC": (0, 1)}, note=CONVENTION + "."
    )
    if all(filtered.values()):
        _add_table2(result, cohort, plain, {m: str(c) for m, c in filtered.items()})
    else:
        result.statements.append("Table 2 needs the columns dsc_filtered and hd95_filtered_mm.")
    return result


def _table1(cohort: Cohort, columns: dict[str, str]) -> Table:
    parts = cohort.parts
    heads = [f"{p or 'all cases'}: {MEASURES[m]}" for p in parts for m in columns]
    values = [cohort.part(p).numbers(c) for p in parts for c in columns.values()]
    table = Table("lin2024_table1", "Table 1. Accuracy for tumors by data set", ["", *heads])
    shown = [present(v) for v in values]
    table.add("n", *(len(v) for v in shown))
    table.add("Average value", *(float(v.mean()) if len(v) else None for v in shown))
    table.add("Standard deviation", *(float(v.std(ddof=1)) if len(v) > 1 else None for v in shown))
    table.add("Min value", *(float(v.min()) if len(v) else None for v in shown))
    table.add("Middle value", *(float(np.median(v)) if len(v) else None for v in shown))
    table.add("Max value", *(float(v.max()) if len(v) else None for v in shown))
    table.notes += [f"{p or 'all cases'}: {cohort.part(p).summary()}" for p in parts]
    table.notes += [n for n in [missing_note(heads, values)] if n]
    table.notes += cohort.notes
    table.notes += ["Standard deviation: of the sample (n − 1)", CONVENTION]
    return table


def _add_table2(result: PaperResult, cohort: Cohort, plain: dict[str, str], filtered: dict[str, str]) -> None:
    title = "Table 2. Tumors without and with the Gaussian cyst filter"
    table = Table("lin2024_table2", title, ["", "Tumor_Pred", "Tumor_Filtering", "n", "p (paired t)", "p (Wilcoxon)"])
    panels = {}
    result.numbers["table2"] = {}
    for measure, words in MEASURES.items():
        both = [cohort.numbers(plain[measure]), cohort.numbers(filtered[measure])]
        pairs = complete_cases(both)
        before, after = (v[pairs] for v in both)
        panels[words] = (before, after)
        t, w, count = "n/a", "n/a", int(pairs.sum())
        if count >= 2:
            tests = paired_t(after, before), wilcoxon(after, before)
            t, w = (format_p(r.p).removeprefix("= ") for r in tests)
            result.statements += [f"{words} with vs. without the filter: {r}." for r in tests]
            result.numbers["table2"][measure] = {
                "without": _numbers(before),
                "with": _numbers(after),
                "paired_t_p": _or_none(tests[0].p),
                "wilcoxon_p": _or_none(tests[1].p),
            }
        table.add(words, mean_sd(before), mean_sd(after), count, t, w)
        if count < len(pairs):
            table.notes.append(f"{words}: {len(pairs) - count} cases lack one of the two values and are left out")
    table.notes += [cohort.summary(), "Tests are two-sided; the paper's is the paired t test", CONVENTION]
    result.tables.append(table)
    result.figures["lin2024_filter"] = partial(
        figures.paired_lines,
        panels,
        ("without filter", "with filter"),
        {words: words for words in panels},
        "Tumors without and with the cyst filter",
        note="Each line is one case.",
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _numbers(values: Any) -> dict[str, Any]:
    shown = present(values)
    return {
        "n": len(shown),
        "mean": float(shown.mean()) if len(shown) else None,
        "sd": float(shown.std(ddof=1)) if len(shown) > 1 else None,
    }
