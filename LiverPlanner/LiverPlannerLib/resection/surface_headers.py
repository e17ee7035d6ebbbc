"""A look at the counts in surface files before VTK reads them: its readers take what a header says for granted."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from LiverPlannerLib.resection.legacy_vtk import check_legacy_vtk
from PreopReviewLib.errors import UnreadableImage

_PLY_BYTES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "int32", "uint32", "float", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}
_COUNTS = {
    ".vtk": re.compile(rb"^(?:POINTS|POLYGONS|VERTICES|LINES|TRIANGLE_STRIPS|METADATA)\s+(-?\d+)(?:\s+(-?\d+))?", re.M),
    ".vtp": re.compile(rb"NumberOf(?:Points|Polys|Verts|Lines|Strips)\s*=\s*\"\s*(-?\d+)"),
}


def check_counts(path: Path) -> None:
    """Raises UnreadableImage if a file names more points or faces than it has room for, or none that can be read."""
    suffix, size = path.suffix.lower(), path.stat().st_size
    if suffix == ".ply":
        _check_ply(path)
    elif suffix == ".stl":
        _check_stl(path, size)
    elif suffix in _COUNTS:
        packed = suffix == ".vtp"  # compressed: a byte may stand for many points
        for declared in _COUNTS[suffix].finditer(path.read_bytes()):
            counts = [int(g) for g in declared.groups() if g is not None]
            if any(not 0 <= c <= size * (1000 if packed else 1) for c in counts):
                raise _damaged(path, f"it declares {max(counts, key=abs)} values, more than fit into {size} bytes")
    if suffix == ".vtk":
        check_legacy_vtk(path)


def _damaged(path: Path, problem: str) -> UnreadableImage:
    return UnreadableImage(f"{path} is damaged: {problem}", "Export it again")


def _check_stl(path: Path, size: int) -> None:
    with path.open("rb") as file:
        head = file.read(84)
    if head[:5].lower() == b"solid" or len(head) < 84:
        return  # text, which says no counts
    count = struct.unpack("<I", head[80:84])[0]
    if 84 + 50 * count > size:
        raise _damaged(path, f"it declares {count} triangles, more than fit into {size} bytes")


def _check_ply(path: Path) -> None:
    raw = path.read_bytes()
    end = re.search(rb"end_header\r?\n", raw[: 1 << 16])
    if not raw.startswith(b"ply") or end is None:
        raise _damaged(path, "it does not have a PLY header")
    lines = [line.split() for line in raw[: end.start()].decode("latin-1").splitlines()]
    form = next((w[1] for w in lines if w[:1] == ["format"] and len(w) == 3), "")
    if form not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise _damaged(path, "its header does not name a known format")
    elements: list[tuple[str, int, list[list[str]]]] = []
    for words in lines:
        if words[:1] == ["element"]:
            if len(words) != 3 or not words[2].isdigit():
                raise _damaged(path, f"its header says {' '.join(words)[:60]!r}")
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            if not elements or not all(w in _PLY_BYTES for w in _types(words)):
                raise _damaged(path, f"its header says {' '.join(words)[:60]!r}")
            elements[-1][2].append(words)
        elif words and words[0] not in ("ply", "format", "comment", "obj_info"):
            raise _damaged(path, f"its header says {' '.join(words)[:60]!r}")
    if "vertex" not in {e[0] for e in elements} or "face" not in {e[0] for e in elements}:
        raise _damaged(path, "it declares no points or no faces")
    _check_ply_names(path, elements)
    body = raw[end.end() :]
    if form == "ascii":
        _check_ply_text(path, elements, body)
    else:
        _check_ply_binary(path, elements, body, "<" if form.startswith("binary_l") else ">")


def _check_ply_names(path: Path, elements: list[tuple[str, int, list[list[str]]]]) -> None:
    """Raises unless points have coordinates and faces have points, by the names that readers look for."""
    for name, _, properties in elements:
        names = [w[-1] for w in properties]
        lists = {w[-1] for w in properties if w[1] == "list"}
        if name == "vertex" and (not {"x", "y", "z"} <= set(names) or lists):
            raise _damaged(path, "its points lack x, y or z")
        if name == "face" and not lists & {"vertex_indices", "vertex_index"}:
            raise _damaged(path, "its faces name no points")
        if len(set(names)) < len(names):
            raise _damaged(path, f"a property of {name} is there twice")


def _types(words: list[str]) -> list[str]:
    if words[1:2] == ["list"]:
        return words[2:4] if len(words) == 5 else [""]
    return words[1:2] if len(words) == 3 else [""]


def _check_ply_text(path: Path, elements: list[tuple[str, int, list[list[str]]]], body: bytes) -> None:
    rows = [row for row in body.splitlines() if row.strip()]
    if sum(count for _, count, _ in elements) > len(rows):
        raise _damaged(path, f"it names more points and faces than its {len(rows)} lines")
    at = points = 0
    for name, count, properties in elements:
        points = count if name == "vertex" else points
        for row in rows[at : at + count]:
            _check_ply_row(path, row.split(), properties, points if name == "face" else None)
        at += count


def _check_ply_row(path: Path, cells: list[bytes], properties: list[list[str]], points: int | None) -> None:
    at = 0
    try:
        for words in properties:
            length = 1
            if words[1] == "list":
                length, at = int(cells[at]), at + 1
            values = [float(c) for c in cells[at : at + length]]
            if length < 0 or len(values) != length:
                raise ValueError
            if points is not None and words[1] == "list" and any(not 0 <= v < points for v in values):
                raise _damaged(path, "a face refers to a point that does not exist")
            at += length
    except (ValueError, IndexError):
        raise _damaged(path, f"a line does not match its header: {b' '.join(cells)[:60]!r}") from None


def _check_ply_binary(path: Path, elements: list[tuple[str, int, list[list[str]]]], body: bytes, order: str) -> None:
    codes = {1: "b", 2: "h", 4: "i", 8: "d"}
    at = 0
    for _, count, properties in elements:
        fixed = sum(_PLY_BYTES[w[1]] for w in properties if w[1] != "list")
        if not any(w[1] == "list" for w in properties):
            at += fixed * count
        else:
            if count > len(body):
                raise _damaged(path, f"it declares {count} faces, more than fit into the file")
            for _ in range(count):
                for words in properties:
                    if words[1] != "list":
                        at += _PLY_BYTES[words[1]]
                        continue
                    width = _PLY_BYTES[words[2]]
                    if at + width > len(body):
                        raise _damaged(path, "it is cut short")
                    code = codes[width].upper() if words[2].startswith("u") else codes[width]
                    length = struct.unpack_from(order + code, body, at)[0]
                    if length < 0:
                        raise _damaged(path, f"a face has {length} points")
                    at += width + int(length) * _PLY_BYTES[words[3]]
        if at > len(body):
            raise _damaged(path, "it names more points and faces than fit into the file")
