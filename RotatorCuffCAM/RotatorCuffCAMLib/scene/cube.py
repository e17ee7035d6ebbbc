"""The cube around the humeral head as a markups ROI, and what kind of series a volume is, without its voxels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from PreopReviewLib.errors import InputError, UnsupportedImage
from PreopReviewLib.scene import inputs
from RotatorCuffCAMLib.region import MIN_SLICES, require_coronal, series_plane, slice_axis
from RotatorCuffCAMLib.scene.boxes import box_of, series_axes

_FOUND = "RotatorCuffCAM.HeadFound"


def _empty(volume: Any) -> Any:
    """An image with the volume's geometry in world space and no voxels to speak of."""
    import SimpleITK as sitk

    geometry = inputs.world_geometry(volume)
    image = sitk.Image([2, 2, 2], sitk.sitkUInt8)
    image.SetSpacing(geometry["spacing"])
    image.SetDirection(geometry["direction"])
    return image


def plane_of(volume: Any) -> tuple[str, float, int]:
    """Plane of the slices, degrees out of it, and their number."""
    image = _empty(volume)
    plane, off = series_plane(image)
    return plane, off, int(volume.GetImageData().GetDimensions()[slice_axis(image)])


def require_series(volume: Any, any_plane: bool) -> None:
    """Raises where a volume cannot be a coronal shoulder MRI, as far as geometry and DICOM say.

    Raises:
        UnsupportedImage: too few slices, a CT, or slices that are not coronal.
    """
    if inputs.dicom_modality(volume) == "CT":
        raise UnsupportedImage(f"{volume.GetName()} is a CT", "Choose an MRI of the shoulder")
    _plane, _off, count = plane_of(volume)
    if count < MIN_SLICES:
        raise UnsupportedImage(
            f"{volume.GetName()} has only {count} slices, as a localizer has",
            f"Choose a series of {MIN_SLICES} or more",
        )
    require_coronal(_empty(volume), volume.GetName(), any_plane)


def keep_guess(roi: Any, radius_mm: float, confidence: float) -> None:
    """Notes on a cube's ROI that the head was found there, and how surely."""
    roi.SetAttribute(_FOUND, json.dumps({"at": cube_of(roi), "radius_mm": radius_mm, "confidence": confidence}))


def guess_of(roi: Any) -> dict[str, float]:
    """``radius_mm`` and ``confidence`` of the head in a cube; empty where a person has moved or drawn it."""
    kept = json.loads(roi.GetAttribute(_FOUND) or "{}")
    if not kept:
        return {}
    (center, edge), (then, edge_then) = cube_of(roi), kept["at"]
    if not np.allclose([*center, edge], [*then, edge_then], atol=1e-3):
        return {}
    return {"radius_mm": kept["radius_mm"], "confidence": kept["confidence"]}


def place_cube(volume: Any, roi: Any | None, center_lps: Any, edge_mm: float) -> Any:
    """Puts a ROI of the cube's size around a point, along the series' axes; makes it where there is none."""
    scene = volume.GetScene()
    if roi is None:
        roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Humeral head cube")
        roi.CreateDefaultDisplayNodes()
        display = roi.GetDisplayNode()
        display.SetFillOpacity(0.05)
        display.SetSelectedColor(0.35, 0.75, 1.0)
        display.SetPropertiesLabelVisibility(False)
        display.SetScaleHandleVisibility(True)
    roi.SetAndObserveObjectToNodeMatrix(series_axes(volume, center_lps))
    roi.SetSize(edge_mm, edge_mm, edge_mm)
    return roi


def cube_of(roi: Any) -> tuple[list[float], float]:
    """Middle (LPS) and longest side, mm, of a ROI.

    Raises:
        InputError: it has no size.
    """
    if not min(roi.GetSize()) > 0:
        raise InputError(f"The box {roi.GetName()} has no size", "Draw it around the humeral head")
    box = box_of(roi)
    return list(box.center_lps), 2 * max(box.half_mm)
