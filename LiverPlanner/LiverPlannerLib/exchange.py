"""Images, masks and surfaces between the panel and the worker process, as plain files of one private folder.

A 3-D array goes as .npy beside its geometry as plain values: nothing is compressed or converted on the way, so
that the panel's side costs no more than the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images


def geometry_of(image: sitk.Image) -> dict[str, list[float]]:
    """Spacing (mm), direction and origin (LPS, mm), as plain values."""
    return {
        "spacing": list(image.GetSpacing()),
        "direction": list(image.GetDirection()),
        "origin": list(image.GetOrigin()),
    }


def save_array(array: np.ndarray, geometry: dict[str, list[float]], folder: Path, name: str) -> dict[str, Any]:
    """Writes a K-J-I array and returns the record that `load_image` takes."""
    np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return {"file": f"{name}.npy", **geometry}


def save_image(image: sitk.Image, folder: Path, name: str) -> dict[str, Any]:
    """Writes an image and returns the record that `load_image` takes."""
    return save_array(images.array_of(image), geometry_of(image), folder, name)


def load_image(folder: Path, record: dict[str, Any]) -> sitk.Image:
    """The image of a record."""
    image = sitk.GetImageFromArray(np.load(folder / record["file"], allow_pickle=False))
    image.SetSpacing(record["spacing"])
    image.SetDirection(record["direction"])
    image.SetOrigin(record["origin"])
    return image


def on_grid(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """The image on the grid of another; voxel for voxel where that grid is a part of the image's own."""
    same = np.allclose(image.GetSpacing(), grid.GetSpacing(), rtol=1e-4) and np.allclose(
        image.GetDirection(), grid.GetDirection(), atol=1e-4
    )
    index = np.array(image.TransformPhysicalPointToContinuousIndex(grid.GetOrigin()))
    aligned = same and np.abs(index - np.round(index)).max() < 1e-2
    low = float(images.array_of(image).min())  # what lies outside the image is background, not 0 HU
    return images.resample_to(image, grid, "nearest" if aligned else "linear", low)


@dataclass(frozen=True)
class Part:
    """One structure of a plan, ready to become a segment.

    Attributes:
        key: of the structure.
        start: first voxel of the box, K-J-I, on the grid of the image.
        voxels: uint8, 0 or 1, of the box; the liver's includes everything counted in it.
        surface: vtkPolyData in RAS mm, or None.
    """

    key: str
    start: tuple[int, int, int]
    voxels: np.ndarray
    surface: Any | None = None


def parts_of(labels: sitk.Image, surfaces: bool = True) -> Iterator[Part]:
    """The structures of a label image that have voxels, in the order of the table."""
    from LiverPlannerLib.structures import STRUCTURES, mask_of
    from PreopReviewLib.scene.surfaces import surface_of_mask

    for s in STRUCTURES:
        mask = mask_of(labels, s.key)
        if not images.array_of(mask).any():
            continue
        box = images.bounding_box(mask)
        smoothing = VESSEL_SMOOTHING if s.vascular else SMOOTHING
        surface = surface_of_mask(mask, smoothing) if surfaces else None
        yield Part(s.key, box.start, np.ascontiguousarray(images.array_of(mask)[box.slices]), surface)


SMOOTHING, VESSEL_SMOOTHING = 0.5, 0.3  # as in `scene`: more makes vessels of two voxels disappear


def save_part(part: Part, folder: Path) -> dict[str, Any]:
    """Writes a part and returns its record."""
    np.save(folder / f"{part.key}.npy", part.voxels, allow_pickle=False)
    record: dict[str, Any] = {"key": part.key, "start": list(part.start), "surface": None}
    if part.surface is not None:
        import vtk

        record["surface"] = f"{part.key}.vtp"
        writer = vtk.vtkXMLPolyDataWriter()
        writer.SetFileName(str(folder / record["surface"]))
        writer.SetInputData(part.surface)
        writer.SetDataModeToAppended()
        writer.EncodeAppendedDataOff()
        writer.SetCompressorTypeToNone()
        if not writer.Write():
            raise OSError(f"{record['surface']} cannot be written")
    return record


def load_part(record: dict[str, Any], folder: Path) -> Part:
    """The part of a record."""
    voxels = np.load(folder / f"{record['key']}.npy", allow_pickle=False)
    surface = None
    if record["surface"]:
        import vtk

        reader = vtk.vtkXMLPolyDataReader()
        reader.SetFileName(str(folder / record["surface"]))
        reader.Update()
        surface = reader.GetOutput()
    return Part(record["key"], tuple(record["start"]), voxels, surface)
