"""Oh et al. 2023: DSC of each case and structure (Table 2), of main and peripheral branches (Table 3), baseline (1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PreopReviewLib.evaluation import figures
from PreopReviewLib.evaluation.baseline_table import baseline_table
from PreopReviewLib.evaluation.cohort import Cohort
from PreopReviewLib.evaluation.paper_tables import PaperResult
from PreopReviewLib.evaluation.tables import Table, mean_sd, missing_note, present, text

TITLE = "Oh et al., Sci Rep 13 (2023): five structures on hepatobiliary-phase MRI; tables 1, 2 and 3"
GRID = "surfaces"
STRUCTURES = {
    "parenchyma": "Parenchyma",
    "tumor": "Tumor",
    "portal_vein": "PV",
    "hepatic_vein": "HV",
    "bile_duct": "BD",
}
ALIASES = {"parenchyma": ("liver_dsc",)}
"""Oh does not say whether parenchyma holds the vessels; from label images it is the whole liver, and noted."""
TREES = ("portal_vein", "hepatic_vein", "bile_duct")
PUBLISHED = {"Parenchyma": 0.92, "Tumor": 0.77, "PV": 0.61, "HV": 0.70, "BD": 0.58}
ABBREVIATIONS = "DSC Dice similarity coefficient, PV portal vein, HV hepatic vein, BD bile duct, SD sample SD (n − 1)"


@dataclass(frozen=True)
class OddCell:
    """A whole that does not lie between its parts.

    When both masks are divided by one partition of space, the DSC of the whole is an average of the parts' DSC
    weighted by their shares of voxels, so it lies between them, and strictly so when the parts differ.
    """

    case: str
    structure: str
    whole: float
    main: float
    peripheral: float

    def __str__(self) -> str:
        where = f"case {self.case}, {STRUCTURES[self.structure]}"
        return f"{where}: whole {self.whole:g}, main {self.main:g}, periphery {self.peripheral:g}"


def evaluate(cohort: Cohort, baseline: Cohort | None = None) -> PaperResult:
    """Tables 1 (if there is a baseline cohort), 2 and 3.

    Args:
        cohort: columns parenchyma, tumor, portal_vein, hepatic_vein, bile_duct (each also as NAME_dsc), and for
            Table 3 portal_vein_main, portal_vein_peripheral and so on.
        baseline: characteristics of two groups of patients.

    Raises:
        InputError: columns that are not there, values that are no DSC.
    """
    result = PaperResult("oh2023")
    if baseline is not None:
        result.tables.append(baseline_table(baseline))
    else:
        result.statements.append("Table 1 needs baseline characteristics, and none were given.")
    names = cohort.require(*([s, f"{s}_dsc", *ALIASES.get(s, ())] for s in STRUCTURES))
    cohort.require_shares(*names)
    whole = dict(zip(STRUCTURES, (cohort.numbers(n) for n in names), strict=True))
    result.tables.append(_table2(cohort, whole))
    result.numbers["table2"] = {s: _summary(v) for s, v in whole.items()}
    _add_dsc_figure(result, whole)
    parts = _parts_of(cohort)
    if parts:
        _add_branches(result, cohort, whole, parts)
    else:
        result.statements.append("Table 3 needs columns such as portal_vein_main and portal_vein_peripheral.")
    return result


def _table2(cohort: Cohort, whole: dict[str, NDArray[np.float64]]) -> Table:
    table = Table("oh2023_table2", "Table 2. DSC of each case", ["Case", *STRUCTURES.values()])
    for i, case in enumerate(cohort.usable):
        table.add(case.case, *(float(v[i]) for v in whole.values()))
    table.add("Mean ± SD", *(mean_sd(v) for v in whole.values()))
    table.notes += [ABBREVIATIONS, cohort.summary(), *cohort.notes]
    table.notes += [n for n in [missing_note(list(STRUCTURES.values()), list(whole.values()))] if n]
    return table


def _parts_of(cohort: Cohort) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    parts = {}
    for tree in TREES:
        main = cohort.column(f"{tree}_main", f"{tree}_main_dsc")
        peripheral = cohort.column(f"{tree}_peripheral", f"{tree}_peripheral_dsc")
        if main and peripheral:
            cohort.require_shares(main, peripheral)
            parts[tree] = (cohort.numbers(main), cohort.numbers(peripheral))
    return parts


def _add_branches(result: PaperResult, cohort: Cohort, whole: dict[str, Any], parts: dict[str, Any]) -> None:
    heads = [
        h for tree in parts for h in (STRUCTURES[tree], f"{STRUCTURES[tree]} main", f"{STRUCTURES[tree]} periphery")
    ]
    columns = [c for tree in parts for c in (whole[tree], *parts[tree])]
    title = "Table 3. DSC of main and peripheral branches"
    table = Table("oh2023_table3", title, ["Case", *heads])
    for i, case in enumerate(cohort.usable):
        table.add(case.case, *(float(c[i]) for c in columns))
    table.add("Mean", *(text(float(present(c).mean())) if len(present(c)) else None for c in columns))
    table.add("SD", *(text(float(present(c).std(ddof=1))) if len(present(c)) > 1 else None for c in columns))
    table.notes += [ABBREVIATIONS, cohort.summary()]
    table.notes += [n for n in [missing_note(heads, columns)] if n]
    odd = odd_cells(cohort, whole, parts)
    shares = {tree: implied_main_share(whole[tree], *parts[tree]) for tree in parts}
    if odd:
        table.notes.append(
            f"{len(odd)} cells that cannot be, since a whole lies strictly between parts that differ when both masks "
            f"are divided alike: {'; '.join(map(str, odd))}"
        )
        table.notes.append("Without those cells: " + _means_without(odd, cohort, parts))
    result.tables.append(table)
    result.numbers["table3"] = {
        tree: {"main": _summary(parts[tree][0]), "peripheral": _summary(parts[tree][1])} for tree in parts
    }
    result.numbers["cells_that_cannot_be"] = [o.__dict__ for o in odd]
    result.numbers["implied_main_share"] = shares
    result.statements.append(
        "Share of voxels in main branches that the DSC imply (median of consistent cases): "
        + ", ".join(f"{STRUCTURES[t]} {text(s)}" for t, s in shares.items())
        + "."
    )
    names = {STRUCTURES[t]: t for t in parts}
    result.figures["oh2023_branches"] = partial(
        figures.paired_lines,
        {n: parts[t] for n, t in names.items()},
        ("main", "periphery"),
        {next(iter(names)): "DSC"},
        "DSC of main and peripheral branches",
        limits=(-0.03, 1),
        note="Each line is one case.",
    )


def odd_cells(cohort: Cohort, whole: dict[str, Any], parts: dict[str, Any]) -> list[OddCell]:
    """Cells where the whole is not strictly between parts that differ."""
    cells = []
    for tree, (main, peripheral) in parts.items():
        low, high = np.minimum(main, peripheral), np.maximum(main, peripheral)
        with np.errstate(invalid="ignore"):
            odd = (low < high) & ((whole[tree] <= low) | (whole[tree] >= high))
        for i in np.flatnonzero(odd):
            values = (float(whole[tree][i]), float(main[i]), float(peripheral[i]))
            cells.append(OddCell(cohort.usable[i].case, tree, *values))
    return cells


def implied_main_share(whole: Any, main: Any, peripheral: Any) -> float | None:
    """Median share of main branches, (whole − periphery)/(main − periphery), over the cases where it is a share.

    None where it is one in no case.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (np.asarray(whole) - peripheral) / (np.asarray(main) - peripheral)
    consistent = share[(share > 0) & (share < 1)]
    return float(np.median(consistent)) if len(consistent) else None


def _means_without(odd: list[OddCell], cohort: Cohort, parts: dict[str, Any]) -> str:
    words = []
    for tree, (main, peripheral) in parts.items():
        bad = {o.case for o in odd if o.structure == tree}
        if bad:
            kept = np.array([c.case not in bad for c in cohort.usable])
            means = (
                text(float(np.nanmean(v[kept])), 3) if np.isfinite(v[kept]).any() else "n/a" for v in (main, peripheral)
            )
            words.append(f"{STRUCTURES[tree]} main {next(means)}, periphery {next(means)}")
    return "; ".join(words)


def _summary(values: Any) -> dict[str, Any]:
    shown = present(values)
    return {
        "n": len(shown),
        "mean": float(shown.mean()) if len(shown) else None,
        "sd": float(shown.std(ddof=1)) if len(shown) > 1 else None,
        "missing": int(np.size(values) - len(shown)),
    }


def _add_dsc_figure(result: PaperResult, whole: dict[str, Any]) -> None:
    result.figures["oh2023_dsc"] = partial(
        figures.distributions,
        {"DSC": {STRUCTURES[s]: v for s, v in whole.items()}},
        "DSC of five structures",
        limits={"DSC": (0, 1)},
        published=PUBLISHED,
        note="Points are cases; box: quartiles. Diamonds: means of Oh et al. 2023 (12 cases).",
    )
