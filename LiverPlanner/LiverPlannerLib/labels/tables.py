"""Label tables of public data sets and tools, and how one is told from another where the file names nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels.shapes import gap_mm, tree_shaped, two_sided
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


def _numbered(names: str, start: int = 1) -> dict[int, str]:
    return dict(enumerate(names.split(), start))


TABLES: dict[str, dict[int, str]] = {
    OURS: {s.label: s.key for s in STRUCTURES},
    "TotalSegmentator total": dict.fromkeys(range(1, 118), "other")
    | _numbered("spleen right_kidney left_kidney gallbladder liver stomach pancreas right_adrenal left_adrenal")
    | {25: "sacrum", 63: "inferior_vena_cava", 64: "portal_vein"}
    | dict.fromkeys(range(92, 104), "left_rib"),
    "TotalSegmentator 1": dict.fromkeys(range(1, 105), "other")
    | _numbered("spleen right_kidney left_kidney gallbladder liver stomach")
    | _numbered("inferior_vena_cava portal_vein pancreas right_adrenal left_adrenal", 8)
    | dict.fromkeys(range(58, 70), "left_rib"),
    "TotalSegmentator total_mr": dict.fromkeys(range(1, 51), "other")
    | _numbered("spleen right_kidney left_kidney gallbladder liver stomach pancreas right_adrenal left_adrenal")
    | {24: "inferior_vena_cava", 25: "portal_vein"},
    "AMOS": _numbered(" ".join(_ABDOMEN) + " pancreas right_adrenal left_adrenal duodenum bladder prostate"),
    "BTCV": _numbered(" ".join(_ABDOMEN) + " portal_vein pancreas right_adrenal left_adrenal"),
    "FLARE22": _numbered(
        "liver right_kidney spleen pancreas aorta inferior_vena_cava right_adrenal left_adrenal gallbladder esophagus "
        "stomach duodenum left_kidney"
    ),
    "WORD": _numbered(
        "liver spleen left_kidney right_kidney stomach gallbladder esophagus pancreas duodenum colon intestine "
        "adrenals rectum bladder left_femur right_femur"
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
MAX_CONTACT = {"inferior_vena_cava": 0.85, "gallbladder": 0.85, "left_rib": 0.02, "sacrum": 0.02, "left_adrenal": 0.1}
"""No organ beside the liver has more of its surface against it; half of it where an organ is not listed."""
MAX_CAVA_RADIUS_MM = 25.0
MAX_PORTAL_GAP_MM = 20.0
"""The portal vein reaches the liver; between a CT's liver and what another table would call it lie 34 mm and more."""
MAX_KIDNEY_LEFT_MM = 60.0
"""How far left of the liver's center that of the right kidney may lie: behind the liver, not where the spleen is."""
MAX_LONE_LESIONS_ML = 1000.0
"""More than this without a liver is a liver."""
LEAST_LIVER_ML = 50.0
"""Of a scan with several organs: less is another organ of a table that begins with it."""


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
        radius[value] = float(
            edt.edt(np.require(mask, requirements="CW"), anisotropy=tuple(mm), black_border=False).max()
        )
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
        problems += two_sided(labels, [v for v, key in of.items() if key == "liver"])
    elif (alone := sum(ml.get(key, 0.0) for key in LESIONS)) > MAX_LONE_LESIONS_ML:
        problems.append(f"lesions of {alone:.0f} ml, but no liver")
    problems += tree_shaped(labels, of)
    problems += _organ_doubts(ml, of, shapes)
    return problems


def _word(key: str) -> str:
    return f"a {key.replace('_', ' ')}"


def _far_lesions(labels: sitk.Image, of: dict[int, str]) -> list[str]:
    """Lesions whose surface hardly touches the liver."""
    return [
        f"a {key} of which {share:.0%} of the surface lies against the liver"
        for key, share in _contacts(labels, of, LESIONS)
        if share < MIN_CONTACT
    ]


def _contacts(labels: sitk.Image, of: dict[int, str], keys: Iterable[str]) -> Iterator[tuple[str, float]]:
    """For each value with one of the keys: what share of its surface lies against the liver and its vessels."""
    array = images.array_of(labels)
    boxes = images.value_boxes(array)
    inside = np.zeros(max(of, default=0) + 1, bool)
    inside[[v for v, key in of.items() if key == "liver" or (key in TUBES)]] = True
    for value, key in of.items():
        if key not in keys or value not in boxes:
            continue
        box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in boxes[value])
        near = array[box]
        shell = near[_shell(near == value)]
        if len(shell):
            yield key, inside[np.minimum(shell, len(inside) - 1)][shell < len(inside)].sum() / len(shell)


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
              "esophagus", "duodenum", "aorta")  # fmt: skip
    liver = ml.get("liver", np.inf)
    problems = [f"{_word(o)} larger than the liver" for o in organs if ml.get(o, 0.0) > liver]
    at = {key: shapes.centroid[v] for v, key in of.items()}
    if "liver" in at and "spleen" in at and at["spleen"][0] > at["liver"][0]:
        problems.append("a spleen on the right of the liver")
    if "liver" in at and "right_kidney" in at and at["liver"][0] - at["right_kidney"][0] > MAX_KIDNEY_LEFT_MM:
        problems.append("a right kidney on the left of the liver")
    for pair in ("kidney", "adrenal"):
        right, left = at.get(f"right_{pair}"), at.get(f"left_{pair}")
        if right is not None and left is not None and right[0] < left[0]:
            problems.append(f"{pair}s on each other's side")
    return problems


def _foreign_doubts(labels: sitk.Image, table: dict[int, str], shapes: Shapes) -> list[str]:
    """Further reasons against another table than ours: what lies in the liver, or away from it, and should not."""
    of = {v: table[v] for v in shapes.ml if v in table}
    liver = sum(shapes.ml[v] for v, key in of.items() if key == "liver")
    if not liver:
        return []
    problems = [f"a liver of {liver:.0f} ml"] if liver < LEAST_LIVER_ML else []
    problems += [
        f"{_word(key)} {2 * shapes.radius[value]:.0f} mm thick"
        for value, key in of.items()
        if key == "inferior_vena_cava" and shapes.radius[value] > MAX_CAVA_RADIUS_MM
    ]
    beside = {key for key in of.values() if key not in _OF_LIVER and key != "other"}
    problems += [
        f"{_word(key)} inside the liver"
        for key, share in _contacts(labels, of, beside)
        if share > MAX_CONTACT.get(key, 0.5)
    ]
    values = {key: [v for v, k in of.items() if k == key] for key in ("liver", "portal_vein")}
    away = gap_mm(labels, values["liver"], values["portal_vein"])
    if away > MAX_PORTAL_GAP_MM:
        problems.append(f"a portal vein {away:.0f} mm from the liver")
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
        if _foreign_doubts(labels, table, shapes):
            continue
        if name.startswith("Medical") != _is_tree(values, shapes):
            continue
        if name == "Couinaud segments" and not _like_segments(labels, values):
            continue
        kept = {v: table[v] for v in values if table[v] in _KEYS}
        if name.startswith("Medical") or "liver" in kept.values():
            agreed = tuple(sorted((v, key) for v, key in kept.items() if key in _OF_LIVER))
            answers.setdefault(agreed, {})[name] = set(kept.items())
    if len(answers) != 1:
        return None
    fitting = next(iter(answers.values()))  # an organ beside the liver that they do not agree on is left out
    return " or ".join(fitting), dict(set.intersection(*fitting.values())), []


def _like_segments(labels: sitk.Image, values: set[int]) -> bool:
    """Whether values may be Couinaud segments: six of them, each with a tenth of its surface against others."""
    segments = {v: "liver" for v in values if v < 9}
    return len(segments) >= 6 and all(share >= 0.1 for _, share in _contacts(labels, segments, ["liver"]))


def _is_tree(values: set[int], shapes: Shapes) -> bool:
    """Whether value 1, alone or with lesions, is a tree of thin tubes and not an organ."""
    if not values <= {1, 2} or 1 not in values:
        return False
    return shapes.radius[1] < 0.2 * (1000 * shapes.ml[1]) ** (1 / 3) and shapes.radius[1] < MAX_TUBE_RADIUS_MM
