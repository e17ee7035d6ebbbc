"""The one table of liver structures: names, label values, codes, colors, nesting.

Everything that names or colors a structure (label files, segments, models, reports, the terminology file)
takes it from here. Codes are SNOMED CT as used by DICOM (PS3.16) and by Slicer's own terminology lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PreopReviewLib.errors import InputError

if TYPE_CHECKING:
    import SimpleITK as sitk


@dataclass(frozen=True)
class Code:
    """A coded term, e.g. ``Code("SCT", "10200004", "Liver")``."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Structure:
    """One structure.

    Attributes:
        key: identifier in code, files and commands.
        name: what people read.
        label: value in a label image; the values exclude each other there.
        color: sRGB, 0 to 1.
        category, type, type_modifier, region, region_modifier: terminology entry as in Slicer.
        parent: key of the structure that this one is counted in, or None.
        vascular: whether it is a tree of tubes, with main and peripheral branches.
        kind: ``organ``, ``lesion``, ``candidate`` (an unconfirmed lesion), ``vessel``, ``duct``, or ``segment`` for a
            Couinaud segment, whose label belongs to an image of its own.
        paint: order in which structures are put into one label image; where they overlap, the higher one wins.
        opacity: of its surface, 0 to 1.
        fill: opacity in slices, 0 to 1.
        smoothing: of its surface, 0 (none) to 1.
        synonyms: other names in files, lower case, words separated by single spaces.
    """

    key: str
    name: str
    label: int
    color: tuple[float, float, float]
    category: Code
    type: Code
    type_modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None
    parent: str | None = None
    vascular: bool = False
    kind: str = "organ"
    paint: int = 0
    opacity: float = 1.0
    fill: float = 0.5
    smoothing: float = 0.5
    synonyms: tuple[str, ...] = ()


def _rgb(red: int, green: int, blue: int) -> tuple[float, float, float]:
    return (red / 255, green / 255, blue / 255)


ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
ALTERED = Code("SCT", "49755003", "Morphologically Altered Structure")
LIVER = Code("SCT", "10200004", "Liver")
THIN = 0.3
"""Smoothing of tubes: more makes vessels of two voxels disappear."""

STRUCTURES: tuple[Structure, ...] = (
    Structure(
        "liver",
        "Liver",
        1,
        _rgb(221, 130, 101),
        ANATOMY,
        LIVER,
        kind="organ",
        paint=0,
        opacity=0.25,  # glass in 3D; the slices must show the parenchyma through it
        fill=0.06,
        synonyms=(
            "whole liver",
            "parenchyma",
            "liver parenchyma",
            "healthy liver",
            "liver left lobe",
            "liver right lobe",
            "left lobe",
            "right lobe",
            "left liver lobe",
            "right liver lobe",
            "left hemiliver",
            "right hemiliver",
            "liver without tumor",
            "liver without tumors",
            "liver minus tumor",
            "non tumor liver",
            "nontumor liver",
            "tumor free liver",
        ),
    ),
    Structure(
        "tumor",
        "Liver tumor",
        2,
        _rgb(240, 210, 60),
        ALTERED,
        Code("SCT", "4147007", "Mass"),
        region=LIVER,
        parent="liver",
        kind="lesion",
        paint=70,
        synonyms=("liver tumor", "hepatic tumor"),
    ),
    Structure(
        "cyst",
        "Liver cyst",
        3,
        _rgb(150, 220, 235),
        ALTERED,
        Code("SCT", "367643001", "Cyst"),
        region=LIVER,
        parent="liver",
        kind="lesion",
        paint=60,
        synonyms=("liver cyst", "hepatic cyst"),
    ),
    Structure(
        "hepatic_vein",
        "Hepatic vein",
        4,
        _rgb(50, 95, 205),
        ANATOMY,
        Code("SCT", "8993003", "Hepatic vein"),
        parent="liver",
        vascular=True,
        kind="vessel",
        smoothing=THIN,
        paint=30,
        synonyms=(
            "hepatic veins",
            "hv",
            "hepatic venous system",
            "hepatic vein tree",
            "left hepatic vein",
            "middle hepatic vein",
            "right hepatic vein",
            "hepatic veins left",
            "hepatic veins middle",
            "hepatic veins right",
            "lhv",
            "mhv",
            "rhv",
            "hepatic",
            "venous system",
        ),
    ),
    Structure(
        "portal_vein",
        "Portal vein",
        5,
        _rgb(200, 65, 150),
        ANATOMY,
        Code("SCT", "32764006", "Portal vein"),
        parent="liver",
        vascular=True,
        kind="vessel",
        smoothing=THIN,
        paint=40,
        synonyms=(
            "portal veins",
            "pv",
            "portal venous system",
            "portal vein and splenic vein",
            "portal and splenic vein",
            "portal vein tree",
            "portal trunk",
            "left portal vein",
            "right portal vein",
            "main portal vein",
            "lpv",
            "rpv",
            "mpv",
            "portal",
        ),
    ),
    Structure(
        "bile_duct",
        "Bile duct",
        6,
        _rgb(0, 145, 30),
        ANATOMY,
        Code("SCT", "28273000", "Bile duct"),
        parent="liver",
        vascular=True,
        kind="duct",
        smoothing=THIN,
        paint=50,
        synonyms=(
            "bile ducts",
            "bd",
            "biliary tract",
            "biliary tree",
            "common bile duct",
            "biliary system",
            "intrahepatic bile ducts",
            "cbd",
            "choledochus",
        ),
    ),
    Structure(
        "inferior_vena_cava",
        "Inferior vena cava",
        7,
        _rgb(0, 165, 190),
        ANATOMY,
        Code("SCT", "64131007", "Inferior vena cava"),
        kind="vessel",
        paint=10,
        synonyms=("ivc", "vena cava", "postcava", "vena cava inferior"),
    ),
    Structure(
        "gallbladder",
        "Gallbladder",
        8,
        _rgb(139, 150, 98),
        ANATOMY,
        Code("SCT", "28231008", "Gallbladder"),
        kind="organ",
        paint=15,
        synonyms=("gall bladder",),
    ),
    Structure(
        "hepatic_artery",
        "Hepatic artery",
        9,
        _rgb(216, 45, 45),
        ANATOMY,
        Code("SCT", "76015000", "Hepatic artery"),
        parent="liver",
        vascular=True,
        kind="vessel",
        smoothing=THIN,
        paint=45,
        synonyms=("hepatic arteries", "proper hepatic artery", "common hepatic artery", "hepatic artery proper", "ha"),
    ),
    Structure(
        "liver_vessel",
        "Liver vessel",
        10,
        _rgb(120, 60, 190),
        ANATOMY,
        Code("SCT", "59820001", "Blood vessel"),
        region=LIVER,
        parent="liver",
        kind="vessel",
        smoothing=THIN,
        paint=20,
        synonyms=("liver vessels", "hepatic vessel", "hepatic vessels", "vessel", "vessels", "intrahepatic vessels"),
    ),
    Structure(
        "candidate",
        "Lesion candidate",
        11,
        _rgb(255, 140, 0),
        ALTERED,
        Code("SCT", "52988006", "Lesion"),
        region=LIVER,
        parent="liver",
        kind="candidate",
        paint=55,
        synonyms=("liver lesion candidate", "tumor candidate", "unconfirmed tumor"),
    ),
)


def _segment(number: int, roman: str, code: str, color: tuple[float, float, float]) -> Structure:
    name = f"Segment {number}" + (" (caudate lobe)" if number == 1 else "")
    meaning = "Caudate lobe of liver" if number == 1 else f"Couinaud hepatic segment {roman}"
    return Structure(
        f"segment_{number}",
        name,
        number,
        color,
        ANATOMY,
        Code("SCT", code, meaning),
        parent="liver",
        kind="segment",
    )


SEGMENTS: tuple[Structure, ...] = (
    _segment(1, "I", "71133005", _rgb(128, 128, 128)),
    _segment(2, "II", "277956007", _rgb(244, 164, 76)),
    _segment(3, "III", "277957003", _rgb(250, 220, 100)),
    _segment(4, "IV", "277958008", _rgb(210, 105, 160)),
    _segment(5, "V", "277959000", _rgb(110, 185, 90)),
    _segment(6, "VI", "277960005", _rgb(70, 150, 160)),
    _segment(7, "VII", "277961009", _rgb(75, 100, 190)),
    _segment(8, "VIII", "277962002", _rgb(150, 205, 230)),
)
"""The Couinaud segments, 1 to 8 in a label image of their own: they lie over the structures, not beside them."""

LESIONS = tuple(s.key for s in STRUCTURES if s.kind == "lesion")
LESIONS_AND_CANDIDATES = tuple(s.key for s in STRUCTURES if s.kind in ("lesion", "candidate"))
TUBES = tuple(s.key for s in STRUCTURES if s.kind in ("vessel", "duct") and s.parent == "liver")
"""Keys of the vessels and ducts in the liver."""

_BY_KEY = {s.key: s for s in STRUCTURES}
_SEGMENT_BY_KEY = {s.key: s for s in SEGMENTS}
_BY_LABEL = {s.label: s for s in STRUCTURES}
_SPELLINGS = {"tumour": "tumor"}
"""British keys, in files and model packages made before 0.7."""


def structure(key: str) -> Structure:
    """The structure of that key.

    Raises:
        InputError: the table has no such key.
    """
    try:
        return _BY_KEY[_SPELLINGS.get(key, key)]
    except KeyError:
        raise InputError(f"Unknown structure: {key!r}", f"Use one of {', '.join(_BY_KEY)}") from None


def structure_or_segment(key: str) -> Structure:
    """The structure or Couinaud segment of that key.

    Raises:
        InputError: there is neither.
    """
    return _SEGMENT_BY_KEY.get(key) or structure(key)


def structure_of_label(value: int) -> Structure | None:
    """The structure with that label value, or None."""
    return _BY_LABEL.get(value)


def label_words(value: int) -> str:
    """A label value in the middle of a sentence: the name of its structure, or ``label 99``."""
    known = structure_of_label(value)
    return known.name.lower() if known else f"label {value}"


def members(key: str) -> tuple[Structure, ...]:
    """The structure itself and all that is counted in it (the liver contains tumors, cysts, vessels, duct)."""
    top = structure(key)
    below = [top]
    for candidate in STRUCTURES:
        parent = candidate.parent
        while parent is not None and parent != key:
            parent = _BY_KEY[parent].parent
        if parent == key:
            below.append(candidate)
    return tuple(below)


def mask_of(labels: sitk.Image, key: str) -> sitk.Image:
    """The binary mask (uint8, 0 or 1) of a structure with all that is counted in it.

    Args:
        labels: label image with the values of this table.
        key: structure key; ``liver`` is the union of liver, tumor, cyst, vessels and duct.
    """
    import numpy as np

    from PreopReviewLib.images.counting import among
    from PreopReviewLib.images.geometry import array_of, image_like

    return image_like(among(array_of(labels), (s.label for s in members(key))).view(np.uint8), labels)


def unknown_labels(labels: sitk.Image) -> list[int]:
    """The label values, in order, that are in the image and not in the table."""
    from PreopReviewLib.images.counting import label_values
    from PreopReviewLib.images.geometry import array_of

    return [v for v in label_values(array_of(labels)) if v and v not in _BY_LABEL]
