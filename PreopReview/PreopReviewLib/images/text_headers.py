"""What NRRD and MetaImage headers say, checked before ITK reads the file.

ITK's readers take 1 mm where there is no spacing, end the program over some damaged fields, and read voxels that are
too few or too many without a word; so every field that they interpret is looked at here first.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import FileMissing, ImplausibleImage, UnreadableImage, UnsupportedImage
from PreopReviewLib.images.notes import add_notes
from PreopReviewLib.images.right_angles import at_right_angles

_AGAIN = "Copy or export it again"
_MAX_BYTES = 1 << 20
_MAX_DIMENSIONS = 8
_MAX_FIELD = 1000
"""Characters of a field's value; metadata of the user's own (``key:=value``) may be longer."""
_NRRD_SUFFIXES, _META_SUFFIXES = (".nrrd", ".nhdr"), (".mha", ".mhd")
_MM = {
    **dict.fromkeys(("", "mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers", "micrometre"), 0.001),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1000.0),
}
_PATIENT_SPACES = ("ras", "las", "lps", "right-anterior-superior", "left-anterior-superior", "left-posterior-superior")
NO_SIDES = "it does not give its orientation in the patient; left and right may be swapped"
NO_PLACE = "it does not give its place in the patient (no origin); 0 was taken for the first voxel"
ASSUMED = "it does not say its spacing: 1 mm was assumed, so no length, area or volume can be trusted"

_NRRD_BYTES = {
    1: ("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"),
    2: ("short", "short int", "signed short", "signed short int", "int16", "int16_t",
        "ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    4: ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"),
    8: ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t",
        "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t", "double"),
}  # fmt: skip
_BYTES_OF_TYPE = {name: size for size, names in _NRRD_BYTES.items() for name in names}
_ENCODINGS = {"raw", "gzip", "gz", "bzip2", "bz2", "txt", "text", "ascii", "hex"}
_LISTS = {"kinds", "spacings", "thicknesses", "axismins", "axismaxs", "centers", "centerings"}
"""Fields with one word for each axis."""
_META_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4, "LONG": 4, "ULONG": 4,
               "LONG_LONG": 8, "ULONG_LONG": 8, "DOUBLE": 8}  # fmt: skip
_META_NUMBERS = {"transformmatrix": 2, "orientation": 2, "rotation": 2, "offset": 1, "origin": 1, "position": 1,
                 "centerofrotation": 1, "elementspacing": 1, "elementsize": 1}  # fmt: skip
"""How many numbers a field has: the dimensions to this power."""


@dataclass(frozen=True)
class TextHeader:
    """What a header says that ITK's readers do not look at.

    Attributes:
        notes: what it does not say: spacing, orientation; or in which unit it gives lengths.
        mm: length of its unit.
    """

    notes: tuple[str, ...] = ()
    mm: float = 1.0

    def applied(self, image: sitk.Image, source: str) -> sitk.Image:
        """The image in mm and at right angles, with the notes.

        Raises:
            UnsupportedImage: its axes are sheared.
        """
        dimension = min(image.GetDimension(), 3)
        for get, put in ((image.GetSpacing, image.SetSpacing), (image.GetOrigin, image.SetOrigin)):
            values = list(get())
            put([v * self.mm if n < dimension else v for n, v in enumerate(values)])
        return add_notes(at_right_angles(image, source), self.notes)


def check_text_header(path: Path) -> TextHeader:
    """What must be known of an NRRD or MetaImage file before and after ITK reads it.

    Raises:
        UnreadableImage: no such header, a field that cannot be, or voxels too few or too many for it.
        FileMissing: its data file is missing. ImplausibleImage: a spacing that is 0 or not a number.
        UnsupportedImage: packed with bzip2.
    """
    name = path.name.lower()
    with path.open("rb") as stream:
        block = stream.read(_MAX_BYTES)
    if name.endswith(_NRRD_SUFFIXES):
        return _nrrd(path, block)
    return TextHeader(tuple(_meta(path, block))) if name.endswith(_META_SUFFIXES) else TextHeader()


def _nrrd(path: Path, block: bytes) -> TextHeader:
    if not re.match(rb"NRRD000\d\r?\n", block):
        raise _other(path)
    end = re.search(rb"\r?\n\r?\n", block)
    text = block[: end.start() if end else len(block)].decode("utf-8", "replace").replace("\r\n", "\n")
    fields: dict[str, str] = {}
    for line in text.split("\n")[1:]:
        key, colon, value = line.partition(":")
        if line.startswith("#") or value.startswith("=") or not line.strip():
            continue
        if not colon or len(line) > _MAX_FIELD:
            raise _damaged(path, line)
        key = key.strip().lower().replace(" ", "")
        if key in fields:
            raise UnreadableImage(f"{path} has the field {key} twice in its header", _AGAIN)
        fields[key] = value.strip()
        if key == "datafile" and value.strip().upper().startswith("LIST"):
            break
    sizes = _nrrd_shape(path, fields)
    if fields["encoding"].lower() in ("bzip2", "bz2"):
        raise UnsupportedImage(f"{path} is packed with bzip2", "Save it with gzip, or not packed")
    _nrrd_data(path, fields, math.prod(sizes), end.end() if end else len(block))
    mm, unit = _nrrd_unit(path, fields)
    notes = _nrrd_spacing(path, fields, len(sizes))
    space = re.sub(r"(-time|t)$", "", fields.get("space", "").lower())
    if len(sizes) >= 3 and ("spacedirections" not in fields or space not in _PATIENT_SPACES):
        notes.append(NO_SIDES)
    elif len(sizes) >= 3 and "spaceorigin" not in fields:
        notes.append(NO_PLACE)
    if mm != 1:
        notes.append(f"its header gives lengths in {unit}; they were converted to mm")
    return TextHeader(tuple(notes), mm)


def _nrrd_unit(path: Path, fields: dict[str, str]) -> tuple[float, str]:
    """The length of its unit in mm, and its name.

    Raises:
        UnreadableImage: a unit that is not known, or several.
    """
    key = "spaceunits" if "spacedirections" in fields else "units"
    words = re.findall(r'"([^"]*)"', fields.get(key, ""))[:3]
    lengths = {_MM.get(word.strip().lower()) for word in words} or {1.0}
    if None in lengths or len(lengths) > 1:
        raise _field(path, key, fields[key])
    return lengths.pop() or 1.0, words[0] if words else ""


def _nrrd_shape(path: Path, fields: dict[str, str]) -> list[int]:
    """The sizes, once type, dimension, encoding, and the lists with a word for each axis are known to fit."""
    for key, known in (
        ("type", {*_BYTES_OF_TYPE, "block"}),
        ("encoding", _ENCODINGS),
        ("endian", {"little", "big", ""}),
    ):
        if (word := fields.get(key, "").lower()) not in known:
            raise _field(path, key, word)
    sizes = [int(w) if w.isascii() and w.isdigit() and len(w) < 10 else 0 for w in fields.get("sizes", "").split()]
    if not 1 <= len(sizes) <= _MAX_DIMENSIONS or min(sizes) < 1 or fields.get("dimension") != str(len(sizes)):
        raise UnreadableImage(f"{path} has impossible dimensions ({_short(fields.get('sizes', ''))})", _AGAIN)
    for key in _LISTS & set(fields):
        words = re.findall(r'"[^"]*"|\S+', fields[key])
        if len(words) != len(sizes) or max(map(len, words)) > 80:
            raise _field(path, key, fields[key])
    return sizes


def _nrrd_spacing(path: Path, fields: dict[str, str], dimension: int) -> list[str]:
    if "spacedirections" in fields:
        entries = re.findall(r"none|\([^()]*\)", fields["spacedirections"])
        vectors = [_numbers(path, e.strip("()").split(","), "space directions") for e in entries if e != "none"]
        across = len(vectors[0]) if vectors else 0
        if len(entries) != dimension or any(len(v) != across for v in vectors) or len(vectors) < min(across, 3):
            raise _field(path, "space directions", fields["spacedirections"])
        _require_positive(path, [float(np.linalg.norm(v)) for v in vectors], "space directions")
        if "spaceorigin" in fields:
            origin = _numbers(path, fields["spaceorigin"].strip("()").split(","), "space origin")
            if len(origin) != across or not np.isfinite(origin).all():
                raise _field(path, "space origin", fields["spaceorigin"])
        return []
    if "spacings" not in fields:
        return [ASSUMED]
    words = fields["spacings"].split()[:3]
    if any(w.lower() == "nan" for w in words):
        return [ASSUMED]  # the format's own way to say that a spacing is not known
    _require_positive(path, _numbers(path, words, "spacings"), "spacings")
    return []


def _nrrd_data(path: Path, fields: dict[str, str], voxels: int, start: int) -> None:
    """Raises if the voxels are not as many as the header says; a list of files is left to ITK."""
    data, place = fields.get("datafile", ""), path
    if data:
        if data.upper().startswith("LIST") or "%" in data:
            return
        place, start = _data_file(path, data), 0
    if any(_skips(path, fields, key) for key in ("byteskip", "lineskip")):
        return
    encoding = fields["encoding"].lower()
    expected = voxels * _BYTES_OF_TYPE.get(fields["type"].lower(), 0)
    if encoding == "raw":
        _require_bytes(path, place.stat().st_size - start, expected)
    elif encoding in ("gzip", "gz"):
        _require_bytes(path, _unpacked(path, place, start, expected), expected)


def _skips(path: Path, fields: dict[str, str], key: str) -> int:
    word = fields.get(key, "0")
    if not re.fullmatch(r"-1|\d{1,12}", word):
        raise _field(path, key, word)
    return int(word)


def _unpacked(path: Path, place: Path, start: int, most: int) -> int:
    """How many bytes a gzip stream holds, counted no further than just beyond `most`."""
    count = 0
    try:
        with place.open("rb") as stream:
            stream.seek(start)
            with gzip.open(stream) as unpacked:
                while count <= most and (block := unpacked.read(1 << 22)):
                    count += len(block)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableImage(f"{path} is truncated or corrupted ({error})", _AGAIN) from error
    return count


def _meta(path: Path, block: bytes) -> list[str]:
    fields, start = _meta_fields(path, block)
    if "dimsize" not in fields or "elementdatafile" not in fields:
        raise _other(path)
    size = _numbers(path, fields["dimsize"].split(), "DimSize")
    whole = all(math.isfinite(n) and n == int(n) and 1 <= n < 1e9 for n in size)
    if not whole or not 1 <= len(size) <= _MAX_DIMENSIONS or fields.get("ndims", "") != str(len(size)):
        raise UnreadableImage(f"{path} has impossible dimensions ({_short(fields['dimsize'])})", _AGAIN)
    for key, power in _META_NUMBERS.items():
        if key in fields:
            values = _numbers(path, fields[key].split(), key)
            if len(values) != len(size) ** power or not np.isfinite(values).all():
                if key in ("elementspacing", "elementsize") and len(values) == len(size):
                    _require_positive(path, values, "ElementSpacing")
                raise _field(path, key, fields[key])
    _meta_data(path, fields, math.prod(map(int, size)), start)
    notes: list[str] = []
    for key in ("elementspacing", "elementsize"):
        if key in fields:
            _require_positive(path, _numbers(path, fields[key].split(), key), "ElementSpacing")
            break
    else:
        notes.append(ASSUMED)
    if len(size) >= 3 and not {"transformmatrix", "orientation", "rotation"} & set(fields):
        notes.append(NO_SIDES)
    elif len(size) >= 3 and not {"offset", "origin", "position"} & set(fields):
        notes.append(NO_PLACE)
    return notes


def _meta_fields(path: Path, block: bytes) -> tuple[dict[str, str], int]:
    """The fields by name in lower case, and where the data begin."""
    fields: dict[str, str] = {}
    start = 0
    for line in block.splitlines(keepends=True):
        key, equals, value = line.partition(b"=")
        name = key.decode("latin-1").strip().lower()
        if not equals or len(key) > 80:
            break
        if len(line) > _MAX_FIELD or name in fields:
            raise _damaged(path, line.decode("latin-1"))
        start += len(line)
        fields[name] = value.decode("utf-8", "replace").strip()
        if name == "elementdatafile":
            break
    return fields, start


def _meta_data(path: Path, fields: dict[str, str], voxels: int, start: int) -> None:
    """Raises if type, flags or the amount of the data cannot be; a list of files is left to ITK."""
    kind = fields.get("elementtype", "").upper().removeprefix("MET_").removesuffix("_ARRAY")
    if kind not in _META_BYTES:
        raise _field(path, "ElementType", fields.get("elementtype", ""))
    for key in ("binarydata", "binarydatabyteordermsb", "elementbyteordermsb", "compresseddata"):
        if fields.get(key, "False").lower() not in ("true", "false", "0", "1"):
            raise _field(path, key, fields[key])
    for key, low in (("headersize", -1), ("compresseddatasize", 0), ("elementnumberofchannels", 1)):
        if key in fields and (not re.fullmatch(r"-?\d{1,15}", fields[key]) or int(fields[key]) < low):
            raise _field(path, key, fields[key])
    data, place = fields["elementdatafile"], path
    if data.upper().startswith("LIST") or "%" in data or not data:
        if not data:
            raise _field(path, "ElementDataFile", data)
        return
    if data.upper() != "LOCAL":
        words = data.split()
        place, start = _data_file(path, words[0] if os.path.exists(path.parent / words[0]) else data), 0
    packed = fields.get("compresseddata", "False").lower() in ("true", "1")
    binary = fields.get("binarydata", "True").lower() in ("true", "1")
    if not binary or int(fields.get("headersize", 0)):
        return
    expected = voxels * _META_BYTES[kind] * int(fields.get("elementnumberofchannels", 1))
    held = _inflated(path, place, start, expected) if packed else place.stat().st_size - start
    _require_bytes(path, held, expected)


def _inflated(path: Path, place: Path, start: int, most: int) -> int:
    """How many bytes a zlib or gzip stream holds, counted no further than just beyond `most`."""
    unpacker, count = zlib.decompressobj(zlib.MAX_WBITS | 32), 0
    try:
        with place.open("rb") as stream:
            stream.seek(start)
            while count <= most and not unpacker.eof and (block := stream.read(1 << 20)):
                while block and count <= most:
                    count += len(unpacker.decompress(block, 1 << 22))
                    block = unpacker.unconsumed_tail
    except zlib.error as error:
        raise UnreadableImage(f"{path} is truncated or corrupted ({error})", _AGAIN) from error
    if count <= most and not unpacker.eof:
        raise UnreadableImage(f"{path} is truncated: its compressed voxels break off", _AGAIN)
    return count


def _data_file(path: Path, name: str) -> Path:
    """The file with the voxels: beside the header or below it, as anything else may belong to someone else."""
    place = path.parent / name
    if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise UnreadableImage(f"{path} names a data file elsewhere ({_short(name)})", "Copy both files, side by side")
    if not os.path.isfile(place):
        raise FileMissing(
            f"{path} cannot be read: its data file {_short(name)} is missing", "Copy both files, side by side"
        )
    return place


def _numbers(path: Path, words: Sequence[str], field: str) -> list[float]:
    try:
        return [float(w) for w in words]
    except ValueError as error:
        raise _field(path, field, " ".join(words)) from error


def _require_positive(path: Path, lengths: list[float], field: str) -> None:
    if not np.isfinite(lengths).all() or min(lengths, default=1.0) <= 0:
        shown = " × ".join(f"{v:g}" for v in lengths)
        raise ImplausibleImage(f"{path} has an impossible spacing ({shown} mm in {field})", "Correct its header")


def _require_bytes(path: Path, held: int, expected: int) -> None:
    if expected and held != expected:
        much = "fewer" if held < expected else "more"
        raise UnreadableImage(f"{path} is damaged: it holds {much} voxels than its header says", _AGAIN)


def _field(path: Path, key: str, value: str) -> UnreadableImage:
    return UnreadableImage(f"{path} has {_short(value)!r} as {key}", _AGAIN)


def _damaged(path: Path, line: str) -> UnreadableImage:
    return UnreadableImage(f"{path} has a damaged line in its header ({_short(line)!r})", _AGAIN)


def _other(path: Path) -> UnreadableImage:
    return UnreadableImage(f"{path} is truncated, corrupted or not what its name says", _AGAIN)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
