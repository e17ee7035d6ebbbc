"""`preop liver resections`: several resections of one liver, compared side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import AsJson, LabelValues, Overwrite
from LiverPlannerLib.commands.margins import Vessels
from PreopReviewLib.command.console import say

if TYPE_CHECKING:
    from LiverPlannerLib.resections.comparing import Compared
    from LiverPlannerLib.resections.plans import Liver


class PrintFormat(StrEnum):
    """Files for printers and augmented reality."""

    stl = "stl"
    three_mf = "3mf"
    gltf = "gltf"


Many = list[str] | None


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("resections")(resections)


def resections(
    labels: Annotated[Path, typer.Argument(help="Labels or segmentation of the liver.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to make.", show_default=False)],
    plans: Annotated[
        Path | None, typer.Option("--plans", help="JSON or YAML file of named resections (see Docs/LiverPlanner.md).")
    ] = None,
    preset: Annotated[Many, typer.Option(help="'right hepatectomy', 'extended left', …; may be repeated.")] = None,
    segment: Annotated[Many, typer.Option("--segments", help="Couinaud segments, e.g. 5,8; may be repeated.")] = None,
    territory: Annotated[Many, typer.Option(help="Portal territories by name or number, e.g. '4,7'.")] = None,
    plane: Annotated[Many, typer.Option(help="One plane x,y,z,nx,ny,nz in RAS mm; may be repeated.")] = None,
    curve: Annotated[list[Path] | None, typer.Option(help="Drawn curve (.mrk.json, .fcsv); may be repeated.")] = None,
    surface: Annotated[list[Path] | None, typer.Option(help="Closed surface; may be repeated.")] = None,
    sparing: Annotated[
        Many, typer.Option(help="Lesions with a margin in mm, e.g. 10, or 10:1,3 for lesions 1 and 3.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="CT or MRI: writes a page with pictures and a 3D view.")] = None,
    height: Annotated[float | None, typer.Option(help="Of the patient, cm.")] = None,
    weight: Annotated[float | None, typer.Option(help="Of the patient, kg.")] = None,
    recipient_weight: Annotated[float | None, typer.Option(help="Living donation: of the recipient, kg.")] = None,
    bands: Annotated[str, typer.Option(help="Safety bands of the cut surface: two distances in mm.")] = "5,10",
    vessels: Annotated[Vessels, typer.Option(help="Margins to main and named vessels, or to any.")] = Vessels.main,
    print_files: Annotated[
        list[PrintFormat] | None, typer.Option("--print", help="Write closed bodies: stl, 3mf, gltf; may be repeated.")
    ] = None,
    title: Annotated[str, typer.Option(help="Of the page; a case number rather than a name.")] = "Resections compared",
    values: LabelValues = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare resections: resected part, remnant, supply lost, margins, safety bands, vessels crossed.

    Writes resections.csv, vessels_crossed.csv, vessel_margins.csv and resections.json; for each resection
    NAME_resected.nii.gz and NAME_supply.nii.gz (1 remnant without inflow, 2 without outflow, 3 without both); with an
    image resections.html. What loses its supply is a model, not a measurement.
    """
    from LiverPlannerLib.commands.cutting import numbers, read
    from LiverPlannerLib.commands.volumetry import patient_of
    from LiverPlannerLib.resections.comparing import compare_resections
    from LiverPlannerLib.resections.plans import Liver, make_resections, read_plans
    from PreopReviewLib import images
    from PreopReviewLib.command.console import emit
    from PreopReviewLib.errors import InputError

    wanted = read_plans(plans) if plans else {}
    wanted |= _asked(preset, segment, territory, plane, curve, surface, sparing)
    if not wanted:
        raise InputError("There is no resection to compare", "Give --plans, --preset, --segments or another way to cut")
    limits = numbers(bands, 2, "pair of distances")
    patient = patient_of(height, weight)
    file = read(labels, values)
    picture = images.read_image(image) if image else None
    file = file.onto(picture) if picture else file
    liver = Liver(file.labels, drawn=file.lesions)
    compared = compare_resections(
        liver.labels, make_resections(liver, wanted), liver.trees,
        patient=patient, recipient_kg=recipient_weight, limits_mm=(limits[0], limits[1]),
        drawn=file.lesions,
    )  # fmt: skip
    data = _as_dict(compared, file.path, file.sentences)
    formats = [f.value for f in print_files or []]
    _write(out, overwrite, liver, compared, data, picture, vessels.value, (limits[0], limits[1]), formats, title)
    emit(data, as_json, lambda: _print(data, out))


def _as_dict(compared: Any, labels: Path, notes: list[str]) -> dict[str, Any]:
    return {
        "labels": str(labels),
        "resections": compared.as_rows(),
        "notes": list(dict.fromkeys([*notes, *compared.notes])),
        "resection_notes": {m.name: list(m.resection.notes) for m in compared.resections},
    }


def _asked(
    preset: Many,
    segment: Many,
    territory: Many,
    plane: Many,
    curve: list[Path] | None,
    surface: list[Path] | None,
    sparing: Many,
) -> dict[str, dict[str, Any]]:
    """Descriptions of what the options ask for, named after them."""
    from LiverPlannerLib.resections.presets import preset_name

    found: dict[str, dict[str, Any]] = {}
    for name in preset or []:
        found[preset_name(name).capitalize()] = {"preset": name}
    for text in segment or []:
        found[
            "Segments " + text.replace(" ", "").replace(",", " and ", 1) if text.count(",") == 1 else f"Segments {text}"
        ] = {"segments": text}
    for text in territory or []:
        found[f"Territory {text}"] = {"territories": text}
    for n, text in enumerate(plane or [], 1):
        found[f"Plane {n}"] = {"planes": text}
    for path in curve or []:
        found[f"Curve {path.name.split('.')[0]}"] = {"curve": str(path)}
    for path in surface or []:
        found[f"Surface {path.stem}"] = {"surface": str(path)}
    for text in sparing or []:
        margin, _, lesions = text.partition(":")
        found[f"Margin of {margin} mm" + (f" around {lesions}" if lesions else "")] = {
            "sparing": margin,
            **({"lesions": lesions} if lesions else {}),
        }
    return found


def _write(
    out: Path,
    overwrite: bool,
    liver: Liver,
    compared: Compared,
    data: dict[str, Any],
    picture: Any | None,
    vessels: str,
    limits: tuple[float, float],
    formats: list[str],
    title: str,
) -> None:
    import re

    from LiverPlannerLib.commands.cutting import write_csv, write_json
    from LiverPlannerLib.perfusion.model import PerfusionModel
    from LiverPlannerLib.perfusion.ratios import crossing_rows
    from LiverPlannerLib.resection.vessel_margins import margin_rows, vessel_margins
    from PreopReviewLib import images
    from PreopReviewLib.errors import NothingFound
    from PreopReviewLib.output import output_folder
    from PreopReviewLib.reports import write_report

    try:
        margins = vessel_margins(liver.trees, which=vessels, drawn=liver.drawn)  # type: ignore[arg-type]
    except NothingFound:
        margins = []
    data["vessel_margins"] = margin_rows(margins)
    data["vessels_crossed"] = [
        {"resection": m.name, **row}
        for m in compared.resections
        for row in (crossing_rows(m.perfusion) if m.perfusion else [])
    ]
    model = PerfusionModel(liver.trees) if liver.trees.territories else None
    with output_folder(out, overwrite, "liver resections") as folder:
        write_csv(folder / "resections.csv", data["resections"])
        write_csv(folder / "vessels_crossed.csv", data["vessels_crossed"])
        write_csv(folder / "vessel_margins.csv", data["vessel_margins"])
        write_json(folder / "resections.json", data)
        for m in compared.resections:
            name = re.sub(r"[^\w+-]+", "_", m.name).strip("_")
            images.write_image(m.resection.resected, folder / f"{name}_resected.nii.gz")
            if model is not None:
                supply = model.image(model.taken(m.resection.resected))
                images.write_image(supply, folder / f"{name}_supply.nii.gz")
            if formats:
                from LiverPlannerLib.scene.print_files import write_print_files

                write_print_files(liver.labels, m.resection, name, folder, formats)
        if picture is not None:
            from LiverPlannerLib.report.resections import resections_page

            page = resections_page(
                picture,
                liver.labels,
                compared,
                liver.trees,
                margins=margins,
                limits_mm=limits,
                title=title,
                notes=data["notes"],
            )
            write_report(page, folder / "resections.html")


def _print(data: dict[str, Any], out: Path) -> None:
    from PreopReviewLib.command.console import print_table

    shown = (
        ("resected_ml", "resected ml"),
        ("flr_ml", "FLR ml"),
        ("flr_percent", "FLR %"),
        ("no_inflow_ml", "no inflow ml"),
        ("no_outflow_ml", "congested ml"),
        ("supplied_flr_ml", "functional ml"),
        ("smallest_margin_mm", "margin mm"),
        ("vessels_crossed", "vessels crossed"),
        ("grwr_percent", "GRWR %"),
    )
    columns = [(key, name) for key, name in shown if any(key in row for row in data["resections"])]
    rows = [
        (row["resection"], *(None if row.get(key) is None else round(row[key], 1) for key, _ in columns))
        for row in data["resections"]
    ]
    print_table("Resections side by side", ("resection", *(name for _, name in columns)), rows)
    for name, notes in data["resection_notes"].items():
        for note in notes:
            say(f"{name}: {note}")
    for note in data["notes"]:
        say(note)
    say(f"Written to {out}.")
