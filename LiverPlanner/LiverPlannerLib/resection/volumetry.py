"""Volumes that decide a liver resection: total, functional and remnant liver, against what the body needs.

Each formula names its source below. Literature values are shown with their source beside a measured value; they are
not advice, and nothing here judges a patient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.liver_extent import inside_liver, outside_ml, outside_notes
from LiverPlannerLib.structures import LESIONS, STRUCTURES, members, structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound

BsaFormula = Literal["mosteller", "dubois"]
BSA_NAMES = {"mosteller": "Mosteller", "dubois": "Du Bois"}
VESSELS = tuple(s.key for s in STRUCTURES if s.vascular and s.parent == "liver")
NOT_FUNCTIONAL = LESIONS
"""What is excluded from the functional volume unless the caller says otherwise: fluid is not parenchyma."""
_ADULT_KG = 35.0
_PLAUSIBLE_ML = (300.0, 5000.0)


@dataclass(frozen=True)
class Patient:
    """Height in cm and weight in kg.

    Raises:
        InputError: values that no patient has; the message says whether units or order look wrong.
    """

    height_cm: float
    weight_kg: float

    def __post_init__(self) -> None:
        if not 30 <= self.height_cm <= 260:
            hint = "Height is in cm, not m" if 0.3 <= self.height_cm <= 2.6 else "Give the height in cm"
            raise InputError(f"height must be between 30 and 260 cm, got {self.height_cm:g}", hint)
        if not 1 <= self.weight_kg <= 400:
            raise InputError(f"weight must be between 1 and 400 kg, got {self.weight_kg:g}", "Give the weight in kg")
        index = self.weight_kg / (self.height_cm / 100) ** 2
        if not 7 <= index <= 110:
            raise InputError(
                f"{self.height_cm:g} cm and {self.weight_kg:g} kg give a body mass index of {index:.0f}",
                "Check both values, and that they are not swapped",
            )

    @property
    def adult(self) -> bool:
        """Whether formulas made on adults may be used without a remark."""
        return self.weight_kg >= _ADULT_KG


def body_surface_area(patient: Patient, formula: BsaFormula = "mosteller") -> float:
    """Body surface area in m2: Mosteller sqrt(h w / 3600), or Du Bois 0.007184 w^0.425 h^0.725."""
    h, w = patient.height_cm, patient.weight_kg
    if formula == "mosteller":
        return float(np.sqrt(h * w / 3600))
    if formula == "dubois":
        return float(0.007184 * w**0.425 * h**0.725)
    raise InputError(f"Unknown BSA formula: {formula!r}", f"Use one of {', '.join(BSA_NAMES)}")


@dataclass(frozen=True)
class Estimate:
    """An estimated (standard) total liver volume.

    Attributes:
        name: of the formula.
        ml: None where the formula gives no positive volume for so small a body.
        bsa: formula of the body surface area that it was used with.
        equation, source: for the reader.
    """

    name: str
    ml: float | None
    bsa: BsaFormula
    equation: str
    source: str

    @property
    def label(self) -> str:
        """Name and BSA formula, e.g. ``Korean, Du Bois``: the same name occurs with both."""
        return f"{self.name}, {BSA_NAMES[self.bsa]}"


_FORMULAS: tuple[tuple[str, BsaFormula | None, float, float, str], ...] = (
    ("Vauthey", None, 1267.28, -794.41, "Western adults; PMC6422720, Table 1 (prints -794)"),
    ("Urata", None, 706.2, 2.4, "Japanese; PMC6422720, Table 1"),
    ("Korean", "dubois", 908.204, -464.728, "1000 Korean adults; synapse.koreamed.org/articles/1040650"),
    ("Korean", "mosteller", 893.485, -439.169, "1000 Korean adults; synapse.koreamed.org/articles/1040650"),
)


def estimated_volumes(patient: Patient, bsa: BsaFormula = "mosteller") -> tuple[Estimate, ...]:
    """Standard liver volumes by every formula; Vauthey and Urata with the chosen BSA, the Korean ones with theirs."""
    estimates = []
    for name, own, slope, offset, source in _FORMULAS:
        used = own or bsa
        ml = slope * body_surface_area(patient, used) + offset
        equation = f"{slope:g} × BSA {'+' if offset > 0 else '−'} {abs(offset):g}"
        estimates.append(Estimate(name, ml if ml > 0 else None, used, equation, source))
    return tuple(estimates)


@dataclass(frozen=True)
class Volumes:
    """Volumes of one label image, in ml.

    Attributes:
        by_structure: every structure of the table that occurs, with its parts outside the liver; ``liver`` is the TLV.
        tlv: total liver volume, the liver with what it contains of lesions, vessels and ducts.
        functional: TLV without the excluded structures.
        excluded: keys of the structures not counted as functional.
        outside: by key, what lies outside the liver and is neither in TLV nor in the functional volume.
    """

    by_structure: dict[str, float]
    tlv: float
    functional: float
    excluded: tuple[str, ...]
    outside: dict[str, float] = field(default_factory=dict)

    @property
    def cysts_excluded(self) -> bool:
        """Whether `functional` is without cysts."""
        return "cyst" in self.excluded

    @property
    def functional_otherwise(self) -> float | None:
        """The functional volume with cysts counted the other way; None without a cyst."""
        cyst = self.by_structure.get("cyst", 0.0) - self.outside.get("cyst", 0.0)
        return (self.functional + cyst if self.cysts_excluded else self.functional - cyst) if cyst else None


@dataclass(frozen=True)
class Remnant:
    """The future liver remnant (FLR).

    Attributes:
        ml: functional volume of the remnant: without the excluded structures in it.
        whole_ml: everything of the liver in the remnant.
        tumor_ml: tumor left in the remnant.
        ml_otherwise, to_functional_otherwise: the same with cysts counted the other way; None without a cyst in the
            liver.
        to_functional: FLR / functional volume (measured).
        standardized: FLR / estimated total volume, one for each `Volumetry.estimates`; None without an estimate.
        to_weight: FLR in g per g of body weight at 1 g/ml; None without a weight.
    """

    ml: float
    whole_ml: float
    tumor_ml: float
    to_functional: float
    standardized: tuple[float | None, ...]
    to_weight: float | None
    ml_otherwise: float | None = None
    to_functional_otherwise: float | None = None


@dataclass(frozen=True)
class Volumetry:
    """The result of `volumetry`."""

    volumes: Volumes
    patient: Patient | None
    bsa: dict[str, float]
    estimates: tuple[Estimate, ...]
    remnant: Remnant | None
    notes: tuple[str, ...]

    def as_rows(self) -> list[dict[str, Any]]:
        """Rows of measure, value, unit and explanation; None is n/a."""
        v, rows = self.volumes, []

        def row(measure: str, value: float | None, unit: str, how: str = "") -> None:
            rows.append({"measure": measure, "value": value, "unit": unit, "how": how})

        row("Total liver volume (TLV)", v.tlv, "ml", "liver with all that it contains")
        for key, ml in v.by_structure.items():
            if key != "liver":
                row(structure(key).name, ml, "ml", _place(key, v.outside.get(key, 0.0)))
        without = " and ".join(structure(key).name.lower() for key in v.excluded)
        row("Functional liver volume", v.functional, "ml", f"TLV without {without}" if without else "TLV")
        if v.functional_otherwise is not None:
            row(
                f"Functional liver volume, {_otherwise(v)}",
                v.functional_otherwise,
                "ml",
                "with the other choice for cysts",
            )
        for name, area in self.bsa.items():
            row(f"Body surface area ({BSA_NAMES[name]})", area, "m²")
        for e in self.estimates:
            row(f"Standard liver volume, {e.label}", e.ml, "ml", f"{e.equation}; {e.source}")
        if self.remnant is not None:
            _remnant_rows(self.remnant, self.estimates, row, _otherwise(v))
        return rows


def _place(key: str, outside: float) -> str:
    if structure(key).parent is None:
        return "not in TLV"
    return f"{outside:.1f} ml of it outside the liver, not in TLV" if outside >= 0.05 else ""


def _otherwise(volumes: Volumes) -> str:
    return "cysts counted" if volumes.cysts_excluded else "cysts not counted"


def _remnant_rows(r: Remnant, estimates: Sequence[Estimate], row: Callable[..., None], otherwise: str) -> None:
    row("Future liver remnant (FLR)", r.ml, "ml", "functional part of the remnant")
    if r.ml_otherwise is not None:
        row(f"Future liver remnant (FLR), {otherwise}", r.ml_otherwise, "ml", "with the other choice for cysts")
    row("Liver in the remnant, all", r.whole_ml, "ml")
    row("Tumor in the remnant", r.tumor_ml, "ml")
    row("FLR / functional volume", _percent(r.to_functional), "%", "measured")
    if r.ml_otherwise is not None:
        row(f"FLR / functional volume, {otherwise}", _percent(r.to_functional_otherwise), "%", "measured")
    for e, ratio in zip(estimates, r.standardized, strict=True):
        row(f"Standardized FLR (sFLR), {e.label}", _percent(ratio), "%", "FLR / standard volume")
    if r.to_weight is not None:
        row("FLR / body weight", 100 * r.to_weight, "%", "1 g/ml")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def measure_volumes(
    labels: sitk.Image, exclude: Sequence[str] = NOT_FUNCTIONAL, inside: np.ndarray | None = None
) -> Volumes:
    """Volumes of all structures in a label image.

    Args:
        labels: values of the table of structures.
        exclude: keys that are not functional liver: tumor and cyst, and by choice vessels.
        inside: (K, J, I), of `inside_liver`, where it is known already.

    Raises:
        NothingFound: there is no liver in it.
        InputError: an excluded structure is unknown or no part of the liver.
    """
    for key in exclude:
        if structure(key).parent != "liver":
            raise InputError(
                f"{structure(key).name} is not part of the liver, so it cannot be excluded from its volume",
                f"Choose from {', '.join(s.key for s in STRUCTURES if s.parent == 'liver')}",
            )
    ml = images.voxel_ml(labels)
    counts = images.label_counts(images.array_of(labels)).tolist()
    present = {s.key: counts[s.label] * ml for s in STRUCTURES if counts[s.label]}
    inside = inside_liver(labels) if inside is None else inside
    tlv = float(np.count_nonzero(inside)) * ml
    if tlv == 0:
        raise NothingFound("There is no liver in the label image", "Check its values: the liver is 1")
    excluded = tuple(dict.fromkeys(exclude))
    outside = outside_ml(labels, inside)
    functional = tlv - sum(present.get(key, 0.0) - outside.get(key, 0.0) for key in excluded)
    by_structure = {"liver": tlv, **{k: v for k, v in present.items() if k != "liver"}}
    return Volumes(by_structure, tlv, functional, excluded, outside)


def volumetry(
    labels: sitk.Image,
    *,
    remnant: sitk.Image | None = None,
    patient: Patient | None = None,
    bsa: BsaFormula = "mosteller",
    exclude: Sequence[str] = NOT_FUNCTIONAL,
    inside: np.ndarray | None = None,
) -> Volumetry:
    """All volumes and ratios of one liver.

    Args:
        labels: values of the table of structures.
        remnant: mask of what stays (anything but 0), on the same grid; only what is liver in `labels` counts.
        patient: without it there are no standard volumes and no ratios to them.
        bsa: used with the formulas that leave the choice.
        exclude: see `measure_volumes`.
        inside: (K, J, I), of `inside_liver`, where it is known already.

    Raises:
        NothingFound: no liver.
        GeometryError: the remnant lies on another grid.
        InputError: see `measure_volumes`, `Patient`; or the remnant holds no liver.
    """
    inside = inside_liver(labels) if inside is None else inside
    volumes = measure_volumes(labels, exclude, inside)
    estimates = estimated_volumes(patient, bsa) if patient else ()
    areas = {name: body_surface_area(patient, name) for name in BSA_NAMES} if patient else {}  # type: ignore[arg-type]
    left = _remnant(labels, inside, remnant, volumes, estimates, patient) if remnant is not None else None
    notes = [*_doubts(inside, volumes), *outside_notes(volumes.outside), *_notes(volumes, patient, estimates, left)]
    return Volumetry(volumes, patient, areas, estimates, left, tuple(notes))


def _remnant(
    labels: sitk.Image,
    inside: np.ndarray,
    remnant: sitk.Image,
    volumes: Volumes,
    estimates: Sequence[Estimate],
    patient: Patient | None,
) -> Remnant:
    remnant = images.onto_grid(remnant, labels, "remnant mask", "label image").labels
    ml = images.voxel_ml(labels)
    counts = images.label_counts(images.array_of(labels), inside & (images.array_of(remnant) != 0))
    part = {s.key: counts[s.label] * ml for s in members("liver")}
    whole = sum(part.values())
    if whole == 0:
        raise InputError("There is no liver in the remnant", "Check that the mask belongs to this image")
    flr = whole - sum(part[key] for key in volumes.excluded)
    whole_otherwise = volumes.functional_otherwise
    other = None
    if whole_otherwise is not None:
        other = float(flr + part["cyst"] if volumes.cysts_excluded else flr - part["cyst"])
    return Remnant(
        ml_otherwise=other,
        to_functional_otherwise=other / whole_otherwise if other is not None and whole_otherwise else None,
        ml=float(flr),
        whole_ml=float(whole),
        tumor_ml=float(part["tumor"]),
        to_functional=float(flr / volumes.functional),
        standardized=tuple(None if e.ml is None else float(flr / e.ml) for e in estimates),
        to_weight=float(flr / (1000 * patient.weight_kg)) if patient else None,
    )


def _doubts(inside: np.ndarray, volumes: Volumes) -> list[str]:
    """What makes the total volume doubtful: a size that no liver has, or an image that ends in it."""
    doubts = []
    if not _PLAUSIBLE_ML[0] <= volumes.tlv <= _PLAUSIBLE_ML[1]:
        doubts.append(
            f"A liver of {volumes.tlv:.0f} ml is outside {_PLAUSIBLE_ML[0]:g} to {_PLAUSIBLE_ML[1]:g} ml: "
            "check the label values (the liver is 1) and the voxel size."
        )
    if any(np.take(inside, (0, -1), axis=axis).any() for axis in range(3)):
        doubts.append("The liver reaches the edge of the image: its volume may be incomplete.")
    return doubts


def _notes(
    volumes: Volumes, patient: Patient | None, estimates: Sequence[Estimate], remnant: Remnant | None
) -> list[str]:
    notes = []
    if patient is None:
        notes.append("Standard volumes, sFLR and FLR / body weight are n/a: no height and weight were given.")
    else:
        notes.append(
            "Standard volumes differ by formula (by some 17 % between Vauthey and Urata): compare like to like."
        )
        if not patient.adult:
            notes.append(f"Below {_ADULT_KG:g} kg the formulas, derived from adults, do not apply.")
    if any(e.ml is None for e in estimates):
        notes.append("A formula gives a negative volume for such a small body; it is shown as n/a.")
    if remnant is not None and remnant.tumor_ml > 0:
        notes.append(f"{remnant.tumor_ml:.1f} ml of tumor remain in the remnant.")
    cyst = volumes.by_structure.get("cyst", 0.0) - volumes.outside.get("cyst", 0.0)
    if cyst > 0 and volumes.cysts_excluded:
        notes.append(
            f"{cyst:.1f} ml of cyst are excluded from the functional volume; the value with them is given beside it."
        )
    elif cyst > 0:
        notes.append(
            f"{cyst:.1f} ml of cyst are counted as functional liver; the value without them is given beside it."
        )
    return notes
