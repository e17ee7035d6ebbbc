"""Curves, lines and planes that were drawn in 3D Slicer, from its markups files (.mrk.json, .json, .fcsv)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from PreopReviewLib.errors import InputError, UnreadableImage
from PreopReviewLib.structured import read_json
from PreopReviewLib.tables import read_lines

_HELP = "Save the curve in 3D Slicer as a markups file (.mrk.json)"


def read_curve(path: str | Path) -> np.ndarray:
    """The control points of the first markup of a file, (N, 3) RAS mm.

    Raises:
        FileMissing: there is no such file.
        UnreadableImage: it is damaged.
        InputError: it holds no markup, fewer than three points, an unknown coordinate system or unit.
    """
    path = Path(path)
    if path.name.lower().endswith(".fcsv"):
        return _enough(_from_fcsv(path), path)
    data = read_json(path, UnreadableImage, _HELP)
    markups = data.get("markups") if isinstance(data, dict) else None
    if not isinstance(markups, list) or not markups or not isinstance(markups[0], dict):
        raise InputError(f"{path} holds no markup", _HELP)
    markup = markups[0]
    system = str(markup.get("coordinateSystem", "LPS")).upper()
    unit = str(markup.get("coordinateUnits", "mm"))
    if system not in ("LPS", "RAS") or unit != "mm":
        raise InputError(f"{path} has coordinates in {system}, {unit}", "Save it in LPS or RAS and mm")
    points = []
    for point in markup.get("controlPoints") or []:
        place = point.get("position") if isinstance(point, dict) else None
        if place is None or point.get("positionStatus", "defined") != "defined":
            continue
        points.append(place)
    return _enough(_numbers(points, path) * ((-1, -1, 1) if system == "LPS" else (1, 1, 1)), path)


def _numbers(points: list, path: Path) -> np.ndarray:
    try:
        points_read = np.array(points, float).reshape(-1, 3)
    except (TypeError, ValueError) as problem:
        raise UnreadableImage(f"{path} has a point that is not three numbers", _HELP) from problem
    if not np.isfinite(points_read).all():
        raise UnreadableImage(f"{path} has a point that is not three numbers", _HELP)
    return points_read


def _enough(points: np.ndarray, path: Path) -> np.ndarray:
    if len(points) < 3:
        raise InputError(
            f"{path} has {len(points)} placed point(s), and a cut needs at least three", "Draw more of them"
        )
    return points


def _from_fcsv(path: Path) -> np.ndarray:
    """Slicer's older table: a comment names the coordinate system, columns 2 to 4 the place."""
    head = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    signs = (-1, -1, 1) if "CoordinateSystem = LPS" in head or "CoordinateSystem = 1" in head else (1, 1, 1)
    rows = [cells[1:4] for _line, cells in read_lines(path) if cells and not cells[0].startswith("#")]
    return _numbers(rows, path) * signs
