"""Voxels and geometry between SimpleITK and VTK.

ITK's space is LPS, MRML's is RAS: the first two axes change sign, nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ijk_to_ras(image: sitk.Image) -> Any:
    """vtkMatrix4x4 from voxel indices to RAS in mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return matrix_of(_LPS_TO_RAS @ affine)


def array_of_matrix(matrix: Any) -> np.ndarray:
    """The (4, 4) numbers of a vtkMatrix4x4."""
    numbers = np.empty((4, 4))
    matrix.DeepCopy(numbers.ravel(), matrix)
    return numbers


def matrix_of(numbers: np.ndarray) -> Any:
    """The vtkMatrix4x4 of (4, 4) numbers."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(numbers.ravel())
    return matrix


def set_geometry(image: sitk.Image, matrix: Any) -> sitk.Image:
    """Gives an image the geometry of a vtkMatrix4x4 from its voxel indices to RAS."""
    affine = _LPS_TO_RAS @ array_of_matrix(matrix)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def fill(target: Any, array: np.ndarray, start_ijk: Sequence[int] = (0, 0, 0), shared: bool = False) -> Any:
    """Puts a K-J-I array into a vtkImageData (or its oriented kind) at voxel `start_ijk`.

    Args:
        shared: looks at the array's own memory instead of a copy: neither may be changed while the other is used.
    """
    from vtk.util.numpy_support import numpy_to_vtk

    stop = [s + n - 1 for s, n in zip(start_ijk, array.shape[::-1], strict=True)]
    target.SetExtent(*(v for pair in zip(start_ijk, stop, strict=True) for v in pair))
    target.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=not shared))
    return target


def array_of_vtk(image_data: Any) -> np.ndarray:
    from vtk.util.numpy_support import vtk_to_numpy

    shape = image_data.GetDimensions()[::-1]
    return vtk_to_numpy(image_data.GetPointData().GetScalars()).reshape(shape)
