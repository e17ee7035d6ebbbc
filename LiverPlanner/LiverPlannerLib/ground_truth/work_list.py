"""Ground truth: a list of cases, and what each annotator has drawn of them.

A list is a folder:

worklist.json                   the cases and the structures to be drawn; written once
ANNOTATOR/progress.json         status of every structure, time, comments; written whole at every change
ANNOTATOR/CASE.nii.gz           the labels
ANNOTATOR/.lock                 who has it open
consensus/…                     the same, written by `consensus`

Every annotator has a file of their own, so that two of them never overwrite each other; the lock and a revision
number tell when one annotator's file is open twice.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, InputError, OutputExists, UnreadableImage
from PreopReviewLib.output import output_files, require_folder, whole_file
from PreopReviewLib.structured import read_json as read_json_file
from PreopReviewLib.structured import record

FORMAT, VERSION = "PreopReview ground truth", 1
LIST, PROGRESS, CONSENSUS = "worklist.json", "progress.json", "consensus"
DEFAULT_STRUCTURES = ("liver", "tumor", "hepatic_vein", "portal_vein", "bile_duct")


@dataclass(frozen=True)
class Case:
    """One image to be drawn on.

    Attributes:
        name: unique in the list, and a file name.
        image: file or DICOM folder; relative paths start at the list's folder.
        series: SeriesInstanceUID, where a folder holds several.
        patient: a pseudonym; cases with one are of the same patient. Empty where that is not known.
    """

    name: str
    image: str
    series: str | None = None
    patient: str = ""


@dataclass(frozen=True)
class _Kept:
    """What the file of a list holds."""

    format: str
    version: int
    structures: list[str]
    cases: list[dict[str, Any]]


@dataclass(frozen=True)
class WorkList:
    """The cases and the structures to be drawn in each."""

    folder: Path
    structures: tuple[str, ...]
    cases: tuple[Case, ...]

    def case(self, name: str) -> Case:
        """The case of that name.

        Raises:
            InputError: the list has none.
        """
        for case in self.cases:
            if case.name == name:
                return case
        raise InputError(f"The list has no case {name}", f"Its cases are {_some([c.name for c in self.cases])}")

    def image_path(self, name: str) -> Path:
        """Where the image of a case lies.

        Raises:
            FileMissing: it is not there any more.
        """
        path = self.folder / self.case(name).image
        if not os.path.exists(path):
            raise FileMissing(
                f"The image of the case {name} is no longer at {path}", "Put it back, or continue with the next case"
            )
        return path

    def image(self, name: str) -> sitk.Image:
        """The image of a case.

        Raises:
            FileMissing, InputError: it is not there, or cannot be read.
        """
        return images.read_image(self.image_path(name), self.case(name).series)

    def label_path(self, name: str, annotator: str) -> Path:
        """Where an annotator's labels of a case lie, or would."""
        return self.folder / annotator / f"{self.case(name).name}.nii.gz"

    def labels(self, name: str, annotator: str) -> sitk.Image:
        """What an annotator has drawn of a case.

        Raises:
            FileMissing: nothing yet.
        """
        path = self.label_path(name, annotator)
        if not path.is_file():
            raise FileMissing(f"{annotator} has not drawn anything in {name} yet", "Draw it, or choose another case")
        return images.read_labels(path)

    @property
    def annotators(self) -> list[str]:
        """Who has begun, in alphabetical order; without the consensus."""
        names = (p.parent.name for p in self.folder.glob(f"*/{PROGRESS}"))
        return sorted(name for name in names if name != CONSENSUS)


def create_list(folder: str | Path, cases: Sequence[Case], structures: Sequence[str] = DEFAULT_STRUCTURES) -> WorkList:
    """Makes a list in a folder that has none.

    Raises:
        InputError: no cases, names twice, or an unknown structure.
        OutputExists: there is a list already; it is never replaced. Or the folder is a link, or no folder.
        OutputError: it cannot be written.
    """
    folder = Path(folder).absolute()
    names = [c.name for c in cases]
    if not names:
        raise InputError("There is no case for the list", "Choose a folder that holds CT or MR images")
    if len(set(names)) < len(names):
        raise InputError(f"Two cases are called {_twice(names)}", "Give every case a name of its own")
    keys = tuple(dict.fromkeys(structure(key).key for key in structures))
    if not keys:
        raise InputError("There is no structure to be drawn", "Choose at least one")
    require_folder(folder)
    if (folder / LIST).exists():
        raise OutputExists(f"{folder} already holds a list", "Open it, or choose another folder")
    work_list = WorkList(folder, keys, tuple(cases))
    content = {"format": FORMAT, "version": VERSION, "structures": list(keys), "cases": [asdict(c) for c in cases]}
    with output_files(folder, names=[LIST]) as work:
        (work / LIST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return work_list


def open_list(folder: str | Path) -> WorkList:
    """The list of a folder.

    Raises:
        FileMissing: the folder has none.
        UnreadableImage: it is damaged.
        InputError: it was made by another version.
    """
    folder = Path(folder).absolute()
    if folder.name == LIST:
        folder = folder.parent
    file = folder / LIST
    if not file.is_file():
        raise FileMissing(f"{folder} contains no list of cases", f"Choose the folder with {LIST}, or make a list")
    content = read_json(file)
    try:
        kept = record(_Kept, content)
        cases = tuple(record(Case, case) for case in kept.cases)
        for case in cases:
            if not re.fullmatch(r"[^./\\\0:][^/\\\0:]*", case.name):
                raise UnreadableImage(
                    f"{file} is damaged: a case is called {case.name!r}, which is not a valid file name",
                    "Restore it from a copy",
                )
        return WorkList(folder, tuple(structure(key).key for key in kept.structures), cases)
    except (KeyError, TypeError) as error:
        raise UnreadableImage(f"{file} is damaged ({error})", "Restore it from a copy") from error


def safe_name(text: str) -> str:
    """A text as the name of a file: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^\w.\-]+", "_", text).strip("._") or "case"


def require_annotator(name: str) -> str:
    """The name, if a folder can be called so.

    Raises:
        InputError: empty, with signs that file names cannot have, or the name of the consensus.
    """
    name = name.strip()
    if not name or name != safe_name(name) or name.lower() == CONSENSUS:
        raise InputError(
            f"{name!r} cannot be the name of an annotator",
            "Use initials or a name without spaces, such as ab or dr_lee",
        )
    return name


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Writes a file of the list whole, through to the disk.

    Raises:
        OSError: as the file system gives it.
    """
    with whole_file(file) as work:
        work.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """A file of the list, of our format and version.

    Raises:
        UnreadableImage: it is damaged.
        InputError: it is something else, or of another version.
    """
    content = read_json_file(file, remedy="Restore it from a copy")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{file} is not a PreopReview work list", f"Choose a folder with {LIST}")
    if content.get("version") != VERSION:
        raise InputError(
            f"{file} is of version {content.get('version')}, and this PreopReview reads version {VERSION}",
            "Open it with the PreopReview that made it, or update this one",
        )
    return content


def _twice(names: Sequence[str]) -> str:
    return next(n for n in names if list(names).count(n) > 1)


def _some(names: Sequence[str], count: int = 5) -> str:
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
