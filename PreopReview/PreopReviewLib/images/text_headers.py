"""What NRRD and MetaImage headers say, looked at before ITK reads the file: it takes 1 mm where there is no spacing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from PreopReviewLib.errors import FileMissing, ImplausibleImage, UnreadableImage

_AGAIN = "Copy or export it again"
_MAX_BYTES = 1 << 20
_NRRD_SUFFIXES, _META_SUFFIXES = (".nrrd", ".nhdr"), (".mha", ".mhd")
ASSUMED = "it does not give its spacing: 1 mm was assumed, so no length, area or volume can be trusted"


def check_text_header(path: Path) -> list[str]:
    """Notes on an NRRD or MetaImage file: none, or that its spacing is not known.

    Raises:
        UnreadableImage: no such header, or impossible dimensions. FileMissing: its data file is missing.
        ImplausibleImage: a spacing that is 0 or no number.
    """
    name = path.name.lower()
    with path.open("rb") as stream:
        block = stream.read(_MAX_BYTES)
    if name.endswith(_NRRD_SUFFIXES):
        return _nrrd(path, block)
    return _meta(path, block) if name.endswith(_META_SUFFIXES) else []


def _nrrd(path: Path, block: bytes) -> list[str]:
    if not block.startswith(b"NRRD"):
        raise UnreadableImage(f"{path} is truncated, corrupted or not what its name says", _AGAIN)
    text = block.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace")
    fields = {}
    for line in text.splitlines()[1:]:
        key, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            fields[key.strip().lower().replace(" ", "")] = value.strip()
    data = fields.get("datafile", "")
    if data and "%" not in data and not data.upper().startswith("LIST"):
        _require_data(path, data)
    directions = fields.get("spacedirections", "")
    if directions:
        vectors = [v for v in directions.replace("none", "").replace("(", " ").split(")") if v.strip()]
        lengths = [
            float(np.linalg.norm(_numbers(path, v.replace(",", " ").split(), "space directions"))) for v in vectors
        ]
        _require_positive(path, lengths, "space directions")
        return []
    if "spacings" not in fields:
        return [ASSUMED]
    words = fields["spacings"].split()[:3]
    if any(w.lower() == "nan" for w in words):
        return [ASSUMED]  # the format's own way to say that a spacing is not known
    _require_positive(path, _numbers(path, words, "spacings"), "spacings")
    return []


def _meta(path: Path, block: bytes) -> list[str]:
    fields: dict[str, str] = {}
    for line in block.splitlines():
        key, equals, value = line.partition(b"=")
        if not equals or len(key) > 80:
            break
        fields[key.decode("latin-1").strip().lower()] = value.decode("utf-8", "replace").strip()
        if key.strip().lower() == b"elementdatafile":
            break
    if "dimsize" not in fields or "elementdatafile" not in fields:
        raise UnreadableImage(f"{path} is truncated, corrupted or not what its name says", _AGAIN)
    size = _numbers(path, fields["dimsize"].split(), "DimSize")
    if not size or min(size) < 1 or any(n != int(n) for n in size) or fields.get("ndims", "") != str(len(size)):
        raise UnreadableImage(f"{path} has impossible dimensions ({fields['dimsize']})", _AGAIN)
    data = fields["elementdatafile"]
    if data.upper() not in ("LOCAL", "LIST") and "%" not in data:
        _require_data(path, data.split()[0] if (path.parent / data.split()[0]).exists() else data)
    for key in ("elementspacing", "elementsize"):
        if key in fields:
            _require_positive(path, _numbers(path, fields[key].split(), key), "ElementSpacing")
            return []
    return [ASSUMED]


def _require_data(path: Path, name: str) -> None:
    if not (path.parent / name).is_file():
        raise FileMissing(f"{path} cannot be read: its data file {name} is missing", "Copy both files, side by side")


def _numbers(path: Path, words: list[str], field: str) -> list[float]:
    try:
        return [float(w) for w in words]
    except ValueError as error:
        raise UnreadableImage(f"{path} has {' '.join(words)!r} as {field}", _AGAIN) from error


def _require_positive(path: Path, lengths: list[float], field: str) -> None:
    if not np.isfinite(lengths).all() or min(lengths, default=1.0) <= 0:
        shown = " × ".join(f"{v:g}" for v in lengths)
        raise ImplausibleImage(f"{path} has an impossible spacing ({shown} mm in {field})", "Correct its header")
