"""The numbers of a legacy VTK file, counted before VTK reads them: its reader goes on with what it has when some lack.

Format: "VTK File Formats", https://docs.vtk.org/en/latest/vtk_file_formats/vtk_legacy_file_format.html
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from PreopReviewLib.errors import UnreadableImage

_TYPES = {
    "unsigned_char": "u1",
    "char": "i1",
    "unsigned_short": "u2",
    "short": "i2",
    "unsigned_int": "u4",
    "int": "i4",
    "float": "f4",
    "double": "f8",
    "long": "i8",
    "unsigned_long": "u8",
    "vtktypeint32": "i4",
    "vtktypeint64": "i8",
    "vtkidtype": "i8",
}
_LEAST = {b"VERTICES": 1, b"LINES": 2, b"POLYGONS": 3, b"TRIANGLE_STRIPS": 3}
"""Points that a cell of each kind has."""
_SECTION = re.compile(rb"^[ \t]*(POINTS|VERTICES|LINES|POLYGONS|TRIANGLE_STRIPS)[ \t]+(\S+)[ \t]+(\S+)[^\n]*\n", re.M)
_ARRAY = re.compile(rb"\s*(OFFSETS|CONNECTIVITY)[ \t]+(\S+)[^\n]*\n")


def check_legacy_vtk(path: Path) -> None:
    """Raises UnreadableImage where points or cells lack numbers, or a cell refers to a point that does not exist."""
    file = _Legacy(path)
    points = None
    at = 0
    while section := _SECTION.search(file.raw, at):
        key, first, second = section.groups()
        if key == b"POINTS":
            points = file.whole(first)
            values, at = file.numbers(section.end(), 3 * points, second.decode("latin-1"), "points")
            if not np.isfinite(values).all():
                raise file.damaged("a coordinate is not a finite number")
        else:
            count, size = file.whole(first), file.whole(second)
            lengths, used, at = file.cells(section.end(), count, size)
            if len(lengths) and lengths.min() < _LEAST[key]:
                raise file.damaged(f"one of its {key.decode().lower()} has {lengths.min()} points")
            if len(used) and (points is None or used.min() < 0 or used.max() >= points):
                raise file.damaged("a face refers to a point that does not exist")


class _Legacy:
    """The bytes of a file, and how numbers stand in them."""

    def __init__(self, path: Path) -> None:
        self.path, self.raw = path, path.read_bytes()
        head = self.raw[:600].split(b"\n", 3)
        self.binary = len(head) > 2 and head[2].strip().upper() == b"BINARY"

    def damaged(self, problem: str) -> UnreadableImage:
        return UnreadableImage(f"{self.path} is damaged: {problem}", "Export it again")

    def whole(self, word: bytes) -> int:
        """A count in a header, which must fit into the file."""
        if not word.isdigit() or int(word) > len(self.raw):
            raise self.damaged(f"it declares {word[:20].decode('latin-1')} values, which do not fit into the file")
        return int(word)

    def numbers(self, at: int, count: int, kind: str, what: str) -> tuple[np.ndarray, int]:
        """So many numbers from a place on, and the place behind them."""
        form = _TYPES.get(kind.lower())
        if form is None:
            raise self.damaged(f"its {what} are of the unknown type {kind[:20]!r}")
        if self.binary:
            stop = at + count * np.dtype(form).itemsize
            if stop > len(self.raw):
                raise self.damaged(f"it has fewer {what} than it declares")
            return np.frombuffer(self.raw, np.dtype(form).newbyteorder(">"), count, at), stop
        words = self.raw[at:].split(None, count)
        left = len(words[count]) if len(words) > count else 0
        try:
            values = np.array([float(w) for w in words[:count]])
        except ValueError:
            values = np.zeros(0)
        if len(values) < count:
            raise self.damaged(f"it has fewer {what} than it declares")
        stop = len(self.raw) - left
        if left and re.match(rb"[-+.\d]", self.raw[stop:]):
            raise self.damaged(f"it has more {what} than it declares")
        return (values if form[0] == "f" else values.astype(np.int64)), stop

    def cells(self, at: int, count: int, size: int) -> tuple[np.ndarray, np.ndarray, int]:
        """How many points each cell has, the points of all, and the place behind them."""
        if header := _ARRAY.match(self.raw, at):  # version 5: one offset more than cells
            offsets, at = self.numbers(header.end(), count, header[2].decode("latin-1"), "offsets of faces")
            header = _ARRAY.match(self.raw, at)
            if header is None or len(offsets) == 0:
                raise self.damaged("its faces name no points")
            used, at = self.numbers(header.end(), size, header[2].decode("latin-1"), "points of faces")
            if offsets[0] != 0 or offsets[-1] != size or (np.diff(offsets) < 0).any():
                raise self.damaged("its faces do not have the points that it names")
            return np.diff(offsets), used, at
        values, at = self.numbers(at, size, "int", "points of faces")
        lengths, place = [], 0
        for _ in range(count):
            if place >= size or values[place] < 0:
                raise self.damaged("its faces do not have the points that it names")
            lengths.append(int(values[place]))
            place += 1 + lengths[-1]
        if place != size:
            raise self.damaged("its faces do not have the points that it names")
        starts = np.cumsum([0, *(n + 1 for n in lengths[:-1])]) if lengths else np.zeros(0, int)
        return np.array(lengths, int), np.delete(values, starts.astype(int)), at
