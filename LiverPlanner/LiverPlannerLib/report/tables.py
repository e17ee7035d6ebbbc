"""The tables of a liver report, from what was measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from LiverPlannerLib.comparison.columns import columns_of, shown_row
from LiverPlannerLib.couinaud.volumes import GIVEN
from LiverPlannerLib.report.measures import Measures, structure_name
from LiverPlannerLib.structures import SEGMENTS, STRUCTURES, structure
from PreopReviewLib.reports import Table


def volumes(measures: Measures, models: Mapping[str, str], corrected: Collection[str] = ()) -> Table:
    """Volume of every structure, its share of the liver, and what found it; `corrected`: what a person changed."""
    liver = measures.volumes_ml["liver"]
    rows, colors = [], []
    for key, ml in measures.volumes_ml.items():
        inside = key == "liver" or structure(key).parent == "liver"
        share = 100 * ml / liver if inside and liver else None
        name = structure(key).name + (" (with all that it contains)" if key == "liver" else "")
        source = models.get(key, "not said" if key not in corrected else "drawn")
        known = None if key == "liver" and not liver else ml  # of lesions alone, the liver is not 0 ml, but not known
        rows.append(
            (name, known, share, f"{source}, corrected by hand" if key in models and key in corrected else source)
        )
        colors.append(structure(key).color)
    columns = ("Structure", "ml", "% of the liver", "Found by")
    return Table("volumes", "Volumes, by voxel counting", columns, tuple(rows), colors=tuple(colors))


def segments(measures: Measures) -> Table | None:
    """Volume of each Couinaud segment, and its share of the liver."""
    division = measures.couinaud
    if division is None:
        return None
    rows = tuple((v.name, v.ml, 100 * v.share) for v in division.volumes)
    origin = () if division.model == GIVEN else (f"Found by {division.model}.",)
    notes = (*origin, *division.notes, *division.warnings)
    colors = tuple(s.color for s in SEGMENTS)
    return Table("segments", "Couinaud segments", ("Segment", "ml", "% of the liver"), rows, notes, colors=colors)


def lesions(measures: Measures) -> Table:
    """Each region of tumor, cyst and lesion candidate, with the Couinaud segments that hold it where they are known."""
    places = measures.couinaud.places if measures.couinaud else {}
    named = any(r.name for r in measures.regions)
    rows = tuple(
        (
            f"{structure(r.structure).name} {r.number}",
            *((r.name,) if named else ()),
            *((places[r.structure, r.number],) if places else ()),
            r.ml,
            r.diameter_mm,
            *(round(v, 1) for v in r.centroid_ras),
        )
        for r in measures.regions
    )
    columns = (
        "Lesion",
        *(("In the file",) if named else ()),
        *(("Segments",) if places else ()),
        "ml",
        "Largest diameter, mm",
        "R mm",
        "A mm",
        "S mm",
    )
    apart = " unless the file holds them apart" if named else ""
    words = f"Regions that touch by a face, edge or corner of a voxel are one{apart}."
    notes = (f"{words} R, A, S: its center in the scanner's space.",)
    return Table(
        "lesions", "Lesions", columns, rows, notes, colors=tuple(structure(r.structure).color for r in measures.regions)
    )


def volumetry(measures: Measures) -> Table | None:
    """Total, functional and remnant volumes, with standard volumes for the body."""
    if measures.volumetry is None:
        return None
    keep = [r for r in measures.volumetry.as_rows() if r["measure"] not in _STRUCTURE_NAMES]
    rows = tuple((r["measure"], r["value"], r["unit"], r["how"]) for r in keep)
    return Table(
        "volumetry", "Liver and remnant", ("Measure", "Value", "Unit", "How"), rows, tuple(measures.volumetry.notes)
    )


_STRUCTURE_NAMES = {s.name for s in STRUCTURES if s.key != "liver"}


def resection(measures: Measures) -> list[Table]:
    """The cut, what becomes of each tumor, and what the literature asks of a remnant."""
    from LiverPlannerLib.resection.literature import DISCLAIMER, LITERATURE

    cut = measures.resection
    if cut is None:
        return []
    rows: list[tuple[Any, ...]] = [
        ("Taken", cut.resected_ml, 100 * cut.resected_share),
        ("Left", cut.remnant_ml, 100 * (1 - cut.resected_share)),
    ]
    tables = [
        Table("resection", f"Resection: {cut.method}", ("Side", "ml", "% of the liver"), tuple(rows), tuple(cut.notes))
    ]
    if cut.lesions:
        fates = tuple((f.number, f.ml, 100 * f.resected_share, f.fate) for f in cut.lesions)
        tables.append(Table("tumor_fates", "Tumors", ("Tumor", "ml", "% taken", "Fate"), fates))
    values = tuple((v.measure, v.situation, v.value, v.source) for v in LITERATURE)
    columns = ("Measure", "Situation", "Value", "Source")
    tables.append(Table("literature", "Literature values", columns, values, (DISCLAIMER,)))
    return tables


def territories(measures: Measures) -> list[Table]:
    """Portal territories and hepatic-vein drainage areas, each 100 % of the liver."""
    from LiverPlannerLib.territories.areas import MODEL_NOTE

    liver_trees = measures.territories
    if liver_trees is None:
        return []
    titles = {"portal_vein": "Portal territories", "hepatic_vein": "Drainage of the hepatic veins"}
    tables = []
    for key, named in liver_trees.named.items():
        rows = tuple((n.name.capitalize(), n.ml, 100 * n.share, n.fit and 100 * n.fit) for n in named)
        rows += (("Together", liver_trees.territories[key].liver_ml, 100.0, None),)
        columns = ("Territory", "ml", "% of the liver", "% in segments of the name")
        notes = (MODEL_NOTE, *(f"{w}." for w in liver_trees.territories[key].warnings))
        tables.append(Table(f"territories_{key}", titles[key], columns, rows, notes))
    return tables


def perfusion(measures: Measures) -> list[Table]:
    """What of the remnant loses its supply, and what the cut crosses."""
    from LiverPlannerLib.perfusion.ratios import crossing_rows, perfusion_rows

    supply = measures.perfusion
    if supply is None or measures.volumetry is None:
        return []
    rows = tuple((r["measure"], r["value"], r["unit"], r["how"]) for r in perfusion_rows(supply, measures.volumetry))
    columns = ("Measure", "Value", "Unit", "How")
    tables = [Table("supply", "Supply of the remnant, by a model", columns, rows, supply.notes)]
    crossed = crossing_rows(supply)
    if crossed:
        columns = ("Vessel or duct", "Diameter, mm", "Territory, ml", "R A S, mm")
        cells = tuple((r["vessel"].capitalize(), r["diameter_mm"], r["territory_ml"], r["at_ras"]) for r in crossed)
        tables.append(Table("vessels_crossed", "Vessels and ducts crossed by the cut", columns, cells))
    return tables


def margins(measures: Measures) -> Table | None:
    """Each tumor's distance to the cut, to vessels and ducts."""
    from LiverPlannerLib.resection.margins import REFERENCE_LINES

    result = measures.margins
    if result is None:
        return None
    keys = list(result.lesions[0].to_mm)
    cut = measures.resection is not None
    columns = ("Tumor", "ml") + (("Fate", "Margin to the cut, mm") if cut else ())
    columns += tuple(f"To the {structure_name(k)}, mm" for k in keys)
    rows = tuple(
        (x.number, x.ml, *((x.fate, x.to_cut_mm) if cut else ()), *(x.to_mm[k] for k in keys)) for x in result.lesions
    )
    notes = [*result.notes]
    if cut:
        notes += [f"Literature, not advice: {mm:g} mm: {words}." for mm, words in REFERENCE_LINES]
    return Table("margins", "Distances of each tumor", columns, rows, tuple(dict.fromkeys(notes)))


def vessel_margins(measures: Measures, most: int = 5) -> Table | None:
    """The main or named vessels that are nearest to each tumor, with the length of contact."""
    rows = []
    for lesion in dict.fromkeys(m.lesion for m in measures.vessel_margins):
        near = [m for m in measures.vessel_margins if m.lesion == lesion][:most]
        rows += [(m.lesion, m.vessel.capitalize(), m.mm, m.contact_mm) for m in near]
    columns = ("Tumor", "Vessel", "Distance, mm", "Contact length, mm")
    notes = (f"Main branches and named vessels only, the {most} nearest of each tumor; twigs are left out.",)
    return Table("vessel_margins", "Nearest main and named vessels", columns, tuple(rows), notes) if rows else None


def trees(measures: Measures) -> Table | None:
    """Main and peripheral branches of each tree."""
    if not measures.trees:
        return None
    rows, colors, notes = [], [], []
    for tree in measures.trees:
        main = sum(b.ml for b in tree.branches if b.main)
        whole = sum(b.ml for b in tree.branches)
        count = sum(b.main for b in tree.branches)
        name = structure(tree.structure).name
        rows.append((name, len(tree.branches), count, main, whole - main, 100 * tree.main_share, max(tree.trunk_mm)))
        colors.append(structure(tree.structure).color)
        notes += [f"{name}: {w}." for w in tree.warnings]
    columns = ("Tree", "Branches", "Main", "Main, ml", "Peripheral, ml", "Main, %", "Trunk radius, mm")
    return Table("trees", "Main and peripheral branches", columns, tuple(rows), tuple(notes), tuple(colors))


def branches(measures: Measures) -> Table | None:
    """Every branch of every tree."""
    of_structure = measures.territories.territories if measures.territories else {}

    def territory(key: str, branch: int) -> tuple[float | None, float | None]:
        return (
            (float(of_structure[key].ml[branch]), 100 * of_structure[key].share(branch))
            if key in of_structure
            else (None, None)
        )

    rows = [
        (structure(t.structure).name, b.id, b.parent, b.generation, "main" if b.main else "peripheral")
        + (b.radius_mm, b.length_mm, b.ml, *territory(t.structure, b.id), b.reason)
        for t in measures.trees
        for b in t.branches
    ]
    columns = ("Tree", "Branch", "Parent branch", "Generation", "Part", "Radius, mm", "Length, mm", "ml")
    columns += ("Territory, ml", "% of the liver", "Why")
    return Table("branches", "Every branch", columns, tuple(rows)) if rows else None


def cysts(measures: Measures) -> Table | None:
    """What the cyst filter says of each lesion."""
    result = measures.cysts
    if result is None or not result.regions:
        return None
    unit = result.settings.scale.unit
    columns = (
        "Region",
        "ml",
        "Decision",
        f"Core median, {unit}",
        "Gaussian M",
        "Gaussian S",
        "R²",
        "Rule of Lin 2024",
        "Why",
    )
    rows = tuple(
        (r.id, r.ml, r.decision, r.core_median, r.fit_mean, r.fit_sd, r.r2, r.paper_decision, r.reason)
        for r in result.regions
    )
    notes = [f"{w}." for w in result.warnings]
    notes.append(
        "The filter is shown as it sees these lesions; the segmentation of this report was not changed by it. "
        "Undecided regions stay tumors."
    )
    title = f"Cyst filter: rule {result.settings.rule}, threshold {result.settings.threshold:g} {unit}"
    return Table("cysts", title, columns, rows, tuple(notes))


def comparison(measures: Measures) -> Table | None:
    """The segmentation against another one, structure by structure."""
    if measures.comparison is None:
        return None
    rows = [shown_row(row.as_row()) for row in measures.comparison.rows]
    columns = columns_of(rows)
    cells = tuple(tuple(row[c.key] for c in columns) for row in rows)
    colors = tuple(structure(row.key).color for row in measures.comparison.rows)
    title = "This segmentation against the other one"
    return Table("comparison", title, tuple(c.title for c in columns), cells, tuple(measures.comparison.notes), colors)
