"""What a folder or table holds that could be a case: one study after the other, with its patient, labels or class.

Of DICOM folders the Patient ID says who is who. Labels are DICOM SEG objects of the same study, or label files that
lie in a folder with the files of one study only. Where a study holds several series, the one that the labels were
drawn on is taken, else the one that the rule for phases chooses, else none.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.datasets.layout import LIST, find_data_set
from PreopReviewLib.datasets.pairing import pairs, stem
from PreopReviewLib.errors import FileMissing, InputError, NoImage
from PreopReviewLib.images.dicom import Series, likely, read_series, series_of_files
from PreopReviewLib.images.dicom_header import quiet, read_dataset
from PreopReviewLib.images.dicom_patients import Examination, examinations
from PreopReviewLib.images.geometry import image_of
from PreopReviewLib.tables import Row, Table, point_in, read_table

ORDERS = ("first", "last", "largest")


@dataclass(frozen=True)
class Rule:
    """How to choose where there is a choice.

    Attributes:
        phase: words that the series' description or volume has, alternatives with commas in order of preference; or
            "first", "last" (by series number) or "largest" (by slices).
        label_files: pattern of the names of label files; "" takes what looks like labels.
        by_folder: the first folder below the source names the patient where the files have no Patient ID.
    """

    phase: str = ""
    label_files: str = ""
    by_folder: bool = False


@dataclass(frozen=True)
class Study:
    """What may become a case.

    Attributes:
        source: where it was found, for the user's eyes.
        name: what the source calls it; empty in DICOM.
        patient: who it is of, as the source says; never written into a data set.
        image: a file or folder, or a volume of a DICOM series.
        what: of a DICOM series, its description.
        problem: why it cannot be taken.
    """

    source: str
    name: str = ""
    patient: str = ""
    image: Path | Series | None = None
    labels: Path | None = None
    label_class: str = ""
    center_ras: tuple[float, float, float] | None = None
    what: str = ""
    problem: str = ""

    def read(self) -> sitk.Image:
        """The image. Raises what `images.read_image` raises."""
        if isinstance(self.image, Series):
            return read_series(self.image, Path(self.source))
        assert self.image is not None
        return images.read_image(self.image)


@dataclass
class _Found:
    """DICOM studies of a folder and the label files between them."""

    studies: list[Examination] = field(default_factory=list)
    label_files: list[Path] = field(default_factory=list)


def find_studies(source: Path, rule: Rule, classes: Path | None = None) -> list[Study]:
    """The studies of a folder (DICOM, NIfTI and the like, nnU-Net raw) or of a table of images.

    Args:
        classes: a table of patient and class for DICOM studies.

    Raises:
        FileMissing: there is no such source.
        NoImage: nothing in it is an image.
        InputError: a table that cannot be understood.
    """
    if not source.exists():
        raise FileMissing(f"There is no file or folder {source}", "Check the path")
    if source.is_file():
        return list(_of_table(source, rule))
    if (source / LIST).is_file():
        data = find_data_set(source, least=1)
        return [
            Study(c.image.name, c.name, c.patient, c.image, c.labels, c.label_class, c.center_ras) for c in data.cases
        ]
    files = [p for p in sorted(source.rglob("*")) if p.is_file() and not p.name.startswith(".")]
    volumes = [p for p in files if p.name.lower().endswith(images.SUFFIXES)]
    scanned = examinations(p for p in files if p not in set(volumes))
    if scanned:
        studies = list(_of_dicom(source, _Found(scanned, volumes), rule))
    else:
        studies = list(_of_volumes(source, volumes, rule))
    if not studies:
        raise NoImage(f"{source} holds no image", "Give a folder of DICOM or NIfTI files, or a table of images")
    return _with_classes(studies, classes) if classes else studies


# ---- DICOM --------------------------------------------------------------------------------------------------


def _of_dicom(source: Path, contents: _Found, rule: Rule) -> Iterator[Study]:
    labels: dict[int, list[Path]] = {n: list(e.segmentations) for n, e in enumerate(contents.studies)}
    for path in contents.label_files:
        if not rule.label_files or fnmatch.fnmatch(path.name, rule.label_files):
            owner = _owner(path, source, contents.studies)
            if owner is None:
                yield Study(str(path), problem="a label file that lies beside the files of no single study")
            else:
                labels[owner].append(path)
    for number, exam in enumerate(contents.studies):
        if not exam.files:
            if exam.damaged:
                yield Study(str(exam.damaged[0].parent), problem="its DICOM files are damaged")
            continue
        where = _common_folder(exam.files)
        patient = exam.patient
        if not patient and rule.by_folder and len(steps := where.relative_to(source).parts) > 0:
            patient = steps[0]
        study = Study(str(where), patient=patient)
        if exam.damaged:
            count = len(exam.damaged)
            yield replace(
                study, problem=f"{count} of the DICOM files beside it {'is' if count == 1 else 'are'} damaged"
            )
        elif not patient:
            yield replace(study, problem="its files have no Patient ID, so its patient is unknown")
        elif not exam.one_person:
            yield replace(study, problem="its Patient ID belongs to two people (other names, birth dates or sexes)")
        else:
            yield _chosen(study, exam, labels[number], rule)


def _owner(path: Path, source: Path, studies: Sequence[Examination]) -> int | None:
    """The study whose files lie nearest to a label file, if they are those of one study."""
    for folder in path.parents:
        near = {n for n, e in enumerate(studies) for f in (*e.files, *e.segmentations) if folder in f.parents}
        if near:
            return near.pop() if len(near) == 1 else None
        if folder == source:
            return None
    return None


def _common_folder(files: Sequence[Path]) -> Path:
    folder = files[0].parent
    while any(folder not in f.parents for f in files):
        folder = folder.parent
    return folder


def _chosen(study: Study, exam: Examination, labels: Sequence[Path], rule: Rule) -> Study:
    """The study with its series and labels, or with the reason why they cannot be told."""
    series = [s for s in likely(series_of_files(exam.files)) if s.modality in ("CT", "MR", "")]
    if not series:
        return replace(study, problem="it has no CT or MR series")
    if len(labels) > 1:
        return replace(study, problem=f"it has {len(labels)} label files: give a pattern that fits one of them")
    drawn_on = _drawn_on(labels[0], series) if labels and len(series) > 1 else []
    chosen = drawn_on or series
    if len(chosen) > 1 and rule.phase:
        chosen = _of_phase(chosen, rule.phase)
        if not chosen:
            return replace(study, problem=f"none of its {len(series)} series is {rule.phase!r}: {_listed(series)}")
    if len(chosen) > 1:
        return replace(study, problem=f"it has {len(chosen)} series, and none was chosen: {_listed(chosen)}")
    one = chosen[0]
    words = ", ".join(w for w in (one.description, one.words) if w)
    return replace(study, image=one, labels=labels[0] if labels else None, what=words)


def _drawn_on(labels: Path, series: Sequence[Series]) -> list[Series]:
    """The series that a segmentation refers to, or those on whose voxels a label file lies."""
    if images.is_dicom_segmentation(labels):
        with quiet():
            dataset = read_dataset(labels, ["ReferencedSeriesSequence"])
            named = {str(r.get("SeriesInstanceUID", "")) for r in (dataset or {}).get("ReferencedSeriesSequence", ())}
        return [s for s in series if s.uid in named]
    drawn = images.read_labels(labels)
    fitting = []
    for one in series:
        if one.grid is None or not one.frames:
            continue
        empty = np.zeros((one.slices, one.frames[0].rows, one.frames[0].columns), np.uint8)
        grid = image_of(empty, one.grid.spacing, one.grid.origin, one.grid.axes)
        if images.same_lattice(drawn, grid) is not None:
            fitting.append(one)
    return fitting


def _of_phase(series: Sequence[Series], phase: str) -> list[Series]:
    if phase.lower() in ORDERS:
        ordered = sorted(series, key=lambda s: (s.number if s.number is not None else 1 << 30, s.volume))
        if phase.lower() == "largest":
            return [max(ordered, key=lambda s: s.slices)]
        return [ordered[0] if phase.lower() == "first" else ordered[-1]]
    for words in phase.lower().split(","):
        fitting = [s for s in series if all(w in f"{s.description} {s.words}".lower() for w in words.split())]
        if fitting:
            return fitting
    return []


def _listed(series: Sequence[Series]) -> str:
    return "; ".join(", ".join(w for w in (s.description or "no description", s.words) if w) for s in series[:8])


def _with_classes(studies: list[Study], table: Path) -> list[Study]:
    """DICOM studies with the class that a table gives their patient; the others are left out."""
    held = read_table(table, ("patient", "class"))
    by_patient: dict[str, tuple[Row, Table]] = {}
    for row in held.rows:
        if by_patient.setdefault(row.get("patient"), (row, held))[0] is not row:
            raise InputError(f"{held.where(row)}: the patient is listed twice", "Keep one line for each patient")
    with_class = []
    for study in studies:
        row = by_patient.get(study.patient, (None, held))[0]
        if study.problem or row is None:
            with_class.append(replace(study, problem=study.problem or "the table of classes does not name its patient"))
        else:
            with_class.append(replace(study, label_class=row.get("class"), center_ras=point_in(held, row)))
    return with_class


# ---- files and tables ---------------------------------------------------------------------------------------


def _of_volumes(source: Path, volumes: Sequence[Path], rule: Rule) -> Iterator[Study]:
    """Image files with their labels: in folders of the case, or in folders of images and of labels."""
    found = pairs(source, volumes, rule.label_files)
    for path, own in found.labels.items():
        relative = path.relative_to(source)
        alone = sum(p.parent == path.parent for p in found.labels) == 1 and path.parent != source
        study = Study(str(relative), relative.parts[0] if alone else stem(path), image=path)
        study = replace(study, patient=study.name)
        if len(own) > 1:
            study = replace(study, problem=f"it has {len(own)} label files: give a pattern that fits one of them")
        yield replace(study, labels=own[0] if own else None)
    for path in found.alone:
        yield Study(str(path.relative_to(source)), problem="a label file without an image")
    for path, fitting in found.unclear.items():
        yield Study(
            str(path.relative_to(source)),
            problem=f"a label file whose name fits {len(fitting)} images alike: say in a table which is whose",
        )


def _of_table(path: Path, rule: Rule) -> Iterator[Study]:
    """Lines of a table with the columns image and labels (or label) or class; patient, case and r, a, s if there."""
    held = read_table(path, ("image",))
    labeled = next((c for c in ("labels", "label") if c in held.columns), None)
    if labeled is None and "class" not in held.columns:
        raise InputError(f"{path} has neither labels nor classes", "Give the column labels or class")
    for row in held.rows:
        image = held.file(row, "image")
        name = row.get("case") or stem(image)
        study = Study(row.get("image"), name, row.get("patient") or name, image, None, row.get("class"))
        study = replace(study, center_ras=point_in(held, row))
        if labeled and row.get(labeled):
            study = replace(study, labels=held.file(row, labeled))
        missing = [p for p in (image, study.labels) if p is not None and not os.path.exists(p)]
        if not row.get("image") or missing:
            yield replace(study, problem=f"line {row.line}: there is no {missing[0] if missing else 'image'}")
        elif image.is_dir():
            yield _of_folder(study, row.get("patient"), rule)
        else:
            yield study


def _of_folder(study: Study, patient: str, rule: Rule) -> Study:
    """A line whose image is a DICOM folder: its patient is the Patient ID, unless the table says who it is."""
    assert isinstance(study.image, Path)
    exams = examinations(p for p in sorted(study.image.rglob("*")) if p.is_file())
    people = {e.patient for e in exams}
    if len(people) > 1 or any(not e.one_person for e in exams):
        return replace(study, problem="its folder holds files of several patients")
    if not exams:
        return study  # a folder with one image file
    joined = replace(exams[0], files=[f for e in exams for f in e.files])
    whole = replace(study, source=str(study.image), patient=patient or people.pop() or study.name)
    return _chosen(whole, joined, [study.labels] if study.labels else [], rule)
