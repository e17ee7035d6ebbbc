"""Several resections of one liver on one page: table side by side, 3D, slices, vessels crossed, margins."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.perfusion.model import NEITHER, NO_INFLOW, NO_OUTFLOW, PerfusionModel
from LiverPlannerLib.perfusion.ratios import crossing_words
from LiverPlannerLib.resection.literature import DISCLAIMER, LITERATURE
from LiverPlannerLib.resection.vessel_margins import VesselMargin
from LiverPlannerLib.resections.bands import BAND_COLORS, BANDS_MM, band_names, check_limits
from LiverPlannerLib.resections.comparing import Compared, Measured, fate_words
from LiverPlannerLib.structures import STRUCTURES, mask_of
from LiverPlannerLib.territories.liver import LiverTrees
from PreopReviewLib import NOT_FOR_CLINICAL_USE, __version__, images
from PreopReviewLib.reports import Page, Picture, Section, Table, View3D, Words
from PreopReviewLib.reports.page import picture, without_empty

RESECTED, REMNANT = (0.80, 0.25, 0.20), (0.45, 0.72, 0.48)
SUPPLY_COLORS = {NO_INFLOW: (0.45, 0.30, 0.60), NO_OUTFLOW: (0.20, 0.55, 0.75), NEITHER: (0.25, 0.20, 0.25)}
SUPPLY_NAMES = {NO_INFLOW: "without inflow", NO_OUTFLOW: "congested", NEITHER: "without both"}
LEAST_ML = 0.5
"""Regions below this are not drawn."""
MOST_MARGINS, MOST_CROSSINGS = 5, 12


def resections_page(
    image: sitk.Image,
    labels: sitk.Image,
    compared: Compared,
    trees: LiverTrees,
    *,
    margins: Sequence[VesselMargin] = (),
    limits_mm: tuple[float, float] = BANDS_MM,
    title: str = "Resections compared",
    notes: Sequence[str] = (),
) -> Page:
    """The page; pictures and meshes are made here.

    Args:
        image: CT or MRI on the grid of the labels.
        compared: made of these labels and trees.
        margins: of `vessel_margins`.

    Raises:
        ImportError: VTK is not installed.
    """
    when = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    model = PerfusionModel(trees) if trees.territories else None
    supply = {m.name: model.image(model.taken(m.resection.resected)) for m in compared.resections if model is not None}
    sections = [
        Section("Side by side", (_table(compared),)),
        Section("In three dimensions", (_view(labels, compared, supply, limits_mm),)),
        Section("Slices", tuple(_slices(image, labels, m, supply.get(m.name)) for m in compared.resections)),
        Section("Vessels and ducts crossed", tuple(_crossings(compared)), columns=2),
        Section("Tumors and vessels", tuple(_vessel_margins(margins))),
        Section("Literature values", (_literature(),), folded=True),
        Section("What a reader must know", (Words(tuple(dict.fromkeys([*notes, *compared.notes, *_own(compared)]))),)),
    ]
    return Page(
        title=title,
        banner=NOT_FOR_CLINICAL_USE,
        sections=without_empty(sections),
        subtitle=f"{len(compared.resections)} resections, made {when} with PreopReview {__version__}",
        footer=(f"PreopReview {__version__}, {when}. This file opens without a network.",),
    )


def _own(compared: Compared) -> list[str]:
    return [f"{m.name}: {note}" for m in compared.resections for note in m.resection.notes]


def _table(compared: Compared) -> Table:
    """Measures as rows, resections as columns."""
    rows: list[tuple[Any, ...]] = []

    def row(name: str, unit: str, values: Sequence[float | str | None]) -> None:
        if any(v is not None for v in values):
            rows.append((name, unit, *(_rounded(v, unit) for v in values)))

    resections = compared.resections
    remnants = [m.volumetry.remnant for m in resections]
    if any(m.resection.method != m.name for m in resections):
        row("Takes", "", [m.resection.method for m in resections])
    row("Resected", "ml", [m.resection.resected_ml for m in resections])
    row("Resected, of the liver", "%", [100 * m.resection.resected_share for m in resections])
    row("Future liver remnant (FLR)", "ml", [r and r.ml for r in remnants])
    row("FLR, of the functional liver", "%", [_percent(r and r.to_functional) for r in remnants])
    for n, e in enumerate(resections[0].volumetry.estimates if resections else ()):
        row(f"sFLR, {e.label}", "%", [_percent(r and r.standardized[n]) for r in remnants])
    row("FLR / body weight", "%", [_percent(r and r.to_weight) for r in remnants])
    supplies = [m.perfusion for m in resections]
    row("Remnant without portal inflow (model)", "ml", [p and p.no_inflow_ml for p in supplies])
    row("Remnant congested, without outflow (model)", "ml", [p and p.no_outflow_ml for p in supplies])
    row("Remnant without both (model)", "ml", [p and p.neither_ml for p in supplies])
    last = [m.counts[-1] if len(m.counts) > 1 else None for m in resections]
    row("Functional remnant (model)", "ml", [c and c.ml for c in last])
    row("Functional remnant (model), of the functional liver", "%", [_percent(c and c.to_functional) for c in last])
    for n, e in enumerate(resections[0].volumetry.estimates[:1] if resections else ()):
        row(f"Functional remnant (model), sFLR, {e.label}", "%", [_percent(c and c.standardized[n]) for c in last])
    row("Tumors", "", [fate_words(m) if m.margins else None for m in resections])
    row("Smallest margin of a tumor that is taken", "mm", [m.margins and m.margins.smallest_mm for m in resections])
    for n, band in enumerate(resections[0].bands if resections else ()):
        words = band.name.replace("_", " ")
        row(f"Cut surface {words} from a tumor", "%", [100 * m.bands[n].share for m in resections])
    row("Vessels and ducts crossed", "", [p and str(len(p.crossings)) for p in supplies])
    row("The widest", "", [p and (crossing_words(p, 3) or "none") for p in supplies])
    row("Graft", "ml", [m.graft and m.graft.ml for m in resections])
    row("Graft to recipient weight (GRWR)", "%", [m.graft and m.graft.grwr_percent for m in resections])
    return Table(
        "resections", "Resections side by side", ("Measure", "Unit", *(m.name for m in resections)), tuple(rows)
    )


def _rounded(value: float | str | None, unit: str) -> float | str | None:
    """No finer than it is known: whole ml, tenths of a percent or millimeter."""
    if value is None or isinstance(value, str):
        return value
    return round(value) if unit == "ml" and value >= 10 else round(value, 1)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _literature() -> Table:
    rows = tuple((v.measure, v.situation, v.value, v.source) for v in LITERATURE)
    return Table("literature", "Literature values", ("Measure", "Situation", "Value", "Source"), rows, (DISCLAIMER,))


def _crossings(compared: Compared) -> list[Table]:
    tables = []
    for n, m in enumerate(compared.resections, 1):
        if m.perfusion and m.perfusion.crossings:
            rows = tuple(
                (c.name.capitalize(), round(c.diameter_mm, 1), c.territory_ml and round(c.territory_ml, 1))
                for c in m.perfusion.crossings[:MOST_CROSSINGS]
            )
            more = len(m.perfusion.crossings) - len(rows)
            notes = (f"And {more} thinner ones, in the file vessels_crossed.csv.",) if more else ()
            columns = ("Vessel or duct", "Diameter, mm", "Territory, ml")
            tables.append(Table(f"crossed_{n}", m.name, columns, rows, notes))
    return tables


def _vessel_margins(margins: Sequence[VesselMargin]) -> list[Table]:
    if not margins:
        return []
    rows = []
    for lesion in dict.fromkeys(m.lesion for m in margins):
        near = [m for m in margins if m.lesion == lesion]
        rows += [(m.lesion, m.vessel.capitalize(), m.mm, m.contact_mm or None) for m in near[:MOST_MARGINS]]
    columns = ("Tumor", "Vessel", "Distance, mm", "Contact length, mm")
    notes = (f"The {MOST_MARGINS} nearest main or named vessels of each tumor.",)
    return [Table("tumors_and_vessels", "Nearest vessels", columns, tuple(rows), notes)]


def _slices(image: sitk.Image, labels: sitk.Image, m: Measured, supply: sitk.Image | None) -> Picture:
    """Three planes through the largest tumor, else through the middle of the resected part."""
    from LiverPlannerLib.plan.measures import center_of_interest
    from PreopReviewLib.images.windows import gray_window
    from PreopReviewLib.reports.slice_pictures import Outline, three_planes

    outlines = [Outline(m.resection.remnant, REMNANT, 0.22), Outline(m.resection.resected, RESECTED, 0.32)]
    drawn = ("tumor", "portal_vein", "hepatic_vein")
    outlines += [Outline(mask_of(labels, s.key), s.color) for s in STRUCTURES if s.key in drawn]
    if supply is not None:
        outlines += [Outline(supply == value, color) for value, color in SUPPLY_COLORS.items()]
    tumor = images.array_of(mask_of(labels, "tumor")).any()
    center = center_of_interest(labels) if tumor else _middle(m.resection.resected)
    figure = three_planes(image, outlines, center, gray_window(image, images.guess_modality(image)))
    where = "the largest tumor" if tumor else "the middle of the resected part"
    return picture(
        figure,
        f"Three slices with the outlines of {m.name}",
        f"{m.name}, through {where}: resected part in red, remnant in green; without inflow in violet, congested "
        "in blue, without both in black.",
        photo=True,
    )


def _middle(mask: sitk.Image) -> np.ndarray:
    places = np.argwhere(images.array_of(mask))
    return images.kji_to_ras(places[len(places) // 2][None], mask)[0]


def _view(
    labels: sitk.Image, compared: Compared, supply: dict[str, sitk.Image], limits_mm: tuple[float, float]
) -> View3D:
    """Liver, vessels and lesions, and for each resection its parts; a preset shows one resection."""
    from PreopReviewLib.reports.meshes import mesh_of_mask

    meshes = []
    for s in STRUCTURES:
        mask = mask_of(labels, s.key)
        if s.key != "liver" and images.array_of(mask).any():
            meshes.append(mesh_of_mask(mask, s.key, s.name, s.color, smoothing=0.3, max_triangles=15_000))
    always = {mesh.key: 1.0 for mesh in meshes}
    presets: dict[str, dict[str, float]] = {}
    for n, m in enumerate(compared.resections, 1):
        own: dict[str, float] = {}
        for key, name, color, mask, opacity in _parts(n, m, supply.get(m.name), labels, limits_mm):
            if np.count_nonzero(images.array_of(mask)) * images.voxel_ml(mask) >= LEAST_ML:
                value = f"{np.count_nonzero(images.array_of(mask)) * images.voxel_ml(mask):.0f} ml"
                value = "" if "band" in key else value
                meshes.append(
                    mesh_of_mask(
                        mask, key, name, color, opacity=opacity, value=value, visible=n == 1, max_triangles=12_000
                    )
                )
                own[key] = opacity
        presets[m.name] = {**always, **own}
    return View3D(tuple(meshes), presets)


def _parts(
    n: int, m: Measured, supply: sitk.Image | None, labels: sitk.Image, limits_mm: tuple[float, float]
) -> list[tuple[str, str, tuple[float, float, float], sitk.Image, float]]:
    parts = [
        (f"remnant_{n}", f"Remnant, {m.name}", REMNANT, m.resection.remnant, 0.25),
        (f"resected_{n}", f"Resected, {m.name}", RESECTED, m.resection.resected, 0.35),
    ]
    if supply is not None:
        parts += [
            (f"supply_{n}_{value}", f"Remnant {SUPPLY_NAMES[value]}, {m.name}", color, supply == value, 0.6)
            for value, color in SUPPLY_COLORS.items()
        ]
    if m.bands:
        names = [name.replace("_", " ") for name in band_names(limits_mm)]
        parts += [
            (f"band_{n}_{k}", f"Cut {names[k]} from a tumor, {m.name}", BAND_COLORS[k], mask, 0.95)
            for k, mask in enumerate(band_masks(labels, m, limits_mm))
        ]
    return parts


def band_masks(labels: sitk.Image, m: Measured, limits_mm: tuple[float, float] = BANDS_MM) -> list[sitk.Image]:
    """The resected side's last voxels at the cut, as one mask for each safety band."""
    from scipy.ndimage import maximum_filter

    from LiverPlannerLib.segmentation.morphology import distance

    low, high = check_limits(limits_mm)
    resected, remnant = (images.array_of(side) > 0 for side in (m.resection.resected, m.resection.remnant))
    box = tuple(slice(max(int(w.min()) - 1, 0), int(w.max()) + 2) for w in np.nonzero(resected | remnant))
    shell = resected[box] & (maximum_filter(remnant[box].view(np.uint8), 3) > 0)  # one axis after the other
    tumor = images.array_of(mask_of(labels, "tumor"))[box] > 0
    away = distance(~tumor, images.spacing_kji(labels)) if tumor.any() else np.full(tumor.shape, np.inf)
    masks = []
    for inside in (away < low, (away >= low) & (away < high), away >= high):
        whole = np.zeros(resected.shape, np.uint8)
        whole[box] = shell & inside
        masks.append(images.image_like(whole, labels))
    return masks
