"""Label tables of public data sets and tools, and how one is told from another where the file names nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import LESIONS, STRUCTURES, TUBES, members
from PreopReviewLib import images

OURS = "PreopReview"
_ABDOMEN = [
    "spleen",
    "right_kidney",
    "left_kidney",
    "gallbladder",
    "esophagus",
    "liver",
    "stomach",
    "aorta",
    "inferior_vena_cava",
]


def _numbered(names: str) -> dict[int, str]:
    return dict(enumerate(names.split(), 1))


TABLES: dict[str, dict[int, str]] = {
    OURS: {s.label: s.key for s in STRUCTURES},
    "TotalSegmentator total": dict.fromkeys(range(1, 118), "other")
    | _numbered("spleen right_kidney left_kidney gallbladder liver stomach pancreas")
    | {63: "inferior_vena_cava", 64: "portal_vein"},
    "TotalSegmentator total_mr": dict.fromkeys(range(1, 51), "other")
    | _numbered("spleen right_kidney left_kidney gallbladder liver stomach pancreas")
    | {24: "inferior_vena_cava", 25: "portal_vein"},
    "AMOS": _numbered(" ".join(_ABDOMEN) + " pancreas right_adrenal left_adrenal duodenum bladder prostate"),
    "BTCV": _numbered(" ".join(_ABDOMEN) + " portal_vein pancreas right_adrenal left_adrenal"),
    "FLARE22": _numbered(
        "liver right_kidney spleen pancreas aorta inferior_vena_cava right_adrenal left_adrenal gallbladder esophagus "
        "stomach duodenum left_kidney"
    ),
    "CHAOS": {1: "liver", 2: "right_kidney", 3: "left_kidney", 4: "spleen"},
    "CHAOS gray values": {63: "liver", 126: "right_kidney", 189: "left_kidney", 252: "spleen"},
    "Couinaud segments": {**dict.fromkeys(range(1, 9), "liver"), 9: "liver_vessel"},
    "Medical Decathlon task 8 or TotalSegmentator liver_vessels": {1: "liver_vessel", 2: "tumor"},
}
_KEYS = {s.key for s in STRUCTURES}
_OF_LIVER = {s.key for s in members("liver")}
MAX_TUBE_RADIUS_MM = 18.0
"""No vein or duct in the liver is thicker; a dilated portal vein measures up to about 20 mm across."""
MIN_CONTACT = 0.2
"""Share of a lesion's surface that must lie against the liver; exophytic tumors keep more, neighboring organs less."""


@dataclass(frozen=True)
class Shapes:
    """What the recognition looks at, by label value: volume (ml), largest inscribed radius (mm), centroid (RAS mm)."""

    ml: dict[int, float]
    radius: dict[int, float]
    centroid: dict[int, np.ndarray]


def measure_shapes(labels: sitk.Image) -> Shapes:
    """Volume, thickness and place of every value."""
    import edt

    array, mm, unit = images.array_of(labels), images.spacing_kji(labels), images.voxel_ml(labels)
    ml, radius, centroid = {}, {}, {}
    for value, box in images.value_boxes(array).items():
        mask = np.pad(array[box] == value, 1)
        ml[value] = float(mask.sum()) * unit
        radius[value] = float(edt.edt(np.ascontiguousarray(mask), anisotropy=tuple(mm), black_border=False).max())
        center = images.centroid_of(mask) - 1 + [s.start for s in box]
        centroid[value] = images.kji_to_ras(center, labels)[0]
    return Shapes(ml, radius, centroid)


def doubts(labels: sitk.Image, table: dict[int, str], shapes: Shapes) -> list[str]:
    """Reasons why the table is implausible for this file; empty if all is plausible."""
    of = {v: table[v] for v in shapes.ml if v in table}
    ml: dict[str, float] = {}
    for value, key in of.items():
        ml[key] = ml.get(key, 0.0) + shapes.ml[value]
    problems = []
    parts = {k: v for k, v in ml.items() if k in (*LESIONS, *TUBES)}
    liver = ml.get("liver", 0.0)
    for key in TUBES:
        if key in ml and liver and ml[key] > 0.5 * (liver + sum(parts.values())):
            problems.append(f"{_word(key)} of {ml[key]:.0f} ml beside a liver of {liver:.0f} ml")
    for value, key in of.items():
        if key in TUBES and shapes.radius[value] > MAX_TUBE_RADIUS_MM:
            problems.append(f"{_word(key)} {2 * shapes.radius[value]:.0f} mm thick")
    if liver:
        if ml.get("tumor", 0.0) + ml.get("cyst", 0.0) > 2 * liver + 1e-6 and "liver" in ml and liver > 50:
            problems.append(f"lesions of {ml.get('tumor', 0) + ml.get('cyst', 0):.0f} ml in a liver of {liver:.0f} ml")
        problems += _far_lesions(labels, of)
    problems += _organ_doubts(ml, of, shapes)
    return problems


def _word(key: str) -> str:
    return f"a {key.replace('_', ' ')}"


def _far_lesions(labels: sitk.Image, of: dict[int, str]) -> list[str]:
    """Lesions whose surface hardly touches the liver."""
    array, far = images.array_of(labels), []
    boxes = images.value_boxes(array)
    inside = np.zeros(max(of, default=0) + 1, bool)
    inside[[v for v, key in of.items() if key == "liver" or (key in TUBES)]] = True
    for value, key in of.items():
        if key not in LESIONS or value not in boxes:
            continue
        box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in boxes[value])
        near = array[box]
        shell = near[_shell(near == value)]
        share = inside[np.minimum(shell, len(inside) - 1)][shell < len(inside)].sum() / max(len(shell), 1)
        if len(shell) and share < MIN_CONTACT:
            far.append(f"a {key} of which {share:.0%} of the surface lies against the liver")
    return far


def _shell(mask: np.ndarray) -> np.ndarray:
    """The voxels that share a face with the mask and are not in it."""
    grown = mask.copy()
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        grown[tuple(low)] |= mask[tuple(high)]
        grown[tuple(high)] |= mask[tuple(low)]
    return grown & ~mask


def _organ_doubts(ml: dict[str, float], of: dict[int, str], shapes: Shapes) -> list[str]:
    """For tables of many organs: the liver is larger than its neighbors, and what is left lies left of what is right.

    BTCV and AMOS give 11 to 13 to pancreas, adrenals and duodenum in another order; the sides tell which is which.
    """
    organs = ("spleen", "right_kidney", "left_kidney", "pancreas", "gallbladder", "right_adrenal", "left_adrenal",
              "esophagus", "duodenum")  # fmt: skip
    problems = [
        f"a {o.replace('_', ' ')} larger than the liver"
        for o in organs
        if o in ml and "liver" in ml and ml[o] > ml["liver"]
    ]
    at = {key: shapes.centroid[v] for v, key in of.items()}
    if "liver" in at and "spleen" in at and at["spleen"][0] > at["liver"][0]:
        problems.append("a spleen on the right of the liver")
    for pair in ("kidney", "adrenal"):
        right, left = at.get(f"right_{pair}"), at.get(f"left_{pair}")
        if right is not None and left is not None and right[0] < left[0]:
            problems.append(f"{pair}s on each other's side")
    return problems


def recognize(labels: sitk.Image) -> tuple[str, dict[int, str], list[str]] | None:
    """The table that a label image without names is numbered by.

    Returns:
        name, structure keys by value, and the values that this table does not have; None where no table is plausible,
        or several are that disagree on a structure of the liver.
    """
    shapes = measure_shapes(labels)
    values = set(shapes.ml)
    own = TABLES[OURS]
    strange = values - set(own)
    if len(strange) <= len(values & set(own)) and not doubts(labels, own, shapes) and not _is_tree(values, shapes):
        return OURS, own, sorted(str(v) for v in strange)
    answers: dict[tuple, dict[str, set]] = {}
    for name, table in TABLES.items():
        if name == OURS or not values <= set(table) or doubts(labels, table, shapes):
            continue
        if name.startswith("Medical") != _is_tree(values, shapes):
            continue
        if name == "Couinaud segments" and len(values & set(range(1, 9))) < 6:
            continue
        kept = {v: table[v] for v in values if table[v] in _KEYS}
        if name.startswith("Medical") or "liver" in kept.values():
            agreed = tuple(sorted((v, key) for v, key in kept.items() if key in _OF_LIVER))
            answers.setdefault(agreed, {})[name] = set(kept.items())
    if len(answers) != 1:
        return None
    fitting = next(iter(answers.values()))  # an organ beside the liver that they do not agree on is left out
    return " or ".join(fitting), dict(set.intersection(*fitting.values())), []


def _is_tree(values: set[int], shapes: Shapes) -> bool:
    """Whether value 1, alone or with lesions, is a tree of thin tubes and not an organ."""
    if not values <= {1, 2} or 1 not in values:
        return False
    return shapes.radius[1] < 0.2 * (1000 * shapes.ml[1]) ** (1 / 3) and shapes.radius[1] < MAX_TUBE_RADIUS_MM
