"""Closed surfaces small enough for a page: decimated, and packed into sixteen bits per coordinate."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

MAX_TRIANGLES = 40_000
"""Of one structure; a liver of 40 000 triangles differs from the full surface by less than a tenth of a millimeter."""


@dataclass(frozen=True)
class Mesh:
    """A surface with what the viewer says of it.

    Attributes:
        key: unique on the page.
        name: what people read.
        color: sRGB, 0 to 1.
        points: (N, 3) RAS mm, float32.
        triangles: (M, 3) indices.
        opacity: 0 to 1, when the page is opened.
        value: beside the name, e.g. ``1126 ml``.
        visible: when the page is opened.
    """

    key: str
    name: str
    color: tuple[float, float, float]
    points: np.ndarray = field(repr=False)
    triangles: np.ndarray = field(repr=False)
    opacity: float = 1.0
    value: str = ""
    visible: bool = True

    def as_data(self) -> dict[str, Any]:
        """For JSON: coordinates as 0 to 65535 between `low` and `low` + 65535 `step`, little endian, base64."""
        low = self.points.min(axis=0)
        step = np.maximum((self.points.max(axis=0) - low) / 65535, 1e-9)
        packed = np.round((self.points - low) / step).astype("<u2")
        index = self.triangles.astype("<u2" if len(self.points) < 65536 else "<u4")
        return {
            "key": self.key,
            "name": self.name,
            "value": self.value,
            "color": [round(float(c), 4) for c in self.color],
            "opacity": self.opacity,
            "visible": self.visible,
            "low": [round(float(v), 4) for v in low],
            "step": [float(f"{v:.8g}") for v in step],
            "wide": index.dtype.itemsize == 4,
            "points": base64.b64encode(packed.tobytes()).decode(),
            "triangles": base64.b64encode(index.tobytes()).decode(),
        }


def mesh_of_mask(
    mask: sitk.Image,
    key: str,
    name: str,
    color: tuple[float, float, float],
    *,
    opacity: float = 1.0,
    value: str = "",
    visible: bool = True,
    smoothing: float = 0.5,
    max_triangles: int = MAX_TRIANGLES,
) -> Mesh:
    """The surface of a binary image that is not empty. Needs VTK.

    Raises:
        InputError: the mask is empty.
        ImportError: VTK is not installed.
    """
    from PreopReviewLib.surfaces import surface_of_mask

    points, triangles = decimated(surface_of_mask(mask, smoothing), max_triangles)
    return Mesh(key, name, color, points, triangles, opacity, value, visible)


def decimated(surface: Any, max_triangles: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) and triangles (M, 3) of a vtkPolyData, with at most about so many triangles.

    Quadric error metric (Garland and Heckbert 1997) with its volume preserved.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkQuadricDecimation

    count = surface.GetNumberOfCells()
    if count > max_triangles:
        filter_ = vtkQuadricDecimation()
        filter_.SetInputData(surface)
        filter_.SetTargetReduction(1 - max_triangles / count)
        filter_.VolumePreservationOn()
        filter_.Update()
        surface = filter_.GetOutput()
    points = vtk_to_numpy(surface.GetPoints().GetData()).astype(np.float32)
    triangles = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    used, index = np.unique(triangles, return_inverse=True)
    return points[used], index.reshape(-1, 3).astype(np.int64)
