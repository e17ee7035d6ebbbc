"""Surfaces as people have them: model files of 3D Slicer and others, as points in RAS and triangles."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from LiverPlannerLib.resection.closed_surface import triangles_of
from LiverPlannerLib.resection.surface_headers import check_counts
from PreopReviewLib.errors import FileMissing, InputError, UnreadableImage

Space = Literal["auto", "LPS", "RAS"]
_READERS = {
    ".vtk": ("vtkmodules.vtkIOLegacy", "vtkPolyDataReader"),
    ".vtp": ("vtkmodules.vtkIOXML", "vtkXMLPolyDataReader"),
    ".stl": ("vtkmodules.vtkIOGeometry", "vtkSTLReader"),
    ".obj": ("vtkmodules.vtkIOGeometry", "vtkOBJReader"),
    ".ply": ("vtkmodules.vtkIOPLY", "vtkPLYReader"),
}


def read_surface(path: str | Path, space: Space = "auto") -> tuple[np.ndarray, np.ndarray]:
    """A closed surface from a file.

    Args:
        path: .vtk, .vtp, .stl, .obj or .ply.
        space: what the coordinates mean; auto looks for the remark that 3D Slicer leaves in the file
            (``SPACE=LPS`` or ``SPACE=RAS``) and takes LPS without one, as Slicer does.

    Returns:
        Points (N, 3) in RAS mm and triangles (M, 3).

    Raises:
        FileMissing, UnreadableImage: there is no such file, or it is no surface.
        InputError: another kind of file, VTK not installed, or a surface that is not closed.
    """
    from importlib import import_module

    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file {path}", "Check the path")
    if path.suffix.lower() not in _READERS:
        raise InputError(f"{path} is no surface file", f"Give {', '.join(_READERS)}")
    check_counts(path)
    module, name = _READERS[path.suffix.lower()]
    try:
        reader = getattr(import_module(module), name)()
    except ImportError as error:
        raise InputError("Surface files are read with VTK, which is not installed", "pip install vtk") from error
    reader.SetFileName(str(path))
    reader.Update()
    surface = reader.GetOutput()
    if surface is None or surface.GetNumberOfCells() == 0:
        raise UnreadableImage(f"{path} holds no surface", "Export it again")
    points, triangles = triangles_of(surface)
    if (_remark(path) if space == "auto" else space) == "LPS":
        points = points * (-1.0, -1.0, 1.0)
    return points, triangles


def _remark(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    return "RAS" if b"SPACE=RAS" in head else "LPS"
