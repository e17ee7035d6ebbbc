"""Which structure a name or a code means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from LiverPlannerLib.structures import STRUCTURES, Structure, structure

_LESION_WORDS = frozenset(
    [
        "tumor",
        "tumors",
        "hcc",
        "icc",
        "ccc",
        "cca",
        "crlm",
        "carcinoma",
        "cancer",
        "metastasis",
        "metastases",
        "metastatic",
        "mets",
        "lesion",
        "lesions",
        "mass",
        "masses",
        "neoplasm",
        "neoplasms",
    ]
)
_CYST_WORDS = frozenset(["cyst", "cysts", "cystic"])
_PLACE_WORDS = frozenset(
    [
        "liver",
        "hepatic",
        "intrahepatic",
        "left",
        "right",
        "lobe",
        "segment",
        "seg",
        "largest",
        "smallest",
        "main",
        "primary",
        "target",
        "index",
        "new",
        "residual",
        "recurrent",
        "colorectal",
        "hepatocellular",
        "of",
        "in",
        "the",
        "and",
        "no",
        "nr",
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
    ]
)
"""Words beside a lesion's that say where in the liver or which one; any other (renal, splenic) makes it foreign."""
_NUMBER = re.compile(r"s?\d+[a-z]?(/\d+)?|[ivx]+")
_TUMOR_CODES = frozenset(("4147007", "108369006", "86049000", "14799000", "52988006", "25370001", "109841003"))
"""Mass, neoplasm, primary and metastatic neoplasm, lesion, hepatocellular carcinoma."""
_LIVER_REGIONS = frozenset(
    [
        "10200004",
        "69550007",
        "71133005",
        "277956007",
        "277957003",
        "277958008",
        "277959000",
        "277960005",
        "277961009",
        "277962002",
        "48521005",
        "362185002",
    ]
)
"""The liver, Couinaud segments 1 to 8, right and left lobe."""


def plain(name: str) -> str:
    """A name in lower case, words separated by single spaces, American spelling."""
    words = re.sub(r"[\s_\-.,;:()#+]+", " ", name).strip().lower()
    return re.sub(r"\btumour", "tumor", words)


def match_name(name: str) -> Structure | None:
    """The structure that a name means, or None.

    Our names and keys and their synonyms, in any case and with numbers ("Portal vein 2"); lesions also by their words
    as long as no other organ is named ("HCC S8", "Tumor 1", "liver_lesion", but not "kidney cyst").
    """
    words = plain(name)
    bare = re.sub(r"( \d+)+$", "", words)
    for candidate in STRUCTURES:
        known = {plain(candidate.key), plain(candidate.name), *candidate.synonyms}
        if words in known or bare in known:
            return candidate
    tokens = words.split()
    rest = [t for t in tokens if not (t in _PLACE_WORDS or _NUMBER.fullmatch(t))]
    if rest and all(t in _LESION_WORDS for t in rest):
        return structure("tumor")
    if rest and all(t in _CYST_WORDS for t in rest):
        return structure("cyst")
    return None


def match_segment(name: str) -> int | None:
    """The number of the Couinaud segment that a name means, or None; 4a and 4b are segment 4."""
    words = re.sub(r"\b(liver|hepatic|couinaud)\b", "", plain(name)).strip()
    found = re.fullmatch(r"(?:segment|seg|s)? ?([1-8]|i{1,3}|iv|vi{0,3})[ab]?(?: caudate lobe)?", words)
    if not found or found[1] == words:
        return None
    roman = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8}
    return roman.get(found[1]) or int(found[1])


def couinaud_names(names: Iterable[str]) -> set[str]:
    """Those of a file's names that mean Couinaud segments.

    "Segment_1" is also what Slicer calls a segment that nobody has named, so names that do not say "liver" or
    "Couinaud" count only where a file has six of them.
    """
    found = {name: number for name in names if (number := match_segment(name))}
    if len(set(found.values())) >= 6:
        return set(found)
    return {name for name in found if re.search(r"\b(liver|hepatic|couinaud)\b", plain(name))}


def structures_named(names: Mapping[int, str]) -> dict[int, str]:
    """What a model's labels draw, by value: keys of structures, ``segment_1`` to ``segment_8`` for Couinaud segments,
    and for what is neither the name itself, in lower case with underscores."""
    segments = couinaud_names(names.values())
    found = {}
    for value, name in names.items():
        known = match_name(name)
        if name in segments:
            found[value] = f"segment_{match_segment(name)}"
        else:
            found[value] = known.key if known else plain(name).replace(" ", "_").replace("/", "_")
    return found


def match_terminology(entry: str) -> Structure | None:
    """The structure of a terminology entry as Slicer serializes it, or None.

    The form is ``context~category~type~type modifier~context~region~region modifier``, each ``scheme^code^name``.
    """
    parts = entry.split("~")
    if len(parts) < 3 or parts[2].count("^") < 1:
        return None
    region = parts[5].split("^")[:2] if len(parts) > 5 else []
    scheme, value = parts[2].split("^")[:2]
    return match_code((scheme, value, ""), region[1] if len(region) == 2 and region[1] else None)


def names_another_organ(entry: str) -> bool:
    """Whether a terminology entry is a lesion or cyst with a region that is not in the liver."""
    parts = entry.split("~")
    region = parts[5].split("^") if len(parts) > 5 else []
    return len(region) > 1 and region[1] not in ("", *_LIVER_REGIONS) and match_code(_type_of(parts)) is not None


def _type_of(parts: list[str]) -> tuple[str, str, str]:
    scheme, value = (parts[2].split("^") + [""])[:2]
    return scheme, value, ""


def match_code(code: tuple[str, str, str], region: str | None = None) -> Structure | None:
    """The structure of a (scheme, value, meaning) code, or None; retired SRT codes count as their SNOMED CT ones.

    Args:
        region: code value of the anatomic region; a lesion in another organ than the liver is none of ours.
    """
    value = code[1]
    if code[0] == "SRT":
        from pydicom.sr.coding import Code

        same = (s.type.value for s in STRUCTURES if Code(value, "SRT", "") == Code(s.type.value, "SCT", ""))
        value = next(same, value)
    found = next((s for s in STRUCTURES if s.type.value == value), None)
    if found is None and value in _TUMOR_CODES:
        found = structure("tumor")
    if found is None:
        return None
    if region is not None and found.region is not None and region not in _LIVER_REGIONS:
        return None
    if found.key == "liver_vessel" and region is None:
        return None  # a blood vessel of anywhere
    return found
