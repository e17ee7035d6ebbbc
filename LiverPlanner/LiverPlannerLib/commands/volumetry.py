"""`preop liver volumetry`: total, functional and remnant liver volume."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import (
    NO_CUT,
    NO_PATIENT,
    AsJson,
    Couinaud,
    CutOptions,
    LabelValues,
    Out,
    Overwrite,
    PatientOptions,
)
from PreopReviewLib.command.console import Table
from PreopReviewLib.command.option_groups import grouped
from PreopReviewLib.command.outcome import Outcome, deliver

if TYPE_CHECKING:
    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.resection.cutting import Resection
    from LiverPlannerLib.resection.volumetry import Patient, Volumetry


class Bsa(StrEnum):
    """Formulas of the body surface area."""

    mosteller = "mosteller"
    dubois = "dubois"


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("volumetry")(grouped(volumetry))


def volumetry(
    labels: Annotated[Path, typer.Argument(help="Labels or segmentation of the liver.", show_default=False)],
    out: Out = None,
    body: PatientOptions = NO_PATIENT,
    bsa: Annotated[
        Bsa, typer.Option(help="Formula for the body surface area, where a volume formula leaves the choice.")
    ] = Bsa.mosteller,
    cut: CutOptions = NO_CUT,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Structure to exclude from the functional volume besides tumors and cysts: portal_vein, …"),
    ] = None,
    values: LabelValues = None,
    couinaud: Couinaud = None,
    supply: Annotated[
        bool,
        typer.Option(
            "--supply/--no-supply", help="With a resection: the part of the remnant that loses inflow or outflow."
        ),
    ] = True,
    exclude_cysts: Annotated[
        bool,
        typer.Option("--exclude-cysts/--count-cysts", help="Exclude cysts from the functional volume, or count them."),
    ] = True,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure the liver, and with a resection what remains, against standard volumes for height and weight.

    Literature values are shown with their source and are not advice. With a resection, also what of the remnant loses
    its portal inflow or venous outflow (a model, not a measurement) and the vessels and ducts crossed. Writes
    volumetry.csv, volumetry.json and, with a resection, remnant.nii.gz, resected.nii.gz and vessels_crossed.csv.
    """
    from LiverPlannerLib.commands.cutting import read

    excluded = exclusions(without, exclude_cysts)
    patient = body.patient()
    file = read(labels, values, couinaud)
    deliver(lambda: volumes_of(file, cut, patient, bsa, excluded, supply), "liver volumetry", out, overwrite, as_json)


def volumes_of(
    file: Labels,
    cut: CutOptions = NO_CUT,
    patient: Patient | None = None,
    bsa: Bsa = Bsa.mosteller,
    excluded: tuple[str, ...] | None = None,
    supply: bool = True,
) -> Outcome:
    """What the command finds.

    Args:
        excluded: keys of structures that are not functional liver; None are the usual ones.
        supply: with a resection, also what of the remnant loses inflow or outflow.
    """
    from LiverPlannerLib.resection.volumetry import volumetry as measure

    resection = cut.resection(file)
    excluded = exclusions(None, True) if excluded is None else excluded
    result = measure(
        file.labels,
        remnant=resection.remnant if resection else None,
        patient=patient,
        bsa=bsa.value,  # type: ignore[arg-type]
        exclude=excluded,
        inside=file.inside,
    )
    notes = [*file.sentences, *result.notes, *(resection.notes if resection else ())]
    body = {"height_cm": patient and patient.height_cm, "weight_kg": patient and patient.weight_kg}
    data = {"labels": str(file.path), **body, **_as_dict(result, resection, notes)}
    if resection and supply:
        _add_supply(data, file, resection, result, excluded)
    return Outcome(data, list(_words(data)), lambda folder: _write(folder, data, resection))


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
    data: dict[str, Any], file: Labels, cut: Resection, result: Volumetry, excluded: tuple[str, ...]
) -> None:
    """Adds what loses its supply, and the vessels crossed; a liver without veins gets a note."""
    from LiverPlannerLib.couinaud.volumes import division_of
    from LiverPlannerLib.perfusion.model import perfusion_of
    from LiverPlannerLib.perfusion.ratios import crossing_rows, perfusion_rows
    from LiverPlannerLib.territories.liver import find_trees
    from PreopReviewLib.errors import NothingFound

    try:
        division = division_of(file)
        trees = find_trees(file.labels, division.labels, inside=file.inside, doubts=division.warnings)
        perfusion = perfusion_of(trees, cut.resected, excluded)
    except NothingFound as nothing:
        data["notes"] = [*data["notes"], f"Inflow and outflow of the remnant are n/a. {nothing.problem}."]
        return
    data["measures"] += perfusion_rows(perfusion, result)
    data["vessels_crossed"] = crossing_rows(perfusion)
    data["notes"] = list(dict.fromkeys([*data["notes"], *perfusion.notes]))


def _write(folder: Path, data: dict[str, Any], cut: Resection | None) -> None:
    from LiverPlannerLib.commands.cutting import write_csv, write_json, write_masks

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


def _words(data: dict[str, Any]) -> Iterator[str | Table]:
    rows = [(r["measure"], _rounded(r["value"]), r["unit"], r["how"]) for r in data["measures"]]
    yield Table("", ["measure", "value", "unit", "how"], rows)
    cut = data["resection"]
    if cut:
        yield (
            f"Resection by {cut['method']}: {cut['resected_ml']:.0f} ml taken ({cut['resected_share']:.0%}), "
            f"{cut['remnant_ml']:.0f} ml left"
        )
        lesions = [(f["number"], f["ml"], round(100 * f["resected_share"]), f["fate"]) for f in cut["lesions"]]
        if lesions:
            yield Table("Tumors", ["lesion", "ml", "% taken", "fate"], lesions)
        if data.get("vessels_crossed"):
            crossed = [(v["vessel"], v["diameter_mm"], v["territory_ml"]) for v in data["vessels_crossed"]]
            yield Table("Vessels and ducts crossed", ["vessel", "diameter mm", "territory ml"], crossed)
        values = [(v["measure"], v["situation"], v["value"], v["source"]) for v in data["literature"]]
        yield Table("Literature values, not advice", ["measure", "situation", "value", "source"], values)
    yield from data["notes"]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2 if abs(value) < 10 else 1)
