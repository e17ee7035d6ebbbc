"""Surfaces that give an activation map its place: the skin, from any MRI, and the head as a sphere."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from RotatorCuffCAMLib.body import body_mask


def skin_surface(image: sitk.Image) -> Any:
    """The body's surface (vtkPolyData, RAS mm), open where the field of view ends."""
    import vtk

    from PreopReviewLib.surfaces import surface_of_mask

    mask = body_mask(image)
    surface = surface_of_mask(mask, 0.6)
    # Flat lids at the borders of the field of view are not skin: cut off what lies on them.
    return _without_lids(surface, mask, vtk)


def _without_lids(surface: Any, mask: sitk.Image, vtk: Any) -> Any:
    from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    points = vtk_to_numpy(surface.GetPoints().GetData())
    lps = points * np.array([-1.0, -1.0, 1.0])
    direction = np.array(mask.GetDirection()).reshape(3, 3)
    index = (lps - np.array(mask.GetOrigin())) @ direction / np.array(mask.GetSpacing())
    size = np.array(mask.GetSize())
    depth = np.minimum(index, size - 1 - index).min(1)
    inner = numpy_to_vtk(depth.astype(np.float32), deep=True)
    inner.SetName("depth")
    work = vtk.vtkPolyData()
    work.DeepCopy(surface)
    work.GetPointData().SetScalars(inner)
    clip = vtk.vtkClipPolyData()
    clip.SetInputData(work)
    clip.SetValue(0.6)
    clip.Update()
    kept = clip.GetOutput()
    kept.GetPointData().SetScalars(None)
    return kept if kept.GetNumberOfPoints() else surface


def sphere_surface(center_lps: tuple[float, float, float], radius_mm: float) -> Any:
    """A sphere (vtkPolyData, RAS mm)."""
    import vtk

    source = vtk.vtkSphereSource()
    source.SetCenter(-center_lps[0], -center_lps[1], center_lps[2])
    source.SetRadius(radius_mm)
    source.SetThetaResolution(48)
    source.SetPhiResolution(32)
    source.Update()
    return source.GetOutput()
