"""What a report is made from: a folder that `preop liver plan` wrote, or an image and its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import SimpleITK as sitk

from LiverPlannerLib.labels import Labels, read_labels, read_segments
from LiverPlannerLib.plan.files import RECORD, SEGMENTS_FILE
from PreopReviewLib import images
from PreopReviewLib.archives import open_archive, unpack_member
from PreopReviewLib.errors import FileMissing, InputError, SeveralSeries
from PreopReviewLib.output import private_folder
from PreopReviewLib.reports import Picture
from PreopReviewLib.structured import read_json

_LABELS, _STILL = "labels.nii.gz", "reconstruction.png"


@dataclass
class ReportCase:
    """One case, read.

    Attributes:
        image: as it is on disk.
        file: its labels.
        models: by structure key, what found it; empty where no one knows.
        warnings, notes: of the run that made the labels, and of reading the image.
        simulated: the files say that the image was made by a program.
        still: the picture of the 3D view that lay beside them.
    """

    image: sitk.Image
    file: Labels
    models: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    simulated: bool = False
    still: Picture | None = None

    @property
    def labels(self) -> sitk.Image:
        """Values of the table of structures, on the grid of the label file."""
        return self.file.labels


def is_plan_folder(path: Path) -> bool:
    """Whether `preop liver plan` wrote this folder."""
    return path.is_dir() and (path / _LABELS).is_file() and (path / RECORD).is_file()


def read_case(
    path: str | Path,
    labels: str | Path | None = None,
    series: str | None = None,
    mapping: Mapping[int, str] | None = None,
) -> ReportCase:
    """A plan folder, or an image with its labels.

    Args:
        path: a folder of `preop liver plan`; or an image file or DICOM folder.
        labels: label image or segmentation; of a plan folder, the labels to use instead of its own.
        series: SeriesInstanceUID, where a DICOM folder holds several.
        mapping: names by label value, for labels that do not say what they are.

    Raises:
        FileMissing, InputError, UnreadableImage: also for an image without labels.
    """
    path = Path(path)
    if is_plan_folder(path):
        return _plan_folder(path, labels, mapping)
    if not path.exists():
        raise FileMissing(f"There is no file or folder {path}", "Check the path")
    if labels is None:
        raise InputError(
            f"{path} is not the folder of a liver plan",
            "Give the labels as well, or a folder that 'preop liver plan' wrote",
        )
    read = read_labels(labels, mapping)
    return _case(images.read_image(path, series), read)


def _case(image: sitk.Image, read: Labels) -> ReportCase:
    return ReportCase(image, read)


def _plan_folder(folder: Path, labels: str | Path | None, mapping: Mapping[int, str] | None) -> ReportCase:
    read = read_labels(labels or folder / _LABELS, mapping)
    case = _case(read.labels, read)
    case.image = _image_of(folder, _add_record(case, folder / RECORD))
    if labels is not None:
        case.models = {}
    elif (folder / SEGMENTS_FILE).is_file():
        case.file = replace(case.file, couinaud=read_segments(folder / SEGMENTS_FILE))
    if labels is None and (folder / _STILL).is_file():
        case.still = Picture((folder / _STILL).read_bytes(), "The structures in three dimensions, from the front")
    return case


def _image_of(folder: Path, named: Path) -> sitk.Image:
    """The image that a plan was made from: beside it, in its scene, or where its record says that it lay."""
    if (folder / "image.nii.gz").is_file():
        return images.read_image(folder / "image.nii.gz")
    if (folder / "scene.mrb").is_file():
        return _image_in_scene(folder / "scene.mrb")
    if named.exists():
        return images.read_image(named)
    raise FileMissing(
        f"The folder {folder} does not hold the image of its plan",
        f"Give image and labels: preop liver report IMAGE {folder / _LABELS}",
    )


def _image_in_scene(path: Path) -> sitk.Image:
    with open_archive(path) as scene, private_folder() as folder:
        inside = [n for n in scene.namelist() if PurePosixPath(n).parent.name == "Data"]
        volumes = [n for n in inside if n.lower().endswith((".nrrd", ".nii.gz")) and ".seg." not in n.lower()]
        if len(volumes) != 1:
            raise FileMissing(f"{path} holds {len(volumes)} images", "Give the image and the labels as two files")
        file = unpack_member(scene, volumes[0], Path(folder) / PurePosixPath(volumes[0]).name)
        return sitk.Image(images.read_image(file))


def _add_record(case: ReportCase, file: Path) -> Path:
    """Models, warnings and notes of plan.json, and whether the image is a simulated one.

    Returns:
        where the image lay.

    Raises:
        InputError: the file is not what `preop liver plan` writes.
    """
    try:
        record = read_json(file, InputError, "Make the plan again")
        case.models = {str(key): str(name) for key, name in record["models"].items()}
        case.warnings, case.notes = [str(w) for w in record["warnings"]], case.notes + [str(n) for n in record["notes"]]
        case.simulated = bool(record["image"]["simulated"])
        return Path(record["image"]["path"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is damaged ({error})", "Make the plan again") from error


# ---- whose images these are ----

_IDENTITY = {
    "PatientName": "Patient",
    "PatientID": "Patient ID",
    "PatientBirthDate": "Born",
    "PatientSex": "Sex",
    "StudyDate": "Study date",
    "AccessionNumber": "Accession",
    "StudyDescription": "Study",
    "SeriesDescription": "Series",
}


def identity_of(path: str | Path, series: str | None = None) -> tuple[tuple[str, str], ...]:
    """What identifies the patient: the DICOM header's words, or the name of the file. For those who ask for it only."""
    import pydicom

    path = Path(path)
    try:
        one = images.dicom_source(path, series)
        series_read = [] if one is None else [one]
    except SeveralSeries:
        series_read = images.list_series(path)  # whichever it is, the patient may be the same
    if not series_read:
        return (("File", path.name),)
    headers = [pydicom.dcmread(s.files[0], stop_before_pixels=True, force=True) for s in series_read]
    if len({(str(h.get("PatientName", "")), str(h.get("PatientID", ""))) for h in headers}) > 1:
        raise InputError(f"{path} holds series of several patients", "Choose one of its series", "series")
    header = headers[0]
    return tuple(
        (words, _date(str(header[tag].value)) if tag.endswith("Date") else str(header[tag].value))
        for tag, words in _IDENTITY.items()
        if tag in header and str(header[tag].value)
    )


def _date(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}" if len(value) == 8 and value.isdigit() else value
