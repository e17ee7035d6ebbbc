"""The one reader of DICOM headers: every value that places or scales a voxel is checked, or named in an error.

A file becomes a `Header`, its frames `Frame`s, whether it is a slice of a series or an enhanced multi-frame object.
What makes a frame unusable is kept with it as an error, to be raised when its series is read: a folder can be listed
although one of its series is damaged.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from PreopReviewLib.errors import ImplausibleImage, InputError, UnreadableImage, UnsupportedImage
from PreopReviewLib.images.dicom_traits import TRAITS, sides_of, traits_of

_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DimensionIndexSequence")
_PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")
_SCALE = ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence")
_ABOUT = ("SeriesInstanceUID", "StudyInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality", "SeriesDescription",
          "SeriesNumber", "InstanceNumber", "Laterality", "ImageLaterality", "AnatomicRegionSequence",
          "ImagerPixelSpacing", "PatientID", "PatientName")  # fmt: skip
_PIXELS = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated")

_TAGS = [*_GROUPS, *_PLACE, *_SCALE, *_ABOUT, *_PIXELS, *(k for _, names in TRAITS for k in names)]
_OTHER_CLASSES = ("1.2.840.10008.5.1.4.1.1.66", "1.2.840.10008.5.1.4.1.1.88", "1.2.840.10008.5.1.4.1.1.11",
                  "1.2.840.10008.5.1.4.1.1.481", "1.2.840.10008.1.3.10")  # fmt: skip
_OBJECTS = {
    "1.2.840.10008.5.1.4.1.1.481.3": "a set of radiotherapy contours (RTSTRUCT)",
    "1.2.840.10008.5.1.4.1.1.66.4": "a DICOM segmentation (SEG), not an image",
    "1.2.840.10008.5.1.4.1.1.66.5": "a surface segmentation",
    "1.2.840.10008.5.1.4.1.1.88": "a structured report",
    "1.2.840.10008.1.3.10": "a DICOMDIR",
}
_MODALITY_OF_CLASS = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.20": "NM",
    "1.2.840.10008.5.1.4.1.1.6": "US",
    "1.2.840.10008.5.1.4.1.1.3": "US",
}
_AGAIN = "Export the series again, or remove this file if it does not belong to it"


@dataclass(frozen=True)
class Frame:
    """One slice: a file of a series, or a frame of a multi-frame file.

    Attributes:
        index: of the frame in its file, from 0.
        instance: SOPInstanceUID, empty where the file has none.
        number: InstanceNumber.
        position: of the first voxel's center, LPS mm.
        axes: directions in which columns and rows increase, (2, 3), of length 1 and at right angles to each other.
        spacing: between rows and between columns, mm.
        slope, intercept: stored value to real value.
        traits: what may tell volumes apart; words for people and value.
        sides: R, L, or both where its attributes contradict each other; empty where none says it.
        problem: why the frame cannot be used.
        scaled: whether it states its intercept; without one it is taken for 0.
    """

    file: Path
    index: int
    instance: str
    number: int | None
    rows: int = 0
    columns: int = 0
    position: tuple[float, ...] | None = None
    axes: tuple[tuple[float, ...], ...] | None = None
    spacing: tuple[float, float] | None = None
    slope: float = 1.0
    intercept: float = 0.0
    traits: tuple[tuple[str, str], ...] = ()
    sides: str = ""
    problem: InputError | None = None
    scaled: bool = True


@dataclass(frozen=True)
class Header:
    """What a file says about itself and its frames; `patient` is the ID, or the name where there is none."""

    file: Path
    patient: str
    study: str
    uid: str
    modality: str
    description: str
    number: int | None
    color: bool
    frames: tuple[Frame, ...]


def field_name(keyword: str) -> str:
    """How people look a DICOM attribute up: its name and tag."""
    from pydicom.datadict import dictionary_description, tag_for_keyword

    tag = tag_for_keyword(keyword) or 0
    return f"{dictionary_description(tag)} ({tag >> 16:04x},{tag & 0xFFFF:04x})"


def is_marked(path: Path) -> bool:
    """Whether a file begins as DICOM files do: 128 bytes, then DICM."""
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def read_dataset(path: Path, tags: Sequence[str] | None = None, pixels: bool = False) -> Any | None:
    """The DICOM data set of a file with or without preamble, or None where the file is not DICOM.

    Raises:
        UnreadableImage: it is DICOM, but damaged.
    """
    import pydicom

    with path.open("rb") as stream:
        start = stream.read(132)
    marked = start[128:] == b"DICM"
    if not marked and start[:2] not in (b"\x08\x00", b"\x02\x00"):
        return None
    try:
        with quiet():
            dataset = pydicom.dcmread(path, stop_before_pixels=not pixels, force=not marked, specific_tags=tags)
            if not marked and "SOPClassUID" not in dataset and "BitsAllocated" not in dataset:
                return None
    except Exception as error:  # pydicom raises whatever the damage leads to
        if not marked:
            return None
        raise UnreadableImage(f"The DICOM file {path} is damaged ({_words(error)})", _AGAIN) from error
    return dataset


def object_without_voxels(path: Path) -> str:
    """What a DICOM file is that is not an image, in words; empty for images and other files."""
    dataset = read_dataset(path, ["SOPClassUID"])
    kind = str(dataset.get("SOPClassUID", "")) if dataset is not None else ""
    return next((words for uid, words in _OBJECTS.items() if kind.startswith(uid)), "")


def is_part(path: Path) -> bool:
    """Whether a DICOM file holds some of the frames of an object that lies in several files (PS3.3 C.7.6.16.2.2.4)."""
    dataset = read_dataset(path, ["InConcatenationNumber"])
    return dataset is not None and "InConcatenationNumber" in dataset


class quiet(warnings.catch_warnings):
    """Nothing on the terminal: pydicom's warnings quote header values, the patient's name among them."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.simplefilter("ignore")
        return entered


def read_header(path: Path) -> Header | None:
    """The header of a DICOM image file; None for other files and for DICOM objects that are not images.

    Raises:
        UnreadableImage: it is DICOM, but damaged.
    """
    from pydicom.tag import Tag

    dataset = read_dataset(path, [Tag(t) for t in _tag_numbers()])  # type: ignore[arg-type]
    if dataset is None:
        return None
    header_values = _Values(dataset, path)
    of_file = _Values(getattr(dataset, "file_meta", {}), path).text("MediaStorageSOPClassUID")
    own = header_values.text("SOPClassUID")
    kind = own or of_file
    if kind.startswith(_OTHER_CLASSES):
        return None
    classes = [m for uid, m in _MODALITY_OF_CLASS.items() if kind == uid or kind.startswith(uid + ".")]
    if "Rows" not in dataset:
        # What breaks off or is damaged in its class must not pass for an object without pixels.
        if not own or classes or (is_marked(path) and own != of_file):
            raise UnreadableImage(f"The DICOM file {path} is damaged: it lacks its {field_name('Rows')}", _AGAIN)
        return None
    problem, number, frames = None, None, ()
    try:
        header_values.raw("Modality")  # damaged, it must not be taken for absent
        number = header_values.whole("SeriesNumber")
        frames = tuple(_frames(header_values))
    except InputError as error:
        problem = error
    if problem is not None:
        frames = (Frame(path, 0, "", None, problem=problem),)
    return Header(
        path,
        header_values.text("PatientID") or header_values.text("PatientName"),
        header_values.text("StudyInstanceUID"),
        header_values.text("SeriesInstanceUID"),
        header_values.text("Modality") or (classes[0] if classes else ""),
        header_values.text("SeriesDescription"),
        number,
        (problem is None and (header_values.whole("SamplesPerPixel") or 1) > 1)
        or header_values.text("PhotometricInterpretation") == "PALETTE COLOR",
        frames,
    )


def _tag_numbers() -> list[int]:
    from pydicom.datadict import tag_for_keyword

    # 0008,0005: without it, a description in another alphabet is read wrongly.
    return [0x00080005, *{tag_for_keyword(k) or 0 for k in _TAGS}]


def _words(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__


class _Values:
    """Checked access to a data set, and to the functional groups of one of its frames."""

    def __init__(self, dataset: Any, path: Path, groups: Sequence[Any] = ()) -> None:
        self.dataset, self.path, self.groups = dataset, path, groups

    def raw(self, keyword: str) -> Any:
        """The value, from the frame's own group, else the shared one, else the file; None where there is none."""
        try:
            with quiet():
                for group in self.groups:
                    for element in group:
                        if element.VR == "SQ" and len(element.value) and keyword in element.value[0]:
                            return _present(element.value[0].get(keyword))
                return _present(self.dataset.get(keyword))
        except Exception as error:  # pydicom raises whatever the damage leads to
            raise UnreadableImage(
                f"{self.path} has a damaged {field_name(keyword)} ({_words(error)})", _AGAIN
            ) from error

    def text(self, keyword: str) -> str:
        """The value as text, empty where it is absent or damaged: it places no voxel."""
        try:
            value = self.raw(keyword)
        except UnreadableImage:
            return ""
        if value is None:
            return ""
        several = not isinstance(value, str | bytes) and hasattr(value, "__iter__")
        return "\\".join(str(v) for v in value) if several else str(value).strip()

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """That many finite numbers, or None where the attribute is absent or empty.

        Raises:
            UnreadableImage: other values, or another count. ImplausibleImage: NaN or infinite.
        """
        value = self.raw(keyword)
        if value is None:
            return None
        listed = list(value) if not isinstance(value, str | bytes) and hasattr(value, "__iter__") else [value]
        try:
            values = tuple(float(v) for v in listed)
        except (TypeError, ValueError) as error:
            raise UnreadableImage(
                f"{self.path} has a value that is not a number in {field_name(keyword)} ({_words(error)})", _AGAIN
            ) from error
        if len(values) != count:
            raise UnreadableImage(
                f"{self.path} has {len(values)} value{'s' * (len(values) != 1)} in {field_name(keyword)} "
                f"in place of {count}",
                _AGAIN,
            )
        if not np.isfinite(values).all():
            raise ImplausibleImage(f"{self.path} has NaN or infinity in {field_name(keyword)}", _AGAIN)
        return values

    def whole(self, keyword: str) -> int | None:
        """A whole number, or None. Raises as `numbers` does."""
        values = self.numbers(keyword, 1)
        if values is None:
            return None
        if values[0] != int(values[0]):
            raise UnreadableImage(f"{self.path} has {values[0]:g} as {field_name(keyword)}", _AGAIN)
        return int(values[0])


def _present(value: Any) -> Any:
    """None for an empty value."""
    empty = value is None or (hasattr(value, "__len__") and len(value) == 0)
    return None if empty else value


def _frames(header_values: _Values) -> Iterator[Frame]:
    count = header_values.whole("NumberOfFrames") or 1
    per_frame = header_values.raw("PerFrameFunctionalGroupsSequence")
    shared = header_values.raw("SharedFunctionalGroupsSequence")
    if count < 1 or (per_frame is not None and len(per_frame) != count):
        raise UnreadableImage(
            f"{header_values.path} describes {len(per_frame or ())} frames in its functional groups, but has {count}",
            _AGAIN,
        )
    others = [] if shared is None else list(shared)[:1]
    for index in range(count):
        own = [] if per_frame is None else [per_frame[index]]
        yield _frame(_Values(header_values.dataset, header_values.path, own + others), index, count)


def _frame(header_values: _Values, index: int, count: int) -> Frame:
    instance = header_values.text("SOPInstanceUID")
    try:
        position = header_values.numbers("ImagePositionPatient", 3) if count == 1 or header_values.groups else None
        return Frame(
            header_values.path,
            index,
            instance,
            header_values.whole("InstanceNumber"),
            _at_least_one(header_values, "Rows"),
            _at_least_one(header_values, "Columns"),
            _required(position, "ImagePositionPatient", header_values.path),
            _axes(header_values),
            _spacing(header_values),
            *_rescale(header_values),
            traits_of(header_values),
            sides_of(header_values),
            scaled=header_values.raw("RescaleIntercept") is not None,
        )
    except InputError as error:
        return Frame(header_values.path, index, instance, None, problem=error)


def _at_least_one(header_values: _Values, keyword: str) -> int:
    number = header_values.whole(keyword)
    if not number or number < 1:
        raise UnreadableImage(f"{header_values.path} has no usable {field_name(keyword)}", _AGAIN)
    return number


def _required(value: Any, keyword: str, path: Path, remedy: str = "") -> Any:
    if value is None:
        raise UnsupportedImage(
            f"{path} lacks its {field_name(keyword)}",
            remedy or "Export the series again with all of its attributes",
        )
    return value


def _axes(header_values: _Values) -> tuple[tuple[float, ...], ...]:
    keyword = "ImageOrientationPatient"
    axes = np.reshape(_required(header_values.numbers(keyword, 6), keyword, header_values.path), (2, 3))
    lengths = np.linalg.norm(axes, axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(float(axes[0] @ axes[1])) > 0.01:
        raise ImplausibleImage(
            f"{header_values.path} has no two directions at right angles in {field_name(keyword)}", _AGAIN
        )
    left, _, right = np.linalg.svd(axes, full_matrices=False)  # the nearest pair of length 1 at right angles
    return tuple(tuple(float(v) for v in row) for row in left @ right)


def _spacing(header_values: _Values) -> tuple[float, float]:
    keyword = "PixelSpacing"
    spacing = header_values.numbers(keyword, 2)
    if spacing is None and header_values.raw("ImagerPixelSpacing") is not None:
        raise UnsupportedImage(
            f"{header_values.path} gives only its {field_name('ImagerPixelSpacing')}, measured at the detector, "
            f"not its {field_name(keyword)}",
            "Give the CT or MR series that the scanner reconstructed",
        )
    rows, columns = _required(spacing, keyword, header_values.path)
    if min(rows, columns) <= 0:
        raise ImplausibleImage(f"{header_values.path} has {rows:g} and {columns:g} mm as {field_name(keyword)}", _AGAIN)
    return rows, columns


def _rescale(header_values: _Values) -> tuple[float, float]:
    if header_values.raw("ModalityLUTSequence") is not None:
        raise UnsupportedImage(
            f"{header_values.path} scales its values by a lookup table ({field_name('ModalityLUTSequence')})",
            "Export the series with rescale slope and intercept",
        )
    slope, intercept = header_values.numbers("RescaleSlope", 1), header_values.numbers("RescaleIntercept", 1)
    if slope is not None and slope[0] == 0:
        raise ImplausibleImage(f"{header_values.path} has 0 as {field_name('RescaleSlope')}", _AGAIN)
    return (1.0 if slope is None else slope[0]), (0.0 if intercept is None else intercept[0])
