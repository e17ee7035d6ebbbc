"""From files of any origin to a data folder: pseudonyms for patients, one numbering for labels, reasons for the rest.

The folder names no one: patients are p001, p002 and so on in the order of a hash of their IDs, images carry no
metadata, and where a case came from stands only in the key, a table that is written elsewhere and only if asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.csv_text import csv_text
from PreopReviewLib.datasets.layout import CASES, LEFT_OUT, LIST
from PreopReviewLib.datasets.sources import Rule, Study, find_studies
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.images.dicom import Series
from PreopReviewLib.output import check_file, output_file, output_folder
from PreopReviewLib.progress import CancelToken, Progress, silent

KIND = "data import"
_LABELS = "LiverPlannerLib.training_labels"
_CLASSES = "RotatorCuffCAMLib.tears"


@dataclass
class Import:
    """What was taken over.

    Attributes:
        taken: a line of cases.csv for each case.
        left_out: patient (a pseudonym), where it was found, why it was not taken.
        sources: by case, where it came from: for the screen and the key, never for the folder.
        notes: sentences for the reader.
    """

    folder: Path
    taken: list[dict[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    sources: dict[str, tuple[str, str]] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ImportOptions:
    """What to take over, and how.

    Attributes:
        labels: what the values of label files mean, e.g. ``liver=5,tumor=6``.
        structures: keys to keep; empty keeps all that occur.
        modality: CT or MR; "" takes either, but not both.
        keep_names: cases keep the names of their files; for files that name no one.
        simulated: whether the images are, as the user says; None where nothing was said.
    """

    rule: Rule = field(default_factory=Rule)
    labels: str | None = None
    structures: tuple[str, ...] = ()
    modality: str = ""
    keep_names: bool = False
    simulated: bool | None = None


def import_data(
    source: Path,
    out: Path,
    options: ImportOptions | None = None,
    *,
    classes: Path | None = None,
    key: Path | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Import:
    """Makes a data folder, whole or not at all.

    Args:
        source: a folder of DICOM studies, of image and label files, an nnU-Net raw folder, or a table of images.
        classes: table of patient and class, for DICOM studies without labels.
        key: table to write of which case is whose; keep it apart from the data.

    Raises:
        NothingFound: no study could be taken; the first reasons are named.
        InputError: CT and MRI together, classes and labels together, unknown structures.
        OutputError, OutputExists; FileMissing and NoImage of the source.
    """
    options, cancel = options or ImportOptions(), cancel or CancelToken()
    if key is not None:
        _require_apart(Path(key), Path(source), Path(out))
        check_file(key, overwrite)
    studies = find_studies(source, options.rule, classes)
    with output_folder(out, overwrite, KIND, [source], known=("split.json",)) as work:
        imported = _Importing(work, options, Import(Path(out).absolute())).run(studies, progress, cancel)
    if key is not None:
        rows = [["case", "patient", "source"], *([c, *s] for c, s in imported.sources.items())]
        with output_file(key, overwrite) as file:
            file.write_text(csv_text(rows), encoding="utf-8", newline="")
    return imported


def _require_apart(key: Path, source: Path, out: Path) -> None:
    """No image of the source is replaced by the key, and no data folder holds what tells whose the cases are."""
    place = Path(os.path.realpath(key))
    for folder in (source, out):
        if place.is_relative_to(os.path.realpath(folder)):
            raise InputError(f"The key {key} would lie in {folder}", "Keep it elsewhere: it tells whose the cases are")


class _Importing:
    """The steps of an import, case by case, into a folder that is not yet in its place."""

    def __init__(self, folder: Path, options: ImportOptions, imported: Import) -> None:
        self.folder, self.options, self.imported = folder, options, imported
        self.seen: dict[str, str] = {}
        self.held: dict[str, list[str]] = {}

    def run(self, studies: Sequence[Study], progress: Progress, cancel: CancelToken) -> Import:
        (self.folder / "imagesTr").mkdir()
        names = _pseudonyms(studies, self.options.keep_names)
        for number, (study, (patient, name)) in enumerate(zip(studies, names, strict=True)):
            cancel.raise_if_cancelled()
            progress(number / len(studies), f"Case {number + 1} of {len(studies)}")
            try:
                self._take(study, patient, name)
            except InputError as problem:
                self.imported.left_out.append((patient, study.source, _unnamed(str(problem), study)))
        imported = self.imported
        if not imported.taken:
            reasons = "; ".join(f"{where}: {reason}" for _, where, reason in imported.left_out[:3])
            raise NothingFound("No case could be imported", reasons.rstrip("."))
        self._require_one_kind()
        self._finish()
        progress(1.0, "Done")
        return imported

    def _take(self, study: Study, patient: str, name: str) -> None:
        if study.problem:
            raise InputError(study.problem[0].upper() + study.problem[1:])
        if study.labels is None and not study.label_class:
            raise InputError("It has neither labels nor a class")
        image = study.read()
        modality = images.guess_modality(image)
        if self.options.modality and modality != self.options.modality:
            raise InputError(f"It is {modality}, and {self.options.modality} was requested")
        images.require_usable(image, "The image", modality)
        bare = _without_metadata(image)
        digest = hashlib.sha256(images.array_of(bare).tobytes()).hexdigest()
        if digest in self.seen:
            raise InputError(f"It is the same image as {self.seen[digest]}")
        row = {"case": name, "patient": patient, "image": f"imagesTr/{name}_0000.nii.gz", "labels": "", "class": ""}
        structures: list[str] = []
        if study.labels is not None:
            structures = self._write_labels(study.labels, bare, name)
            row["labels"] = f"labelsTr/{name}.nii.gz"
        else:
            row["class"] = _attribute(_CLASSES, "tear_class")(study.label_class).key
        images.write_image(bare, self.folder / row["image"])
        self.seen[digest] = name
        self.held[name] = structures
        point = [f"{v:g}" for v in study.center_ras] if study.center_ras else ["", "", ""]
        spacing = " ".join(f"{s:.3g}" for s in bare.GetSpacing())
        row |= dict(zip("ras", point, strict=True))
        row |= {"modality": modality, "size": " ".join(map(str, bare.GetSize())), "spacing_mm": spacing}
        self.imported.taken.append(row)
        self.imported.sources[name] = (study.patient, f"{study.source} {study.what}".strip())

    def _write_labels(self, path: Path, image: sitk.Image, name: str) -> list[str]:
        """Writes the labels, with the values of the table of structures; the keys of what they hold."""
        labels, structures, notes = _attribute(_LABELS, "read_for_training")(path, self.options.labels)
        moved = images.onto_grid(labels, image)
        structures = [s for s in structures if not self.options.structures or s in self.options.structures]
        if not structures:
            raise InputError("Its labels hold none of the structures that were requested")
        (self.folder / "labelsTr").mkdir(exist_ok=True)
        images.write_image(_without_metadata(moved.labels), self.folder / "labelsTr" / f"{name}.nii.gz")
        self.imported.notes += [
            f"{name}: {note.replace(path.name, 'the label file')}" for note in [*notes, *moved.notes]
        ]
        return structures

    def _require_one_kind(self) -> None:
        counts = {m: sum(r["modality"] == m for r in self.imported.taken) for m in ("CT", "MR")}
        if all(counts.values()):
            raise InputError(
                f"The source holds {counts['CT']} CT and {counts['MR']} MR images", "Choose one modality of the two"
            )
        if any(r["class"] for r in self.imported.taken) and any(r["labels"] for r in self.imported.taken):
            raise InputError("Some cases have labels and some a class", "Import them as two data sets")

    def _finish(self) -> None:
        """One numbering for all label files, and the tables."""
        imported = self.imported
        about: dict[str, Any] = {"channel_names": {"0": "CT" if imported.taken[0]["modality"] == "CT" else "MRI"}}
        if imported.taken[0]["class"]:
            about["classes"] = list(_attribute(_CLASSES, "KEYS"))
        else:
            structures = sorted({s for held in self.held.values() for s in held})
            imported.values = _attribute(_LABELS, "label_values")(structures)
            renumber = _attribute(_LABELS, "training_labels")
            for row in imported.taken:
                path = self.folder / row["labels"]
                images.write_image(renumber(images.read_labels(path), imported.values), path)
                row["structures"] = " ".join(self.held[row["case"]])
            about["labels"] = imported.values
        about |= {"numTraining": len(imported.taken), "file_ending": ".nii.gz", "simulated": self.options.simulated}
        (self.folder / LIST).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        columns = list(dict.fromkeys(k for row in imported.taken for k in row))
        rows = [columns, *([row.get(c, "") for c in columns] for row in imported.taken)]
        (self.folder / CASES).write_text(csv_text(rows), encoding="utf-8", newline="")
        left = [["patient", "reason"], *([who, reason] for who, _, reason in imported.left_out)]
        (self.folder / LEFT_OUT).write_text(csv_text(left), encoding="utf-8", newline="")


def _pseudonyms(studies: Sequence[Study], keep: bool) -> list[tuple[str, str]]:
    """Patient and case name of each study; studies without a patient have none of their own."""

    def digest(patient: str) -> str:
        return hashlib.sha256(patient.encode("utf-8", "surrogatepass")).hexdigest()

    people = sorted({s.patient for s in studies if s.patient}, key=digest)
    width = max(3, len(str(len(people))))
    number = {p: f"p{n:0{width}d}" for n, p in enumerate(people, 1)}
    per_patient: dict[str, int] = {}
    taken: dict[str, int] = {}
    for s in studies:
        per_patient[s.patient] = per_patient.get(s.patient, 0) + (not s.problem)
    names = []
    for study in studies:
        patient = number.get(study.patient, "")
        taken[study.patient] = taken.get(study.patient, 0) + (not study.problem)
        name = patient if per_patient[study.patient] < 2 else f"{patient}_{taken[study.patient]}"
        if keep and study.name:
            name, patient = _safe(study.name), _safe(study.patient)
        names.append((patient, name))
    return names


def _unnamed(reason: str, study: Study) -> str:
    """A reason without paths, names of files, UIDs and the patient's ID, any of which may say who it is."""
    image = study.image
    paths = [Path(study.source), *(p for p in (image, study.labels) if isinstance(p, Path))]
    paths += image.files if isinstance(image, Series) else []
    whole = {str(p) for p in (*paths, *(p.parent for p in paths))} - {"."}
    for word in sorted((w for w in whole if len(w) > 2), key=len, reverse=True):
        reason = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "…", reason)
    for word in sorted({p.name for p in paths} | {study.patient} - {""}, key=len, reverse=True):
        reason = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "…", reason) if len(word) > 2 else reason
    return re.sub(r"\d+(\.\d+){4,}", "…", reason)


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)


def _without_metadata(image: sitk.Image) -> sitk.Image:
    bare = sitk.Image(image)
    for tag in bare.GetMetaDataKeys():
        bare.EraseMetaData(tag)
    return bare


def _attribute(module: str, name: str) -> Callable[..., Any]:
    """What another library knows of anatomy; named here, imported when it is needed."""
    return getattr(import_module(module), name)
