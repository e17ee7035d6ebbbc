"""Labeled livers with their veins for benchmarks: three patients of ../shared/data where it is there, and phantoms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels import read_labels
from LiverPlannerLib.resection.closed_surface import inside_surface
from LiverPlannerLib.structures import structure
from PreopReviewLib import images

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPACING = 1.5
MESHES = {
    "patient_b": {
        "liver": "liver.vtk",
        "tumor": "liver_tumor.vtk",
        "hepatic_vein": "hepatic_veins.vtk",
        "portal_vein": "portal_vein.vtk",
    },
    "patient_c": {
        "liver": "Liver.stl",
        "tumor": "Tumor1.stl",
        "hepatic_vein": "Hepatic_Veins.stl",
        "portal_vein": "Portal_Veins.stl",
    },
}


def labeled_livers(phantoms: int = 4) -> Iterator[tuple[str, sitk.Image]]:
    """Names and label images (values of the table of structures)."""
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    path = DATA / "liver_anatomy" / "labels_1.5mm.nii.gz"
    if path.is_file():
        names = {1: "liver", 2: "hepatic artery", 3: "hepatic vein", 4: "portal vein", 6: "bile duct", 7: "gallbladder"}
        names |= {8: "cyst", 9: "tumor"}
        yield "liver_anatomy", read_labels(path, names).labels
    for name, files in MESHES.items():
        folder = DATA / "vessel_anatomy" / name
        if folder.is_dir():
            yield name, from_meshes(folder, files)
    for seed in range(phantoms):
        yield f"phantom {seed}", make_liver_phantom(seed, "ct", spacing=1.75, size=(144, 144, 144)).labels


def from_meshes(folder: Path, files: dict[str, str]) -> sitk.Image:
    """Closed meshes (file coordinates taken as LPS, mm) painted on a grid of 1.5 mm, later ones over earlier ones."""
    meshes = {key: _closed_mesh(folder / file) for key, file in files.items()}
    corners = np.concatenate([points for points, _ in meshes.values()])
    lps = corners * (-1, -1, 1)
    low = lps.min(0) - 5
    size = np.ceil((lps.max(0) + 5 - low) / SPACING).astype(int)
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    grid.SetSpacing([SPACING] * 3)
    grid.SetOrigin(low.tolist())
    values = np.zeros(size[::-1], np.uint8)
    for key, (points, triangles) in meshes.items():
        values[inside_surface(images.ras_to_kji(points, grid), triangles, values.shape)] = structure(key).label
    return images.image_like(values, grid)


def _closed_mesh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """RAS points and triangles of a .vtk or .stl file; its holes are filled (patient_c has a hundred open edges)."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkCleanPolyData, vtkTriangleFilter
    from vtkmodules.vtkFiltersModeling import vtkFillHolesFilter
    from vtkmodules.vtkIOGeometry import vtkSTLReader
    from vtkmodules.vtkIOLegacy import vtkPolyDataReader

    reader = vtkSTLReader() if path.suffix == ".stl" else vtkPolyDataReader()
    reader.SetFileName(str(path))
    clean, fill = vtkCleanPolyData(), vtkFillHolesFilter()
    clean.SetInputConnection(reader.GetOutputPort())
    fill.SetInputConnection(clean.GetOutputPort())
    fill.SetHoleSize(1000.0)
    triangles = vtkTriangleFilter()
    triangles.SetInputConnection(fill.GetOutputPort())
    triangles.PassLinesOff()
    triangles.PassVertsOff()
    triangles.Update()
    triangulated = triangles.GetOutput()
    points = vtk_to_numpy(triangulated.GetPoints().GetData()).astype(float)
    return points * (-1, -1, 1), vtk_to_numpy(triangulated.GetPolys().GetConnectivityArray()).reshape(-1, 3)
