"""Closed surfaces of segments, for looking at and for printing; volumes are measured on voxels, never on these.

Slicer's own conversion contours the binary voxels and then smooths: at 5 mm slices it leaves terraces, at 0.5 mm
it makes a million triangles, and with the one smoothing that it has for all segments a vessel of two voxels
disappears. Here the signed distance is contoured instead (shape-based interpolation: Raya and Udupa, IEEE TMI
1990;9:32-42) on a grid that suits the structure, and smoothing stops where it would shrink the structure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.images.vtk_images import fill, ijk_to_ras

COARSE_MM, LARGE_ML = 1.5, 100.0
"""Structures above 100 ml are contoured on a grid of 1.5 mm at the finest, others on one as fine as the voxels."""
KEPT_VOLUME = 0.92
"""How much of the volume that an unsmoothed surface encloses must remain when it is smoothed."""
_PASS_BAND_EXPONENT = -4.0  # as in Slicer: smoothing 0 to 1 is a pass band of 1 to 0.0001


def surface_of_mask(mask: sitk.Image, smoothing: float) -> Any:
    """The closed surface of a binary image, vtkPolyData of triangles in RAS mm with normals outwards.

    Args:
        mask: not empty; any direction.
        smoothing: 0 (none) to 1, the most that it gets. The filter (windowed sinc) moves points and never
            cuts a thin vessel in two, as smoothing the distance would.

    Raises:
        InputError: the mask is empty.
    """
    raw = _contour(_distance_field(mask))
    least = KEPT_VOLUME * enclosed_mm3(raw)
    for part in (1.0, 0.6, 0.35, 0.2):
        surface = _smoothed(raw, smoothing * part)
        if enclosed_mm3(surface) >= least:
            return _with_normals(surface)
    return _with_normals(raw)


def enclosed_mm3(surface: Any) -> float:
    """Volume inside a closed surface of triangles."""
    import vtk

    measure = vtk.vtkMassProperties()
    measure.SetInputData(surface)
    return measure.GetVolume()


def _distance_field(mask: sitk.Image) -> sitk.Image:
    """Signed distance in mm to the border between voxels, positive inside, on the grid to be contoured."""
    import edt

    box = images.bounding_box(mask)
    # Two voxels of background all around close the surface also where the structure reaches the image's border.
    cropped = sitk.ConstantPad(images.crop(mask, box), [2] * 3, [2] * 3, 0)
    array = np.ascontiguousarray(images.array_of(cropped) > 0)
    spacing = images.spacing_kji(mask)
    field = edt.edt(array, anisotropy=tuple(spacing), parallel=2)
    field -= edt.edt(~array, anisotropy=tuple(spacing), parallel=2)
    large = float(array.sum()) * images.voxel_ml(mask) > LARGE_ML
    finest = float(spacing.min())
    return _on_grid(images.image_like(field, cropped), max(COARSE_MM, finest) if large else finest)


def _on_grid(field: sitk.Image, step: float) -> sitk.Image:
    """Linear interpolation onto a grid of about cubic cells over the same voxel centers.

    Along axes with voxels longer than `step` every voxel center stays a sample: the ridge of a structure one
    voxel wide lies there, and would fall between samples.
    """
    old = np.array(field.GetSpacing())
    length = (np.array(field.GetSize()) - 1) * old
    finer = np.maximum(np.round(old / step), 1).astype(int)
    counts = (np.array(field.GetSize()) - 1) * finer + 1
    coarser = old < 0.8 * step
    counts[coarser] = np.maximum(np.ceil(length / step).astype(int), 1)[coarser] + 1
    grid = sitk.Image(counts.tolist(), sitk.sitkFloat32)
    grid.SetOrigin(field.GetOrigin())
    grid.SetDirection(field.GetDirection())
    # A trifle shorter, so that rounding does not put the last sample beyond the last center.
    grid.SetSpacing((length / (counts - 1) * (1 - 1e-6)).tolist())
    return sitk.Resample(field, grid, sitk.Transform(), sitk.sitkLinear, -float(old.max()))


def _contour(field: sitk.Image) -> Any:
    """Triangles of the zero level, in RAS mm."""
    import vtk

    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(fill(vtk.vtkImageData(), images.array_of(field)))
    contour.SetValue(0, 0.0)
    contour.ComputeNormalsOff()
    contour.ComputeGradientsOff()
    contour.ComputeScalarsOff()
    matrix = ijk_to_ras(field)
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix)
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetTransform(transform)
    mover.SetInputConnection(contour.GetOutputPort())
    if matrix.Determinant() >= 0:
        mover.Update()
        return mover.GetOutput()
    turned = vtk.vtkReverseSense()  # a left-handed grid turns the triangles inside out
    turned.SetInputConnection(mover.GetOutputPort())
    turned.Update()
    return turned.GetOutput()


def _smoothed(surface: Any, smoothing: float) -> Any:
    import vtk

    if smoothing <= 0:
        return surface
    smoother = vtk.vtkWindowedSincPolyDataFilter()
    smoother.SetInputData(surface)
    smoother.SetNumberOfIterations(round(20 + 40 * smoothing))
    smoother.SetPassBand(10.0 ** (_PASS_BAND_EXPONENT * smoothing))
    smoother.BoundarySmoothingOff()
    smoother.FeatureEdgeSmoothingOff()
    smoother.NonManifoldSmoothingOn()
    smoother.NormalizeCoordinatesOn()
    smoother.Update()
    return smoother.GetOutput()


def _with_normals(surface: Any) -> Any:
    import vtk

    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(surface)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()
