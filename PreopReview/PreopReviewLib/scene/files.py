"""Scenes, segmentations and surfaces to files, and scenes back."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import SimpleITK as sitk

from PreopReviewLib.errors import FileMissing, OutputError, UnreadableImage
from PreopReviewLib.scene import nodes
from PreopReviewLib.scene.finding import nodes_of_class

_ROOM = "Choose a folder with space and write permission"


def write_bundle(scene: Any, path: str | Path, thumbnail: str | Path | None = None) -> Path:
    """The whole scene as a .mrb, which 3D Slicer opens.

    Its segmentations are written around their segments alone: with all the rest of a scan, which is empty, MRML's
    writer would hold each of them in memory twice.

    Args:
        thumbnail: PNG that Slicer shows for the scene.

    Raises:
        OutputError: it cannot be written.
    """
    import slicer

    path = Path(path)
    messages = slicer.vtkMRMLMessageCollection()
    image = _png(thumbnail) if thumbnail else None
    with _cropped(scene):
        written = scene.WriteToMRB(str(path), image, messages)
    if not written or not path.is_file():
        raise OutputError(f"{path} cannot be written ({_one_line(messages)})", _ROOM)
    return path


@contextmanager
def _cropped(scene: Any) -> Iterator[None]:
    """The storage of all segmentations writes their least extent, for the duration of a block."""
    changed = []
    for node in nodes_of_class(scene, "vtkMRMLSegmentationNode"):
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        changed.append((storage, storage.GetCropToMinimumExtent()))
        storage.SetCropToMinimumExtent(True)
    try:
        yield
    finally:
        for storage, before in changed:
            storage.SetCropToMinimumExtent(before)


def read_bundle(scene: Any, path: str | Path) -> None:
    """Adds the nodes of a .mrb to a scene.

    Raises:
        FileMissing: there is no such file.
        UnreadableImage: it is not a scene bundle, or is broken.
    """
    import slicer

    path = Path(path)
    if not path.is_file():
        raise FileMissing(f"There is no file {path}", "Check the path")
    _check_zip(path)
    messages = slicer.vtkMRMLMessageCollection()
    if not scene.ReadFromMRB(str(path), False, messages):
        raise UnreadableImage(f"{path} cannot be read as a scene ({_one_line(messages)})", "Write it again")


def _check_zip(path: Path) -> None:
    """Before MRML unpacks a bundle: some of its readers end the whole process at a truncated file."""
    try:
        with zipfile.ZipFile(path) as bundle:
            damaged = bundle.testzip()
    except (zipfile.BadZipFile, OSError) as error:
        raise UnreadableImage(f"{path} is not a scene bundle ({error})", "Write it again") from error
    if damaged is not None:
        raise UnreadableImage(f"{path} is damaged at {damaged}", "Write it again")


def write_segmentation(node: Any, path: str | Path) -> Path:
    """A segmentation as .seg.nrrd: every layer, with names, colors and codes.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(path)
    storage = _storage(node, "vtkMRMLSegmentationStorageNode", path)
    if not storage.WriteData(node):
        raise OutputError(f"{path} cannot be written ({_one_line(storage.GetUserMessages())})", _ROOM)
    return path


def read_segmentation(scene: Any, path: str | Path, name: str | None = None) -> Any:
    """A segmentation node from a .seg.nrrd.

    Raises:
        FileMissing, UnreadableImage: it is not there, or is not one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileMissing(f"There is no file {path}", "Check the path")
    broken = UnreadableImage(f"{path} cannot be read as a segmentation", "Give a whole .seg.nrrd")
    try:
        sitk.ReadImage(str(path))  # MRML's reader ends the whole process at a truncated file; ITK's says so
    except RuntimeError as error:
        raise broken from error
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name or path.name.split(".")[0])
    storage = _storage(node, "vtkMRMLSegmentationStorageNode", path)
    if not storage.ReadData(node):
        scene.RemoveNode(node)
        raise broken
    node.CreateDefaultDisplayNodes()
    return node


def replace_segments(node: Any, path: str | Path) -> None:
    """Gives the segments of a node what the segments of the same identity in a .seg.nrrd hold, and their surfaces.

    Raises:
        FileMissing, UnreadableImage: the file is not there, or is not one.
    """
    import slicer

    logic = slicer.vtkSlicerSegmentationsModuleLogic
    other = read_segmentation(node.GetScene(), path)
    try:
        known = set(node.GetSegmentation().GetSegmentIDs())
        for key in other.GetSegmentation().GetSegmentIDs():
            if key not in known:
                continue
            content = slicer.vtkOrientedImageData()
            other.GetBinaryLabelmapRepresentation(key, content)
            if content.IsEmpty():
                logic.ClearSegment(node, key)
            else:
                logic.SetBinaryLabelmapToSegment(content, node, key, logic.MODE_REPLACE)
    finally:
        node.GetScene().RemoveNode(other)


def write_surfaces(node: Any, folder: str | Path, formats: Sequence[Literal["stl", "obj"]] = ("stl",)) -> list[Path]:
    """One file per segment and format, named by the segment's key, in LPS mm as 3D Slicer writes and expects it.

    Surfaces are made if the node has none yet.

    Raises:
        OutputError: one cannot be written.
    """
    folder = Path(folder)
    segmentation = node.GetSegmentation()
    if not segmentation.ContainsRepresentation(nodes.SURFACE):
        nodes.make_surfaces(node)
    written = []
    for key in nodes.segment_keys(node):
        for form in formats:
            written.append(write_surface(nodes.surface_of(node, key), folder / f"{key}.{form}"))
    return written


SURFACE_REMARK = "PreopReview. SPACE=LPS;UNIT=mm"
"""In the head of STL and OBJ files; 3D Slicer reads the coordinate system from it."""


def write_surface(surface: Any, path: Path) -> Path:
    """A surface in RAS mm as a binary STL or an OBJ file in LPS mm, which its head says.

    Raises:
        OutputError: it cannot be written.
    """
    import vtk

    moved = _to_lps(surface)
    writer = vtk.vtkSTLWriter() if path.suffix == ".stl" else vtk.vtkOBJWriter()
    if path.suffix == ".stl":
        writer.SetFileTypeToBinary()
        writer.SetHeader(SURFACE_REMARK)
    writer.SetFileName(str(path))
    writer.SetInputData(moved)
    if not writer.Write() or not path.is_file():
        raise OutputError(f"{path} cannot be written", _ROOM)
    if path.suffix == ".obj":
        path.write_text(f"# {SURFACE_REMARK}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    return path


def read_surface(path: Path) -> Any:
    """A surface of `write_surface` (.stl), vtkPolyData in RAS mm with normals.

    Raises:
        UnreadableImage: it is not one of ours, or damaged.
    """
    import vtk

    with path.open("rb") as file:
        head = file.read(84)
    triangles = int.from_bytes(head[80:], "little")
    if SURFACE_REMARK.encode() not in head or path.stat().st_size != 84 + 50 * triangles:
        raise UnreadableImage(f"{path} is not a surface of PreopReview, or damaged", "Make the plan again")
    reader = vtk.vtkSTLReader()
    reader.SetFileName(str(path))
    reader.Update()
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(_to_lps(reader.GetOutput()))  # the same half turn back
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()


def _to_lps(surface: Any) -> Any:
    import vtk

    transform = vtk.vtkTransform()
    transform.Scale(-1, -1, 1)  # a half turn: the triangles keep their orientation
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetTransform(transform)
    mover.SetInputData(surface)
    mover.Update()
    return mover.GetOutput()


def _storage(node: Any, class_name: str, path: Path) -> Any:
    storage = node.GetStorageNode() or node.GetScene().AddNewNodeByClass(class_name)
    storage.SetFileName(str(path))
    node.SetAndObserveStorageNodeID(storage.GetID())
    return storage


def _png(path: str | Path) -> Any:
    import vtk

    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def _one_line(messages: Any) -> str:
    return " ".join(messages.GetAllMessagesAsString().split()) or "no permission, or a full disk"
