"""The terminology list and the color table that 3D Slicer loads, made from the one table of structures.

``python -m LiverPlannerLib.terminology_files`` writes them anew into ``Resources/Terminologies``; a test holds
the committed files to what is generated here.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from LiverPlannerLib.structures import SEGMENTS, STRUCTURES, Code, Structure
from PreopReviewLib.output import output_files
from PreopReviewLib.terminology import REGION_CONTEXT, Term, TerminologyEntry, serialize

CONTEXT = "Segmentation category and type - PreopReview"
"""Name of our list. Slicer's own has no entry, or no color, for hepatic and portal vein."""
TERMINOLOGY_FILE, COLOR_FILE = "PreopReview.term.json", "PreopReview.csv"

_SCHEMA = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/segment-context-schema.json#"
_CODED = ("Category", "Type", "TypeModifier", "Region", "RegionModifier")
_COLUMNS = (
    "LabelValue",
    "Name",
    *(f"Color_{channel}" for channel in "RGBA"),
    *(f"{part}_{word}" for part in _CODED for word in ("CodingScheme", "CodeValue", "CodeMeaning")),
)


def terminology_entry(structure: Structure) -> str:
    """The serialized terminology entry of a structure, as Slicer keeps it with a segment."""
    return serialize(
        TerminologyEntry(
            CONTEXT,
            _term(structure.category),
            _term(structure.type),
            structure.type_modifier and _term(structure.type_modifier),
            structure.region and _term(structure.region),
            structure.region_modifier and _term(structure.region_modifier),
            REGION_CONTEXT if structure.region else "",
        )
    )


def _term(code: Code) -> Term:
    return Term(code.scheme, code.value, code.meaning)


def terminology_json() -> str:
    """The list in the form of dcmqi's segment context schema, version of Slicer 5.

    Types with modifiers list them; an entry's region is not part of this form (Slicer takes regions from a
    second list), so a category with regions says ``showAnatomy``.
    """
    categories: dict[Code, dict[Code, dict]] = {}
    regions = set()
    for s in (*STRUCTURES, *SEGMENTS):
        if s.region:
            regions.add(s.category)
        kind = categories.setdefault(s.category, {}).setdefault(s.type, _coded(s.type))
        if s.type_modifier:
            kind.setdefault("Modifier", []).append(_coded(s.type_modifier) | _color(s))
        else:
            kind.update(_color(s))
    content = {
        "SegmentationCategoryTypeContextName": CONTEXT,
        "@schema": _SCHEMA,
        "SegmentationCodes": {
            "Category": [
                _coded(category) | {"showAnatomy": category in regions, "Type": list(types.values())}
                for category, types in categories.items()
            ]
        },
    }
    return json.dumps(content, indent=2) + "\n"


def _coded(code: Code) -> dict:
    return {"CodingSchemeDesignator": code.scheme, "CodeValue": code.value, "CodeMeaning": code.meaning}


def _bytes(structure: Structure) -> list[int]:
    return [round(255 * channel) for channel in structure.color]


def _color(structure: Structure) -> dict:
    return {"recommendedDisplayRGBValue": _bytes(structure), "3dSlicerLabel": structure.key}


def color_table_csv() -> str:
    """The color table in Slicer's CSV form: label value, name, color and codes in one file.

    The Couinaud segments have label values of their own and are not in it.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for s in STRUCTURES:
        codes = (s.category, s.type, s.type_modifier, s.region, s.region_modifier)
        words = [word for code in codes for word in (_term(code) if code else ("", "", ""))]
        writer.writerow([s.label, s.name, *_bytes(s), 255, *words])
    return stream.getvalue()


def write_files(folder: str | Path) -> list[Path]:
    """Writes both files into a folder."""
    contents = {TERMINOLOGY_FILE: terminology_json(), COLOR_FILE: color_table_csv()}
    with output_files(folder, overwrite=True) as work:
        for name, text in contents.items():
            (work / name).write_text(text, encoding="utf-8")
    return [Path(folder) / name for name in contents]


if __name__ == "__main__":
    from PreopReviewLib.resources import resource

    for written in write_files(resource("Terminologies")):
        print(written)
