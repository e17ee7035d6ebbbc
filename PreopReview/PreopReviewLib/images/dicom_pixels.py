"""The stored values of DICOM files, and the real values that each frame's own slope and intercept make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import PreopError, UnreadableImage, UnsupportedImage
from PreopReviewLib.images.dicom_header import Frame, quiet, read_dataset
from PreopReviewLib.output import private_folder

_AGAIN = "Export the series again, uncompressed"
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def real_values(frames: Sequence[Frame]) -> np.ndarray:
    """The voxels of the frames, K-J-I: whole numbers in the smallest type that holds them, else float32.

    Raises:
        UnreadableImage: a file without pixel data, with too few bytes, or that cannot be decoded.
    """
    whole = all(f.slope == 1 and float(f.intercept).is_integer() for f in frames)
    slices: list[np.ndarray | None] = [None] * len(frames)
    wanted: dict[Path, list[int]] = {}
    for place, frame in enumerate(frames):
        wanted.setdefault(frame.file, []).append(place)
    for file, places in wanted.items():
        stored = stored_values(file, [frames[p].index for p in places])
        for place, values in zip(places, stored, strict=True):
            slices[place] = _rescaled(values, frames[place], whole)
    shape = {s.shape for s in slices if s is not None}
    if len(shape) != 1:
        raise UnreadableImage(f"{frames[0].file} and its series have slices of different sizes", _AGAIN)
    kind = np.result_type(*{s.dtype for s in slices})  # type: ignore[union-attr]
    return np.stack(slices).astype(kind, copy=False)  # type: ignore[arg-type]


def _rescaled(stored: np.ndarray, frame: Frame, whole: bool) -> np.ndarray:
    if not whole:
        return (stored * np.float64(frame.slope) + frame.intercept).astype(np.float32)
    low, high = int(stored.min()) + int(frame.intercept), int(stored.max()) + int(frame.intercept)
    kind = next((k for k in (np.int16, np.int32) if np.iinfo(k).min <= low and high <= np.iinfo(k).max), None)
    if kind is None:
        return (stored + np.float64(frame.intercept)).astype(np.float32)
    return (stored.astype(np.int64) + int(frame.intercept)).astype(kind) if frame.intercept else stored.astype(kind)


def stored_values(file: Path, indices: Sequence[int]) -> list[np.ndarray]:
    """The stored values of some frames of a file, as 2-D integer arrays.

    Raises:
        UnreadableImage: no pixel data, too few bytes, or a compression that cannot be decoded.
    """
    dataset = read_dataset(file, pixels=True)
    if dataset is None or "PixelData" not in dataset:
        raise UnreadableImage(f"{file} has no Pixel Data (7fe0,0010)", _AGAIN)
    try:
        with quiet():
            compressed = _syntax(dataset).is_compressed and not _syntax(dataset).is_deflated
            return list(_decoded(dataset, file, indices) if compressed else _native(dataset, file, indices))
    except PreopError:
        raise
    except Exception as error:  # pydicom and GDCM raise whatever the damage leads to
        words = str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
        raise UnreadableImage(f"The pixels of {file} cannot be decoded ({words})", _AGAIN) from error


def _syntax(dataset: Any) -> Any:
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    if syntax:
        return syntax
    implicit, little = dataset.original_encoding
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _layout(dataset: Any, file: Path) -> tuple[int, int, np.dtype]:
    """Rows, columns and the type of the stored values."""
    allocated, samples = int(dataset.BitsAllocated), int(dataset.get("SamplesPerPixel") or 1)
    if samples != 1:
        raise UnsupportedImage(f"{file} is in color", "Choose the original gray-scale series")
    if allocated not in (8, 16, 32):
        raise UnsupportedImage(f"{file} has {allocated} bits per voxel", "Export the series with 16 bits")
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    return int(dataset.Rows), int(dataset.Columns), np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")


def _native(dataset: Any, file: Path, indices: Sequence[int]) -> Iterator[np.ndarray]:
    rows, columns, kind = _layout(dataset, file)
    held, size = dataset.PixelData, rows * columns * kind.itemsize
    frames = int(dataset.get("NumberOfFrames") or 1)
    if len(held) < frames * size:
        raise UnreadableImage(f"The pixels of {file} are truncated: {len(held)} of {frames * size} bytes", _AGAIN)
    kind = kind.newbyteorder("<" if _syntax(dataset).is_little_endian else ">")
    for index in indices:
        values = np.frombuffer(held, kind, rows * columns, index * size).reshape(rows, columns)
        yield _stored_bits(values.astype(kind.newbyteorder("=")), dataset, file)


def _stored_bits(values: np.ndarray, dataset: Any, file: Path) -> np.ndarray:
    """The values without what old scanners keep in the unused bits, with their sign."""
    allocated = 8 * values.dtype.itemsize
    stored = int(dataset.get("BitsStored") or allocated)
    high = int(dataset.get("HighBit") if dataset.get("HighBit") is not None else stored - 1)
    if not stored - 1 <= high < allocated:
        raise UnreadableImage(f"{file} contradicts itself: {stored} bits stored, the highest is {high}", _AGAIN)
    if stored == allocated:
        return values
    return (values << (allocated - 1 - high)) >> (allocated - stored)


def _decoded(dataset: Any, file: Path, indices: Sequence[int]) -> Iterator[np.ndarray]:
    """Frame by frame through GDCM, each in a file that holds nothing but its own compressed pixels."""
    from pydicom.encaps import generate_frames

    rows, columns, kind = _layout(dataset, file)
    count = int(dataset.get("NumberOfFrames") or 1)
    packed = list(generate_frames(dataset.PixelData, number_of_frames=count))
    if len(packed) < count:
        raise UnreadableImage(f"The pixels of {file} are truncated: {len(packed)} of {count} frames", _AGAIN)
    with private_folder() as folder:
        alone = folder / "frame.dcm"
        for index in indices:
            _write_alone(dataset, packed[index], alone)
            values = sitk.GetArrayFromImage(sitk.ReadImage(str(alone), imageIO="GDCMImageIO")).reshape(-1)
            if values.size != rows * columns:
                raise UnreadableImage(f"The pixels of {file} do not fill {rows} × {columns} voxels", _AGAIN)
            yield values.astype(kind).reshape(rows, columns)


def _write_alone(dataset: Any, frame: bytes, path: Path) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import generate_uid

    alone = Dataset()
    alone.file_meta = FileMetaDataset()
    alone.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    alone.SOPClassUID = alone.file_meta.MediaStorageSOPClassUID = _SECONDARY_CAPTURE
    alone.SOPInstanceUID = alone.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        setattr(alone, keyword, dataset.get(keyword))
    alone.SamplesPerPixel, alone.PhotometricInterpretation = 1, "MONOCHROME2"
    alone.PixelData = encapsulate([frame])
    alone["PixelData"].VR = "OB"
    alone["PixelData"].is_undefined_length = True
    alone.save_as(path, enforce_file_format=True)
