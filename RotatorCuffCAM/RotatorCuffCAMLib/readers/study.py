"""A reader study: cases in a blinded order, answers with confidence and time, nothing lost (Shim 2020, Figure 2B).

A study is a folder: ``study.json`` (cases, seed, options; no diagnosis and no result of a model) and
``readers/READER.PASS.jsonl``, one append-only log for each reader and pass (`reader_log`). What a reader has done is
worked out from the log alone, so that a session goes on after a crash where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from PreopReviewLib.errors import FileMissing, InputError, OutputExists
from PreopReviewLib.output import output_files, require_folder
from PreopReviewLib.structured import read_json
from PreopReviewLib.tables import point_in, read_table

IDLE_SECONDS = 120.0
MAX_PASSES = 9


@dataclass(frozen=True)
class StudyCase:
    """One case: the name that readers see, its image, and where the middle of the head is (RAS mm) if it is known."""

    case: str
    image: Path
    center_ras: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Study:
    """A reader study.

    Attributes:
        folder: where it lies.
        identifier: of its cases and seed; logs carry it, so that a log of another study is recognized.
        name: for people.
        seed: of the orders.
        cases: in the order of the table.
        second_look: whether the model's answer is shown after each first answer, and asked again.
        model: folder with one result of `preop cuff classify` for each case, needed for the second look.
        idle_seconds: the clock stops after so long without a key or the mouse.
    """

    folder: Path
    identifier: str
    name: str
    seed: int
    cases: tuple[StudyCase, ...]
    second_look: bool = False
    model: Path | None = None
    idle_seconds: float = IDLE_SECONDS

    def order(self, reader: str, reading: int = 1) -> list[StudyCase]:
        """The cases in this reader's order of this pass: the same at every call, another for everyone else."""
        word = hashlib.sha256(reader.strip().lower().encode()).digest()[:8]
        generator = np.random.default_rng([self.seed, int.from_bytes(word, "little"), reading])
        return [self.cases[n] for n in generator.permutation(len(self.cases))]

    def log_path(self, reader: str, reading: int = 1) -> Path:
        """Where the log of a reader's pass lies."""
        return self.folder / "readers" / f"{file_name(reader)}.{reading}.jsonl"

    def logs(self) -> list[Path]:
        """All logs there are."""
        return sorted((self.folder / "readers").glob("*.jsonl"))


def file_name(reader: str) -> str:
    """A reader's name as part of a file name.

    Raises:
        InputError: nothing is left of it.
    """
    plain = "".join(c if c.isalnum() else "-" for c in reader.strip().lower()).strip("-")
    if not plain:
        raise InputError(f"The reader's name {reader!r} has no letter or digit", "Give a name or a number")
    return plain


def read_study_cases(table: str | Path) -> list[StudyCase]:
    """Cases from a CSV with a column ``image``, and optionally ``case`` and ``r``, ``a``, ``s``; paths from its folder.

    Columns of diagnoses may be there; they are not read.

    Raises:
        FileMissing: no such table or image.
        InputError: no column image, no case, a case twice, or an invalid point.
    """
    table = Path(table)
    held = read_table(table, ("image",))
    cases = []
    for number, row in enumerate(held.rows, start=1):
        image = held.file(row, "image")
        if not row.get("image") or not os.path.exists(image):
            where = held.where(row)
            raise FileMissing(f"{where}: there is no image {image}", "Paths start at the table's folder")
        cases.append(StudyCase(row.get("case") or f"{number:03d}", image, point_in(held, row)))
    return cases


def create_study(
    folder: str | Path,
    cases: Sequence[StudyCase],
    name: str = "Reader study",
    seed: int = 0,
    second_look: bool = False,
    model: Path | None = None,
    idle_seconds: float = IDLE_SECONDS,
) -> Study:
    """Writes study.json and an empty folder for the readers' logs.

    Raises:
        OutputExists: there is a study in the folder, or it is a link, or no folder.
        InputError: no case, a case twice, or a second look without the model's answers.
        FileMissing: the model has no answer for a case.
    """
    folder = Path(folder)
    require_folder(folder)
    if (folder / "study.json").exists():
        raise OutputExists(f"{folder} already holds a study", "Choose another folder: a study must not change")
    names = [c.case for c in cases]
    twice = sorted({n for n in names if names.count(n) > 1})
    if not names or twice:
        raise InputError(f"The case {twice[0]} is there twice" if twice else "There is no case", "Check the table")
    if second_look and model is None:
        raise InputError("A second look needs the model's answers", "Name the folder with one result for each case")
    for case in cases if second_look and model is not None else ():
        if not (Path(model) / case.case / "probabilities.json").is_file():
            raise FileMissing(f"The model has no answer for case {case.case}", "Run preop cuff classify on it first")
    key = json.dumps([name, seed, second_look, [[c.case, c.image.name] for c in cases]])
    identifier = hashlib.sha256(key.encode()).hexdigest()[:16]
    written = Study(
        folder, identifier, name, seed, tuple(cases), second_look, Path(model) if model else None, idle_seconds
    )
    with output_files(folder, names=["study.json"]) as work:
        (work / "study.json").write_text(json.dumps(_as_dict(written), indent=1) + "\n", encoding="utf-8")
    (folder / "readers").mkdir(exist_ok=True)
    return written


def _as_dict(study: Study) -> dict[str, Any]:
    return {
        "format": "preopreview-reader-study",
        "version": 1,
        "study": study.identifier,
        "name": study.name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seed": study.seed,
        "second_look": study.second_look,
        "model": _stored(study.folder, study.model) if study.model else None,
        "idle_seconds": study.idle_seconds,
        "cases": [
            {"case": c.case, "image": _stored(study.folder, c.image), "center_ras": c.center_ras} for c in study.cases
        ],
    }


def _stored(folder: Path, path: Path) -> str:
    """Relative to the study where it lies beneath it, so that the study can be copied as a whole."""
    folder, path = folder.resolve(), path.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def load_study(folder: str | Path) -> Study:
    """The study of a folder (or of its study.json).

    Raises:
        FileMissing: there is none.
        InputError: the file is not a study.
    """
    path = Path(folder)
    path = path if path.suffix == ".json" else path / "study.json"
    if not path.is_file():
        raise FileMissing(f"There is no reader study in {path.parent}", "Make one: preop cuff study TABLE -o FOLDER")
    try:
        held = read_json(path, InputError, "Choose the folder that preop cuff study made")
        if held["format"] != "preopreview-reader-study" or held["version"] != 1:
            raise KeyError("format")
        home = path.parent
        cases = tuple(
            StudyCase(c["case"], home / c["image"], tuple(c["center_ras"]) if c["center_ras"] else None)
            for c in held["cases"]
        )
        return Study(
            home,
            held["study"],
            held["name"],
            int(held["seed"]),
            cases,
            bool(held["second_look"]),
            home / held["model"] if held["model"] else None,
            float(held["idle_seconds"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} is not a reader study", "Choose the folder that preop cuff study made") from error
