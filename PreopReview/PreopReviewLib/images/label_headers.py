"""What the headers of label files hold besides the grid: segments of Slicer's NRRD files, extensions of NIfTI."""

from __future__ import annotations

import gzip
import re
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

import SimpleITK as sitk

from PreopReviewLib.errors import InputError, UnreadableImage
from PreopReviewLib.images.text_headers import check_text_header
from PreopReviewLib.memory_errors import is_out_of_memory
from PreopReviewLib.output import whole_file

_MAX_EXTENSION_BYTES = 4 << 20
_MAX_HEADER_BYTES = 1 << 20


def read_nrrd_layers(path: str | Path) -> sitk.Image:
    """An NRRD file with its metadata; several components a voxel are the layers of a segmentation.

    Raises:
        UnreadableImage: it is damaged. FileMissing, ImplausibleImage: as `check_text_header`.
        UnsupportedImage: sheared axes.
    """
    header = check_text_header(Path(path))
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise UnreadableImage(
            f"{path} is truncated, corrupted or not a segmentation", "Save or export it again"
        ) from error
    return header.applied(image, str(path))


def nrrd_pairs(path: str | Path) -> dict[str, str]:
    """What an NRRD header says beyond the format (``key:=value``), with escapes undone; empty for other files."""
    with open(path, "rb") as file:
        block = file.read(_MAX_HEADER_BYTES)
    if not block.startswith(b"NRRD"):
        return {}
    header = re.split(rb"\r?\n\r?\n", block, maxsplit=1)[0].decode("utf-8", "replace")
    pairs = (line.partition(":=") for line in header.splitlines() if not line.startswith("#"))
    return {key: value.replace("\\n", "\n").replace("\\\\", "\\") for key, mark, value in pairs if mark}


def name_nifti_values(path: str | Path, names: Mapping[int, str]) -> None:
    """Puts the names of a label file's values into its NIfTI-1 header, in the form that TotalSegmentator has for them.

    Args:
        path: .nii.gz without extensions in its header, as we write it; replaced once the new one is whole.
        names: by value.
    """
    from xml.sax.saxutils import escape

    rows = "".join(
        f'<Label Key="{value}" Red="1" Green="1" Blue="1" Alpha="1">{escape(name)}</Label>'
        for value, name in names.items()
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0"><LabelTable>'
        f"{rows}</LabelTable></VolumeInformation></CaretExtension>"
    ).encode()
    room = -(-(len(text) + 8) // 16) * 16
    with gzip.open(path) as source:
        header = bytearray(source.read(352))
        if len(header) < 352 or struct.unpack_from("<i", header)[0] != 348 or header[348]:
            raise InputError(f"{path} has no room for names", "Give a NIfTI-1 file without extensions")
        source.seek(int(struct.unpack_from("<f", header, 108)[0]))  # vox_offset
        struct.pack_into("<f", header, 108, 352 + room)
        extension = b"\1\0\0\0" + struct.pack("<ii", room, 0) + text.ljust(room - 8, b"\0")
        with (
            whole_file(path, ".nii.gz") as work,
            open(work, "wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=5, mtime=0) as file,
        ):
            file.write(header[:348] + extension)
            shutil.copyfileobj(source, file, 1 << 22)


def nifti_extensions(path: str | Path) -> list[str]:
    """The text of the extensions of a NIfTI-1 or NIfTI-2 header; empty if there are none or they are damaged."""
    with open(path, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if zipped else open(path, "rb") as file:
            start = file.read(4)
            order = next((o for o in "<>" if len(start) == 4 and struct.unpack(o + "i", start)[0] in (348, 540)), None)
            if order is None:
                return []
            size = struct.unpack(order + "i", start)[0]
            header = start + file.read(size - 4)
            kind, at = ("q", 168) if size == 540 else ("f", 108)  # vox_offset
            end = int(struct.unpack_from(order + kind, header, at)[0])
            flag = file.read(4)
            texts, place = [], size + 4
            if len(flag) < 4 or not flag[0]:
                return []
            while place + 8 <= end:
                length, _code = struct.unpack(order + "ii", file.read(8))
                if not 8 <= length <= _MAX_EXTENSION_BYTES or place + length > end:
                    break
                texts.append(file.read(length - 8).rstrip(b"\0").decode("utf-8", "replace"))
                place += length
            return texts
    except (OSError, EOFError, struct.error, ValueError, OverflowError):
        return []  # a damaged header is refused where the image itself is read
