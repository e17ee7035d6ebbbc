"""Files and folders that hold structures apart: DICOM SEG, Slicer segmentations, folders with a mask for each."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels.joining import BY_CODES, BY_SEGMENTS, Part
from LiverPlannerLib.labels.names import couinaud_names, match_name, match_terminology, meant_by
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, InputError

BY_FILES = "by the names of the masks in it"
Segments = tuple[sitk.Image, list[Part], str]
"""An image of their grid, the segments, and how it is known what they are."""


def label_file(path: str | Path) -> Path:
    """The label file of a path: itself, or the only DICOM SEG of a folder.

    Raises:
        FileMissing: there is none. InputError: the folder holds several.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file {path}", "Check the path")
    if not path.is_dir():
        return path
    segmentations = [p for p in sorted(path.rglob("*")) if p.is_file() and images.is_dicom_segmentation(p)]
    if len(segmentations) > 1:
        listed = ", ".join(str(p.relative_to(path)) for p in segmentations[:6])
        raise InputError(f"{path} holds {len(segmentations)} DICOM segmentations", f"Give one of them: {listed}")
    return segmentations[0] if segmentations else path


def segments_of(path: Path) -> Segments | None:
    """The segments of a DICOM SEG, a Slicer segmentation or a folder of masks; None for anything else."""
    if path.is_dir():
        return _folder_parts(path)
    if path.is_file() and images.is_dicom_segmentation(path):
        return _dicom_parts(path)
    return _slicer_parts(path)


def _dicom_parts(path: Path) -> Segments:
    masks = images.read_dicom_segmentation(path)
    parts = []
    for mask in masks:
        known = meant_by(mask.name, mask.type, mask.regions)
        parts.append(Part.of(mask.name, images.array_of(mask.mask) > 0, known, len(parts) + 1))
    return masks[0].mask, with_couinaud_segments(parts), BY_CODES


def with_couinaud_segments(parts: list[Part]) -> list[Part]:
    """Parts that are named as Couinaud segments are parts of the liver."""
    named = couinaud_names(p.name for p in parts if p.structure is None)
    for part in parts:
        if part.structure is None and part.name in named:
            part.structure = structure("liver")
    return parts


def _slicer_parts(path: Path) -> Segments | None:
    """The segments of a Slicer segmentation, told by its keys and not by its name; None for any other file."""
    if not path.is_file() or not path.name.lower().endswith((".nrrd", ".nhdr")):
        return None
    image = images.read_nrrd_layers(path)
    indices = sorted({int(m[1]) for key in image.GetMetaDataKeys() if (m := re.match(r"Segment(\d+)_", key))})
    if not indices:
        return None
    count = image.GetNumberOfComponentsPerPixel()
    layers = sitk.GetArrayFromImage(image)
    layers = layers[..., None] if count == 1 else layers
    boxes = [images.value_boxes(layers[..., n]) for n in range(count)]
    parts = []
    for order, index in enumerate(indices):
        name = _meta(image, index, "Name")
        tags = re.search(r"TerminologyEntry:([^|]*)", _meta(image, index, "Tags"))
        entry = tags[1] if tags else ""
        layer, value = _meta(image, index, "Layer"), _meta(image, index, "LabelValue")
        # Slicer up to 4.10 has one component for each segment and no layers.
        component = int(layer) if layer.isdigit() else (order if count > 1 else 0)
        if component >= count:
            raise InputError(f"{path} names a layer {component} for {name!r}, which it does not have", "Save it again")
        number = int(value) if value.lstrip("-").isdigit() else (1 if count > 1 else order + 1)
        meant = match_terminology(entry, name)
        parts.append(Part.of_value(name, layers[..., component], number, boxes[component], meant, count == 1))
    reference = image if count == 1 else sitk.VectorIndexSelectionCast(image, 0)
    images.add_notes(reference, images.notes_of(image))
    return reference, with_couinaud_segments(parts), BY_SEGMENTS


def _meta(image: sitk.Image, index: int, what: str) -> str:
    key = f"Segment{index}_{what}"
    return image.GetMetaData(key) if image.HasMetaDataKey(key) else ""


def _folder_parts(folder: Path) -> Segments | None:
    """A mask for each structure, as TotalSegmentator writes them; None unless files are named as structures.

    Files with other names are not read.

    Raises:
        InputError: a file so named holds more than one value.
    """
    files = {re.sub(IMAGE_SUFFIXES, "", p.name, flags=re.IGNORECASE): p for p in images.image_files(folder)}
    segments = couinaud_names(files)
    known = {name: p for name, p in files.items() if match_name(name) or name in segments}
    if len(files) < 2 or not known:
        return None
    parts: list[Part] = []
    reference = sitk.Image()
    for name, path in known.items():
        mask = single_mask(images.read_image(path))
        if mask is None:
            raise InputError(f"{path} holds several values, not the mask of one structure", "Give it by itself")
        if parts and not images.same_grid(mask, reference, 0.01):
            raise InputError(f"{path} is not on the grid of {next(iter(known.values())).name}",
                             "Write all masks on the grid of the scan")  # fmt: skip
        reference = mask
        parts.append(Part.of(name, images.array_of(mask) > 0, match_name(name)))
    others = len(files) - len(known)
    unread = f"; {others} file{'s' * (others > 1)} with other names {'were' if others > 1 else 'was'} not read"
    unread = unread if others else ""
    return reference, with_couinaud_segments(parts), BY_FILES + unread


def single_mask(image: sitk.Image) -> sitk.Image | None:
    """What is not 0, as 0 and 1; None for an image with more than one such value."""
    array = images.array_of(image)
    filled, value = np.zeros(array.shape, bool), None
    for k, plane in enumerate(array):
        plane = np.round(plane, 3) if array.dtype.kind == "f" else plane
        filled[k] = plane != 0
        if filled[k].any():
            value = plane[filled[k]][0] if value is None else value
            if (plane[filled[k]] != value).any():
                return None
    return images.image_like(filled.view(np.uint8), image)


IMAGE_SUFFIXES = r"\.(nii\.gz|nii|seg\.nrrd|nrrd|nhdr|mha|mhd|img|hdr)(\.gz)?$"
