"""What a surgeon draws to cut a liver (planes, curves, surfaces), to and from `LiverPlannerLib.resection.cutting`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.resection.closed_surface import triangles_of
from LiverPlannerLib.resection.curved_cut import resect_by_curve
from LiverPlannerLib.resection.cutting import Plane, Resection, resect_by_planes, resect_by_surface
from LiverPlannerLib.scene.parts import Part, show_parts
from LiverPlannerLib.scene.segments import Grid
from PreopReviewLib.errors import InputError

PLANE_COLORS = ((0.95, 0.75, 0.20), (0.35, 0.75, 0.90), (0.90, 0.45, 0.65), (0.55, 0.80, 0.40))
REMNANT_COLOR, RESECTED_COLOR = (0.45, 0.72, 0.48), (0.85, 0.38, 0.32)
HANDLE_AT, HANDLE_SCALE, HOVER_SCALE = 0.45, 1.5, 2.6
"""How far from the middle the handles of a plane are, by its size: below the liver, not over the right lobe. And how
large they are, in Slicer's percent, left alone and under the mouse; its own 3 cover half a lobe."""
ACROSS, OVER = (False, False, True, True), (True, True, False, False)
"""Handles that shift and that turn a plane, by axis: two in it, its normal, and in the plane of the view."""
SLICE_NORMAL = "PreopReview.SliceNormal"
"""Attribute of a curve: normal of the slice in which it was drawn, RAS, three numbers."""
BEND = 0.002
"""A straight line lies in many planes. Bent within its slice by so much of its length, far below a voxel, in one."""
RIGHT = (0.906, -0.423, 0.0)
"""RAS: a new plane takes the patient's right side, turned from sagittal about as the line of Cantlie runs."""


def add_plane(
    scene: Any,
    center_ras: Sequence[float],
    size_mm: float,
    normal: Sequence[float] = RIGHT,
    name: str | None = None,
    prepare: Callable[[Any, Any], None] | None = None,
) -> Any:
    """A markups plane with handles at its lower border to drag and turn it, and its normal shown: that side is taken.

    Args:
        center_ras: middle of its rectangle, in RAS mm.
        prepare: called with node and display before they are in the scene, where a change is not drawn yet.
    """
    number = scene.GetNumberOfNodesByClass("vtkMRMLMarkupsPlaneNode")
    # Both are ready before they are added: every change of a plane in the scene is drawn by itself, in all views.
    node, display = (_new(scene, f"vtkMRMLMarkupsPlane{kind}Node") for kind in ("", "Display"))
    node.SetName(name or scene.GenerateUniqueName("Cut plane"))
    node.SetPlaneType(node.PlaneTypePointNormal)
    node.SetSizeMode(node.SizeModeAbsolute)
    _place(node, np.asarray(center_ras, float), np.asarray(normal, float), size_mm)
    color = PLANE_COLORS[number % len(PLANE_COLORS)]
    display.SetSelectedColor(*color)
    display.SetColor(*color)
    display.SetFillOpacity(0.35)
    display.SetOutlineOpacity(1.0)
    display.SetHandlesInteractive(True)
    display.SetTranslationHandleVisibility(True)  # without these two the handles are there, but none is shown
    display.SetRotationHandleVisibility(True)
    display.SetScaleHandleVisibility(False)
    # A plane that is shifted or turned within itself cuts as before; and its arrow that points to the viewer of a slice
    # lies on the handle that shifts freely, and would shoot the plane out of the liver.
    display.SetTranslationHandleComponentVisibility(ACROSS)
    display.SetRotationHandleComponentVisibility(OVER)
    display.SetInteractionHandleScale(HANDLE_SCALE)
    display.SetNormalVisibility(True)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    if prepare is not None:
        prepare(node, display)
    scene.AddNode(display)
    node.SetAndObserveDisplayNodeID(display.GetID())
    scene.AddNode(node)
    return node


def _new(scene: Any, kind: str) -> Any:
    """A node that is not in the scene yet, with the application's defaults."""
    node = scene.CreateNodeByClass(kind)
    node.UnRegister(None)
    return node


def size_handles(display: Any) -> None:
    """Handles under the mouse are larger: they are hit more easily, and seen to be what a drag takes."""
    handles = (display.ComponentTranslationHandle, display.ComponentRotationHandle)
    scale = HOVER_SCALE if display.GetActiveComponentType() in handles else HANDLE_SCALE
    if display.GetInteractionHandleScale() != scale:
        display.SetInteractionHandleScale(scale)


def _place(node: Any, center: np.ndarray, normal: np.ndarray, size_mm: float) -> None:
    """Slicer draws handles at the origin of a plane, so that is put to the border, and the rectangle around the middle.

    Downwards is to the feet as far as the plane allows; in an axial one, to the patient's right.
    """
    normal = normal / np.linalg.norm(normal)
    feet = np.array([0.0, 0.0, -1.0]) if abs(normal[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    down = feet - (feet @ normal) * normal
    down /= np.linalg.norm(down)
    node.SetOriginWorld(*(center + HANDLE_AT * size_mm * down))
    node.SetAxesWorld(down, np.cross(normal, down), normal)
    half = size_mm / 2
    node.SetPlaneBounds(-half - HANDLE_AT * size_mm, half - HANDLE_AT * size_mm, -half, half)


def plane_of(node: Any) -> Plane:
    """The cutting plane of a markups plane.

    Raises:
        InputError: it is not placed yet.
    """
    if not node.GetIsPlaneValid():
        raise InputError(f"The plane {node.GetName()!r} is not placed yet", "Place it in a view, or remove it")
    return Plane(tuple(node.GetCenterWorld()), tuple(node.GetNormalWorld()))


def flip(node: Any) -> None:
    """Takes the other side; the rectangle stays where it is."""
    x, y, z = np.zeros(3), np.zeros(3), np.zeros(3)
    node.GetAxesWorld(x, y, z)
    node.SetAxesWorld(x, -y, -z)


def cut_by_planes(labels: sitk.Image, planes: Sequence[Any], inside: np.ndarray | None = None) -> Resection:
    """`resection.resect_by_planes` with the markups planes of the scene.

    Args:
        inside: (K, J, I), of `inside_liver`, where it is known already.

    Raises:
        InputError: no plane, one that is not placed, or planes that take nothing or everything.
        NothingFound: there is no liver.
    """
    if not planes:
        raise InputError("There is no cut plane", "Add one")
    return resect_by_planes(labels, [plane_of(node) for node in planes], inside=inside)


def cut_by_drawn(labels: sitk.Image, node: Any, flipped: bool = False) -> Resection:
    """Cuts by what a node holds: the inside of a closed surface, or along the sheet through a curve's points.

    Args:
        node: see `drawn`.
        flipped: for a curve: take the larger side.

    Raises:
        InputError: as `drawn`; an open surface, or a cut that takes nothing or everything.
        NothingFound: there is no liver.
    """
    kind, points, triangles = drawn(node)
    if kind == "surface":
        return resect_by_surface(labels, (points, triangles))
    return resect_by_curve(labels, points, flipped)


def drawn(node: Any | None) -> tuple[str, np.ndarray, np.ndarray | None]:
    """What a node holds to cut with: ``surface`` or ``curve``, points (N, 3) in RAS mm, and triangles of a surface.

    Args:
        node: vtkMRMLModelNode, or a markups node with three points or more.

    Raises:
        InputError: none, a node of another kind, an open surface, too few points.
    """
    if node is None:
        raise InputError("No curve or surface is chosen", "Draw a curve, or choose a model")
    if node.IsA("vtkMRMLModelNode"):
        return "surface", *triangles_of(_surface_in_world(node))
    if node.IsA("vtkMRMLMarkupsNode"):
        return "curve", _points_of(node), None
    raise InputError(f"{node.GetName()!r} is neither a model nor a curve", "Choose a closed surface or a curve")


def keep_slice(curve: Any, crosshair: Any | None) -> None:
    """Notes in which slice a curve was drawn: the one below the mouse; in a 3D view there is none."""
    view = crosshair.GetCursorPositionXYZ([0.0, 0.0, 0.0]) if crosshair is not None else None
    if curve.GetScene() is None or view is None:
        return
    normal = [view.GetSliceToRAS().GetElement(row, 2) for row in range(3)]
    curve.SetAttribute(SLICE_NORMAL, " ".join(f"{v:.6f}" for v in normal))


def _surface_in_world(node: Any) -> Any:
    import vtk

    if node.GetPolyData() is None or node.GetPolyData().GetNumberOfCells() == 0:
        raise InputError(f"The model {node.GetName()!r} has no surface", "Choose another one")
    parent = node.GetParentTransformNode()
    if parent is None:
        return node.GetPolyData()
    transform = vtk.vtkGeneralTransform()
    parent.GetTransformToWorld(transform)
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetTransform(transform)
    mover.SetInputData(node.GetPolyData())
    mover.Update()
    return mover.GetOutput()


def _points_of(node: Any) -> np.ndarray:
    count = node.GetNumberOfDefinedControlPoints()
    if count < 3:
        raise InputError(f"{node.GetName()!r} has {count} points; a cut needs three", "Place more points on it")
    points = np.zeros((count, 3))
    for n in range(count):
        node.GetNthControlPointPositionWorld(n, points[n])
    if node.IsA("vtkMRMLMarkupsCurveNode"):
        line = node.GetCurvePointsWorld()
        points = np.array([line.GetPoint(n) for n in range(line.GetNumberOfPoints())])
    normal = node.GetAttribute(SLICE_NORMAL)
    return points if normal is None else _within_slice(points, np.array(normal.split(), float))


def _within_slice(points: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """The points; those of a straight line bent a little, see `BEND`."""
    along = points[-1] - points[0]
    length = np.linalg.norm(along)
    across = np.cross(normal, along)
    if not length or np.linalg.norm(across) < 0.5 * length:  # not drawn in this slice
        return points
    across /= np.linalg.norm(across)
    beside = (points - points[0]) @ across
    if np.abs(beside).max() > BEND * length:
        return points
    t = (points - points[0]) @ along / length**2
    return points + np.outer(4 * BEND * length * t * (1 - t), across)


def sides_of(cut: Resection) -> tuple[Part, Part]:
    """Remnant and resected part, as they are shown: vessels and image stay visible below them."""
    looks = {"smoothing": 0.4, "fill": 0.25}
    return (
        Part("remnant", "Remnant", REMNANT_COLOR, cut.remnant, opacity=0.45, **looks),
        Part("resected", "Resected", RESECTED_COLOR, cut.resected, opacity=0.25, **looks),
    )


def show_sides(scene: Any, node: Any | None, name: str, grid: Grid, cut: Resection, surfaces: bool = True) -> Any:
    """Remnant and resected part as a segmentation node; see `parts.show_parts`."""
    return show_parts(scene, node, name, grid, sides_of(cut), surfaces)
