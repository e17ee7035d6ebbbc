"""Surfaces as people have them: model files of 3D Slicer and others, as points in RAS and triangles."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.resection.closed_surface import triangles_of
from LiverPlannerLib.resection.cutting import Resection, resect_by_surface
from LiverPlannerLib.resection.surface_headers import check_counts
from PreopReviewLib.errors import FileMissing, ImplausibleImage, InputError, UnreadableImage

Space = Literal["auto", "LPS", "RAS"]
Unit = Literal["auto", "mm", "cm", "m"]
MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_READERS = {
    ".vtk": ("vtkmodules.vtkIOLegacy", "vtkPolyDataReader"),
    ".vtp": ("vtkmodules.vtkIOXML", "vtkXMLPolyDataReader"),
    ".stl": ("vtkmodules.vtkIOGeometry", "vtkSTLReader"),
    ".obj": ("vtkmodules.vtkIOGeometry", "vtkOBJReader"),
    ".ply": ("vtkmodules.vtkIOPLY", "vtkPLYReader"),
}

FARTHEST_MM = 100_000.0
"""No part of a patient lies 100 m from the origin of a scanner."""


@dataclass(frozen=True)
class Reading:
    """What the numbers of a surface file are taken for.

    Attributes:
        space, unit: of the coordinates.
        stated: whether the file or the caller says so; else it is what 3D Slicer would take it for.
    """

    space: Literal["LPS", "RAS"]
    unit: Literal["mm", "cm", "m"]
    stated: bool

    def __str__(self) -> str:
        return f"{self.space} in {self.unit}"


def reading_of(path: str | Path, space: Space = "auto", unit: Unit = "auto") -> Reading:
    """How a file is read: as the caller says, else by the remarks in its head (``SPACE=RAS``, ``UNIT=cm``), else as
    LPS in mm."""
    with Path(path).open("rb") as file:
        head = file.read(4096)
    spaces = [s for s in ("LPS", "RAS") if f"SPACE={s}".encode() in head]
    units = [u for u in MM if re.search(rf"UNIT={u}\b".encode(), head)]
    return Reading(
        space if space != "auto" else spaces[0] if len(spaces) == 1 else "LPS",  # type: ignore[arg-type]
        unit if unit != "auto" else units[0] if len(units) == 1 else "mm",  # type: ignore[arg-type]
        space != "auto" or len(spaces) == 1,
    )


def resect_by_surface_file(
    labels: sitk.Image, path: str | Path, space: Space = "auto", unit: Unit = "auto"
) -> Resection:
    """Takes what lies inside the closed surface of a file.

    Raises:
        FileMissing, UnreadableImage, NothingFound: no such file, no surface in it, no liver in the labels.
        InputError: as `read_surface`; or the surface takes nothing or everything: the message says what the file was
            taken for and which other reading would cut the liver.
    """
    points, triangles = read_surface(path, space, unit)
    used = reading_of(path, space, unit)
    try:
        resection = resect_by_surface(labels, (points, triangles))
    except InputError as error:
        others = _readings_that_cut(labels, path, used)
        if not others:
            raise InputError(f"{Path(path).name}, taken as {used}: {error.problem}", error.remedy) from error
        raise InputError(
            f"{Path(path).name} was taken as {used}, and so it does not take any of the liver or all of it",
            f"If its coordinates are {' or '.join(map(str, others))}, where it would cut the liver, say so: "
            f"surface space {others[0].space}, unit {others[0].unit}",
        ) from error
    if used.stated:
        return resection
    note = f"{Path(path).name} does not state its coordinate system: it was read as {used}, as 3D Slicer does."
    return replace(resection, notes=(note, *resection.notes))


def _readings_that_cut(labels: sitk.Image, path: str | Path, used: Reading) -> list[Reading]:
    """Other spaces and units in which the surface would take a part of the liver; likeliest first."""
    readings = []
    for unit in sorted(MM, key=lambda u: u != used.unit):
        for space in ("LPS", "RAS"):
            other = Reading(space, unit, True)  # type: ignore[arg-type]
            if (space, unit) == (used.space, used.unit):
                continue
            try:
                resect_by_surface(labels, read_surface(path, other.space, other.unit))
            except InputError:
                continue  # it takes nothing in this reading either
            readings.append(other)
    return readings


def read_surface(path: str | Path, space: Space = "auto", unit: Unit = "auto") -> tuple[np.ndarray, np.ndarray]:
    """A closed surface from a file.

    Args:
        path: .vtk, .vtp, .stl, .obj or .ply.
        space: what the coordinates mean; auto looks for the remark that 3D Slicer leaves in the file
            (``SPACE=LPS`` or ``SPACE=RAS``) and takes LPS without one, as Slicer does.
        unit: of the coordinates; auto looks for ``UNIT=mm``, ``UNIT=cm`` or ``UNIT=m`` and takes mm without one.

    Returns:
        Points (N, 3) in RAS mm and triangles (M, 3).

    Raises:
        FileMissing, UnreadableImage: there is no such file, or it is not a surface.
        ImplausibleImage: a point farther from the origin than `FARTHEST_MM`.
        InputError: another kind of file, VTK not installed, or a surface that is not closed.
    """
    from importlib import import_module

    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file {path}", "Check the path")
    if path.suffix.lower() not in _READERS:
        raise InputError(f"{path} is not a surface file", f"Give {', '.join(_READERS)}")
    check_counts(path)
    module, name = _READERS[path.suffix.lower()]
    try:
        reader = getattr(import_module(module), name)()
    except ImportError as error:
        raise InputError("Surface files are read with VTK, which is not installed", "pip install vtk") from error
    problems: list[str] = []
    reader.AddObserver("ErrorEvent", lambda _caller, _event: problems.append("VTK's reader reports an error"))
    reader.SetFileName(str(path))
    reader.Update()
    surface = reader.GetOutput()
    if surface is None or surface.GetNumberOfCells() == 0:
        raise UnreadableImage(f"{path} contains no surface", "Export it again")
    if problems:
        raise UnreadableImage(f"{path} is damaged: {problems[0]}", "Export it again")
    try:
        points, triangles = triangles_of(surface)
    except InputError as error:
        raise InputError(error.problem.replace("The surface", path.name, 1), error.remedy) from error
    used = reading_of(path, space, unit)
    points = points * MM[used.unit]
    if np.abs(points).max() > FARTHEST_MM:
        raise ImplausibleImage(
            f"{path} has a point that is {np.abs(points).max() / 1000:.0f} m from the origin",
            "Export it again, or give the unit of its coordinates",
        )
    return (points * (-1.0, -1.0, 1.0) if used.space == "LPS" else points), triangles
