"""Images and surfaces between the panel and the worker process, as plain files of one private folder.

A 3-D array goes as .npy beside its geometry as plain values: nothing is compressed or converted on the way, so
that the panel's side costs no more than the disk.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # panels import this module, and must open at once
    import SimpleITK as sitk

STEP_BYTES = 2**22
METADATA_KEYS = ("0008|0060", "0020|0060", "0020|0062", "preop|notes")
"""Meta data that a measure may depend on, and go with the voxels: modality, side of the body, what reading decided."""


@dataclass(frozen=True)
class Unsaved:
    """An image in a request to the worker, until `save_steps` puts its record there.

    Attributes:
        array: K-J-I.
        geometry: as `geometry_of`.
        name: of its file, without the ending.
        owner: what the array is only a view of.
        metadata: those of `METADATA_KEYS` that it has.
    """

    array: np.ndarray = field(repr=False)
    geometry: dict[str, list[float]]
    name: str
    owner: Any = field(default=None, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict)


def geometry_of(image: sitk.Image) -> dict[str, list[float]]:
    """Spacing (mm), direction and origin (LPS, mm), as plain values."""
    return {
        "spacing": list(image.GetSpacing()),
        "direction": list(image.GetDirection()),
        "origin": list(image.GetOrigin()),
    }


def save_array(
    array: np.ndarray,
    geometry: dict[str, list[float]],
    folder: Path,
    name: str,
    metadata: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Writes a K-J-I array and returns the record that `load_image` takes."""
    np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return {"file": f"{name}.npy", **geometry, "said": dict(metadata or {})}


def save_image(image: sitk.Image, folder: Path, name: str) -> dict[str, Any]:
    """Writes an image and returns the record that `load_image` takes."""
    from PreopReviewLib import images

    return save_array(images.array_of(image), geometry_of(image), folder, name, metadata_of(image))


def unsaved(image: sitk.Image, name: str) -> Unsaved:
    """An image for a request."""
    from PreopReviewLib import images

    return Unsaved(images.array_of(image), geometry_of(image), name, image, metadata_of(image))


def metadata_of(image: sitk.Image) -> dict[str, str]:
    """Of an image's meta data, `METADATA_KEYS`."""
    return {key: image.GetMetaData(key) for key in METADATA_KEYS if image.HasMetaDataKey(key)}


def save_steps(request: Mapping[str, Any], folder: Path) -> Generator[None, None, dict[str, Any]]:
    """Writes the images of a request, some slices a step, which take a few milliseconds.

    Returns:
        the request with the records that `load_image` takes in their places.

    Raises:
        OSError: no room.
    """
    saved = dict(request)
    for key, value in request.items():
        if isinstance(value, Unsaved):
            saved[key] = yield from _save_array_steps(value, folder)
    return saved


def _save_array_steps(image: Unsaved, folder: Path) -> Generator[None, None, dict[str, Any]]:
    array = image.array
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    depth = max(1, STEP_BYTES // max(1, array[:1].nbytes))
    with (folder / f"{image.name}.npy").open("wb") as stream:
        np.lib.format.write_array_header_2_0(stream, header)
        for first in range(0, len(array), depth):
            array[first : first + depth].tofile(stream)
            yield
    return {"file": f"{image.name}.npy", **image.geometry, "said": dict(image.metadata)}


def load_image(folder: Path, record: dict[str, Any]) -> sitk.Image:
    """The image of a record."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.load(folder / record["file"], allow_pickle=False))
    image.SetSpacing(record["spacing"])
    image.SetDirection(record["direction"])
    image.SetOrigin(record["origin"])
    for key, words in record.get("said", {}).items():
        image.SetMetaData(key, words)
    return image


def save_surface(surface: Any, folder: Path, name: str) -> str:
    """Writes a vtkPolyData and returns the file's name, which `load_surface` takes.

    Raises:
        OSError: it cannot be written.
    """
    import vtk

    writer = vtk.vtkXMLPolyDataWriter()
    writer.SetFileName(str(folder / f"{name}.vtp"))
    writer.SetInputData(surface)
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetCompressorTypeToNone()
    if not writer.Write():
        raise OSError(f"{name}.vtp cannot be written")
    return f"{name}.vtp"


def load_surface(folder: Path, name: str) -> Any:
    """The vtkPolyData of a file of `save_surface`."""
    import vtk

    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(folder / name))
    reader.Update()
    return reader.GetOutput()


def on_grid(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """The image on the grid of another; voxel for voxel where that grid is a part of the image's own."""
    from PreopReviewLib import images

    same = np.allclose(image.GetSpacing(), grid.GetSpacing(), rtol=1e-4) and np.allclose(
        image.GetDirection(), grid.GetDirection(), atol=1e-4
    )
    index = np.array(image.TransformPhysicalPointToContinuousIndex(grid.GetOrigin()))
    aligned = same and np.abs(index - np.round(index)).max() < 1e-2
    low = float(images.array_of(image).min())  # what lies outside the image is background, not 0 HU
    return images.resample_to(image, grid, "nearest" if aligned else "linear", low)
