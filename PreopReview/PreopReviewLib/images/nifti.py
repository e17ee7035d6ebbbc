"""NIfTI-1 and NIfTI-2, read by the standard: one file or a pair, packed or not, whatever its name says.

The header decides where voxels lie in this order: the sform if its code is positive, else the qform if its code is
positive, else the spacing alone. Where they contradict each other, or had to be corrected, a note says so.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import FileMissing, ImplausibleImage, UnreadableImage, UnsupportedImage
from PreopReviewLib.images.checks import four_dimensional, not_finite, several_values
from PreopReviewLib.images.geometry import image_of
from PreopReviewLib.images.notes import add_notes
from PreopReviewLib.images.right_angles import nearest_right_angles

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_COMPLEX = (32, 1792, 2048)
_COLOR = {128: 3, 2304: 4}
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_AGAIN = "Copy or export it again"
_PIECE = 16 << 20


@dataclass(frozen=True)
class NiftiHeader:
    """The fields of a NIfTI header that are used, with lengths still in the file's own unit."""

    order: str
    dim: tuple[int, ...]
    datatype: int
    bitpix: int
    pixdim: tuple[float, ...]
    vox_offset: int
    slope: float
    intercept: float
    unit_code: int
    qform: int
    sform: int
    quaternion: tuple[float, ...]
    offset: tuple[float, ...]
    srow: np.ndarray

    @property
    def unit(self) -> float:
        """Millimeters in its unit of length."""
        return _MM.get(self.unit_code, 1.0)


def read_nifti(path: Path) -> sitk.Image:
    """A 3-D image, or 4-D if the fourth dimension has one frame.

    Raises:
        UnreadableImage: truncated, damaged, or no NIfTI. UnsupportedImage: complex numbers, color, several time
            points, axes off a right angle. ImplausibleImage: an impossible spacing, voxels that are not numbers.
    """
    header_file, voxel_file = _pair(path)
    try:
        with _opened(header_file) as stream:
            header = _header(stream.read(540), path)
        shape = _shape(path, header)
        with _opened(voxel_file) as stream:
            array, notes = _voxels(path, header, shape, stream)
    except (EOFError, OSError, zlib.error) as error:
        raise UnreadableImage(f"{path} is truncated or corrupted ({error})", _AGAIN) from error
    if header.unit_code not in _MM:
        notes.append(f"its unit of length is not known (code {header.unit_code}); mm was taken")
    return add_notes(_image(path, header, array), notes)


def _pair(path: Path) -> tuple[Path, Path]:
    """The file with the header and the one with the voxels; they differ for .hdr and .img only."""
    name = path.name.lower()
    packed = path.suffix if name.endswith(".gz") else ""
    stem = path.name[: -len(packed)] if packed else path.name
    if not stem.lower().endswith((".hdr", ".img")):
        return path, path
    upper = stem[-3:].isupper()
    files = []
    for suffix in (".hdr", ".img"):
        wanted = path.with_name(stem[:-4] + (suffix.upper() if upper else suffix) + packed)
        other = path.with_name(stem[:-4] + suffix + ("" if packed else ".gz"))
        file = path if path.name.lower().startswith(wanted.name.lower()) else wanted if wanted.exists() else other
        if not file.exists():
            raise FileMissing(f"{path} needs {wanted.name} beside it, which is missing", "Copy both files")
        files.append(file)
    return files[0], files[1]


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def _header(block: bytes, path: Path) -> NiftiHeader:
    for order in "<>":
        size = struct.unpack_from(order + "i", block)[0] if len(block) >= 4 else 0
        if size == 348 and len(block) >= 348:
            return _nifti1(block, order, path)
        if size == 540 and len(block) >= 540:
            return _nifti2(block, order, path)
    raise UnreadableImage(f"{path} is truncated, corrupted or not what its name says", _AGAIN)


def _nifti1(block: bytes, order: str, path: Path) -> NiftiHeader:
    magic = block[344:348]
    if magic not in (b"n+1\0", b"ni1\0"):
        raise UnsupportedImage(
            f"{path} is Analyze 7.5, which does not record which side is left",
            "Convert it to NIfTI where it was made",
        )

    def get(kind: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + kind, block, at)

    return NiftiHeader(
        order, get("8h", 40), *get("2h", 70), get("8f", 76),
        _offset(get("f", 108)[0], 352 if magic == b"n+1\0" else 0, path),
        *get("2f", 112), block[123] & 7, *get("2h", 252), get("3f", 256), get("3f", 268),
        np.reshape(get("12f", 280), (3, 4)),
    )  # fmt: skip


def _nifti2(block: bytes, order: str, path: Path) -> NiftiHeader:
    if block[4:7] not in (b"n+2", b"ni2"):
        raise UnreadableImage(f"{path} is truncated, corrupted or not what its name says", _AGAIN)

    def get(kind: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + kind, block, at)

    return NiftiHeader(
        order, get("8q", 16), *get("2h", 12), get("8d", 104),
        _offset(get("q", 168)[0], 544 if block[4:7] == b"n+2" else 0, path),
        *get("2d", 176), get("i", 500)[0] & 7, *get("2i", 344), get("3d", 352), get("3d", 376),
        np.reshape(get("12d", 400), (3, 4)),
    )  # fmt: skip


def _offset(value: float, least: int, path: Path) -> int:
    """Where the voxels begin; in one file with the header, not before its end."""
    if not np.isfinite(value) or not least <= value < 1 << 40 or value != int(value):
        raise UnreadableImage(f"{path} has {value:g} as vox_offset, where the voxels would begin", _AGAIN)
    return int(value)


def _voxels(path: Path, header: NiftiHeader, shape: tuple[int, ...], stream: IO[bytes]) -> tuple[np.ndarray, list[str]]:
    """The stored values, K-J-I, read piece by piece, and notes.

    The file is read to its end, where a packed one is checked. If the header contradicts itself about the size of a
    voxel, a file that ends where its datatype says is taken by that.
    """
    kind = np.dtype(header.order + _TYPES[header.datatype])
    size = int(np.prod(shape)) * kind.itemsize
    held = bytearray()
    skipped = _skip(stream, header.vox_offset)
    while len(held) < size and (block := stream.read(min(_PIECE, size - len(held)))):
        held += block  # grows with what the file holds, not with what a damaged header says
    if skipped < header.vox_offset or len(held) < size:
        raise UnreadableImage(f"{path} is truncated: {len(held)} of {size} bytes of voxels", _AGAIN)
    left, notes = _skip(stream, None), []
    if header.bitpix not in (0, 8 * kind.itemsize):
        words = f"its datatype means {8 * kind.itemsize} bits per voxel, its bitpix says {header.bitpix}"
        if left:
            raise UnreadableImage(f"{path} contradicts itself: {words}", _AGAIN)
        notes.append(f"{words}; the datatype was used")
    return np.frombuffer(held, kind).reshape(shape[::-1]), notes


def _skip(stream: IO[bytes], count: int | None) -> int:
    """Reads over so many bytes, or to the end, and says how many there were."""
    passed = 0
    while count is None or passed < count:
        block = stream.read(_PIECE if count is None else min(_PIECE, count - passed))
        if not block:
            break
        passed += len(block)
    return passed


def _image(path: Path, header: NiftiHeader, array: np.ndarray) -> sitk.Image:
    grid, notes = _grid(path, header, array.shape[::-1])
    if array.dtype.kind == "f":
        bad = sum(plane.size - int(np.count_nonzero(np.isfinite(plane))) for plane in array)
        if bad:
            raise not_finite(bad).as_error(str(path))
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return add_notes(image_of(_scaled(array, header, path), *grid), notes)


def _shape(path: Path, header: NiftiHeader) -> tuple[int, int, int]:
    """The three dimensions in space.

    Raises:
        UnsupportedImage: more than these, or values that are not single real numbers.
    """
    if header.datatype in _COMPLEX:
        raise UnsupportedImage(f"{path} holds complex numbers", "Export the magnitude image")
    if header.datatype in _COLOR:
        raise several_values(_COLOR[header.datatype]).as_error(str(path))
    if header.datatype not in _TYPES:
        raise UnsupportedImage(f"{path} has voxels of an unknown type ({header.datatype})", "Save it as 16-bit NIfTI")
    count = header.dim[0]
    if not 1 <= count <= 7 or min(header.dim[1 : 1 + count]) < 1:
        raise UnreadableImage(f"{path} has impossible dimensions ({header.dim})", _AGAIN)
    size = (*header.dim[1 : 1 + count], *[1] * 7)[:7]
    if size[3] > 1:
        raise four_dimensional(size[3]).as_error(str(path))
    if max(size[4:]) > 1:
        raise several_values(int(np.prod(size[4:]))).as_error(str(path))
    return size[0], size[1], size[2]


def _scaled(array: np.ndarray, header: NiftiHeader, path: Path) -> np.ndarray:
    slope, intercept = header.slope, header.intercept
    if slope == 0 or not np.isfinite(slope):  # the standard: no scaling then
        return array
    if not np.isfinite(intercept):
        raise ImplausibleImage(f"{path} has {intercept} as scl_inter", _AGAIN)
    if slope == 1 and intercept == 0:
        return array
    whole = slope == 1 and float(intercept).is_integer() and array.dtype.kind in "iu"
    scaled = np.empty(array.shape, np.int64 if whole else np.float32)
    for plane, stored in zip(scaled, array, strict=True):  # slice by slice: a whole scan in 64 bits takes gigabytes
        plane[...] = stored * np.float64(slope) + intercept
    return scaled


# ---- where the voxels lie ----


def _grid(
    path: Path, header: NiftiHeader, shape: tuple[int, ...]
) -> tuple[tuple[list[float], list[float], np.ndarray], list[str]]:
    """Spacing, origin and axes in LPS mm, and what was decided."""
    affine, notes = _affine(path, header, shape)
    affine = np.diag([-1.0, -1.0, 1.0]) @ affine * header.unit
    columns = affine[:, :3]
    spacing, axes, moved = nearest_right_angles(columns, shape, str(path))
    origin = affine[:, 3]
    if moved > 0:
        center = (np.array(shape) - 1) / 2  # the middle of the image stays in its place
        origin = origin + columns @ center - axes @ (spacing * center)
        if moved > 0.1:
            notes.append(f"its axes are not at right angles; straightening moved corners by {moved:.2f} voxels")
    return (list(spacing), list(origin), axes), notes


def _affine(path: Path, header: NiftiHeader, shape: tuple[int, ...]) -> tuple[np.ndarray, list[str]]:
    """The matrix from I-J-K to RAS in the file's unit, (3, 4), by the standard's order; and what contradicts it."""
    pixdim = np.abs(header.pixdim[1:4])
    usable = bool(np.isfinite(pixdim).all() and (pixdim > 0).all())
    if header.sform > 0:
        affine = header.srow
        norms = np.linalg.norm(affine[:, :3], axis=0)
        if not np.isfinite(affine).all() or norms.min() <= 0:
            raise ImplausibleImage(f"{path} has an impossible spacing in its sform ({_shown(norms)} mm)", _AGAIN)
        notes = []
        if not usable or not np.allclose(norms, pixdim, rtol=0.01):
            notes.append(f"its pixdim gives {_shown(pixdim)} mm, its sform {_shown(norms)} mm; the sform was used")
        elif header.qform > 0:
            away = _corner_distance(affine, _quaternion_affine(path, header, pixdim), shape)
            if away > 0.1 * pixdim.min():
                notes.append(f"its qform and sform differ by up to {away * header.unit:.1f} mm; the sform was used")
        return affine, notes
    if not usable:
        raise ImplausibleImage(
            f"{path} has an impossible spacing ({_shown(header.pixdim[1:4])} mm in pixdim)",
            "Correct the spacing in its header, or convert the image again",
        )
    if header.qform > 0:
        return _quaternion_affine(path, header, pixdim), []
    return (
        np.column_stack([np.diag(pixdim * [-1, 1, 1]), np.zeros(3)]),
        ["it does not give its orientation in the patient (no qform, no sform); left and right may be swapped"],
    )


def _quaternion_affine(path: Path, header: NiftiHeader, pixdim: np.ndarray) -> np.ndarray:
    b, c, d = header.quaternion
    if not np.isfinite([b, c, d, *header.offset]).all() or b * b + c * c + d * d > 1.001:
        raise ImplausibleImage(f"{path} has an impossible rotation in its qform", _AGAIN)
    a = np.sqrt(max(0.0, 1 - (b * b + c * c + d * d)))
    if a < 1e-7:
        b, c, d = np.array([b, c, d]) / np.linalg.norm([b, c, d])
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    flip = -1.0 if header.pixdim[0] < 0 else 1.0
    return np.column_stack([turn * (pixdim * [1, 1, flip]), header.offset])


def _corner_distance(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> float:
    corners = np.array([(*np.array(c) * (np.array(shape) - 1), 1) for c in np.ndindex(2, 2, 2)]).T
    return float(np.linalg.norm((a - b) @ corners, axis=0).max())


def _shown(lengths: Any) -> str:
    return " × ".join(f"{v:.4g}" for v in lengths)
