"""The one reader of label files.

Order of belief: an explicit mapping; the codes of a DICOM SEG; terminology, then names, of a Slicer segmentation;
names in a NIfTI header, or those of MITK in an NRRD header; a list of names beside the file (dataset.json of nnU-Net
also above it); a table recognized by its numbers and shapes. Where none of these says what the values are, the file is
refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels.joining import (
    BY_OUR_NUMBERS,
    Labels,
    Part,
    joined,
    shortened,
    with_rim,
)
from LiverPlannerLib.labels.mapping import COLOR_TABLES, is_color_table, mitk_names, names_in_file
from LiverPlannerLib.labels.names import couinaud_names, match_name, match_segment
from LiverPlannerLib.labels.segments import label_file, segments_of, single_mask
from LiverPlannerLib.labels.tables import OURS, TABLES, measure_shapes, recognize
from LiverPlannerLib.structures import STRUCTURES, structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

_MITK = "org.mitk.multilabel.segmentation.labelgroups"
_MAPPING_HELP = "Say which structure each value is, or give a file of names and values"


def read_labels(path: str | Path, mapping: Mapping[int, str] | None = None) -> Labels:
    """Labels of the liver from a label image (NIfTI, NRRD, MetaImage), a Slicer segmentation, a DICOM SEG, or a folder
    with a mask for each structure.

    Args:
        mapping: names by label value, which are believed before anything that the file says.

    Raises:
        FileMissing, UnreadableImage: as `images.read_image`.
        InputError: none of the structures is in it, or nothing says what its values are.
    """
    path = label_file(path)
    segments = segments_of(path)
    if segments is None or (mapping is not None and _is_plain(segments[1])):
        labels = _from_values(path, mapping)
    else:
        labels = joined(path, *segments) if mapping is None else joined(path, *_renamed(path, segments, mapping))
        labels.notes += [f"{path.name}: {note}." for note in images.notes_of(segments[0])]
    return replace(labels, path=path)


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
            takes what the volume of that structure counts: of the liver also what its lesions and vessels leave of it.

    Raises:
        InputError: several segments or labels, and none has one of the names. What `read_labels` raises.
    """
    from LiverPlannerLib.liver_extent import counted_mask

    path, known = label_file(path), {s.key for s in STRUCTURES}
    named = segments_of(path) if mapping is None else None
    if named is not None:
        reference, parts, _how = named
        filled = [p for p in parts if p.mask.any()]
        chosen = [p for p in filled if any(n in p.name.lower() for n in names if n not in known)]
        if len(filled) == 1:
            chosen = filled
        if len(chosen) == 1:
            return images.image_like(chosen[0].voxels(reference.GetSize()[::-1]), reference)
    else:
        image = images.read_image(path)
        if mapping is None and (mask := single_mask(image)) is not None:
            return mask
    for key in names:
        if key in known:
            counted = counted_mask(read_labels(path, mapping).labels, key)
            if images.array_of(counted).any():
                return counted
    held = [p.name for p in parts] if named is not None else [f"{v:g}" for v in np.unique(images.array_of(image)) if v]
    raise InputError(
        f"{path} holds several segments or labels ({', '.join(held[:8])}), and none of them is called "
        f"{' or '.join(names)}",
        "Give a file with the mask alone, or rename its segment",
    )


def _from_values(path: Path, mapping: Mapping[int, str] | None) -> Labels:
    image = images.read_labels(path)
    labels = _named(path, image, mapping)
    labels.notes += [f"{path.name}: {note}." for note in images.notes_of(image)]
    return labels


def _named(path: Path, image: sitk.Image, mapping: Mapping[int, str] | None) -> Labels:
    array = images.array_of(image)
    names, how = _names_for(path, mapping)
    boxes = images.value_boxes(array)
    present = list(boxes)
    if mapping is None and names == TABLES[OURS] and set(present) <= set(names):
        return _plain(image, present)  # written by `name_our_values`
    if names is not None and any(v in names for v in present):
        parts, segments = [], couinaud_names(names.values())
        for value in present:
            name = names.get(value, str(value))
            meaning = match_name(name) if value in names else None
            if meaning is None and name in segments:
                meaning = structure("liver")
            called = f"{name} ({value})" if value in names else str(value)
            parts.append(Part.of_value(called, array, value, boxes, meaning, False))
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
    meant = {v: structure(table[v]) if v in table else None for v in present}
    parts = [Part.of_value(str(v), array, v, boxes, meaning, False) for v, meaning in meant.items()]
    words = f"by its values and shapes, which match {table_name}"
    labels = joined(path, image, parts, words)
    if table_name != OURS:
        labels.notes.insert(0, f"{path.name} does not name its labels; its values were read as those of {table_name}.")
    return labels


def _plain(image: sitk.Image, present: list[int]) -> Labels:
    """The usual case: our own numbers, taken as they are."""
    source = {s.key: [str(s.label)] for s in STRUCTURES if s.label in present}
    labels = sitk.Cast(image, sitk.sitkUInt8)
    labels, _ = with_rim(labels, [Part.of("", images.array_of(labels) > 0, None)], sparse=False)
    return Labels(labels, BY_OUR_NUMBERS, source=source)


def _names_for(path: Path, mapping: Mapping[int, str] | None) -> tuple[dict[int, str] | None, str]:
    if mapping is not None:
        for name in mapping.values():
            if match_name(name) is None and match_segment(name) is None:
                raise InputError(
                    f"The mapping names {name!r}, which is not a structure of the liver",
                    f"Choose from {', '.join(s.key for s in STRUCTURES)}",
                )
        listed = ",".join(f"{name}={value}" for value, name in mapping.items())
        return dict(mapping), f"by the mapping given: {listed}"
    return names_of_values(path)


def names_of_values(path: Path) -> tuple[dict[int, str] | None, str]:
    """What a label image or a file beside it calls its values, and how that is known; None where nothing says it."""
    if path.name.lower().endswith((".nii", ".nii.gz")) and (in_file := nifti_names(path)):
        return in_file, "by the names in its header"
    groups = images.nrrd_pairs(path).get(_MITK) if path.name.lower().endswith((".nrrd", ".nhdr")) else None
    if groups is not None and (in_file := mitk_names(groups, f"The list of labels in {path}")):
        return in_file, "by the names in its header"
    stem = re.sub(r"\.(nii\.gz|nii|nrrd|nhdr|mha|mhd|seg\.nrrd)$", "", path.name, flags=re.IGNORECASE)
    for beside in (f"{stem}.ctbl", f"{stem}_ColorTable.ctbl", f"{stem}.label", f"{stem}.txt", f"{stem}_labels.txt"):
        file = path.parent / beside
        if file.is_file() and (in_file := names_in_file(file)):
            return in_file, f"by the names in {beside}"
    beside_it = os.listdir(path.parent) if os.access(path.parent, os.R_OK) else []
    lists = [path.parent / n for n in sorted(beside_it) if n.lower().endswith(COLOR_TABLES)]
    tables = [p for p in lists if is_color_table(p)]
    own = [p for p in tables if p.stem in (stem, f"{stem}_ColorTable")]
    snap = [p for p in tables if p.suffix.lower() in (".label", ".txt")]
    for file in own or (snap if len(snap) == 1 else []):  # ITK-SNAP saves its list under any name
        if in_file := names_in_file(file):
            return in_file, f"by the names in {file.name}"
    for folder in (path.parent, path.parent.parent):
        file = folder / "dataset.json"
        if file.is_file() and (in_file := names_in_file(file)):
            return in_file, f"by the names in {file.name} of its data set"
    return None, ""


def name_our_values(path: Path) -> None:
    """Says in a label file of ours (.nii.gz) whose values they are, so that no shape can cast doubt on them."""
    images.name_nifti_values(path, TABLES[OURS])


def nifti_names(path: Path) -> dict[int, str]:
    """Label names in a NIfTI header extension (the XML of CIFTI's label tables, as TotalSegmentator writes it)."""
    import xml.etree.ElementTree as ElementTree

    values: dict[int, str] = {}
    for text in images.nifti_extensions(path):
        start = text.find("<CaretExtension")
        end = text.rfind("</CaretExtension>")
        if start < 0 or end < 0 or "<!ENTITY" in text:
            continue
        try:
            root = ElementTree.fromstring(text[start : end + len("</CaretExtension>")])
        except ElementTree.ParseError:
            continue  # damaged names are ignored; the values are then judged by themselves
        for label in root.iter("Label"):
            key = label.get("Key", "")
            if key.isdigit() and int(key) and (label.text or "").strip():
                values[int(key)] = (label.text or "").strip()
    return values
