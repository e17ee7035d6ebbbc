"""The one reader of label files.

Order of belief: an explicit mapping; the codes of a DICOM SEG; terminology, then names, of a Slicer segmentation; names
in a NIfTI header; a list of names beside the file (nnU-Net's dataset.json also above it); a table recognized by its
numbers and shapes. Where none of these says what the values are, the file is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels.mapping import names_in_file
from LiverPlannerLib.labels.names import (
    couinaud_names,
    match_code,
    match_name,
    match_segment,
    match_terminology,
    names_another_organ,
)
from LiverPlannerLib.labels.tables import OURS, doubts, measure_shapes, recognize
from LiverPlannerLib.structures import STRUCTURES, Structure, structure
from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, InputError

_MAPPING_HELP = "Say what the values are, for example: --labels liver=5,portal_vein=64 (or a file of names and values)"


@dataclass
class Labels:
    """A label file, read.

    Attributes:
        labels: uint8 with the values of our table, on the file's own grid.
        how: one sentence: how it is known what the values are.
        unknown: names or values in the file that are no structure of the liver, with their ml; left out of `labels`.
        notes: sentences for the reader: what was left out, what overlapped, what is hardly plausible.
        source: by structure key, the names or values that it had in the file.
    """

    labels: sitk.Image
    how: str = ""
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    source: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class _Part:
    """One segment or value of a file: what it is called, its voxels (K, J, I), and the structure that it is."""

    name: str
    voxels: np.ndarray
    structure: Structure | None


def read_labels(path: str | Path, mapping: Mapping[int, str] | None = None) -> Labels:
    """Labels of the liver from a label image (NIfTI, NRRD, MetaImage), a Slicer segmentation or a DICOM SEG.

    Args:
        mapping: names by label value, which are believed before anything that the file says.

    Raises:
        FileMissing, UnreadableImage: as `images.read_image`.
        InputError: none of the structures is in it, or nothing says what its values are.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file {path}", "Check the path")
    if path.is_file() and images.is_dicom_segmentation(path):
        reference, parts, how = _dicom_parts(path)
    elif (segments := _slicer_parts(path)) is not None and mapping is None:
        reference, parts, how = segments
    else:
        return _from_values(path, mapping)
    return _joined(path, reference, parts, how)


def read_mask(path: str | Path, names: tuple[str, ...], mapping: Mapping[int, str] | None = None) -> sitk.Image:
    """A binary mask (uint8, 0 and 1) from a file where a mask is asked for: everything that is not 0.

    Args:
        names: what the mask is called in a segmentation with several segments, lower case; a structure key among them
            takes that structure of a file with several labels.

    Raises:
        InputError: several segments or labels, and none has one of the names. What `read_labels` raises.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file {path}", "Check the path")
    from LiverPlannerLib.structures import mask_of

    named = None
    if path.is_file() and images.is_dicom_segmentation(path):
        named = _dicom_parts(path)
    elif mapping is None:
        named = _slicer_parts(path)
    if named is not None:
        reference, parts, _how = named
        filled = [p for p in parts if p.voxels.any()]
        chosen = [p for p in filled if any(n in p.name.lower() for n in names)]
        if len(filled) == 1:
            chosen = filled
        if len(chosen) == 1:
            return images.image_like(chosen[0].voxels.astype(np.uint8), reference)
    else:
        image = images.read_image(path)
        array = images.array_of(image)
        values = np.unique(array[array != 0]) if array.dtype.kind in "iub" else np.unique(np.round(array, 3))
        values = values[values != 0]
        if mapping is None and len(values) <= 1:
            return images.image_like((np.abs(array) > 1e-3).astype(np.uint8), image)
    for key in names:
        if key in {s.key for s in STRUCTURES}:
            found = mask_of(read_labels(path, mapping).labels, key)
            if images.array_of(found).any():
                return found
    held = [p.name for p in parts] if named is not None else [f"{v:g}" for v in values]
    raise InputError(
        f"{path} holds several segments or labels ({', '.join(held[:8])}), and none of them is called "
        f"{' or '.join(names)}",
        "Give a file with the mask alone, or rename its segment",
    )


_BY_CODES, _BY_SEGMENTS = "by the codes of the DICOM segmentation", "by the names and codes of its segments"
_MAY_BE_CROPPED = (_BY_CODES, _BY_SEGMENTS)
"""Segmentations are stored without their empty frames and margins: their edge is not the edge of the image."""


def _with_rim(reference: sitk.Image, parts: list[_Part]) -> tuple[sitk.Image, list[_Part]]:
    """An empty voxel around a segmentation whose segments touch the ends of its grid where it was cropped.

    In Slicer's files that is where they touch all six sides; a DICOM SEG may lack empty frames at both ends.
    """
    filled = np.logical_or.reduce([p.voxels for p in parts])
    touched = [bool(filled.take(index, axis).any()) for axis in range(3) for index in (0, -1)]
    if not (all(touched) or all(touched[:2])):
        return reference, parts
    rim = [1, 1, 1] if all(touched) else [0, 0, 1]  # I, J, K
    padded = sitk.ConstantPad(sitk.Cast(reference, sitk.sitkUInt8), rim, rim, 0)
    width = [(n, n) for n in rim[::-1]]
    return padded, [_Part(p.name, np.pad(p.voxels, width), p.structure) for p in parts]


def _dicom_parts(path: Path) -> tuple[sitk.Image, list[_Part], str]:
    masks = images.read_dicom_segmentation(path)
    parts = []
    for mask in masks:
        found = match_code(mask.type, mask.region and mask.region[1])
        foreign = found is None and mask.region is not None and match_code(mask.type) is not None
        if found is None and not foreign:
            found = match_name(mask.name)
        parts.append(_Part(mask.name, images.array_of(mask.mask) > 0, found))
    return masks[0].mask, _with_couinaud_segments(parts), _BY_CODES


def _with_couinaud_segments(parts: list[_Part]) -> list[_Part]:
    """Parts that are named as Couinaud segments are parts of the liver."""
    named = couinaud_names(p.name for p in parts if p.structure is None)
    for part in parts:
        if part.structure is None and part.name in named:
            part.structure = structure("liver")
    return parts


def _slicer_parts(path: Path) -> tuple[sitk.Image, list[_Part], str] | None:
    """The segments of a Slicer segmentation, told by its keys and not by its name; None for any other file."""
    if not path.is_file() or not path.name.lower().endswith((".nrrd", ".nhdr")):
        return None
    image = images.read_nrrd_layers(path)
    found = sorted({int(m[1]) for key in image.GetMetaDataKeys() if (m := re.match(r"Segment(\d+)_", key))})
    if not found:
        return None
    count = image.GetNumberOfComponentsPerPixel()
    layers = sitk.GetArrayFromImage(image)
    layers = layers[..., None] if count == 1 else layers
    parts = []
    for order, index in enumerate(found):
        name = _meta(image, index, "Name")
        tags = re.search(r"TerminologyEntry:([^|]*)", _meta(image, index, "Tags"))
        entry = tags[1] if tags else ""
        layer, value = _meta(image, index, "Layer"), _meta(image, index, "LabelValue")
        # Slicer up to 4.10 has one component for each segment and no layers.
        component = int(layer) if layer.isdigit() else (order if count > 1 else 0)
        if component >= count:
            raise InputError(f"{path} names a layer {component} for {name!r}, which it does not have", "Save it again")
        number = int(value) if value.lstrip("-").isdigit() else (1 if count > 1 else order + 1)
        structure_found = match_terminology(entry)
        if structure_found is None and not names_another_organ(entry):
            structure_found = match_name(name)
        parts.append(_Part(name, layers[..., component] == number, structure_found))
    reference = image if count == 1 else sitk.VectorIndexSelectionCast(image, 0)
    return reference, _with_couinaud_segments(parts), _BY_SEGMENTS


def _meta(image: sitk.Image, index: int, what: str) -> str:
    key = f"Segment{index}_{what}"
    return image.GetMetaData(key) if image.HasMetaDataKey(key) else ""


def _from_values(path: Path, mapping: Mapping[int, str] | None) -> Labels:
    image = images.read_labels(path)
    array = images.array_of(image)
    names, how = _names_for(path, mapping)
    present = [int(v) for v in np.unique(array) if v]
    if names is not None and any(v in names for v in present):
        parts, segments = [], couinaud_names(names.values())
        for value in present:
            name = names.get(value, str(value))
            found = match_name(name) if value in names else None
            if found is None and name in segments:
                found = structure("liver")
            parts.append(_Part(f"{name} ({value})" if value in names else str(value), array == value, found))
        if not any(p.structure for p in parts):
            raise InputError(
                f"{path} contains none of the liver structures, only {', '.join(p.name for p in parts[:12])}",
                f"Known: {', '.join(s.key for s in STRUCTURES)}. {_MAPPING_HELP}",
            )
        return _joined(path, image, parts, how)
    if not present:
        return Labels(sitk.Cast(image, sitk.sitkUInt8), "it is empty")
    known = recognize(image)
    if known is None:
        listed = ", ".join(f"{v} ({ml:.0f} ml)" for v, ml in measure_shapes(image).ml.items())
        raise InputError(
            f"{path} seems to follow another label table, and nothing in the file says which. Its values: "
            f"{_shortened(listed)}",
            _MAPPING_HELP,
        )
    table_name, table, unknown = known
    if table_name == OURS and not unknown:
        return _plain(image, present)
    parts = [_Part(str(v), array == v, structure(table[v]) if v in table else None) for v in present]
    words = f"by its values and shapes, which match {table_name}"
    made = _joined(path, image, parts, words)
    if table_name != OURS:
        made.notes.insert(0, f"{path.name} does not name its labels; its values were read as those of {table_name}.")
    return made


def _plain(image: sitk.Image, present: list[int]) -> Labels:
    """The usual case: our own numbers, taken as they are."""
    source = {s.key: [str(s.label)] for s in STRUCTURES if s.label in present}
    return Labels(sitk.Cast(image, sitk.sitkUInt8), f"by its values, which match {OURS}", source=source)


def _shortened(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else text[:limit].rsplit(",", 1)[0] + ", …"


def _names_for(path: Path, mapping: Mapping[int, str] | None) -> tuple[dict[int, str] | None, str]:
    if mapping is not None:
        for name in mapping.values():
            if match_name(name) is None and match_segment(name) is None:
                raise InputError(
                    f"The mapping names {name!r}, which is not a structure of the liver",
                    f"Use some of {', '.join(s.key for s in STRUCTURES)}",
                )
        listed = ",".join(f"{name}={value}" for value, name in mapping.items())
        return dict(mapping), f"by the mapping given: {listed}"
    if path.name.lower().endswith((".nii", ".nii.gz")) and (found := nifti_names(path)):
        return found, "by the names in its header"
    stem = re.sub(r"\.(nii\.gz|nii|nrrd|nhdr|mha|mhd|seg\.nrrd)$", "", path.name, flags=re.IGNORECASE)
    for beside in (f"{stem}.ctbl", f"{stem}_ColorTable.ctbl", f"{stem}.label", f"{stem}.txt", f"{stem}_labels.txt"):
        file = path.parent / beside
        if file.is_file() and (found := names_in_file(file)):
            return found, f"by the names in {beside}"
    for folder in (path.parent, path.parent.parent):
        file = folder / "dataset.json"
        if file.is_file() and (found := names_in_file(file)):
            return found, f"by the names in {file.name} of its data set"
    return None, ""


def nifti_names(path: Path) -> dict[int, str]:
    """Label names in a NIfTI header extension (the XML of CIFTI's label tables, as TotalSegmentator writes it)."""
    import xml.etree.ElementTree as ElementTree

    found: dict[int, str] = {}
    for text in images.nifti_extensions(path):
        start = text.find("<CaretExtension")
        end = text.rfind("</CaretExtension>")
        if start < 0 or end < 0 or "<!ENTITY" in text:
            continue
        try:
            root = ElementTree.fromstring(text[start : end + len("</CaretExtension>")])
        except ElementTree.ParseError:
            continue  # damaged names are no names; the values are then judged by themselves
        for label in root.iter("Label"):
            key = label.get("Key", "")
            if key.isdigit() and int(key) and (label.text or "").strip():
                found[int(key)] = (label.text or "").strip()
    return found


def _joined(path: Path, reference: sitk.Image, parts: list[_Part], how: str) -> Labels:
    """The parts painted into one label image, in the order of the table; notes say what that cost."""
    ml = images.voxel_ml(reference)
    if how in _MAY_BE_CROPPED:
        reference, parts = _with_rim(reference, parts)
    array = np.zeros(reference.GetSize()[::-1], np.uint8)
    known = [p for p in parts if p.structure is not None]
    for part in sorted(known, key=lambda p: p.structure.paint):  # type: ignore[union-attr]
        array[part.voxels] = part.structure.label  # type: ignore[union-attr]
    made = Labels(images.image_like(array, reference), how)
    for part in known:
        made.source.setdefault(part.structure.key, []).append(part.name)  # type: ignore[union-attr]
    made.unknown = [f"{p.name} ({p.voxels.sum() * ml:.1f} ml)" for p in parts if p.structure is None]
    if not known or not array.any():
        if made.unknown:
            raise InputError(
                f"{path} contains none of the liver structures, only {_shortened(', '.join(made.unknown))}",
                f"Known: {', '.join(s.name for s in STRUCTURES)}",
            )
        return made
    made.notes += _overlaps(known, array, ml)
    table = {s.label: s.key for s in STRUCTURES}
    made.notes += [
        f"{path.name} has {doubt}: check that its labels are what their names say."
        for doubt in doubts(made.labels, table, measure_shapes(made.labels))
    ]
    return made


def _overlaps(known: list[_Part], array: np.ndarray, ml: float) -> list[str]:
    """How many ml of each structure went to another one that is painted over it (the liver holds the rest anyway)."""
    notes = []
    for s in STRUCTURES:
        own = [p.voxels for p in known if p.structure == s]
        if s.key == "liver" or not own:
            continue
        lost = np.logical_or.reduce(own) & (array != s.label)
        for other in STRUCTURES:
            if other.paint > s.paint and (count := np.count_nonzero(array[lost] == other.label)):
                notes.append(
                    f"{count * ml:.2g} ml are both {s.name.lower()} and {other.name.lower()}, and count as the latter."
                )
    return notes
