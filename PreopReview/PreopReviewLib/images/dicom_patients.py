"""Whose DICOM files are whose: by Patient ID alone, never by folder, series name or the order of UIDs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PreopReviewLib.errors import UnreadableImage
from PreopReviewLib.images.dicom_header import quiet, read_dataset

_TAGS = ["PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
         "Modality", "SOPClassUID", "BitsAllocated"]  # fmt: skip


@dataclass
class Examination:
    """The files of one study of one patient.

    Attributes:
        patient: Patient ID, with its issuer where one is stated; empty where the files have none.
        study: StudyInstanceUID.
        files: images and other objects.
        segmentations: objects of modality SEG.
        damaged: files in the folders of `files` that are DICOM, but cannot be read: whose they are is unknown.
        people: who the files of this patient say it is, over all of its studies: more than one where an ID was
            given twice.
    """

    patient: str
    study: str
    files: list[Path] = field(default_factory=list)
    segmentations: list[Path] = field(default_factory=list)
    damaged: list[Path] = field(default_factory=list)
    people: set[tuple[str, str, str]] = field(default_factory=set, repr=False)

    @property
    def one_person(self) -> bool:
        """Whether names, birth dates and sexes may be those of one person.

        Two birth dates or sexes are two people; two names are where no common birth date vouches for them (people
        change their names, and names are misspelled).
        """
        names, births, sexes = ({p[n] for p in self.people if p[n]} for n in range(3))
        return len(births) <= 1 and len(sexes) <= 1 and (len(names) <= 1 or len(births) == 1)


def examinations(files: Iterable[Path]) -> list[Examination]:
    """The studies that the DICOM files among some files belong to, in order of first appearance.

    Damaged files without a sound one beside them make a study without files.
    """
    damaged: list[Path] = []
    by_study: dict[tuple[str, str], Examination] = {}
    people: dict[str, set[tuple[str, str, str]]] = {}
    for path in files:
        if path.name.startswith("._") or path.stat().st_size < 8:
            continue
        try:
            dataset = read_dataset(path, _TAGS)
        except UnreadableImage:
            damaged.append(path)
            continue
        if dataset is None or "SOPClassUID" not in dataset:
            continue
        with quiet():
            tags = {tag: str(dataset.get(tag, "") or "").strip() for tag in _TAGS}
        patient = tags["PatientID"]
        if patient and tags["IssuerOfPatientID"]:
            patient += f" ({tags['IssuerOfPatientID']})"
        who = people.setdefault(patient, set())
        who.add((_plain(tags["PatientName"]), tags["PatientBirthDate"], tags["PatientSex"].upper()))
        key = (patient, tags["StudyInstanceUID"])
        one = by_study.setdefault(key, Examination(*key, people=who))
        (one.segmentations if tags["Modality"] == "SEG" else one.files).append(path)
    for path in damaged:
        near = [e for e in by_study.values() if any(f.parent == path.parent for f in e.files)]
        for one in near or [by_study.setdefault(("", f"damaged in {path.parent}"), Examination("", ""))]:
            one.damaged.append(path)
    return list(by_study.values())


def _plain(name: str) -> str:
    return "".join(c for c in name.upper() if c.isalnum())
