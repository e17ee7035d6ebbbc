"""Closed surfaces of segments, for looking at and for printing; volumes are measured on voxels, never on these.

Slicer's own conversion contours the binary voxels and then smooths: at 5 mm slices it leaves terraces, at 0.5 mm
it makes a million triangles, and with the one smoothing that it has for all segments a vessel of two voxels
disappears. Here the signed distance is contoured instead (shape-based interpolation: Raya and Udupa, IEEE TMI
1990;9:32-42) on a grid that suits the structure; what hangs together by an edge or a corner of a voxel is one body;
smoothing stops where it would shrink a body; and each body then takes the volume of its voxels.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.images.vtk_images import fill, ijk_to_ras
from PreopReviewLib.progress import at_once
from PreopReviewLib.surface_bodies import Mesh, with_volumes
from PreopReviewLib.surface_bridges import bridged, with_threads

COARSE_MM, LARGE_ML = 1.5, 100.0
"""Pieces above 100 ml are contoured on a grid of 1.5 mm at the finest, others on one as fine as the voxels."""
KEPT_VOLUME = 0.92
"""How much of the volume that an unsmoothed body encloses must remain when it is smoothed."""
_PASS_BAND_EXPONENT = -4.0  # as in Slicer: smoothing 0 to 1 is a pass band of 1 to 0.0001
_PARTS = (1.0, 0.6, 0.35, 0.2)


def surface_of_mask(mask: sitk.Image, smoothing: float) -> Any:
    """The surface of `surface_steps`, at once."""
    return at_once(surface_steps(mask, smoothing))


def surface_steps(mask: sitk.Image, smoothing: float) -> Generator[None, None, Any]:
    """The closed surface of a binary image, vtkPolyData of triangles in RAS mm with normals outwards.

    That of a liver takes a second or more: made in steps, between which a panel can answer.

    Each 26-connected piece is one body (with one more for each hole in it), and its volume is that of its voxels.

    Args:
        mask: not empty; any direction.
        smoothing: 0 (none) to 1, the most that a body gets. The filter (windowed sinc) moves points and never
            cuts a thin vessel in two, as smoothing the distance would.

    Raises:
        InputError: the mask is empty.
    """
    import cc3d

    if not images.array_of(mask).any():
        raise InputError("A surface of nothing cannot be made", "Draw the segment first")
    # Two voxels of background all around close the surface also where the structure reaches the image's border.
    cropped = sitk.ConstantPad(images.crop(mask, images.bounding_box(mask)), [2] * 3, [2] * 3, 0)
    pieces = cc3d.connected_components(np.require(images.array_of(cropped) > 0, requirements="CW"), connectivity=26)
    sizes = images.label_counts(pieces)[: int(pieces.max()) + 1]
    sizes[0] = 0
    yield
    ml = images.voxel_ml(mask)
    large = np.flatnonzero(sizes * ml > LARGE_ML)
    finest = min(mask.GetSpacing())
    parts, fine = [], sizes > 0
    for piece in large:
        alone = np.zeros_like(sizes)
        alone[piece] = sizes[piece]
        surface = yield from _surface(cropped, pieces, alone, max(COARSE_MM, finest), smoothing)
        if surface is not None:
            parts.append(surface)
            fine[piece] = False
    if fine.any():
        parts.append((yield from _surface(cropped, pieces, np.where(fine, sizes, 0), finest, smoothing, whole=True)))
    yield
    return _with_normals(_together(parts))


def _surface(
    grid: sitk.Image, pieces: np.ndarray, sizes: np.ndarray, step: float, smoothing: float, whole: bool = False
) -> Generator[None, None, Any]:
    """The surface of the pieces that have a size; None where it would not be one body, unless `whole` takes any."""
    wanted = sizes > 0
    solid = bridged(pieces if wanted[1:].all() else np.where(images.looked_up(wanted, pieces), pieces, 0))
    yield
    field = yield from _field(solid > 0, grid, step)
    yield
    if not whole:
        field = images.image_like(with_threads(images.array_of(field), step), field)
    raw = _contour(field)
    yield
    mesh = Mesh.of(raw)
    if not whole and mesh.outer_bodies() != 1:
        return None
    yield
    points = yield from _as_smooth_as_they_bear(raw, mesh, smoothing)
    owner = _owners(mesh, solid, grid)
    mm3 = sizes * images.voxel_ml(grid) * 1000
    return mesh.moved(with_volumes(mesh, points, owner, mm3, 0.5 * max(grid.GetSpacing())), raw)


def _owners(mesh: Mesh, solid: np.ndarray, grid: sitk.Image) -> np.ndarray:
    """For each point the piece whose surface it lies on: one of the eight voxels around it."""
    first = mesh.first_points()
    low = np.floor(images.ras_to_kji(mesh.points[first], grid)).astype(int)
    owners = np.zeros(len(first), np.int64)
    for corner in np.ndindex(2, 2, 2):
        at = np.clip(low + corner, 0, np.array(solid.shape) - 1)
        owners = np.maximum(owners, solid[tuple(at.T)])
    return owners[mesh.body]


def _as_smooth_as_they_bear(raw: Any, mesh: Mesh, smoothing: float) -> Generator[None, None, np.ndarray]:
    """The points of the strongest smoothing that leaves each body `KEPT_VOLUME`."""
    points, open_ = mesh.points.copy(), np.ones(mesh.bodies, bool)
    before = mesh.volumes(mesh.points, mesh.body)
    for part in _PARTS if smoothing > 0 else ():
        smooth = Mesh.points_of(_smoothed(raw, smoothing * part))
        kept = open_ & (mesh.volumes(smooth, mesh.body) / before >= KEPT_VOLUME)
        points[kept[mesh.body]] = smooth[kept[mesh.body]]
        open_ &= ~kept
        yield
        if not open_.any():
            break
    return points


def _together(surfaces: list[Any]) -> Any:
    import vtk

    if len(surfaces) == 1:
        return surfaces[0]
    append = vtk.vtkAppendPolyData()
    for surface in surfaces:
        append.AddInputData(surface)
    append.Update()
    return append.GetOutput()


def enclosed_mm3(surface: Any) -> float:
    """Volume inside a closed surface of triangles."""
    import vtk

    measure = vtk.vtkMassProperties()
    measure.SetInputData(surface)
    return measure.GetVolume()


def _field(solid: np.ndarray, grid: sitk.Image, step: float) -> Generator[None, None, sitk.Image]:
    """Positive inside, negative outside, 0 on the border between voxels, on the grid to be contoured."""
    import edt

    spacing = images.spacing_kji(grid)
    if spacing.max() < 1.5 * step and spacing.min() >= 0.8 * step:
        # Contoured on the voxels themselves, their distance says no more than inside and outside do.
        return images.image_like(np.where(solid, np.float32(1), np.float32(-1)), grid)
    field = edt.edt(solid, anisotropy=tuple(spacing), parallel=2)
    yield
    field -= edt.edt(~solid, anisotropy=tuple(spacing), parallel=2)
    yield
    return _on_grid(images.image_like(field, grid), step)


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
