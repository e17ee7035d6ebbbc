"""Damaged surface files: PLY, STL, OBJ and VTK, read by the command that measures a remnant."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..material import Material
from ..trial import Trial
from .damage import cut, flip, insert, pick, same_or_noted

_WORDS = ["nan", "inf", "-1", "1e400", "x", "999999999", "", "0", "4294967295", "3.5", "1/2/3", "\xff"]


def volumetry(name: str) -> list[str]:
    """The command on a surface."""
    return ["liver", "volumetry", "labels.nii.gz", "--surface", name, "--surface-space", "LPS", "--json"]


def surface(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """A surface of four formats with damaged numbers, counts, lines or bytes."""
    material.put("labels.nii.gz", folder)
    name = pick(rng, ["box.ply", "box.stl", "binary.stl", "box.obj", "box.vtk", "binary.vtk"])
    raw = (material.folder / name).read_bytes()
    what = pick(rng, ["word", "word", "line gone", "line twice", "cut", "bytes", "inserted", "count", "swapped name"])
    text = not name.startswith("binary")
    if what in ("word", "line gone", "line twice") and text:
        lines = raw.decode().split("\n")
        at = int(rng.integers(len(lines) - 1))
        if what == "word":
            words = lines[at].split(" ")
            words[int(rng.integers(len(words)))] = pick(rng, _WORDS)
            lines[at] = " ".join(words)
            what += f" {lines[at][:60]}"
        elif what == "line gone":
            del lines[at]
        else:
            lines.insert(at, lines[at])
        raw = "\n".join(lines).encode("latin-1", "replace")
    elif what == "count" and name == "binary.vtk":
        old = pick(rng, [b"POINTS 8", b"POLYGONS 12", b"12 48"])
        raw = raw.replace(old, old[:-1] + pick(rng, [b"0", b"7", b"9", b"-8", b"99999999"]))
    elif what == "count" and not text:
        raw = raw[:80] + int(pick(rng, [0, 13, 2**31 - 1, 2**32 - 1])).to_bytes(4, "little") + raw[84:]
    elif what == "swapped name":
        name = pick(rng, ["box.ply", "box.stl", "box.obj", "box.vtk"])
    else:
        raw = pick(rng, [cut, flip, insert])(rng, raw)
        what = what if text else f"bytes: {what}"
    (folder / name).write_bytes(raw)
    reference = material.results["surface"]

    def check(ran, place):
        if what.split()[0] not in ("word", "line", "count"):
            return ""  # other bytes can be another surface
        return "" if _is_other_number(what) else same_or_noted(reference)(ran, place)

    return Trial(f"{name}: {what}", volumetry(name), check)


def _is_other_number(what: str) -> bool:
    """Whether the damage has made another sound surface: a vertex elsewhere, or a triangle more or less."""
    return any(f" {w}" in what for w in ("-1", "0", "3.5")) or what.startswith("line")
