"""The one reader of label files.

Order of belief: an explicit mapping; the codes of a DICOM SEG; terminology, then names, of a Slicer segmentation; names
in a NIfTI header; a list of names beside the file (nnU-Net's dataset.json also above it); a table recognized by its
numbers and shapes. Where none of these says what the values are, the file is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels.joining import (
    BY_CODES,
    BY_OUR_NUMBERS,
    BY_SEGMENTS,
    Labels,
    Part,
    joined,
    shortened,
    with_rim,
)
from LiverPlannerLib.labels.mapping import names_in_file
from LiverPlannerLib.labels.names import (
    couinaud_names,
    match_code,
    match_name,
    match_segment,
    match_terminology,
    names_another_organ,
)
from LiverPlannerLib.labels.tables import OURS, measure_shapes, recognize
from LiverPlannerLib.structures import STRUCTURES, structure
from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, InputError

_MAPPING_HELP = "Say which structure each value is, or give a file of names and values"


def read_labels(path: str | Path, mapping: Mapping[int, str] | None = None) -> Labels:
    """Labels of the liver from a label image (NIfTI, NRRD, MetaImage), a Slicer segmentation or a DICOM SEG.

    Args:
        mapping: names by label value, which are believed before anything that the file says.

    Raises:
        FileMissing, UnreadableImage: as `images.read_image`.
        InputError: none of the structures is in it, or nothing says what its values are.
    """
    path = _file(path)
    segments = _segments(path)
    if segments is None or (mapping is not None and _is_plain(segments[1])):
        made = _from_values(path, mapping)
    else:
        made = joined(path, *segments) if mapping is None else joined(path, *_renamed(path, segments, mapping))
    return replace(made, path=path)


def _file(path: str | Path) -> Path:
    """The label file of a path: itself, or the only DICOM SEG of a folder.

    Raises:
        FileMissing: there is none. InputError: the folder holds several.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file {path}", "Check the path")
    if not path.is_dir():
        return path
    found = [p for p in sorted(path.rglob("*")) if p.is_file() and images.is_dicom_segmentation(p)]
    if len(found) > 1:
        listed = ", ".join(str(p.relative_to(path)) for p in found[:6])
        raise InputError(f"{path} holds {len(found)} DICOM segmentations", f"Give one of them: {listed}")
    return found[0] if found else path


def _segments(path: Path) -> tuple[sitk.Image, list[Part], str] | None:
    """The segments of a DICOM SEG or a Slicer segmentation; None for any other file."""
    if path.is_file() and images.is_dicom_segmentation(path):
        return _dicom_parts(path)
    return _slicer_parts(path)


def _is_plain(parts: list[Part]) -> bool:
    """Whether the segments are values of one label image, so that a mapping of values can be meant."""
    return all(p.number is not None and p.plain for p in parts)


def _renamed(
    path: Path, segments: tuple[sitk.Image, list[Part], str], mapping: Mapping[int, str]
) -> tuple[sitk.Image, list[Part], str]:
    """The segments with the structures that a mapping of their numbers gives them.

    Raises:
        InputError: two segments have one number, or the mapping names none of them.
    """
    reference, parts, _ = segments
    names, how = _names_for(path, mapping)
    numbers = [p.number for p in parts]
    if len(set(numbers)) < len(numbers) or not set(numbers) & set(names or ()):
        listed = ", ".join(f"{p.number} {p.name}" for p in parts)
        raise InputError(f"{path} has segments that the mapping cannot tell apart or does not name: {listed}",
                         "Leave the mapping out, or rename the segments")  # fmt: skip
    return reference, [replace(p, structure=match_name((names or {}).get(p.number, ""))) for p in parts], how


def read_mask(path: str | Path, names: tuple[str, ...], mapping: Mapping[int, str] | None = None) -> sitk.Image:
    """A binary mask (uint8, 0 and 1) from a file where a mask is asked for: everything that is not 0.

    Args:
        names: what the mask is called in a segmentation with several segments, lower case; a structure key among them
            takes that structure of a file with several labels.

    Raises:
        InputError: several segments or labels, and none has one of the names. What `read_labels` raises.
    """
    from LiverPlannerLib.structures import mask_of

    path = _file(path)
    named = _segments(path) if mapping is None else None
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


def _dicom_parts(path: Path) -> tuple[sitk.Image, list[Part], str]:
    masks = images.read_dicom_segmentation(path)
    parts = []
    for mask in masks:
        found = match_code(mask.type, mask.region and mask.region[1])
        foreign = found is None and mask.region is not None and match_code(mask.type) is not None
        if found is None and not foreign:
            found = match_name(mask.name)
        parts.append(Part(mask.name, images.array_of(mask.mask) > 0, found, len(parts) + 1))
    return masks[0].mask, _with_couinaud_segments(parts), BY_CODES


def _with_couinaud_segments(parts: list[Part]) -> list[Part]:
    """Parts that are named as Couinaud segments are parts of the liver."""
    named = couinaud_names(p.name for p in parts if p.structure is None)
    for part in parts:
        if part.structure is None and part.name in named:
            part.structure = structure("liver")
    return parts


def _slicer_parts(path: Path) -> tuple[sitk.Image, list[Part], str] | None:
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
        parts.append(Part(name, layers[..., component] == number, structure_found, number, count == 1))
    reference = image if count == 1 else sitk.VectorIndexSelectionCast(image, 0)
    return reference, _with_couinaud_segments(parts), BY_SEGMENTS


def _meta(image: sitk.Image, index: int, what: str) -> str:
    key = f"Segment{index}_{what}"
    return image.GetMetaData(key) if image.HasMetaDataKey(key) else ""


def _from_values(path: Path, mapping: Mapping[int, str] | None) -> Labels:
    image = images.read_labels(path)
    made = _named(path, image, mapping)
    made.notes += [f"{path.name}: {note}." for note in images.notes_of(image)]
    return made


def _named(path: Path, image: sitk.Image, mapping: Mapping[int, str] | None) -> Labels:
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
            parts.append(Part(f"{name} ({value})" if value in names else str(value), array == value, found))
        if not any(p.structure for p in parts):
            raise InputError(
                f"{path} contains none of the liver structures, only {', '.join(p.name for p in parts[:12])}",
                f"Known: {', '.join(s.key for s in STRUCTURES)}. {_MAPPING_HELP}",
                "labels",
            )
        return joined(path, image, parts, how)
    if not present:
        return Labels(sitk.Cast(image, sitk.sitkUInt8), "it is empty")
    known = recognize(image)
    if known is None:
        listed = ", ".join(f"{v} ({ml:.0f} ml)" for v, ml in measure_shapes(image).ml.items())
        raise InputError(
            f"{path} seems to follow another label table, and nothing in the file says which. Its values: "
            f"{shortened(listed)}",
            _MAPPING_HELP,
            "labels",
        )
    table_name, table, unknown = known
    if table_name == OURS and not unknown:
        return _plain(image, present)
    parts = [Part(str(v), array == v, structure(table[v]) if v in table else None) for v in present]
    words = f"by its values and shapes, which match {table_name}"
    made = joined(path, image, parts, words)
    if table_name != OURS:
        made.notes.insert(0, f"{path.name} does not name its labels; its values were read as those of {table_name}.")
    return made


def _plain(image: sitk.Image, present: list[int]) -> Labels:
    """The usual case: our own numbers, taken as they are."""
    source = {s.key: [str(s.label)] for s in STRUCTURES if s.label in present}
    labels = sitk.Cast(image, sitk.sitkUInt8)
    labels, _ = with_rim(labels, [Part("", images.array_of(labels) > 0, None)], sparse=False)
    return Labels(labels, BY_OUR_NUMBERS, source=source)


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
