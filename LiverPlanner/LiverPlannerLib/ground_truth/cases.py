"""Finding the cases of a ground truth list: images of a folder, DICOM series, or a written list of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from LiverPlannerLib.ground_truth.work_list import LIST, PROGRESS, Case, safe_name
from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, InputError, NoImage
from PreopReviewLib.images import Series
from PreopReviewLib.images.dicom import series_of_files
from PreopReviewLib.images.dicom_patients import examinations
from PreopReviewLib.tables import read_lines

_LABELS = re.compile(
    r"(^|[._\-])(seg|segmentation|labels?|mask|truth|gt|regions|branches|main|remnant|resected)\d*([._\-]|$)"
)
_CHANNEL = re.compile(r"_(\d{4})$")
MIN_SLICES = 3


def find_cases(folder: str | Path, list_folder: str | Path) -> list[Case]:
    """Every image of a folder and its subfolders: image files that do not look like labels, and DICOM series.

    Of an nnU-Net raw folder, the first channel of imagesTr. Names come from the path, so that two patients whose
    files are called the same stay apart; of DICOM series from a number for each patient, who are told apart by their ID
    alone, and the series' description, never from the patient's name or ID.

    Args:
        list_folder: where the list will lie; paths are written relative to it.

    Raises:
        FileMissing: there is no such folder.
        NoImage: it holds no image.
        InputError: one Patient ID for two people, or two patients' files that cannot be told apart when they are read.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise FileMissing(f"There is no folder {folder}", "Choose the folder with the images")
    raw = (folder / "imagesTr").is_dir()
    base = folder / "imagesTr" if raw else folder
    files = [p for p in sorted(base.rglob("*")) if p.is_file() and p.name.lower().endswith(images.SUFFIXES)]
    files = [p for p in files if not _looks_like_labels(p) and not _in_a_list(p, folder)]
    cases: list[Case] = []
    for path in files:
        name = _stem(path.relative_to(base).as_posix())
        channel = _CHANNEL.search(name) if raw else None
        if channel and channel[1] != "0000":
            continue
        parts = path.relative_to(base).parts
        patient = parts[0] if len(parts) > 1 else ""
        named = safe_name(_CHANNEL.sub("", name) if raw else name)
        cases.append(Case(named, _relative(path, list_folder), patient=patient))
    if not raw:
        cases += _dicom_cases(folder, list_folder)
    if not cases:
        raise NoImage(f"{folder} holds no image to draw on", "Choose a folder with DICOM series, NIfTI or NRRD files")
    return _with_own_names(cases)


def _dicom_cases(folder: Path, list_folder: str | Path) -> list[Case]:
    """The volumes of each patient, numbered by their IDs' order; files without an ID by the folder they lie in."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.lower().endswith(images.SUFFIXES)]
    by_patient: dict[str, list[Path]] = {}
    for exam in examinations(files):
        if not exam.files:
            continue
        first = exam.files[0]
        if exam.patient and not exam.one_person:
            raise InputError(
                f"One Patient ID in {folder} belongs to two people, by names, birth dates or sex (one file: {first})",
                "Correct the ID, or list the images by path",
            )
        patient = f"id {exam.patient}" if exam.patient else f"folder {first.parent}"
        by_patient.setdefault(patient, []).extend(exam.files)
    cases = [
        Case(f"P{number:03d}_{case.name}", case.image, case.series, f"P{number:03d}")
        for number, patient in enumerate(sorted(by_patient), 1)
        for case in cases_of_series(series_of_files(by_patient[patient]), list_folder)
    ]
    owners: dict[tuple[str, str | None], str] = {}
    for case in cases:
        if owners.setdefault((case.image, case.series), case.patient) != case.patient:
            raise InputError(
                f"Files of two patients in {case.image} have one series UID, so that reading would mix them",
                "Put each patient's files into a folder of their own",
            )
    return cases


def cases_of_series(series: Iterable[Series], list_folder: str | Path) -> list[Case]:
    """The DICOM series that are volumes, e.g. those chosen in Slicer's DICOM browser."""
    cases = []
    for one in series:
        if one.slices < MIN_SLICES or one.color or not one.files:
            continue
        place = Path(os.path.commonpath([str(f.parent.absolute()) for f in one.files]))
        words = " ".join(w for w in (one.description or one.modality or "series", one.words) if w)
        cases.append(Case(safe_name(words), _relative(place, list_folder), one.key))
    return _with_own_names(cases)


def read_case_file(path: str | Path, list_folder: str | Path) -> list[Case]:
    """The cases of a text or CSV file: in each line an image or DICOM folder, and, if wanted, series and name.

    Empty lines and those that begin with # are left out; relative paths start at the file's folder.

    Raises:
        FileMissing: the file, or an image that it names, is not there.
        UnreadableImage: it cannot be read as text.
        InputError: it, or one of its lines, names nothing.
    """
    path = Path(path).absolute()
    cases = []
    for line, row in read_lines(path):
        image, series, name, *_ = [*(cell.strip() for cell in row), "", ""]
        if image.startswith("#"):
            continue
        if not image:
            raise InputError(f"Line {line} of {path} names no image", "Write one path per line")
        image_path = path.parent / image
        if not os.path.exists(image_path):
            raise FileMissing(f"Line {line} of {path.name} names {image}, which is not there", "Correct the list")
        cases.append(
            Case(safe_name(name or _stem(image_path.name)), _relative(image_path, list_folder), series or None)
        )
    if not cases:
        raise InputError(f"{path} names no image", "Write one path per line")
    return _with_own_names(cases)


def _looks_like_labels(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(".seg.nrrd") or bool(_LABELS.search(_stem(name))) or "labelstr" in path.parent.name.lower()


def _in_a_list(path: Path, top: Path) -> bool:
    """Whether it lies in the folder of an annotator, or in the results of a plan."""
    parents = [p for p in path.parents if p == top or top in p.parents]
    return any((p / PROGRESS).exists() or (p != top and (p / LIST).exists()) for p in parents)


def _stem(name: str) -> str:
    for suffix in images.SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _relative(path: Path, list_folder: str | Path) -> str:
    try:
        return Path(os.path.relpath(path, Path(list_folder).absolute())).as_posix()
    except ValueError:  # on another drive of Windows
        return path.as_posix()


def _with_own_names(cases: Sequence[Case]) -> list[Case]:
    """The cases, with a number behind names that occur twice."""
    taken: set[str] = set()
    renamed = []
    for case in cases:
        name, number = case.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{case.name}_{number}"
        taken.add(name.lower())
        renamed.append(Case(name, case.image, case.series, case.patient))
    return renamed


def on_whole_grid(labels: sitk.Image, grid: dict[str, Any]) -> sitk.Image:
    """Labels of a part of an image, on the whole of it."""
    whole = sitk.Image([int(n) for n in grid["size"]], sitk.sitkUInt8)
    whole.SetSpacing(grid["spacing"])
    whole.SetDirection(grid["direction"])
    whole.SetOrigin(grid["origin"])
    return sitk.Cast(images.onto_grid(labels, whole).labels, sitk.sitkUInt8)
