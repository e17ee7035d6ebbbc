"""`preop liver volumetry`: total, functional and remnant liver volume."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import (
    AsJson,
    LabelValues,
    Out,
    Overwrite,
    Planes,
    RemnantFile,
    Seeds,
    Surface,
    SurfaceSpace,
    SurfaceSpaceName,
    SurfaceUnit,
    SurfaceUnitName,
    Territory,
)
from PreopReviewLib.command.console import say

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverPlannerLib.resection.cutting import Resection
    from LiverPlannerLib.resection.volumetry import Patient, Volumetry


class Bsa(StrEnum):
    """Formulas of the body surface area."""

    mosteller = "mosteller"
    dubois = "dubois"


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("volumetry")(volumetry)


def volumetry(
    labels: Annotated[Path, typer.Argument(help="Labels or segmentation of the liver.", show_default=False)],
    out: Out = None,
    height: Annotated[float | None, typer.Option(help="Of the patient, cm.")] = None,
    weight: Annotated[float | None, typer.Option(help="Of the patient, kg.")] = None,
    bsa: Annotated[Bsa, typer.Option(help="Body surface area, where a formula leaves the choice.")] = Bsa.mosteller,
    plane: Planes = None,
    seed: Seeds = None,
    surface: Surface = None,
    surface_space: SurfaceSpace = SurfaceSpaceName.auto,
    surface_unit: SurfaceUnit = SurfaceUnitName.auto,
    remnant: RemnantFile = None,
    territory: Territory = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Structure to exclude from the functional volume besides tumors and cysts: portal_vein, …"),
    ] = None,
    values: LabelValues = None,
    supply: Annotated[
        bool,
        typer.Option("--supply/--no-supply", help="With a resection: what of the remnant loses inflow or outflow."),
    ] = True,
    exclude_cysts: Annotated[
        bool,
        typer.Option("--exclude-cysts/--count-cysts", help="Exclude cysts from the functional volume, or count them."),
    ] = True,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure the liver, and with a resection what remains, against standard volumes for height and weight.

    Literature values are shown with their source and are no advice. With a resection, also what of the remnant loses
    its portal inflow or venous outflow (a model, not a measurement) and the vessels and ducts crossed. Writes
    volumetry.csv, volumetry.json and, with a resection, remnant.nii.gz, resected.nii.gz and vessels_crossed.csv.
    """
    from LiverPlannerLib.commands.cutting import make_resection, read
    from LiverPlannerLib.resection.volumetry import volumetry as measure
    from PreopReviewLib.command.console import emit

    patient = patient_of(height, weight)
    file = read(labels, values)
    cut = make_resection(
        file.labels, plane, seed, surface, remnant, territory, surface_space, surface_unit, file.lesions
    )
    excluded = exclusions(without, exclude_cysts)
    result = measure(
        file.labels,
        remnant=cut.remnant if cut else None,
        patient=patient,
        bsa=bsa.value,  # type: ignore[arg-type]
        exclude=excluded,
    )
    notes = [*file.sentences, *result.notes, *(cut.notes if cut else ())]
    data = {"labels": str(file.path), "height_cm": height, "weight_kg": weight, **_as_dict(result, cut, notes)}
    if cut and supply:
        _add_supply(data, file.labels, cut, result, excluded)
    if out is not None:
        _write(out, overwrite, data, cut)
    emit(data, as_json, lambda: _print(data))


def _as_dict(result: Volumetry, cut: Resection | None, notes: list[str]) -> dict[str, Any]:
    from LiverPlannerLib.commands.cutting import as_dict
    from LiverPlannerLib.resection.literature import DISCLAIMER, LITERATURE

    return {
        "measures": result.as_rows(),
        "resection": as_dict(cut) if cut else None,
        "literature": [value.__dict__ for value in LITERATURE] if cut else [],
        "notes": [*notes, DISCLAIMER] if cut else notes,
    }


def _add_supply(
    data: dict[str, Any], labels: sitk.Image, cut: Resection, result: Volumetry, excluded: tuple[str, ...]
) -> None:
    """Adds what loses its supply, and the vessels crossed; a liver without veins gets a note."""
    from LiverPlannerLib.couinaud.volumes import divide
    from LiverPlannerLib.perfusion.model import perfusion_of
    from LiverPlannerLib.perfusion.ratios import crossing_rows, perfusion_rows
    from LiverPlannerLib.territories.liver import find_trees
    from PreopReviewLib.errors import NothingFound

    try:
        found = perfusion_of(find_trees(labels, divide(labels).labels), cut.resected, excluded)
    except NothingFound as nothing:
        data["notes"] = [*data["notes"], f"Inflow and outflow of the remnant are n/a. {nothing.problem}."]
        return
    data["measures"] += perfusion_rows(found, result)
    data["vessels_crossed"] = crossing_rows(found)
    data["notes"] = list(dict.fromkeys([*data["notes"], *found.notes]))


def _write(out: Path, overwrite: bool, data: dict[str, Any], cut: Resection | None) -> None:
    from LiverPlannerLib.commands.cutting import write_csv, write_json, write_masks
    from PreopReviewLib.output import output_folder

    with output_folder(out, overwrite, "liver volumetry") as folder:
        write_csv(folder / "volumetry.csv", data["measures"])
        write_json(folder / "volumetry.json", data)
        if cut:
            write_masks(folder, cut)
        if data.get("vessels_crossed"):
            write_csv(folder / "vessels_crossed.csv", data["vessels_crossed"])


def exclusions(without: list[str] | None, exclude_cysts: bool) -> tuple[str, ...]:
    """Keys of the structures that are not functional liver.

    Raises:
        InputError: cysts are to be counted and to be left out.
    """
    from LiverPlannerLib.resection.volumetry import NOT_FUNCTIONAL
    from PreopReviewLib.errors import InputError

    if not exclude_cysts and "cyst" in (without or ()):
        raise InputError("--count-cysts and --without cyst contradict each other", "Leave one of them out")
    usual = NOT_FUNCTIONAL if exclude_cysts else tuple(key for key in NOT_FUNCTIONAL if key != "cyst")
    return (*usual, *(without or ()))


def patient_of(height: float | None, weight: float | None) -> Patient | None:
    from LiverPlannerLib.resection.volumetry import Patient
    from PreopReviewLib.errors import InputError

    if height is None and weight is None:
        return None
    if height is None or weight is None:
        raise InputError("Standard volumes need both height and weight", "Give --height in cm and --weight in kg")
    return Patient(height, weight)


def _print(data: dict[str, Any]) -> None:
    from PreopReviewLib.command.console import print_table

    rows = [(r["measure"], _rounded(r["value"]), r["unit"], r["how"]) for r in data["measures"]]
    print_table("", ["measure", "value", "unit", "how"], rows)
    cut = data["resection"]
    if cut:
        say(
            f"Resection by {cut['method']}: {cut['resected_ml']:.0f} ml taken ({cut['resected_share']:.0%}), "
            f"{cut['remnant_ml']:.0f} ml left"
        )
        lesions = [(f["number"], f["ml"], round(100 * f["resected_share"]), f["fate"]) for f in cut["lesions"]]
        if lesions:
            print_table("Tumors", ["lesion", "ml", "% taken", "fate"], lesions)
        if data.get("vessels_crossed"):
            crossed = [(v["vessel"], v["diameter_mm"], v["territory_ml"]) for v in data["vessels_crossed"]]
            print_table("Vessels and ducts crossed", ["vessel", "diameter mm", "territory ml"], crossed)
        values = [(v["measure"], v["situation"], v["value"], v["source"]) for v in data["literature"]]
        print_table("Literature values, not advice", ["measure", "situation", "value", "source"], values)
    for note in data["notes"]:
        say(note)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2 if abs(value) < 10 else 1)
