"""Damaged headers of images.

A result that differs from the undamaged image's must agree with a second reader (nibabel, pynrrd, pydicom, or the
few lines of `_meta_facts`): then the damage has made another sound image.
"""

from __future__ import annotations

import gzip
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..fence import STRANGER, placed
from ..material import Material
from ..trial import Trial
from .damage import cut, flip, insert, pick, same_or_noted

INFO = ["image", "info", "--json"]
_NASTY = [0.0, -1.0, -3.0, float("nan"), float("inf"), -float("inf"), 1e30, 1e-30, 1e-3, 32767.0, 255.0]
_FIELDS = {  # of NIfTI-1: offset and form of the values
    "sizeof_hdr": (0, "<i"),
    "dim_info": (39, "<B"),
    **{f"dim[{n}]": (40 + 2 * n, "<h") for n in range(8)},
    "datatype": (70, "<h"),
    "bitpix": (72, "<h"),
    **{f"pixdim[{n}]": (76 + 4 * n, "<f") for n in range(5)},
    "vox_offset": (108, "<f"),
    "scl_slope": (112, "<f"),
    "scl_inter": (116, "<f"),
    "xyzt_units": (123, "<B"),
    "cal_max": (124, "<f"),
    "qform_code": (252, "<h"),
    "sform_code": (254, "<h"),
    **{f"quatern[{n}]": (256 + 4 * n, "<f") for n in range(3)},
    **{f"qoffset[{n}]": (268 + 4 * n, "<f") for n in range(3)},
    **{f"srow[{n}]": (280 + 4 * n, "<f") for n in range(12)},
    "magic": (344, "<i"),
}


def nifti(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """A NIfTI file with damaged fields, bytes, length or packing."""
    raw = (material.folder / "ct.nii").read_bytes()
    what = pick(rng, ["field", "field", "field", "two fields", "bytes", "cut", "inserted", "packing", "extension"])
    name = pick(rng, ["x.nii", "x.nii.gz"])
    if what in ("field", "two fields"):
        chosen = [pick(rng, _FIELDS) for _ in range(1 + (what == "two fields"))]
        for key in chosen:
            raw, value = _set_field(rng, raw, key)
            what += f" {key}={value}"
    elif what == "bytes":
        raw = flip(rng, raw, 0, 348)
    elif what == "cut":
        raw = cut(rng, raw)
    elif what == "inserted":
        raw = insert(rng, raw, 0, 352)
    elif what == "extension":
        raw = raw[:348] + b"\1\0\0\0" + struct.pack("<ii", int(pick(rng, [16, 8, 0, -16, 1 << 30])), 4) + raw[352:]
    packed = gzip.compress(raw, 1, mtime=0) if name.endswith("gz") else raw
    if what == "packing" and name.endswith("gz"):
        packed = pick(rng, [cut, flip, insert])(rng, packed)
    (folder / name).write_bytes(packed)
    return Trial(what, [*INFO, name], same_or_noted(material.results["info"], _second(_nibabel_facts, name)))


def _set_field(rng: np.random.Generator, raw: bytes, key: str) -> tuple[bytes, Any]:
    at, form = _FIELDS[key]
    if form == "<f":
        value: Any = float(pick(rng, _NASTY))
    else:
        most = {"<h": 32767, "<B": 255, "<i": 2**31 - 1}[form]
        low = 0 if form == "<B" else -most
        value = int(pick(rng, [0, 1, 2, 3, 4, 8, 16, 255, low, most, int(rng.integers(low, most))]))
        value = max(low, min(most, value))
    held = bytearray(raw)
    struct.pack_into(form, held, at, value)
    return bytes(held), value


def nrrd(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """An NRRD file, alone or with its data beside it, with damaged fields."""
    detached = rng.random() < 0.3
    name = "x.nhdr" if detached else "x.nrrd"
    raw = (material.folder / ("ct.nhdr" if detached else "ct.nrrd")).read_bytes()
    head, gap, data = raw.partition(b"\n\n")
    if detached:
        _put_data(material, folder, head)
    head, what = _damaged_lines(rng, head.decode("latin-1"), ": ", 1, folder)
    whole = head.encode("latin-1", "replace") + gap + data
    if what == "bytes":
        whole = pick(rng, [cut, flip, insert])(rng, whole)
    (folder / name).write_bytes(whole)
    return Trial(what, [*INFO, name], same_or_noted(material.results["info"], _second(_nrrd_facts, name)))


def metaimage(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """A MetaImage file, alone or with its data beside it, with damaged fields."""
    detached = rng.random() < 0.3
    name = "x.mhd" if detached else "x.mha"
    raw = (material.folder / f"ct{name[1:]}").read_bytes()
    mark = b"ElementDataFile = "
    at = raw.index(b"\n", raw.index(mark)) + 1
    head, data = raw[:at], raw[at:]
    if detached:
        _put_data(material, folder, head)
    text, what = _damaged_lines(rng, head.decode("latin-1").rstrip("\n"), " = ", 0, folder)
    whole = text.encode("latin-1", "replace") + b"\n" + data
    if what == "bytes":
        whole = pick(rng, [cut, flip, insert])(rng, whole)
    (folder / name).write_bytes(whole)
    return Trial(what, [*INFO, name], same_or_noted(material.results["info"], _second(_meta_facts, name)))


def _put_data(material: Material, folder: Path, head: bytes) -> None:
    data = next(w for w in head.decode().split() if w.startswith("ct.") and w != "ct.")
    material.put(data, folder)


_WORDS = [
    "0",
    "-1",
    "nan",
    "inf",
    "1e400",
    "1e-40",
    "",
    "x",
    "3 3",
    "99999999999",
    "1 2 3 4 5 6 7 8 9",
    "\xff\xfe",
    "(1,0)",
]
_WORDS += [
    f"../..{STRANGER}",
    STRANGER,
    "LIST",
    "x%03d.raw 1 9 1",
    "a" * 5000,
    "none",
    "raw",
    "gzip",
    "True",
    "double",
]


def _damaged_lines(rng: np.random.Generator, head: str, between: str, first: int, folder: Path) -> tuple[str, str]:
    lines = head.split("\n")
    at = int(rng.integers(first, len(lines)))
    key, _, value = lines[at].partition(between)
    what = pick(rng, ["value", "value", "value", "word", "removed", "twice", "order", "bytes", "key"])
    if what == "value":
        lines[at] = f"{key}{between}{placed(pick(rng, _WORDS), folder)}"
    elif what == "word":
        words = value.split(" ")
        words[int(rng.integers(len(words)))] = placed(pick(rng, _WORDS), folder)
        lines[at] = f"{key}{between}{' '.join(words)}"
    elif what == "removed":
        del lines[at]
    elif what == "twice":
        lines.insert(at, f"{key}{between}{placed(pick(rng, _WORDS), folder)}")
    elif what == "order":
        lines[first:] = [lines[first:][i] for i in rng.permutation(len(lines) - first)]
    elif what == "key":
        lines[at] = f"{key[:-1]}{between}{value}"
    return "\n".join(lines), what if what in ("order", "bytes") else f"{what} {lines[min(at, len(lines) - 1)][:60]}"


_DAMAGE = ["missing", "empty", "zero", "text", "nan", "infinite", "negative", "huge", "short", "long"]
_GEOMETRY = ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
_TAGS = [*_GEOMETRY, *_GEOMETRY, "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"]
_TAGS += ["RescaleSlope", "RescaleIntercept", "SliceThickness", "SpacingBetweenSlices", "SamplesPerPixel", "PixelData"]
_TAGS += [
    "PhotometricInterpretation",
    "Modality",
    "SeriesInstanceUID",
    "InstanceNumber",
    "AcquisitionTime",
    "PatientName",
]
_TAGS += ["SOPInstanceUID", "SOPClassUID", "SeriesDescription", "FrameOfReferenceUID", "NumberOfFrames"]
_FORMS = {"Rows": "US", "Columns": "US", "BitsAllocated": "US", "BitsStored": "US", "HighBit": "US"}
_FORMS |= {"PixelRepresentation": "US", "SamplesPerPixel": "US"}


def dicom(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """A DICOM series with a damaged field or damaged bytes on one slice or on all."""
    place = material.put("dicom", folder)
    files = sorted(place.iterdir())
    chosen = files if rng.random() < 0.4 else [files[int(rng.integers(len(files)))]]
    kind = pick(rng, ["field", "field", "field", "field", "bytes", "cut", "inserted", "file"])
    if kind == "field":
        tag, damage = pick(rng, _TAGS), pick(rng, _DAMAGE)
        what = f"{damage} {tag} on {len(chosen)}"
        for path in chosen:
            path.write_bytes(_with_damage(path, tag, damage))
    elif kind == "file":
        what = pick(rng, ["twice", "gone", "text beside", "empty beside"])
        if what == "twice":
            (place / "again.dcm").write_bytes(chosen[0].read_bytes())
        elif what == "gone":
            files[int(rng.integers(1, len(files) - 1))].unlink()
        else:
            (place / "notes.dcm").write_bytes(b"notes of a nurse" if what == "text beside" else b"")
    else:
        what = f"{kind} on {len(chosen)}"
        state = rng.integers(2**32)
        for path in chosen:
            damage = {"bytes": flip, "cut": lambda r, b: cut(r, b), "inserted": insert}[kind]
            raw = path.read_bytes()
            head = len(raw) - 16 * 18 * 2
            again = np.random.default_rng(state)
            path.write_bytes(damage(again, raw) if kind == "cut" else damage(again, raw, 0, head))
    return Trial(what, [*INFO, "dicom"], same_or_noted(material.results["dicom"], _second(_dicom_facts, "dicom")))


def _with_damage(path: Path, tag: str, damage: str) -> bytes:
    """The file with one element rewritten byte by byte: pydicom would refuse to write most of this."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    number = tag_for_keyword(tag)
    form = dictionary_VR(number) if tag != "PixelData" else "OW"
    raw = path.read_bytes()
    where = struct.pack("<HH", number >> 16, number & 0xFFFF)
    start = raw.find(where + form.encode(), 132)
    if start < 0:
        return raw
    long = form == "OW"
    size = struct.unpack_from("<I" if long else "<H", raw, start + (8 if long else 6))[0]
    head = 12 if long else 8
    value = raw[start + head : start + head + size]
    if damage == "missing":
        return raw[:start] + raw[start + head + size :]
    new = _damaged_value(value, form, damage)
    new += b" " * (len(new) % 2) if form not in ("US", "OW") else b"\0" * (len(new) % 2)
    length = struct.pack("<I" if long else "<H", len(new))
    return raw[: start + (8 if long else 6)] + length + new + raw[start + head + size :]


def _damaged_value(value: bytes, form: str, damage: str) -> bytes:
    if damage == "empty":
        return b""
    if damage == "short":
        return value[: len(value) // 2]
    if damage == "long":
        return value + (b"\\1" if form in ("DS", "IS") else value)
    if form == "US":
        numbers = {"zero": 0, "huge": 65535, "negative": 65533, "nan": 1, "infinite": 3, "text": 0x4141}
        return struct.pack("<H", numbers[damage])
    if form == "OW":
        return {"zero": b"\0" * len(value)}.get(damage, value[:-2])
    words = {"zero": b"0", "text": b"abc", "nan": b"nan", "infinite": b"inf", "negative": b"-3", "huge": b"1e300"}
    return b"\\".join([words[damage]] * (value.count(b"\\") + 1))


# ---- second readers ----


def _second(facts: Callable[[Path], dict[str, Any]], name: str) -> Callable[[Any, Path], str]:
    def opinion(data: Any, folder: Path) -> str:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = facts(folder / name)
        except Exception as error:
            return (
                f"other numbers, without a note; the second reader refuses ({type(error).__name__}: {str(error)[:80]})"
            )
        for key, value in expected.items():
            if not np.allclose(np.array(data[key], float), np.array(value, float), rtol=1e-4, atol=1e-4):
                return f"{key} is {data[key]}; the second reader has {value}"
        return ""

    return opinion


def _nibabel_facts(path: Path) -> dict[str, Any]:
    import nibabel

    image = nibabel.Nifti1Image.from_filename(path) if path.suffix != ".gz" else nibabel.load(path)
    unit = {"meter": 1000.0, "micron": 0.001}.get(image.header.get_xyzt_units()[0], 1.0)
    array = np.asanyarray(image.dataobj).astype(float)
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0) * unit
    return {"size": array.shape[:3], "spacing_mm": spacing, "minimum": array.min(), "maximum": array.max()}


def _nrrd_facts(path: Path) -> dict[str, Any]:
    import nrrd as reader

    array, header = reader.read(str(path))
    if "space directions" in header:
        spacing = np.linalg.norm(np.array(header["space directions"], float), axis=1)
    else:
        spacing = header["spacings"]
    return {"size": array.shape, "spacing_mm": spacing, "minimum": array.min(), "maximum": array.max()}


def _meta_facts(path: Path) -> dict[str, Any]:
    """Without a data file of another name than the one that was written, and without the data of other types."""
    raw = path.read_bytes()
    fields = {}
    for line in raw.split(b"\n"):
        key, equals, value = line.partition(b"=")
        if not equals:
            break
        fields[key.strip().decode("latin-1")] = value.strip().decode("latin-1")
        if key.strip() == b"ElementDataFile":
            break
    return {
        "size": [int(v) for v in fields["DimSize"].split()],
        "spacing_mm": [float(v) for v in fields["ElementSpacing"].split()],
    }


def _dicom_facts(path: Path) -> dict[str, Any]:
    import pydicom

    slices = [pydicom.dcmread(p) for p in sorted(path.glob("*.dcm"))]
    arrays = [s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices]
    places = sorted(float(s.ImagePositionPatient[2]) for s in slices)
    steps = np.diff(places)
    if not np.allclose(steps, steps[0], atol=0.01):
        raise ValueError(f"slices at {places}")
    spacings = {tuple(map(float, s.PixelSpacing)) for s in slices}
    if len(spacings) > 1:
        raise ValueError(f"spacings {spacings}")
    row, column = spacings.pop()
    return {
        "size": [*arrays[0].shape[::-1], len(slices)],
        "spacing_mm": [column, row, steps[0]],
        "minimum": min(a.min() for a in arrays),
        "maximum": max(a.max() for a in arrays),
    }
