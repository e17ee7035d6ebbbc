"""Which cases are for training, validation and test: by patient, by a seed, in equal shares of every class.

`split.json` of a data folder::

    {"seed": 0, "how": "…", "test": [CASE, …], "folds": [{"training": [CASE, …], "validation": [CASE, …]}, …]}

Validation cases choose the checkpoint; test cases are seen by nothing until `preop evaluate`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from PreopReviewLib.datasets.layout import Case, DataSet
from PreopReviewLib.errors import FileMissing, InputError, OutputError, OutputExists
from PreopReviewLib.output import whole_file
from PreopReviewLib.structured import read_json
from PreopReviewLib.tables import read_table

FILE = "split.json"
PARTS = ("training", "validation", "test")


@dataclass
class Split:
    """A division of a data set's cases, by name.

    Attributes:
        folds: each with the cases for training and for validation.
        test: in no fold.
        how: in words, for records.
        notes: what a reader of the figures must know.
    """

    folds: list[dict[str, list[str]]]
    test: list[str] = field(default_factory=list)
    seed: int = 0
    how: str = ""
    notes: list[str] = field(default_factory=list)

    def part(self, name: str, fold: int | None = None) -> list[str]:
        """The cases for training or validation of a fold, or for test.

        Raises:
            InputError: no such part or fold, or several folds and none chosen.
        """
        if name not in PARTS:
            raise InputError(f"There is no part {name!r} of a split", f"Use {', '.join(PARTS)}")
        return list(self.test) if name == "test" else list(self.fold(fold)[name])

    def fold(self, number: int | None) -> dict[str, list[str]]:
        """A fold, counted from 0; the only one where there is one."""
        count = len(self.folds)
        if number is None and count > 1:
            raise InputError(f"The data set is split into {count} folds", f"Choose one, from 0 to {count - 1}")
        if number is not None and not 0 <= number < count:
            raise InputError(f"There is no fold {number}", f"The split has {count}, counted from 0")
        return self.folds[number or 0]


def split_by_counts(data: DataSet, counts: Sequence[int], seed: int = 0, how: str = "") -> Split:
    """Patients for training, validation and test; in the same proportions where the data set has another size.

    Raises:
        InputError: too few patients, or a class that no training case has.
    """
    wanted = [int(c) for c in counts]
    if len(wanted) != 3 or min(wanted) < 0 or wanted[0] < 1:
        raise InputError(f"{'/'.join(map(str, counts))} is not a split", "Give training/validation/test, e.g. 108/0/12")
    groups = _patients(data)
    sizes = _proportional(wanted, len(groups))
    rng = np.random.default_rng(seed)
    first = _one_of_each(groups, sizes[0], rng)
    rest = [g for g in groups if g not in first]
    dealt = _deal(rest, [sizes[0] - len(first), *sizes[1:]], rng)
    training, validation, test = (_names(part) for part in ([*first, *dealt[0]], *dealt[1:]))
    split = Split([{"training": training, "validation": validation}], test, seed)
    shown = "/".join(map(str, sizes))
    split.how = f"{how or 'at random'}, {shown} patients for training/validation/test, seed {seed}"
    if sizes != wanted:
        split.notes.append(
            f"{len(groups)} patients are not {'/'.join(map(str, wanted))}: divided in these proportions, {shown}."
        )
    return _checked(split, data)


def split_in_folds(data: DataSet, folds: int, test: float = 0.0, seed: int = 0) -> Split:
    """Every patient that is not for test validates in one fold and trains in the others.

    Args:
        test: share of the patients that is kept for test.

    Raises:
        InputError: fewer patients than folds, or a fold in which no training case has a class.
    """
    if folds < 2 or not 0 <= test < 1:
        raise InputError(
            f"{folds} folds with {test:g} for test is not a valid split", "Use two folds or more, a share below 1"
        )
    groups = _patients(data)
    rng = np.random.default_rng(seed)
    held = max(1, round(test * len(groups))) if test else 0
    if len(groups) - held < folds:
        raise InputError(f"{len(groups) - held} patients cannot make {folds} folds", "Use fewer folds")
    rest, tested = _deal(groups, [len(groups) - held, held], rng)
    sizes = [len(part) for part in np.array_split(np.arange(len(rest)), folds)]
    parts = _deal(rest, sizes, rng)
    fold_names = [
        {
            "training": _names([g for m, part in enumerate(parts) if m != n for g in part]),
            "validation": _names(parts[n]),
        }
        for n in range(folds)
    ]
    how = f"{folds} folds of {len(rest)} patients and {held} for test, seed {seed}"
    return _checked(Split(fold_names, _names(tested), seed, how), data)


def split_by_list(data: DataSet, table: Path) -> Split:
    """A chosen division: a table with the columns case (or patient) and part.

    Raises:
        InputError: a case that the data set does not have, an invalid part, or a patient in two parts.
    """
    held = read_table(table, ("part",))
    key = "case" if "case" in held.columns else "patient"
    if key not in held.columns:
        raise InputError(f"{table} names neither cases nor patients", "Give the column case or patient")
    parts: dict[str, list[str]] = {p: [] for p in PARTS}
    patient_of = {c.name: c.patient for c in data.cases}
    seen: dict[str, str] = {}
    for row in held.rows:
        part, name = row.get("part").lower(), row.get(key)
        cases = [c.name for c in data.cases if name in (c.name if key == "case" else c.patient,)]
        if part not in PARTS or not cases:
            what = f"the part {part!r}" if cases else f"the {key} {name!r}"
            raise InputError(
                f"{held.where(row)}: the data set does not have {what}" if not cases else f"{held.where(row)}: {what}",
                f"Parts are {', '.join(PARTS)}; cases are those of cases.csv",
            )
        for case in cases:
            before = seen.setdefault(patient_of[case], part)
            if before != part:
                raise InputError(
                    f"{held.where(row)}: the patient {patient_of[case]} is for {before} and for {part}",
                    "Keep all images of a patient in one part",
                )
            parts[part].append(case)
    fold = {"training": parts["training"], "validation": parts["validation"]}
    split = Split([fold], parts["test"], 0, f"as the list {table.name} says")
    left = len(data.cases) - sum(len(p) for p in parts.values())
    if left:
        split.notes.append(f"{left} cases are not in the list and are not used.")
    return _checked(split, data)


def write_split(split: Split, folder: Path, overwrite: bool = False) -> Path:
    """Writes split.json whole.

    Raises:
        OutputExists: there is one, and `overwrite` is false: runs may depend on it.
        OutputError: it cannot be written.
    """
    path = folder / FILE
    if path.exists() and not overwrite:
        raise OutputExists(f"{path} already exists", "Runs may depend on it; keep it, or replace it", "overwrite")
    about = {"seed": split.seed, "how": split.how, "notes": split.notes, "test": split.test, "folds": split.folds}
    try:
        with whole_file(path) as part:
            part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", "Look for space and permissions") from error
    return path


def read_split(folder: Path) -> Split:
    """The split of a data folder.

    Raises:
        FileMissing: it was not split.
        InputError: another form.
    """
    path = folder / FILE
    if not path.is_file():
        raise FileMissing(f"{folder} is not split", "Split it with preop data split")
    return split_of(read_json(path, InputError, "Split the data set again"), str(path))


def split_of(content: Any, source: str = "The split") -> Split:
    """A split from the content of its file.

    Raises:
        InputError: another form.
    """

    def names(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(n, str) for n in value)

    folds = content.get("folds") if isinstance(content, Mapping) else None
    good = isinstance(folds, list) and bool(folds) and names(content.get("test", []))
    good = good and all(
        isinstance(f, Mapping) and names(f.get("training")) and names(f.get("validation")) for f in folds
    )
    if not good or not isinstance(content.get("seed", 0), int):
        raise InputError(f"{source} is not a split", "Split the data set again")
    plain = [{"training": list(f["training"]), "validation": list(f["validation"])} for f in folds]
    return Split(plain, list(content.get("test", [])), int(content.get("seed", 0)), str(content.get("how", "")))


# ---- dealing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Patient:
    """A patient's cases and what they are dealt by."""

    name: str
    cases: tuple[Case, ...]
    stratum: str


def _patients(data: DataSet) -> list[_Patient]:
    """By name; the stratum is the rarest class or structure of a patient's cases."""
    by_name: dict[str, list[Case]] = {}
    for case in data.cases:
        by_name.setdefault(case.patient, []).append(case)
    if len(by_name) < 2:
        raise InputError(
            f"The data set has {len(by_name)} patient{'s' * (len(by_name) != 1)}, which cannot be split",
            "At least two are needed: one to train on and one to check with",
        )
    held = {n: {k for c in cases for k in (c.label_class, *c.structures)} for n, cases in by_name.items()}
    counts = Counter(k for kinds in held.values() for k in kinds)
    return [_Patient(n, tuple(c), min(held[n], key=lambda k: (counts[k], k))) for n, c in sorted(by_name.items())]


def _deal(patients: Sequence[_Patient], sizes: Sequence[int], rng: np.random.Generator) -> list[list[_Patient]]:
    """Parts of exactly these sizes, each with its share of every stratum.

    The strata, shuffled inside, are laid one after the other and dealt to the parts evenly along that line, as cards
    to players with unequal hands: each part's count in a stratum is then its share to within one.
    """
    line: list[_Patient] = []
    for name in rng.permutation(sorted({p.stratum for p in patients})):
        members = [p for p in patients if p.stratum == name]
        line += [members[i] for i in rng.permutation(len(members))]
    total = len(line)
    parts: list[list[_Patient]] = [[] for _ in sizes]
    for place, patient in enumerate(line, 1):
        owed = [size * place / total - len(part) for size, part in zip(sizes, parts, strict=True)]
        parts[int(np.argmax(owed))].append(patient)
    return parts


def _one_of_each(patients: Sequence[_Patient], most: int, rng: np.random.Generator) -> list[_Patient]:
    """A patient of every stratum, for training: what it has never seen, no test can measure. The rarest come first."""
    counts = Counter(p.stratum for p in patients)
    chosen = []
    for name in sorted(counts, key=lambda k: (counts[k], k))[:most]:
        members = [p for p in patients if p.stratum == name]
        chosen.append(members[rng.integers(len(members))])
    return chosen


def _proportional(wanted: Sequence[int], total: int) -> list[int]:
    """Whole numbers that add up to the total, in the proportions wanted; a part that is wanted gets at least one."""
    asked = [n for n, w in enumerate(wanted) if w]
    if total < len(asked):
        raise InputError(f"{total} patients cannot make {len(asked)} parts", "Add patients, or use fewer parts")
    exact = np.array(wanted) * total / sum(wanted)
    sizes = np.floor(exact).astype(int)
    for n in np.argsort(sizes - exact)[: total - sizes.sum()]:
        sizes[n] += 1
    for n in asked:
        if sizes[n] == 0:
            sizes[int(np.argmax(sizes))] -= 1
            sizes[n] = 1
    return [int(s) for s in sizes]


def _names(patients: Sequence[_Patient]) -> list[str]:
    return sorted(c.name for p in patients for c in p.cases)


def _checked(split: Split, data: DataSet) -> Split:
    """Refuses a fold that cannot teach a class; says which parts cannot measure one."""
    held = {c.name: {c.label_class} if data.classes else set(c.structures) for c in data.cases}
    kinds = set(data.classes) if data.classes else set().union(*held.values())
    for number, fold in enumerate(split.folds):
        where = f"Fold {number}" if len(split.folds) > 1 else "The split"
        if not fold["training"]:
            raise InputError(f"{where} has no case for training", "Give training cases")
        for part in ("training", "validation"):
            lacking = sorted(kinds - set().union(set(), *(held[n] for n in fold[part])))
            if lacking and part == "training":
                raise InputError(
                    f"{where} has no training case with {', '.join(lacking)}",
                    "Add patients with it, or use fewer folds",
                )
            if lacking and fold[part]:
                split.notes.append(f"{where} has no validation case with {', '.join(lacking)}: it is not scored there.")
    lacking = sorted(kinds - set().union(set(), *(held[n] for n in split.test)))
    if lacking and split.test:
        split.notes.append(f"No test case has {', '.join(lacking)}: it cannot be measured.")
    return split
