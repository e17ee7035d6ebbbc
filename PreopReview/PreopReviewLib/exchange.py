"""Images between the panel and the worker process, as plain files of one private folder.

A 3-D array goes as .npy beside its geometry as plain values: nothing is compressed or converted on the way, so
that the panel's side costs no more than the disk.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

STEP_BYTES = 2**22


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


def save_array_steps(
    array: np.ndarray, geometry: dict[str, list[float]], folder: Path, name: str
) -> Generator[None, None, dict[str, Any]]:
    """As `save_array`, some slices a step, which take a few milliseconds."""
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    depth = max(1, STEP_BYTES // max(1, array[:1].nbytes))
    with (folder / f"{name}.npy").open("wb") as stream:
        np.lib.format.write_array_header_2_0(stream, header)
        for first in range(0, len(array), depth):
            array[first : first + depth].tofile(stream)
            yield
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
