"""Which structure a name or a code means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from LiverPlannerLib.structures import STRUCTURES, Structure, structure

Coded = tuple[str, str, str]
"""Scheme, value and meaning of a code."""


def _words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_LESION_WORDS = _words(
    "tumor tumors hcc icc ccc cca crlm carcinoma cholangiocarcinoma hepatoblastoma cancer metastasis metastases "
    "metastatic met mets lesion lesions mass masses neoplasm neoplasms nodule nodules gtv"
)
_CYST_WORDS = _words("cyst cysts cystic")
_CYST_KINDS = _words("simple biliary benign complex")
"""Words that go with a cyst in the liver; with other lesions they would be a diagnosis."""
PART_WORDS = _words("viable necrosis necrotic core rim enhancing nonenhancing")
"""What people call the parts of one tumor."""
_PLACE_WORDS = _words(
    "liver hepatic intrahepatic left right lobe segment seg largest smallest main primary secondary malignant "
    "target index new residual recurrent suspected solitary multiple all whole colorectal hepatocellular of in "
    "the and a b c d e f"
)
"""Words beside a lesion's that say where in the liver or which one; any other (renal, splenic) makes it foreign."""
_OTHER_ORGANS = _words(
    "kidney kidneys renal spleen splenic pancreas pancreatic adrenal lung pulmonary bone osseous vertebra "
    "vertebral lymph node nodal ovary ovarian uterus uterine stomach gastric bladder gallbladder duodenal "
    "mesenteric peritoneal retroperitoneal muscle"
)
"""Organs whose lesions lie on the scans of a liver."""
_NUMBER = re.compile(r"s?\d+[a-z]?(/[\da-z]+)?|[ivx]+[ab]?(/[ivxab\d]+)?")
_WITH_LESIONS = re.compile(r"(whole )?liver( parenchyma)? (and|with|including|incl|plus) ")
_WITHOUT_LESIONS = re.compile(
    r"(whole |normal |healthy )?liver( parenchyma)? (minus|without|w/o|wo|excluding|excl|less) "
)
_MINUS_TARGET = re.compile(r"(normal[ _])?liver *[-−–] *[gcip]tv", re.IGNORECASE)
"""How radiotherapy calls the liver without its target volume; elsewhere a hyphen only joins words."""
_IN_OTHER_LANGUAGES = {
    "liver": "leber foie hígado fegato fígado 간 肝 肝臓 肝脏 肝臟",
    "tumor": "lebertumor lebertumoren tumoren läsion läsionen lebermetastase lebermetastasen metastase metastasen "
    "tumeur tumeurs tumeur_hépatique lésion lésions métastase métastases tumores tumor_hepático lesión lesiones "
    "metástasis tumore tumori lesione lesioni metastasi 종양 간종양 간암 전이 腫瘍 肝腫瘍 肿瘤 肝肿瘤",
    "cyst": "zyste zysten leberzyste leberzysten kyste kystes kyste_hépatique quiste quistes cisti 낭종 간낭종 嚢胞 "
    "肝嚢胞 囊肿 肝囊肿",
    "hepatic_vein": "lebervene lebervenen veine_hépatique veines_hépatiques veines_sus_hépatiques vena_hepática "
    "venas_hepáticas vena_epatica vene_epatiche 간정맥 肝静脈 肝静脉",
    "portal_vein": "pfortader veine_porte vena_porta vena_portae 문맥 간문맥 門脈 门静脉",
    "bile_duct": "gallengang gallengänge voie_biliaire voies_biliaires vía_biliar vías_biliares vie_biliari 담관 胆管",
    "gallbladder": "gallenblase vésicule_biliaire vesícula_biliar colecisti 담낭 胆嚢 胆囊",
    "inferior_vena_cava": "hohlvene untere_hohlvene veine_cave veine_cave_inférieure vena_cava_inferiore 하대정맥 "
    "下大静脈 下腔静脉",
}
"""What structures are called in German, French, Spanish, Italian, Portuguese, Korean, Japanese and Chinese."""
_TUMOR_CODES = _words(
    "4147007 118538004 108369006 86049000 372087000 14799000 128462008 52988006 27925004 25370001 109841003 "
    "312104005 25173007"
)
"""Mass, neoplasm, primary or metastatic, lesion, nodule, hepatocellular and cholangiocarcinoma, recurrence."""
_BRANCH_CODES = {
    **dict.fromkeys(_words("272998002 273099000 273202007 397425002"), "hepatic_vein"),
    **dict.fromkeys(_words("66559000 18112008 21807003 69421009"), "hepatic_artery"),
}
"""Right, middle, left and inferior right hepatic vein; common and proper hepatic artery and its two branches."""
_LIVER_REGIONS = _words(
    "10200004 69550007 71133005 277956007 277957003 277958008 277959000 277960005 277961009 277962002 48521005 "
    "362185002 303270005"
)
"""The liver, Couinaud segments 1 to 8, right and left lobe, liver and bile ducts."""


def plain(name: str) -> str:
    """A name in lower case, words separated by single spaces, American spelling.

    Capitals and numbers begin a word: "LiverTumor2" is "liver tumor 2"; "S8" and "IVa" stay.
    """
    apart = re.sub(r"[+&]", " and ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    words = re.sub(r"[\s_\-.,;:()#\"']+", " ", apart).strip().lower()
    words = re.sub(r"(?<=[a-z]{3})(?=\d)|(?<=[^\W\d_a-z])(?=\d)", " ", unicodedata.normalize("NFC", words))
    return re.sub(r"\btumour", "tumor", words)


def match_name(name: str) -> Structure | None:
    """The structure that a name means, or None.

    Our names and keys and their synonyms, in any case, with numbers ("Portal vein 2") and run together ("portalvein");
    lesions also by their words as long as no other organ is named ("HCC S8", "Tumor 1", "liver_lesion", but not
    "kidney cyst").
    """
    words = re.sub(r"\b(no|nr|number) (?=\d)", "", plain(name))
    bare = re.sub(r"( \d+)+$", "", words)
    for candidate in STRUCTURES:
        if {words, bare, bare.replace(" ", "")} & _known_names(candidate.key):
            return candidate
    for known in (_WITH_LESIONS, _WITHOUT_LESIONS):
        if (together := known.match(words)) and _is_lesion(words[together.end() :].split()):
            return structure("liver")
    if _MINUS_TARGET.match(name.strip()):
        return structure("liver")
    tokens = re.sub(r"\b(liver|hepatic)(?=[a-z])", r"\1 ", words).split()
    if _is_lesion(tokens):
        return structure("tumor")
    return structure("cyst") if _is_lesion(tokens, _CYST_WORDS, _CYST_KINDS) else None


@cache
def _known_names(key: str) -> frozenset[str]:
    of = structure(key)
    known = {plain(of.key), plain(of.name), *of.synonyms}
    known |= {plain(name) for name in _IN_OTHER_LANGUAGES.get(key, "").split()}
    return frozenset(known | {k.replace(" ", "") for k in known})


def _is_lesion(
    tokens: Sequence[str], words: frozenset[str] = _LESION_WORDS, beside: frozenset[str] = PART_WORDS
) -> bool:
    """Whether words are those of a lesion, and others say only where in the liver it is, or which."""
    rest = [t for t in tokens if not (t in _PLACE_WORDS or _NUMBER.fullmatch(t))]
    return any(t in words for t in rest) and all(t in words or t in beside for t in rest)


def meant_by(name: str, code: Coded | None, regions: Sequence[Coded] = ()) -> Structure | None:
    """The structure of a coded segment: by its code, else by its name, else by what its code is called; or None.

    Args:
        code: scheme, value and meaning; None without one.
        regions: anatomic regions, coded alike: a lesion that has some, but none in the liver, is not the liver's, nor
            is one without a region whose name says another organ.
    """
    inside = [r for r in regions if _snomed(r) in _LIVER_REGIONS]
    region = (inside or list(regions) or [None])[0]
    meaning = match_code(code, region and _snomed(region)) if code is not None else None
    if meaning is None and code is not None and regions and match_code(code) is not None:
        return None
    named = match_name(name)
    if meaning is None or (meaning.key == "candidate" and named == structure("tumor")):  # both may be coded as a lesion
        meaning = named or (match_name(code[2]) if code is not None else None)
    if meaning is not None and meaning.kind == "lesion":
        elsewhere = regions and not inside
        if elsewhere or (not regions and _OTHER_ORGANS & set(plain(name).split())):
            return None
    return meaning


def match_segment(name: str) -> int | None:
    """The number of the Couinaud segment that a name means, or None; 4a and 4b are segment 4."""
    words = re.sub(r"\b(liver|hepatic|couinaud)\b", "", plain(name)).strip()
    match = re.fullmatch(r"(?:segment|seg|s)? ?([1-8]|i{1,3}|iv|vi{0,3})[ab]?(?: caudate lobe)?", words)
    if not match or match[1] == words:
        return None
    roman = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8}
    return roman.get(match[1]) or int(match[1])


def couinaud_names(names: Iterable[str]) -> set[str]:
    """Those of a file's names that mean Couinaud segments.

    "Segment_1" is also what Slicer calls a segment that no one has named, so names that do not say "liver" or
    "Couinaud" count only where a file has six of them.
    """
    numbers = {name: number for name in names if (number := match_segment(name))}
    if len(set(numbers.values())) >= 6:
        return set(numbers)
    return {name for name in numbers if re.search(r"\b(liver|hepatic|couinaud)\b", plain(name))}


def structures_named(names: Mapping[int, str]) -> dict[int, str]:
    """What a model's labels draw, by value: keys of structures, ``segment_1`` to ``segment_8`` for Couinaud segments,
    and for what is neither the name itself, in lower case with underscores."""
    segments = couinaud_names(names.values())
    keys = {}
    for value, name in names.items():
        known = match_name(name)
        if name in segments:
            keys[value] = f"segment_{match_segment(name)}"
        else:
            keys[value] = known.key if known else plain(name).replace(" ", "_").replace("/", "_")
    return keys


def match_terminology(entry: str, name: str = "") -> Structure | None:
    """The structure of a terminology entry as Slicer serializes it, or else of the segment's name; or None.

    The form is ``context~category~type~type modifier~context~region~region modifier``, each ``scheme^code^name``.
    """
    parts = entry.split("~")
    kind = _coded(parts[2]) if len(parts) > 2 else None
    region = _coded(parts[5]) if len(parts) > 5 else None
    return meant_by(name, kind, [region] if region else [])


def _coded(text: str) -> Coded | None:
    scheme, value, meaning = (text.split("^") + ["", ""])[:3]
    return (scheme, value, meaning) if value else None


def _snomed(code: Coded) -> str:
    """The code's value; of a retired SRT code that of the SNOMED CT one, as far as the tables here hold it."""
    scheme, value, _ = code
    if scheme != "SRT":
        return value
    from pydicom.sr.coding import Code

    known = {s.type.value for s in STRUCTURES} | _TUMOR_CODES | _LIVER_REGIONS | set(_BRANCH_CODES)
    return next((k for k in known if Code(value, "SRT", "") == Code(k, "SCT", "")), value)


def match_code(code: Coded, region: str | None = None) -> Structure | None:
    """The structure of a (scheme, value, meaning) code, or None; retired SRT codes count as their SNOMED CT ones.

    Args:
        region: code value of the anatomic region; a lesion in another organ than the liver is not one of ours.
    """
    value = _snomed(code)
    match = next((s for s in STRUCTURES if s.type.value == value), None)
    if match is None and value in _TUMOR_CODES:
        match = structure("tumor")
    if value in _BRANCH_CODES:
        match = structure(_BRANCH_CODES[value])
    if match is None:
        return None
    if region is not None and match.region is not None and region not in _LIVER_REGIONS:
        return None
    if match.key == "liver_vessel" and region is None:
        return None  # a blood vessel of anywhere
    return match


def structures_in_liver() -> tuple[str, ...]:
    """Keys of all that lies in the liver, without the liver itself."""
    return tuple(s.key for s in STRUCTURES if s.parent == "liver")


def structures_beside_liver() -> tuple[str, ...]:
    """Keys of the other structures."""
    return tuple(s.key for s in STRUCTURES if s.key != "liver" and s.key not in structures_in_liver())
