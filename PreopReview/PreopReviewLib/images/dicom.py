"""DICOM folders: which series they hold, and reading one of them as a volume."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import NoImage, SeveralSeries, UnreadableImage, UnsupportedImage

MODALITY_TAG = "0008|0060"
DESCRIPTION_TAG = "0008|103e"
_TAGS = [
    "SeriesInstanceUID",
    "SeriesDescription",
    "SeriesNumber",
    "Modality",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SamplesPerPixel",
]
_IMAGE_MODALITIES = {"CT", "MR", "PT", "NM", "OT", "US"}


@dataclass
class Series:
    """One DICOM series of a folder.

    Attributes:
        uid: SeriesInstanceUID.
        files: its files, in the order of their position along the slice normal.
        offsets: position of each file along the slice normal, in mm (empty for multi-frame files).
        tilt: largest shift in mm of a slice within its own plane against the first (gantry tilt).
    """

    uid: str
    description: str
    modality: str
    number: int | None
    files: list[Path] = field(default_factory=list)
    offsets: list[float] = field(default_factory=list)
    tilt: float = 0.0
    orientations: int = 1
    frames: int = 1
    color: bool = False

    @property
    def slices(self) -> int:
        return len(self.files) * self.frames

    def __str__(self) -> str:
        what = self.description or "no description"
        return f"{self.uid} ({self.modality}, {what}, {self.slices} slices)"


def _header(path: Path) -> Any | None:
    """The few tags that are needed, or None where the file is no DICOM image."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
    except (InvalidDicomError, OSError, EOFError, ValueError, KeyError):
        return None  # not DICOM: a folder may hold a README or a DICOMDIR beside the images
    return header if "SeriesInstanceUID" in header and "Rows" in header else None


def list_series(folder: str | Path) -> list[Series]:
    """The image series in a folder and its subfolders, in order of series number; not SEG, SR or reports."""
    headers: dict[str, list[tuple[Path, Any]]] = {}
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        header = _header(path)
        if header is not None and str(header.get("Modality", "")) in _IMAGE_MODALITIES:
            headers.setdefault(str(header.SeriesInstanceUID), []).append((path, header))
    found = [_series(uid, members) for uid, members in headers.items()]
    return sorted(found, key=lambda s: (s.number if s.number is not None else 1 << 30, s.uid))


def _series(uid: str, members: list[tuple[Path, Any]]) -> Series:
    first = members[0][1]
    number = first.get("SeriesNumber")
    series = Series(
        uid=uid,
        description=str(first.get("SeriesDescription", "")),
        modality=str(first.get("Modality", "")),
        number=int(number) if number not in (None, "") else None,
        frames=int(first.get("NumberOfFrames") or 1),
        color=int(first.get("SamplesPerPixel") or 1) > 1,
    )
    placed = all(h.get("ImagePositionPatient") and h.get("ImageOrientationPatient") for _, h in members)
    if not placed:
        series.files = [p for p, _ in members]
        return series
    axes = np.array([h.ImageOrientationPatient for _, h in members], float)
    series.orientations = len({tuple(a) for a in np.round(axes, 3)})
    normal = np.cross(axes[0, :3], axes[0, 3:])
    positions = np.array([h.ImagePositionPatient for _, h in members], float)
    offsets = positions @ normal
    order = np.argsort(offsets, kind="stable")
    in_plane = positions - np.outer(offsets, normal)
    series.tilt = float(np.linalg.norm(in_plane - in_plane[order[0]], axis=1).max())
    series.files = [members[i][0] for i in order]
    series.offsets = [float(offsets[i]) for i in order]
    return series


def choose_series(found: list[Series], folder: Path, uid: str | None) -> Series:
    """The series to read.

    Raises:
        NoImage: none of the files is a DICOM image, or none has that UID.
        SeveralSeries: more than one volume, and no UID given; the message lists them.
    """
    if uid is not None:
        for series in found:
            if series.uid == uid:
                return series
        known = "; ".join(str(s) for s in found) or "none"
        raise NoImage(f"{folder} holds no series {uid}", f"The series found: {known}")
    volumes = [s for s in found if s.slices > 1] or found  # a localizer of one slice is no rival
    if not volumes:
        raise NoImage(f"{folder} holds no DICOM image", "Give a folder with one CT or MR series, or an image file")
    if len(volumes) > 1:
        listed = "; ".join(str(s) for s in volumes)
        raise SeveralSeries(f"{folder} holds {len(volumes)} series", f"Choose one with --series UID: {listed}")
    return volumes[0]


def read_series(series: Series, folder: Path) -> sitk.Image:
    """A series as one volume, on a regular grid.

    Raises:
        UnsupportedImage: color, slices of several orientations, a tilted gantry, two slices at one position
            (several phases in one series), or unequal gaps between slices.
        UnreadableImage: pixel data that cannot be decoded.
    """
    _require_volume(series, folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(f) for f in series.files])
    try:
        image = reader.Execute() if len(series.files) > 1 else sitk.ReadImage(str(series.files[0]))
    except RuntimeError as error:
        raise UnreadableImage(
            f"The series {series.uid} in {folder} cannot be decoded ({_last_line(error)})",
            "Export the series again, uncompressed",
        ) from error
    image.SetMetaData(MODALITY_TAG, series.modality)
    image.SetMetaData(DESCRIPTION_TAG, series.description)
    return image


def _require_volume(series: Series, folder: Path) -> None:
    name = f"The series {series.uid} in {folder}"
    if series.color:
        raise UnsupportedImage(f"{name} is in color", "Choose the original gray-scale series")
    if series.orientations > 1:
        raise UnsupportedImage(
            f"{name} has slices of {series.orientations} orientations (a localizer?)",
            "Choose an axial series",
        )
    gaps = np.diff(series.offsets)
    if len(gaps) == 0:
        return
    typical = float(np.median(gaps))
    if gaps.min() < 0.01:
        raise UnsupportedImage(
            f"{name} has several slices at one position (several phases or echoes in one series)",
            "Split the series by phase and give the one to be segmented",
        )
    if series.tilt > 1.0:
        raise UnsupportedImage(
            f"{name} was taken with a tilted gantry: its slices shift by up to {series.tilt:.1f} mm",
            "Straighten it first, in 3D Slicer by loading it with the acquisition transform and hardening that",
        )
    if np.abs(gaps - typical).max() > 0.1 * typical:
        raise UnsupportedImage(
            f"{name} has gaps between slices from {gaps.min():.2f} to {gaps.max():.2f} mm (slices missing?)",
            "Export the series again with all its slices",
        )


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
