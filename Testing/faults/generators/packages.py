"""Damaged weights, model packages, and archives of them."""

from __future__ import annotations

import json
import os
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np

from ..fence import own_of
from ..material import Material
from ..trial import Ran, Trial
from .damage import cut, flip, insert, pick

INSTALL = ["models", "install", "tiny", "--from", "package", "-q", "--json"]
PREDICT = ["predict", "package", "ct.nii.gz", "-o", "out", "--device", "cpu", "-q"]
WEIGHTS = "package/models/model.safetensors"
_PARTS = {"configs/metadata.json", "models/model.safetensors", "docs/README.md", "LICENSE"}


def weights(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """Safetensors with a damaged header, shape, type, offset, or values that are not numbers; read to predict."""
    material.put("package", folder)
    material.put("ct.nii.gz", folder)
    path = folder / WEIGHTS
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    head, data = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    what = pick(
        rng, ["length", "cut", "header bytes", "shape", "type", "offset", "gone", "more", "nan", "inf", "name", "json"]
    )
    key = pick(rng, [k for k in head if k != "__metadata__"])
    if what == "shape":
        head[key]["shape"] = pick(rng, [[], [0], [-1], [1 << 40], [*head[key]["shape"], 2], "x", [1.5]])
    elif what == "type":
        head[key]["dtype"] = pick(rng, ["F16", "F64", "I8", "X", 3, "BOOL"])
    elif what == "offset":
        head[key]["data_offsets"] = pick(rng, [[0, 0], [-4, 4], [0, 1 << 50], [8, 4], "x", [0]])
    elif what == "gone":
        del head[key]
    elif what == "more":
        head["extra.weight"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
        data += b"\0\0\0\0"
    elif what in ("nan", "inf"):
        bad = np.array([float(what)], "<f4").tobytes()
        start, stop = head[key]["data_offsets"]
        data = data[:start] + bad * ((stop - start) // 4) + data[stop:]
    elif what == "name":
        head[pick(rng, ["", "x" * 5000, "../x", "model\x00"])] = head.pop(key)
    packed = json.dumps(head).encode() if what != "json" else pick(rng, [b"{}", b"[]", b"{", b"null", b"[" * 9999])
    new = struct.pack("<Q", len(packed)) + packed + data
    if what == "length":
        new = struct.pack("<Q", int(pick(rng, [0, 1, 7, 1 << 62, (1 << 64) - 1, len(raw)]))) + raw[8:]
    elif what == "cut":
        new = cut(rng, raw)
    elif what == "header bytes":
        new = pick(rng, [flip, insert])(rng, raw, 0, 8 + size)
    path.write_bytes(new)
    sure = what in ("nan", "inf", "gone", "more", "shape", "length", "cut")
    return Trial(what, PREDICT, (lambda _r, _f: f"weights with {what} were used") if sure else _whole, ("out",))


def _whole(_ran: Ran, folder: Path) -> str:
    return "" if (folder / "out" / "labels.json").is_file() else "nothing was written"


def archive(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """A package as a folder or an archive with links, other names, other files, bombs or damage; to be installed."""
    source = material.put("package", folder)
    outside = folder / "secret.txt"
    outside.write_text("SECRET")
    what = pick(
        rng,
        ["link", "linked folder", "extra", "gone", "empty", "zip", "zip bytes", "zip cut", "bomb", "names", "twice"],
    )
    if what in ("zip", "zip bytes", "zip cut", "bomb", "names", "twice"):
        return _archived(rng, folder, source, what)
    part = pick(rng, sorted(_PARTS))
    path = source / part
    if what == "link":
        path.unlink()
        path.symlink_to(outside)
    elif what == "linked folder":
        (source / "docs" / "more").symlink_to(pick(rng, [str(own_of(folder) / "of-others"), str(folder), "."]))
    elif what == "extra":
        (source / pick(rng, ["x.py", "models/model.pt", "configs/inference.json", ".hidden"])).write_bytes(b"x" * 1000)
    elif what == "gone":
        path.unlink()
    elif what == "empty":
        path.write_bytes(b"")
    return Trial(f"{what} {part}", INSTALL, _only_its_parts)


def _archived(rng: np.random.Generator, folder: Path, source: Path, what: str) -> Trial:
    target = folder / "package.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(_PARTS):
            archive.write(source / part, f"package/{part}")
        if what == "bomb":
            with archive.open("package/models/bomb", "w") as file:
                for _ in range(int(pick(rng, [8, 64]))):
                    file.write(b"\0" * (1 << 20))
        elif what == "names":
            for name in ("../../escaped", f"{own_of(folder)}/escaped", "package/../x", "package\\..\\y", "C:/z"):
                archive.writestr(name, "x")
        elif what == "twice":
            with warnings.catch_warnings(action="ignore"):
                archive.writestr("package/LICENSE", "another")
        link = zipfile.ZipInfo("package/docs/link")
        link.external_attr = (0o120777 << 16) if rng.random() < 0.3 else 0
        archive.writestr(link, str(folder / "secret.txt"))
    raw = target.read_bytes()
    if what == "zip bytes":
        target.write_bytes(pick(rng, [flip, insert])(rng, raw))
    elif what == "zip cut":
        target.write_bytes(cut(rng, raw))
    arguments = [a if a != "package" else "package.zip" for a in INSTALL]
    return Trial(what, arguments, _only_its_parts)


def _only_its_parts(_ran: Ran, folder: Path) -> str:
    kept = folder / ".home" / "models" / "tiny"
    there = {os.path.relpath(p, kept) for p in kept.rglob("*") if not p.is_dir() or p.is_symlink()}
    more = sorted(n for n in there - _PARTS if not os.path.basename(n).startswith("."))
    if more:
        return f"installed beside the parts of a package: {', '.join(more[:3])}"
    if any("SECRET" in p.read_text(errors="replace") for p in kept.rglob("*") if p.is_file() and p.stat().st_size < 99):
        return "a file that a link pointed to was installed"
    missing = _PARTS - there
    return f"installed without {', '.join(sorted(missing))}" if missing else ""
