"""What goes back to a PACS: a folder's segmentations, a structured report (TID 1500), a page of pictures.

What a folder holds is told by the library that wrote it (`offer_results`); here it becomes DICOM. The same content
gets the same UID, so that storing again sends nothing twice.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PreopReviewLib import NOT_FOR_CLINICAL_USE, __version__
from PreopReviewLib.errors import FileMissing, InputError, OutputError
from PreopReviewLib.images.dicom_header import quiet

Code = tuple[str, str, str]
"""Scheme, value, meaning."""
PAGES = ("pdf", "capture", "none")
LINES = 78
"""Of text on a page."""


@dataclass(frozen=True)
class Measure:
    """One figure; its name and unit as codes (units by UCUM)."""

    name: Code
    value: float
    unit: Code


@dataclass(frozen=True)
class Finding:
    """What is measured: a segment of the first segmentation, or a lesion in it."""

    name: str
    code: Code
    segment: int
    measures: tuple[Measure, ...]
    algorithm: str = ""


@dataclass
class Results:
    """What a folder of results has for a PACS.

    Attributes:
        segmentations: DICOM SEG files; findings refer to the first.
        pictures: PNG files for the page.
        words: paragraphs for the page.
    """

    segmentations: list[Path]
    findings: list[Finding] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Correction:
    """Structures as a reader left them, in the place of those that a folder of results has."""

    segmentation: Path
    reader: str


ResultsReader = Callable[[Path, Correction | None, Path], Results | None]
"""Given a folder of results, what a reader corrected in it, and a folder for files to make."""
_readers: list[ResultsReader] = []


def offer_results(reader: ResultsReader) -> None:
    """Lets a library say what its folders hold; it returns None for a folder of another kind."""
    if reader not in _readers:
        _readers.append(reader)


def objects_of(
    given: Path, place: Path, report: bool = True, page: str = "pdf", correction: Correction | None = None
) -> list[Path]:
    """The DICOM files of a folder of results, some of them made now; or the one file given.

    Args:
        place: folder to make, for those that are made now.
        page: pdf, capture or none.
        correction: goes in the place of the folder's own structures; its pictures are left out then.

    Raises:
        FileMissing: there is nothing there.
        InputError: no folder of results of a DICOM series. OutputError: an object cannot be made.
    """
    if page not in PAGES:
        raise InputError(f"There is no page {page!r}", f"Use {', '.join(PAGES)}")
    if not given.exists():
        raise FileMissing(f"There is no file or folder {given}", "Check the path")
    if given.is_file():
        return [given]
    place.mkdir(parents=True)
    results = next((r for r in (reader(given, correction, place) for reader in _readers) if r is not None), None)
    if results is None:
        raise InputError(f"{given} is not a folder of results", "Give a folder that a liver plan wrote")
    if not results.segmentations:
        raise InputError(
            f"{given} holds no DICOM segmentation: its image was not a DICOM series",
            "Make the plan of the DICOM series",
        )
    documents = []
    try:
        with quiet():
            if report and results.findings:
                documents.append(_save(structured_report(results), place / "report.dcm"))
            if page == "pdf":
                documents.append(_save(encapsulated_pdf(results), place / "page.dcm"))
            elif page == "capture":
                documents += [_save(o, place / f"page-{n}.dcm") for n, o in enumerate(secondary_captures(results), 1)]
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        raise OutputError(f"No report can be made of {given} ({error})", "Store the segmentation alone") from error
    return [*results.segmentations, *documents]


def _save(dataset: Any, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def _uid(*content: object) -> str:
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=["preopreview", *(str(c) for c in content)]))


def structured_report(results: Results) -> Any:
    """A Comprehensive 3D SR by TID 1500: each finding with its segment, algorithm and measures."""
    import highdicom as hd
    import pydicom
    from pydicom.sr.codedict import codes

    source = pydicom.dcmread(results.segmentations[0])
    segmentation = hd.seg.Segmentation.from_dataset(source)
    groups = []
    for finding in results.findings:
        uid = _uid("tracking", source.SOPInstanceUID, finding)
        measures = [hd.sr.Measurement(_concept(m.name), m.value, _concept(m.unit)) for m in finding.measures]
        algorithm = hd.sr.AlgorithmIdentification(finding.algorithm, __version__) if finding.algorithm else None
        groups.append(
            hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=hd.sr.TrackingIdentifier(uid, finding.name[:64]),
                referenced_segment=hd.sr.ReferencedSegment.from_segmentation(segmentation, finding.segment),
                finding_type=_concept(finding.code),
                measurements=measures,
                algorithm_id=algorithm,
            )
        )
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=_uid("device"), name="PreopReview", manufacturer_name="PreopReview", model_name=__version__
    )
    observer = hd.sr.ObserverContext(codes.DCM.Device, device)
    content = hd.sr.MeasurementReport(
        hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=groups,
    )
    uid = _uid("report", source.SOPInstanceUID, results.findings)
    return hd.sr.Comprehensive3DSR(
        evidence=[source, *_images_of(source)],
        content=content,
        series_instance_uid=_uid("series", uid),
        series_number=901,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer="PreopReview",
        series_description="Volumes and margins, not for clinical use",
    )


def _images_of(segmentation: Any) -> list[Any]:
    """The images that a segmentation was drawn on, as far as a report names them: by their UIDs."""
    import pydicom

    sources = []
    for series in segmentation.ReferencedSeriesSequence:
        for reference in series.ReferencedInstanceSequence:
            one = pydicom.Dataset()
            one.StudyInstanceUID, one.SeriesInstanceUID = segmentation.StudyInstanceUID, series.SeriesInstanceUID
            one.SOPClassUID, one.SOPInstanceUID = reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID
            sources.append(one)
    return sources


def _concept(code: Code) -> Any:
    import highdicom as hd

    scheme, value, meaning = code
    return hd.sr.CodedConcept(value, scheme, meaning[:64])


def encapsulated_pdf(results: Results) -> Any:
    """The words and pictures as a PDF inside a DICOM object of the study."""
    import pydicom
    from pydicom.uid import EncapsulatedPDFStorage

    source = pydicom.dcmread(results.segmentations[0], stop_before_pixels=True)
    pdf = _pdf(results)
    uid = _uid("pdf", source.SOPInstanceUID, hashlib.sha256(_content(results)).hexdigest())
    document = _of_study(source, EncapsulatedPDFStorage, uid, "DOC", 902)
    document.ConversionType, document.BurnedInAnnotation, document.DocumentTitle = "WSD", "YES", "Liver plan"
    document.ConceptNameCodeSequence, document.MIMETypeOfEncapsulatedDocument = [], "application/pdf"
    document.EncapsulatedDocumentLength = len(pdf)
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    document.InstanceNumber, document.AcquisitionDateTime = 1, ""
    return document


def secondary_captures(results: Results) -> list[Any]:
    """The pictures as images of the study, for servers that take no PDF."""
    import pydicom
    from PIL import Image
    from pydicom.uid import SecondaryCaptureImageStorage

    source = pydicom.dcmread(results.segmentations[0], stop_before_pixels=True)
    series = _uid("captures", source.SOPInstanceUID, hashlib.sha256(_content(results)).hexdigest())
    captures = []
    for number, picture in enumerate(results.pictures, 1):
        with Image.open(picture) as opened:
            pixels = opened.convert("RGB")
        one = _of_study(source, SecondaryCaptureImageStorage, _uid(series, number), "OT", 903)
        one.SeriesInstanceUID, one.InstanceNumber = series, number
        one.ConversionType, one.BurnedInAnnotation, one.ImageType = "WSD", "YES", ["DERIVED", "SECONDARY"]
        one.Columns, one.Rows = pixels.size
        one.SamplesPerPixel, one.PhotometricInterpretation, one.PlanarConfiguration = 3, "RGB", 0
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
        data = pixels.tobytes()
        one.PixelData = data + b"\0" * (len(data) % 2)
        captures.append(one)
    return captures


def _of_study(source: Any, kind: str, uid: str, modality: str, number: int) -> Any:
    """A new object of the source's patient and study."""
    import datetime

    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = kind, uid
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = kind, uid, modality
    dataset.SpecificCharacterSet = "ISO_IR 192"
    copied = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "StudyDate",
              "StudyTime", "AccessionNumber", "ReferringPhysicianName")  # fmt: skip
    for keyword in copied:
        setattr(dataset, keyword, source.get(keyword, ""))
    now = datetime.datetime.now()
    dataset.ContentDate, dataset.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    dataset.SeriesInstanceUID, dataset.SeriesNumber = _uid("series", uid), number
    dataset.SeriesDescription = "Plan, not for clinical use"
    dataset.Manufacturer = dataset.ManufacturerModelName = "PreopReview"
    dataset.SoftwareVersions = __version__
    return dataset


def _content(results: Results) -> bytes:
    return "\n".join(results.words).encode() + b"".join(p.read_bytes() for p in results.pictures)


def _pdf(results: Results) -> bytes:
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    stream = io.BytesIO()
    with PdfPages(stream, metadata={"Title": "Liver plan", "Creator": "PreopReview"}) as pages:
        for first in range(0, max(1, len(results.words)), LINES):
            figure = Figure(figsize=(8.27, 11.69))
            text = "\n".join(results.words[first : first + LINES])
            figure.text(0.08, 0.96, NOT_FOR_CLINICAL_USE, fontsize=11, weight="bold", va="top")
            figure.text(0.08, 0.92, text, fontsize=8, va="top", family="monospace", parse_math=False)
            pages.savefig(figure)
        for picture in results.pictures:
            figure = Figure(figsize=(11.69, 8.27))
            axes = figure.add_axes((0.02, 0.02, 0.96, 0.92))
            axes.imshow(imread(picture))
            axes.axis("off")
            figure.text(0.02, 0.96, NOT_FOR_CLINICAL_USE, fontsize=9)
            pages.savefig(figure, dpi=150)
    return stream.getvalue()


def wrapped(text: str, width: int = 105) -> list[str]:
    """Lines of a text for the page, long ones broken."""
    import textwrap

    return [
        part for line in text.splitlines() for part in (textwrap.wrap(line, width, subsequent_indent="    ") or [""])
    ]
