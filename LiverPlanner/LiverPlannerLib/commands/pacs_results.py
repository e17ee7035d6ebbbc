"""What a plan's folder has for a PACS: its segmentations, the volumes and margins, pictures and summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import SimpleITK as sitk

from LiverPlannerLib.commands.plan_case import coded_masks
from LiverPlannerLib.labels import read_labels
from LiverPlannerLib.liver_extent import counted_mask
from LiverPlannerLib.plan.files import RECORD
from LiverPlannerLib.structures import STRUCTURES, structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.images.dicom_header import quiet
from PreopReviewLib.pacs.objects import Correction, Finding, Measure, Results, offer_results, wrapped
from PreopReviewLib.structured import read_json

SEGMENTATIONS = ("segmentation.dcm", "segments.dcm")
PICTURES = ("slices.png", "reconstruction.png")
VOLUME = ("SCT", "118565006", "Volume")
DIAMETER = ("SCT", "81827009", "Diameter")
ML, MM = ("UCUM", "mL", "milliliter"), ("UCUM", "mm", "millimeter")
OWN_SCHEME = "99PREOP"
"""Coding scheme of ours, for distances to a structure, which no public scheme has."""


def read_results(folder: Path, correction: Correction | None, place: Path) -> Results | None:
    """The results of a folder that `preop liver plan` wrote, or None.

    Args:
        correction: structures that a reader drew; they become a segmentation in `place`.

    Raises:
        InputError: its record is damaged, or the series that was corrected is gone.
    """
    if not (folder / RECORD).is_file():
        return None
    record = read_json(folder / RECORD, InputError, "Make the plan again")
    if correction is not None:
        return _corrected(record, correction, place)
    results = Results(
        [folder / name for name in SEGMENTATIONS if (folder / name).is_file()],
        pictures=[folder / name for name in PICTURES if (folder / name).is_file()],
        words=_summary(folder),
    )
    if results.segmentations:
        try:
            results.findings = _findings(folder, record, _segments(results.segmentations[0]))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{folder / RECORD} is damaged ({error})", "Make the plan again") from error
    return results


def _corrected(record: dict[str, Any], correction: Correction, place: Path) -> Results:
    """A new SEG of the series from a reader's structures, drawn by a person, with their volumes."""
    source = Path(str(record.get("image", {}).get("path", "")))
    series = images.dicom_source(source, None) if source.is_dir() else None
    if series is None:
        raise InputError(
            f"What {correction.reader} corrected needs the DICOM series {source}, which is not there",
            "Put it back where the plan was made from",
        )
    image = images.read_image(source)
    labels = images.onto_grid(read_labels(correction.segmentation).labels, image).labels
    masks = {s.key: counted_mask(labels, s.key) for s in STRUCTURES}
    drawn = {key: mask for key, mask in masks.items() if images.array_of(mask).any()}
    path = place / "corrected.dcm"
    images.write_dicom_segmentation(coded_masks(labels, drawn, {}), series, path)
    unit, segments = images.voxel_ml(image), _segments(path)
    findings = []
    for key, mask in drawn.items():
        ml = float((images.array_of(mask) > 0).sum()) * unit
        findings.append(_finding(structure(key).name, key, segments, (Measure(VOLUME, round(ml, 3), ML),), ""))
    words = wrapped(f"Structures as {correction.reader} corrected them in a review.")
    return Results(
        [path], findings, words=[*words, *(f"{f.name:<24}{f.measures[0].value:>10.1f} ml" for f in findings)]
    )


def _summary(folder: Path) -> list[str]:
    """The plan's summary without the path of the image, which may name the patient."""
    path = folder / "summary.txt"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return wrapped("\n".join(line for line in lines if not line.startswith("Image ")))


def _segments(path: Path) -> dict[str, int]:
    """Segment numbers by label."""
    import pydicom

    with quiet():
        header = pydicom.dcmread(path, stop_before_pixels=True)
    return {str(s.SegmentLabel): int(s.SegmentNumber) for s in header.SegmentSequence}


def _findings(folder: Path, record: dict[str, Any], segments: dict[str, int]) -> list[Finding]:
    findings = []
    for key, ml in record["volumes_ml"].items():
        known = structure(key)
        if known.name in segments:
            by = str(record["models"].get(key, ""))
            findings.append(_finding(known.name, key, segments, (Measure(VOLUME, round(ml, 3), ML),), by))
    distances = _distances(folder)
    for region in record["regions"]:
        key, number = region["structure"], region["number"]
        known = structure(key)
        if known.name not in segments:
            continue
        measures = [Measure(VOLUME, round(region["ml"], 3), ML), Measure(DIAMETER, round(region["diameter_mm"], 1), MM)]
        measures += distances.get((key, number), ())
        findings.append(_finding(f"{known.name} {number}", key, segments, tuple(measures), ""))
    return findings


def _finding(name: str, key: str, segments: dict[str, int], measures: tuple[Measure, ...], by: str) -> Finding:
    known = structure(key)
    code = known.type
    return Finding(name, (code.scheme, code.value, code.meaning), segments[known.name], measures, by)


def _distances(folder: Path) -> dict[tuple[str, int], list[Measure]]:
    """Of each tumor to vessels and duct; none where there is no tumor or no label file."""
    from LiverPlannerLib.resection.margins import NEIGHBORS, measure_margins

    if not (folder / "labels.nii.gz").is_file():
        return {}
    labels: sitk.Image = read_labels(folder / "labels.nii.gz").labels
    try:
        rows = measure_margins(labels).as_rows()
    except NothingFound:
        return {}
    distances = {}
    for row in rows:
        named = ((n, row.get(f"to_{n}_mm")) for n in NEIGHBORS)
        distances["tumor", row["lesion"]] = [
            Measure((OWN_SCHEME, f"{n}_distance"[:16], f"Distance to {structure(n).name.lower()}"), round(mm, 1), MM)
            for n, mm in named
            if mm is not None
        ]
    return distances


offer_results(read_results)
