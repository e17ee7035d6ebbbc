"""DICOM segmentation objects (SEG, PS3.3 A.51): binary segments with coded names, on the slices of a series.

Written and read by highdicom; here only what ties them to `SimpleITK.Image` and to clear errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import __version__
from PreopReviewLib.errors import GeometryError, InputError, OutputError, UnreadableImage
from PreopReviewLib.images.dicom import Series
from PreopReviewLib.images.dicom_header import quiet, read_dataset
from PreopReviewLib.images.geometry import array_of
from PreopReviewLib.images.notes import add_notes
from PreopReviewLib.output import whole_file

ROUNDED_POSITION_MM = 0.11
"""How much the gap between two slices may differ where each position was rounded to 0.1 mm."""
Coded = tuple[str, str, str]
"""Scheme, value and meaning of a code, such as ``("SCT", "10200004", "Liver")``."""


@dataclass(frozen=True)
class CodedMask:
    """One segment.

    Attributes:
        name: what people read.
        mask: binary image.
        category, type: codes of the segmented property.
        color: sRGB, 0 to 1, or None.
        algorithm: name of what drew it; None means a person.
        regions: codes of the anatomic regions (a tumor of the liver).
    """

    name: str
    mask: sitk.Image
    category: Coded
    type: Coded
    color: tuple[float, float, float] | None = None
    algorithm: str | None = None
    regions: tuple[Coded, ...] = ()


def is_dicom_segmentation(path: str | Path) -> bool:
    """Whether the file is a DICOM object of modality SEG."""
    with open(path, "rb") as file:
        start = file.read(132)
    if start[128:] != b"DICM" and start[:2] not in _WITHOUT_PREAMBLE:
        return False  # told without importing pydicom
    dataset = read_dataset(Path(path), ["Modality", "SOPClassUID"])
    return dataset is not None and dataset.get("Modality") == "SEG"


_WITHOUT_PREAMBLE = (b"\x08\x00", b"\x02\x00")


def read_dicom_segmentation(path: str | Path) -> list[CodedMask]:
    """The segments, each a uint8 mask on the grid that the object's frames span (slices without a frame are empty).

    Raises:
        UnreadableImage: it cannot be decoded, or its frames form no regular grid.
    """
    import highdicom as hd

    try:
        dataset = read_dataset(Path(path), pixels=True)
        notes = _with_slice_spacing(dataset)
        segmentation = hd.seg.Segmentation.from_dataset(dataset, copy=False)
        volume = _regular_volume(segmentation)
        numbers = list(segmentation.segment_numbers)
    except Exception as error:  # highdicom and pydicom raise whatever the damage leads to
        raise UnreadableImage(
            f"The DICOM segmentation {path} cannot be read ({error})", "Export it again, or save it as .seg.nrrd"
        ) from error
    array = np.asarray(volume.array)
    # A fractional segmentation holds probabilities or occupied shares, 0 to 1: from a half on the voxel is inside.
    half = 0.5 if array.dtype.kind == "f" else 1
    masks = []
    for index, number in enumerate(numbers):
        about = segmentation.get_segment_description(number)
        category, kind = about.segmented_property_category, about.segmented_property_type
        masks.append(
            CodedMask(
                str(about.segment_label),
                _image_of((array[..., index] >= half).astype(np.uint8), np.asarray(volume.affine)),
                (category.scheme_designator, category.value, category.meaning),
                (kind.scheme_designator, kind.value, kind.meaning),
                regions=_regions_of(about),
            )
        )
        add_notes(masks[-1].mask, notes)
    return masks


def _with_slice_spacing(dataset: Any) -> list[str]:
    """States the distance between slices in a data set that does not, and says in a note where that was a choice.

    Frames without a voxel are left out of most objects, so that neighbors among the frames need not be neighbors among
    the slices: where the thickness of a slice goes into every gap, it is the distance; else the smallest gap is.

    Raises:
        ValueError: one slice whose thickness is not stated.
    """
    shared, frames = dataset.SharedFunctionalGroupsSequence[0], list(dataset.PerFrameFunctionalGroupsSequence)
    measures = [g.PixelMeasuresSequence[0] for g in (shared, *frames) if g.get("PixelMeasuresSequence")]
    lacking = [m for m in measures if not m.get("SpacingBetweenSlices")]
    if not lacking:
        return []
    thickness = float(lacking[0].get("SliceThickness") or 0)
    gaps = np.diff(np.unique(_offsets(shared, frames).round(2)))
    gaps = gaps[gaps > 0.02]
    if not thickness and not len(gaps):
        raise ValueError("it does not state how thick its only slice is")
    regular = len(gaps) > 0 and np.ptp(gaps) <= 2 * ROUNDED_POSITION_MM and gaps.mean() < 1.5 * thickness
    if regular and abs(gaps.mean() - thickness) <= max(0.02, 0.02 * thickness):
        return []
    spacing, words = thickness, f"their thickness of {thickness:g} mm"
    if regular or not (len(gaps) == 0 or _multiples(gaps, thickness)):
        spacing = float(gaps.mean() if regular else gaps.min())
        words = f"the smallest between its frames, {spacing:.3g} mm,"
    for measure in lacking if not regular else ():  # regular ones are measured where they are read
        measure.SpacingBetweenSlices = f"{spacing:.10g}"
        measure.SliceThickness = measure.get("SliceThickness") or measure.SpacingBetweenSlices  # highdicom asks for it
    return [f"it does not state the distance between its slices; {words} was used"]


def _multiples(gaps: np.ndarray, unit: float) -> bool:
    """Whether a length goes into all gaps, once or more often."""
    times = gaps / unit if unit else np.zeros(1)
    return bool(times.min() > 0.5 and np.abs(gaps - times.round() * unit).max() <= max(0.02, 0.02 * gaps.max()))


def _offsets(shared: Any, frames: Sequence[Any]) -> np.ndarray:
    """Where the frames lie along the normal of their plane, mm."""
    group = shared if shared.get("PlaneOrientationSequence") else frames[0]
    axes = np.reshape([float(v) for v in group.PlaneOrientationSequence[0].ImageOrientationPatient], (2, 3))
    positions = [[float(v) for v in f.PlanePositionSequence[0].ImagePositionPatient] for f in frames]
    return np.array(positions) @ np.cross(axes[0], axes[1])


def _regular_volume(segmentation: Any) -> Any:
    """The frames as one volume; positions that were rounded to a tenth of a millimeter still count as regular.

    Rounding adds up where frames are missing, so that such an object is first read as one without gaps.
    """
    try:
        return segmentation.get_volume(combine_segments=False, allow_missing_positions=False, atol=ROUNDED_POSITION_MM)
    except (RuntimeError, ValueError):
        return segmentation.get_volume(combine_segments=False, rtol=0.1)


def _regions_of(about: Any) -> tuple[Coded, ...]:
    """The codes of a segment's anatomic regions."""
    keywords = ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
    regions = [tuple(str(r.get(k, "")) for k in keywords) for r in about.get("AnatomicRegionSequence") or ()]
    return tuple(r for r in regions if r[1])  # type: ignore[misc]


def _image_of(array: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """An image from a K-J-I array and the 4×4 matrix from (K, J, I) indices to LPS; right-handed by flipping K."""
    steps = affine[:3, :3].copy()
    origin = affine[:3, 3].copy()
    if np.linalg.det(steps[:, ::-1]) < 0:
        origin += steps[:, 0] * (array.shape[0] - 1)
        steps[:, 0] *= -1
        array = array[::-1]
    spacing = np.linalg.norm(steps, axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing([float(s) for s in spacing[::-1]])
    image.SetOrigin([float(v) for v in origin])
    image.SetDirection([float(v) for v in (steps / spacing)[:, ::-1].ravel()])
    return image


def write_dicom_segmentation(masks: Sequence[CodedMask], series: Series, path: str | Path) -> Path:
    """A binary SEG that refers to the slices of a series and carries its patient and study.

    Args:
        masks: on the grid of the series as `read_image` gives it, one slice for each file in the order of
            `Series.files`; empty ones are left out, because DICOM has no empty segment.
        series: where the masks belong.

    Raises:
        InputError: every mask is empty. GeometryError: a mask has other slices than the series.
        OutputError: the object cannot be made from this series, or not be written.
    """
    kept = [m for m in masks if array_of(m.mask).any()]
    if not kept:
        raise InputError("There is nothing to write as a DICOM segmentation: every segment is empty")
    for mask in kept:
        if mask.mask.GetSize()[2] != series.slices:
            raise GeometryError(
                f"{mask.name} has {mask.mask.GetSize()[2]} slices, but the series {series.uid} has {series.slices}",
                "Resample it to the series first",
            )
    sources = [source for f in series.files if (source := read_dataset(f)) is not None]
    _require_identifiers(sources[0], series)
    pixels = np.stack([array_of(m.mask) > 0 for m in kept], axis=-1).astype(np.uint8)
    try:
        with quiet():  # its warnings would show the patient's name
            segmentation = _make(pixels, sources, series, kept)
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        raise OutputError(
            f"No DICOM segmentation can be made of the series {series.uid} ({error})",
            "Its headers lack what DICOM asks for; use segmentation.seg.nrrd instead",
        ) from error
    try:
        with whole_file(path) as work, quiet():
            segmentation.save_as(work)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", "Check free space and permissions") from error
    return Path(path)


def _require_identifiers(source: Any, series: Series) -> None:
    wanted = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
    missing = [keyword for keyword in wanted if not source.get(keyword)]
    if missing:
        raise OutputError(
            f"No DICOM segmentation can refer to {series.files[0].parent}: its files have no {', '.join(missing)} "
            "(removed when they were de-identified?)",
            "Use segmentation.seg.nrrd instead",
        )


def _make(pixels: np.ndarray, sources: list[Any], series: Series, masks: Sequence[CodedMask]) -> Any:
    import highdicom as hd

    for source in sources:  # de-identified files often lack what DICOM lets be empty, but not absent
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
            if keyword not in source:
                setattr(source, keyword, "")
        for keyword in ("StudyDate", "StudyTime"):
            if keyword not in source:
                setattr(source, keyword, None)
    # Names in any alphabet survive as Unicode, whatever the source's own character sets are.
    sources[0].decode()
    sources[0].PatientName = str(sources[0].PatientName)
    sources[0].SpecificCharacterSet = "ISO_IR 192"
    return hd.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(number, mask) for number, mask in enumerate(masks, 1)],
        series_instance_uid=hd.UID(),
        series_number=900,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="PreopReview",
        manufacturer_model_name="PreopReview",
        software_versions=__version__,
        device_serial_number="none",
        content_label="LIVERPLAN",
        content_description="Not for clinical use",
        **_planes(series, sources),
    )


def _planes(series: Series, sources: list[Any]) -> dict[str, Any]:
    """Where each slice lies, for files of several frames, whose headers highdicom does not look into deep enough."""
    import highdicom as hd

    if series.grid is None:
        return {}
    for source in sources:
        if not source.get("SliceThickness"):  # optional in DICOM, but highdicom asks for it
            source.SliceThickness = f"{series.grid.spacing[2]:.6g}"
    if len(sources) == series.slices:
        return {}
    patient = hd.CoordinateSystemNames.PATIENT
    columns, rows, between = series.grid.spacing
    orientation = hd.PlaneOrientationSequence(patient, series.grid.axes[:, :2].T.ravel().tolist())
    measures = hd.PixelMeasuresSequence([rows, columns], between, between)
    for source in sources:  # what all frames say alike, some scanners write into each of them
        for shared in source.get("SharedFunctionalGroupsSequence") or ():
            shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = orientation, measures
    positions = [hd.PlanePositionSequence(patient, f.position) for f in series.frames]
    return {"plane_positions": positions, "plane_orientation": orientation, "pixel_measures": measures}


def _description(number: int, mask: CodedMask) -> Any:
    import highdicom as hd
    from pydicom.sr.coding import Code

    category, kind = (Code(value, scheme, meaning) for scheme, value, meaning in (mask.category, mask.type))
    kinds = hd.seg.SegmentAlgorithmTypeValues
    identification = None
    if mask.algorithm is not None:
        family = Code("123110", "DCM", "Artificial Intelligence")
        identification = hd.AlgorithmIdentificationSequence(mask.algorithm, family=family, version=__version__)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=mask.name[:64],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=kinds.MANUAL if identification is None else kinds.AUTOMATIC,
        algorithm_identification=identification,
        anatomic_regions=[Code(value, scheme, meaning) for scheme, value, meaning in mask.regions] or None,
        display_color=mask.color and hd.color.CIELabColor.from_rgb(*(round(255 * c) for c in mask.color)),
    )
