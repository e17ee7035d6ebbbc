"""Label files as people have them (label images, Slicer segmentations), as label images of our table."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import STRUCTURES, Structure, structure, unknown_labels
from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, InputError, UnreadableImage

_SYNONYMS = {
    "tumor": ("tumor", "tumors", "tumour", "tumours", "liver tumour", "mass", "hcc", "lesion", "lesions", "neoplasm"),
    "cyst": ("cysts", "hepatic cyst", "liver cysts"),
    "hepatic_vein": ("hepatic veins", "hv", "hepatic venous system"),
    "portal_vein": ("portal veins", "pv", "portal venous system"),
    "bile_duct": ("bile ducts", "bd", "biliary tract", "biliary tree", "common bile duct"),
    "inferior_vena_cava": ("ivc", "vena cava", "postcava"),
    "gallbladder": ("gall bladder",),
    "liver": ("whole liver", "parenchyma", "liver parenchyma"),
}
_TYPE_CODES = {"108369006": "tumor", "86049000": "tumor", "14799000": "tumor", "52988006": "tumor"}
"""Codes for lesions that others use where our table says Mass."""


@dataclass
class LabelFile:
    """A label file, read.

    Attributes:
        labels: uint8 with the values of our table.
        unknown: names or label values in the file that the table does not have; they are left out of `labels`.
    """

    labels: sitk.Image
    unknown: list[str] = field(default_factory=list)


def read_structures(path: str | Path) -> LabelFile:
    """A label image with the values of our table, a Slicer segmentation (.seg.nrrd) or a DICOM SEG of any segments.

    Segments are matched by terminology code first, then by name. Where segments overlap, those that the liver
    contains win over the liver.

    Raises:
        FileMissing, InputError, UnreadableImage: also if no label or segment is one of our table.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file {path}", "Check the path")
    if path.name.lower().endswith(".seg.nrrd"):
        found = _from_segmentation(path)
    elif path.is_file() and images.is_dicom_segmentation(path):
        found = _from_dicom(path)
    else:
        found = _from_labels(path)
    if found.unknown and not images.array_of(found.labels).any():
        known = ", ".join(f"{s.label} {s.name}" for s in STRUCTURES)
        raise InputError(
            f"{path} holds none of the liver structures, only {', '.join(found.unknown)}", f"Known: {known}"
        )
    return found


def match_name(name: str) -> Structure | None:
    """The structure that a name means, or None: our names and keys, and common synonyms, in any case."""
    plain = re.sub(r"[\s_\-]+", " ", name).strip().lower()
    for candidate in STRUCTURES:
        if plain in (candidate.key.replace("_", " "), candidate.name.lower(), *_SYNONYMS.get(candidate.key, ())):
            return candidate
    return None


def match_terminology(entry: str) -> Structure | None:
    """The structure of a terminology entry as Slicer serializes it, or None.

    The form is ``context~category~type~type modifier~context~region~region modifier``, each ``scheme^code^name``.
    """
    parts = entry.split("~")
    if len(parts) < 3 or parts[2].count("^") < 1:
        return None
    scheme, value = parts[2].split("^")[:2]
    return match_code((scheme, value, ""))


def match_code(code: tuple[str, str, str]) -> Structure | None:
    """The structure of a (scheme, value, meaning) code, or None; retired SRT codes count as their SNOMED CT ones."""
    value = code[1]
    if code[0] == "SRT":
        from pydicom.sr.coding import Code

        same = (s.type.value for s in STRUCTURES if Code(value, "SRT", "") == Code(s.type.value, "SCT", ""))
        value = next(same, value)
    for candidate in STRUCTURES:
        if value == candidate.type.value:
            return candidate
    return structure(_TYPE_CODES[value]) if value in _TYPE_CODES else None


def _from_labels(path: Path) -> LabelFile:
    labels = images.read_labels(path)
    unknown = unknown_labels(labels)
    if not unknown:
        return LabelFile(sitk.Cast(labels, sitk.sitkUInt8))
    array = images.array_of(labels)
    known = np.setdiff1d(np.unique(array), [0, *unknown])
    if 0 < len(known) < len(unknown):
        # Another tool numbers other organs with the same small values: TotalSegmentator's 1 is the spleen.
        raise InputError(
            f"{path} seems to be numbered by another table: of its labels, {len(unknown)} are unknown here, "
            f"such as {', '.join(map(str, unknown[:4]))}",
            "Renumber it (1 liver, 2 tumor, 3 cyst, 4 hepatic vein, 5 portal vein, 6 bile duct), or give a .seg.nrrd "
            "with names",
        )
    kept = np.where(np.isin(array, unknown), 0, array).astype(np.uint8)
    return LabelFile(images.image_like(kept, labels), [str(v) for v in unknown])


def _from_segmentation(path: Path) -> LabelFile:
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise UnreadableImage(f"{path} is truncated, corrupted or no segmentation", "Save it again") from error
    layers = sitk.GetArrayViewFromImage(image)
    layers = layers[..., None] if image.GetNumberOfComponentsPerPixel() == 1 else layers
    array = np.zeros(layers.shape[:3], np.uint8)
    unknown: list[str] = []
    painted: list[tuple[Structure, np.ndarray]] = []
    for index in _segment_indices(image):
        name = _meta(image, index, "Name")
        tags = re.search(r"TerminologyEntry:([^|]*)", _meta(image, index, "Tags"))
        found = (match_terminology(tags[1]) if tags else None) or match_name(name)
        if found is None:
            unknown.append(name)
            continue
        layer = int(_meta(image, index, "Layer") or 0)
        painted.append((found, layers[..., layer] == int(_meta(image, index, "LabelValue") or 1)))
    _paint(array, painted)
    reference = image if image.GetNumberOfComponentsPerPixel() == 1 else sitk.VectorIndexSelectionCast(image, 0)
    return LabelFile(images.image_like(array, reference), unknown)


def _from_dicom(path: Path) -> LabelFile:
    masks = images.read_dicom_segmentation(path)
    unknown: list[str] = []
    painted: list[tuple[Structure, np.ndarray]] = []
    for mask in masks:
        found = match_code(mask.type) or match_name(mask.name)
        if found is None:
            unknown.append(mask.name)
        else:
            painted.append((found, images.array_of(mask.mask) > 0))
    array = np.zeros(images.array_of(masks[0].mask).shape, np.uint8)
    _paint(array, painted)
    return LabelFile(images.image_like(array, masks[0].mask), unknown)


def _paint(array: np.ndarray, painted: list[tuple[Structure, np.ndarray]]) -> None:
    """The liver first, so that what lies in it is painted over it; in the order of the table else."""
    for found, mask in sorted(painted, key=lambda pair: pair[0].label):
        array[mask] = found.label


def _segment_indices(image: sitk.Image) -> list[int]:
    found = {int(m[1]) for key in image.GetMetaDataKeys() if (m := re.match(r"Segment(\d+)_", key))}
    return sorted(found)


def _meta(image: sitk.Image, index: int, what: str) -> str:
    key = f"Segment{index}_{what}"
    return image.GetMetaData(key) if image.HasMetaDataKey(key) else ""
