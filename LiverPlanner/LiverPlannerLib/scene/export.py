"""Surfaces of a plan out of Slicer: models in the scene; STL, OBJ and glTF files, all of them or none."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import NothingFound, OutputError
from PreopReviewLib.output import output_files
from PreopReviewLib.scene.files import write_surface

FORMATS = ("stl", "obj", "gltf")
_GLASS = ("Liver", "Remnant", "Resected part")
_ROOM = "Choose a folder with space and write permission"
GLTF_AXES = ((-0.001, 0, 0), (0, 0, 0.001), (0, 0.001, 0))
"""glTF is in meters, Y up, Z towards the viewer: patient left to the right, superior up, anterior to the viewer."""
GLTF_WORDS = "X to the patient's left, Y superior, Z anterior"
SPACES = {"stl": "LPS, mm", "obj": "LPS, mm", "gltf": "m, Y up"}
"""What the coordinates of each format are."""


def export_surfaces(
    segmentation: Any, folder: str | Path, formats: Sequence[str], keys: Sequence[str] | None = None
) -> list[Path]:
    """Writes the surfaces of segments as files; where one cannot be written, none is there afterwards.

    STL and OBJ are one file per segment, in LPS mm as 3D Slicer writes and expects it; glTF is one file with all of
    them in color, in meters, Y up. Each file says so in its head. Files of the same name are replaced.

    Args:
        formats: of `FORMATS`.
        keys: segment identifiers; None is all.

    Returns:
        The files.

    Raises:
        NothingFound: there is no segment, or all are empty.
        OutputError: the folder cannot be written, or is full.
    """
    folder = Path(folder).expanduser()
    surfaces = surfaces_of(segmentation, keys)
    if not folder.is_dir():
        raise OutputError(f"{folder} cannot be written (no such folder)", _ROOM)
    with output_files(folder, overwrite=True) as work:
        colored = [(name, segment.GetColor(), surface) for name, segment, surface in surfaces]
        names = write_surfaces(colored, work, formats, _file_name(segmentation.GetName()))
    return [folder / name for name in names]


def surfaces_of(segmentation: Any, keys: Sequence[str] | None) -> list[tuple[str, Any, Any]]:
    """(name, vtkSegment, vtkPolyData in RAS mm) of every segment that has a surface."""
    import slicer
    import vtk

    from PreopReviewLib.scene.nodes import make_surfaces, segment_keys

    content = segmentation.GetSegmentation()
    if content.GetNumberOfSegments() and not content.ContainsRepresentation("Closed surface"):
        make_surfaces(segmentation)  # those of our own, not Slicer's
    surfaces = []
    for key in keys if keys is not None else segment_keys(segmentation):
        surface = vtk.vtkPolyData()
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        logic.GetSegmentClosedSurfaceRepresentation(segmentation, key, surface, True)
        if surface.GetNumberOfCells():
            surfaces.append((content.GetSegment(key).GetName(), content.GetSegment(key), surface))
    if not surfaces:
        raise NothingFound(f"The segmentation {segmentation.GetName()} has no surface", "Segment the liver first")
    return surfaces


def _file_name(words: str) -> str:
    return re.sub(r"[^\w-]+", "_", words).strip("_") or "segment"


def write_surfaces(
    surfaces: Sequence[tuple[str, Sequence[float], Any]], work: Path, formats: Sequence[str], case: str
) -> list[str]:
    """Writes surfaces into a folder: names, colors (sRGB, 0 to 1) and vtkPolyData in RAS mm.

    Args:
        formats: of `FORMATS`.
        case: how the names of the files begin.

    Returns:
        Names of the files.

    Raises:
        OutputError: one of them cannot be written, or was cut off.
    """
    names: list[str] = []
    for form in formats:
        if form == "gltf":
            _require_whole(_write_gltf(surfaces, work / f"{case}.gltf"))
            names.append(f"{case}.gltf")
            continue
        for name, _color, surface in surfaces:
            own = _unused(f"{case}_{_file_name(name)}", form, names)
            _require_whole(write_surface(surface, work / own))
            names.append(own)
    return names


def _unused(stem: str, form: str, names: Sequence[str]) -> str:
    """Two segments of one name give two files."""
    name, n = f"{stem}.{form}", 2
    while name in names:
        name, n = f"{stem}_{n}.{form}", n + 1
    return name


def _require_whole(path: Path) -> None:
    """VTK's writers do not always say that the disk was full, so the end of every file is looked at.

    Raises:
        OutputError: it is not there, or cut off.
    """
    if not path.is_file() or path.stat().st_size == 0:
        raise OutputError(f"{path.name} cannot be written", _ROOM)
    with path.open("rb") as file:
        head = file.read(84)
        file.seek(-min(path.stat().st_size, 16), 2)
        tail = file.read()
    if path.suffix == ".stl":
        whole = path.stat().st_size == 84 + 50 * int.from_bytes(head[80:84], "little")
    else:
        whole = tail.rstrip().endswith(b"}") if path.suffix == ".gltf" else tail.endswith(b"\n")
    if not whole:
        raise OutputError(f"{path.name} was cut off", _ROOM)


def _write_gltf(surfaces: Sequence[tuple[str, Sequence[float], Any]], path: Path) -> Path:
    import vtk

    renderer = vtk.vtkRenderer()
    for name, color, surface in surfaces:
        mapper = vtk.vtkPolyDataMapper()
        mapper.SetInputData(_moved(surface, GLTF_AXES))
        mapper.ScalarVisibilityOff()
        actor = vtk.vtkActor()
        actor.SetMapper(mapper)
        actor.GetProperty().SetColor(*color)
        actor.GetProperty().SetOpacity(0.35 if name in _GLASS else 1.0)
        with contextlib.suppress(AttributeError):  # older VTK has no names for actors
            actor.SetObjectName(name)
        renderer.AddActor(actor)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.AddRenderer(renderer)
    exporter = vtk.vtkGLTFExporter()
    exporter.SetFileName(str(path))
    exporter.InlineDataOn()
    exporter.SaveNormalOn()
    exporter.SetRenderWindow(window)
    exporter.Write()
    _require_whole(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    document.setdefault("asset", {})["extras"] = {"unit": "m", "axes": GLTF_WORDS}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _moved(surface: Any, rows: Sequence[Sequence[float]]) -> Any:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    for r, row in enumerate(rows):
        for c, value in enumerate(row):
            matrix.SetElement(r, c, value)
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix)
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetTransform(transform)
    mover.SetInputData(surface)
    mover.Update()
    return mover.GetOutput()
