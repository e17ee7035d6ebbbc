"""Boxes in the scene: markups ROIs around a tear, drawn by two clicks or made of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from PreopReviewLib.images.vtk_images import array_of_matrix
from PreopReviewLib.scene import inputs
from RotatorCuffCAMLib.localization import DrawnBox

BOX_COLOR = (0.15, 0.55, 1.0)
"""To be seen over dark slices and before a light background."""

FLAT_MM = 0.01
"""A box that is thinner was drawn in one slice."""


def series_axes(volume: Any, center_lps: Any = (0.0, 0.0, 0.0)) -> Any:
    """vtkMatrix4x4 of a box whose sides run along the series' rows, columns and slices; right-handed, RAS."""
    import vtk

    turned = np.diag([-1.0, -1.0, 1.0])
    axes = turned @ np.array(inputs.world_geometry(volume)["direction"]).reshape(3, 3)
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    matrix = vtk.vtkMatrix4x4()
    for r in range(3):
        for c in range(3):
            matrix.SetElement(r, c, axes[r, c])
        matrix.SetElement(r, 3, (turned @ np.array(center_lps))[r])
    return matrix


def add_box(scene: Any, box: DrawnBox, name: str = "Tear (drawn box)") -> Any:
    """A markups ROI of a box that was drawn around the tear."""
    import vtk

    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    node.CreateDefaultDisplayNodes()
    axes, center = np.array(box.axes, float), np.array(box.center_lps)
    turned = np.diag([-1.0, -1.0, 1.0])
    matrix = vtk.vtkMatrix4x4()
    columns = turned @ axes
    if np.linalg.det(columns) < 0:
        columns[:, 0] *= -1
    for r in range(3):
        for c in range(3):
            matrix.SetElement(r, c, columns[r, c])
        matrix.SetElement(r, 3, (turned @ center)[r])
    node.SetAndObserveObjectToNodeMatrix(matrix)
    node.SetSize(*(2 * h for h in box.half_mm))
    node.SetLocked(True)
    display = node.GetDisplayNode()
    display.SetSelectedColor(*BOX_COLOR)
    display.SetColor(*BOX_COLOR)
    display.SetFillOpacity(0.0)
    display.SetHandlesInteractive(False)
    display.SetGlyphScale(0.1)  # the middle is not what was drawn
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    return node


def empty_box(volume: Any, name: str) -> Any:
    """A markups ROI that two clicks draw, along the rows, columns and slices of a series.

    One that was drawn before cannot be emptied for that: Slicer then waits for one click only.
    """
    roi = volume.GetScene().AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    roi.CreateDefaultDisplayNodes()
    roi.SetAndObserveObjectToNodeMatrix(series_axes(volume))
    display = roi.GetDisplayNode()
    display.SetSelectedColor(*BOX_COLOR)
    display.SetColor(*BOX_COLOR)
    display.SetFillOpacity(0.0)
    display.SetPropertiesLabelVisibility(False)
    return roi


def thicken(roi: Any) -> None:
    """Gives a box that was drawn in one slice the thickness of its shorter side.

    Slicer does so where the third side is exactly 0; on an oblique series it is a rounding error away from it.
    """
    size = list(roi.GetSize())
    thin = [a for a in range(3) if size[a] < FLAT_MM]
    if len(thin) == 1:
        size[thin[0]] = min(s for a, s in enumerate(size) if a != thin[0])
        roi.SetSize(*size)


def box_of(roi: Any) -> DrawnBox:
    """The box of a markups ROI, in the patient's space."""
    import vtk

    matrix, size = vtk.vtkMatrix4x4(), roi.GetSize()
    matrix.DeepCopy(roi.GetObjectToWorldMatrix())
    numbers = array_of_matrix(matrix)[:3]
    turned = np.diag([-1.0, -1.0, 1.0]) @ numbers
    lengths = np.linalg.norm(turned[:, :3], axis=0)
    axes = turned[:, :3] / lengths
    half = [s * n / 2 for s, n in zip(size, lengths, strict=True)]
    return DrawnBox(
        tuple(map(float, turned[:, 3])),  # type: ignore[arg-type]
        tuple(map(float, half)),  # type: ignore[arg-type]
        tuple(tuple(map(float, row)) for row in axes),  # type: ignore[arg-type]
    )
