"""Cohorts of label images: predicted and manual cases of a folder, compared case by case.

Two layouts are read::

    FOLDER/CASE/predicted.nii.gz, manual.nii.gz (filtered.nii.gz)      FOLDER/PART/CASE/… for several cohorts
    FOLDER/predicted/CASE.nii.gz, FOLDER/manual/CASE.nii.gz (FOLDER/filtered/CASE.nii.gz)

`filtered` is a prediction after the cyst filter, for Lin's Table 2. `auto`, `automated` and `prediction` stand for
`predicted`; `reference`, `ground_truth` and `truth` for `manual`. Segmentations (.seg.nrrd, DICOM SEG as .dcm) are read
as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from LiverPlannerLib.labels import Labels, read_labels
from LiverPlannerLib.structures import STRUCTURES
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.evaluation.cohort import Case, Cohort, make_cohort
from PreopReviewLib.images import SUFFIXES
from PreopReviewLib.progress import Progress, silent

ROLES = {
    "predicted": ("predicted", "prediction", "auto", "automated"),
    "manual": ("manual", "reference", "ground_truth", "truth"),
    "filtered": ("filtered",),
}


@dataclass
class Pair:
    """The files of one case, by role; a role without a file is absent."""

    case: str
    part: str = ""
    files: dict[str, Path] = field(default_factory=dict)


def case_columns() -> list[str]:
    """The columns of a cohort that was read from a folder."""
    columns = []
    for s in STRUCTURES:
        columns += [f"{s.key}_{m}" for m in ("dsc", "hd95_mm", "assd_mm", "manual_ml", "automated_ml")]
        columns += [f"{s.key}_main_dsc", f"{s.key}_peripheral_dsc"] if s.vascular else []
    return [*columns, "tumor_filtered_dsc", "tumor_filtered_hd95_mm"]


def find_pairs(folder: str | Path) -> list[Pair]:
    """The cases of a folder, in order of name; cases that lack a file are there too.

    Raises:
        InputError: the folder has neither layout.
    """
    folder = Path(folder)
    pairs: dict[tuple[str, str], Pair] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        stem = _stem(path)
        if stem is None:
            continue
        steps = path.relative_to(folder).parts
        role, key = _role(stem), ("", "")
        if len(steps) == 2 and _role(steps[0]):
            role, key = _role(steps[0]), ("", stem)
        elif len(steps) in (2, 3):
            key = (steps[0] if len(steps) == 3 else "", steps[-2])
        else:
            continue
        if role:
            pair = pairs.setdefault(key, Pair(key[1], key[0]))
            if role in pair.files:
                both = f"{pair.files[role].name} and {path.name}"
                raise InputError(f"Case {pair.case} has two {role} files, {both}", "Keep one of them")
            pair.files[role] = path
    if not any({"predicted", "manual"} & set(p.files) for p in pairs.values()):
        raise InputError(
            f"{folder} holds no predicted and manual cases",
            "Lay them out as CASE/predicted.nii.gz with CASE/manual.nii.gz, or predicted/CASE.nii.gz with manual/…",
        )
    return [pairs[k] for k in sorted(pairs)]


def read_folder(folder: str | Path, progress: Progress = silent) -> Cohort:
    """Compares every case of a folder; a case that lacks a file or cannot be compared is kept as failed.

    A structure that neither mask has is a missing value, not a DSC of 1; one that only one mask has has DSC 0 and
    no distance; one that no manual mask of the set (of the part, where there are several) has is not annotated: its
    predicted volume stands alone, with a note.

    Raises:
        InputError: the folder has neither layout.
    """
    return compare_pairs(find_pairs(folder), Path(folder).name, progress)


def compare_pairs(pairs: Sequence[Pair], source: str, progress: Progress = silent) -> Cohort:
    """As `read_folder`, of cases whose files are known."""
    cases, annotated = [], {p.part: set() for p in pairs}
    for i, pair in enumerate(pairs):
        progress(i / len(pairs), f"Comparing case {pair.case}")
        case, drawn = _compared(pair)
        cases.append(case)
        annotated[pair.part] |= drawn
    progress(1.0, f"Compared {len(pairs)} cases")
    cohort = make_cohort([_only_annotated(c, annotated[c.cohort]) for c in cases], case_columns(), source)
    cohort.notes += _notes_of_unannotated(cases, annotated)
    cohort.notes.append(
        "The liver is what its volume counts, with what lies in it of all structures; HD95 is the larger directed one"
    )
    cohort.notes.append("A structure in neither mask of a case is missing there, and left out of the means")
    return cohort


def _only_annotated(case: Case, annotated: set[str]) -> Case:
    """The case without results of structures that no one has drawn in its part of the study."""
    measures = (
        "dsc",
        "hd95_mm",
        "assd_mm",
        "manual_ml",
        "main_dsc",
        "peripheral_dsc",
        "filtered_dsc",
        "filtered_hd95_mm",
    )
    lost = {f"{s.key}_{measure}" for s in STRUCTURES if s.key not in annotated for measure in measures}
    kept = {name: value for name, value in case.values.items() if name not in lost}
    return replace(case, values=kept)


def _notes_of_unannotated(cases: list[Case], annotated: dict[str, set[str]]) -> list[str]:
    notes = []
    for part, keys in annotated.items():
        mine = [c for c in cases if c.cohort == part and not c.failure]
        names = [
            s.name.lower()
            for s in STRUCTURES
            if s.key not in keys and any(float(c.values.get(f"{s.key}_automated_ml") or 0) > 0 for c in mine)
        ]
        if names:
            where = f" of {part}" if part else ""
            words = f"No manual mask{where} has any {', '.join(names)}, so it was taken as not annotated: no DSC"
            notes.append(f"{words} and no distances of what was predicted there")
    return notes


def _compared(pair: Pair) -> tuple[Case, set[str]]:
    """The case, and the keys of the structures that its manual mask has."""
    lacking = [role for role in ("predicted", "manual") if role not in pair.files]
    if lacking:
        return Case(pair.case, {}, pair.part, f"no {' and no '.join(lacking)} labels"), set()
    try:
        manual = read_labels(pair.files["manual"])
        values = _measured(read_labels(pair.files["predicted"]), manual)
        if "filtered" in pair.files:
            filtered = _measured(read_labels(pair.files["filtered"]), manual, only="tumor")
            for name in ("dsc", "hd95_mm"):
                values[f"tumor_filtered_{name}"] = filtered.get(f"tumor_{name}", "")
    except PreopError as error:
        return Case(pair.case, {}, pair.part, error.problem), set()
    present = images.label_values(images.array_of(manual.labels))
    return Case(pair.case, values, pair.part), {s.key for s in STRUCTURES if s.label in present}


def _measured(predicted: Labels, manual: Labels, only: str | None = None) -> dict[str, str]:
    from LiverPlannerLib.comparison.pair import compare

    values: dict[str, str] = {}
    result = compare(predicted.labels, manual.labels, structures=[only] if only else None, branches=only is None)
    for row in result.rows:
        if row.overlap.state == "both empty":
            continue
        plain = row.as_row()
        figures = {
            "dsc": plain["dsc"],
            "hd95_mm": plain["hd95_mm"],
            "assd_mm": plain["assd_mm"],
            "manual_ml": row.reference_ml,
            "automated_ml": row.predicted_ml,
            "main_dsc": row.main_dsc,
            "peripheral_dsc": row.peripheral_dsc,
        }
        values |= {f"{row.key}_{name}": repr(float(v)) for name, v in figures.items() if v is not None}
    return values


def _stem(path: Path) -> str | None:
    name = path.name.lower()
    suffix = max((s for s in (*SUFFIXES, ".dcm") if name.endswith(s)), key=len, default=None)
    if suffix is None:
        return None
    stem = path.name[: -len(suffix)]
    return stem[: -len(".seg")] if stem.lower().endswith(".seg") else stem


def _role(name: str) -> str | None:
    return next((role for role, names in ROLES.items() if name.lower() in names), None)
