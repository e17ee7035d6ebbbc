"""`preop liver resections`: several resections of one liver, compared side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import (
    NO_PATIENT,
    AsJson,
    Couinaud,
    LabelValues,
    Overwrite,
    PatientOptions,
    numbers,
    read,
    write_csv,
    write_json,
)
from LiverPlannerLib.commands.margins import Vessels
from PreopReviewLib.command.console import Table
from PreopReviewLib.command.option_groups import grouped
from PreopReviewLib.command.outcome import Outcome, deliver
from PreopReviewLib.errors import InputError

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.resection.vessel_margins import VesselMargin
    from LiverPlannerLib.resection.volumetry import Patient
    from LiverPlannerLib.resections.comparing import Compared
    from LiverPlannerLib.resections.plans import Liver


class PrintFormat(StrEnum):
    """Files for printers and augmented reality."""

    stl = "stl"
    three_mf = "3mf"
    gltf = "gltf"


Many = list[str] | None


@dataclass(frozen=True)
class WaysToCut:
    """What is to be compared."""

    plans: Annotated[
        Path | None, typer.Option(help="JSON or YAML file of named resections (see Docs/LiverPlanner.md).")
    ] = None
    preset: Annotated[Many, typer.Option(help="'right hepatectomy', 'extended left', …; may be repeated.")] = None
    segments: Annotated[Many, typer.Option(help="Couinaud segments, e.g. 5,8; may be repeated.")] = None
    territory: Annotated[Many, typer.Option(help="Portal territories by name or number, e.g. '4,7'.")] = None
    plane: Annotated[Many, typer.Option(help="One plane x,y,z,nx,ny,nz in RAS mm; may be repeated.")] = None
    curve: Annotated[list[Path] | None, typer.Option(help="Drawn curve (.mrk.json, .fcsv); may be repeated.")] = None
    surface: Annotated[list[Path] | None, typer.Option(help="Closed surface; may be repeated.")] = None
    sparing: Annotated[
        Many, typer.Option(help="Lesions with a margin in mm, e.g. 10, or 10:1,3 for lesions 1 and 3.")
    ] = None

    def named(self) -> dict[str, dict[str, Any]]:
        """Descriptions of resections by name: those of the file, and the others named after what they are.

        Raises:
            InputError: there is none, or the file or a preset cannot be understood.
        """
        from LiverPlannerLib.resections.plans import read_plans
        from LiverPlannerLib.resections.presets import preset_name

        plans = dict(read_plans(self.plans)) if self.plans else {}
        plans |= {preset_name(name).capitalize(): {"preset": name} for name in self.preset or []}
        for text in self.segments or []:
            words = text.replace(" ", "").replace(",", " and ") if text.count(",") == 1 else text
            plans[f"Segments {words}"] = {"segments": text}
        plans |= {f"Territory {text}": {"territories": text} for text in self.territory or []}
        plans |= {f"Plane {n}": {"planes": text} for n, text in enumerate(self.plane or [], 1)}
        plans |= {f"Curve {path.name.split('.')[0]}": {"curve": str(path)} for path in self.curve or []}
        plans |= {f"Surface {path.stem}": {"surface": str(path)} for path in self.surface or []}
        for text in self.sparing or []:
            margin, _, lesions = text.partition(":")
            around = {"lesions": lesions} if lesions else {}
            plans[f"Margin of {margin} mm" + (f" around {lesions}" if lesions else "")] = {"sparing": margin, **around}
        if not plans:
            raise InputError(
                "There is no resection to compare", "Give --plans, --preset, --segments or another way to cut"
            )
        return plans


@dataclass(frozen=True)
class PageOptions:
    """What is shown of the resections, and how."""

    bands: Annotated[str, typer.Option(help="Safety bands of the cut surface: two distances in mm.")] = "5,10"
    vessels: Annotated[Vessels, typer.Option(help="Margins to main and named vessels, or to any.")] = Vessels.main
    print_files: Annotated[
        list[PrintFormat] | None, typer.Option("--print", help="Write closed bodies: stl, 3mf, gltf; may be repeated.")
    ] = None
    title: Annotated[str, typer.Option(help="Title of the page; a case number rather than a name.")] = (
        "Resections compared"
    )

    @property
    def limits_mm(self) -> tuple[float, float]:
        """The two distances that bound the safety bands."""
        low, high = numbers(self.bands, 2, "pair of distances")
        return low, high


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("resections")(grouped(resections))


def resections(
    labels: Annotated[Path, typer.Argument(help="Labels or segmentation of the liver.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    ways: WaysToCut = WaysToCut(),
    image: Annotated[Path | None, typer.Option(help="CT or MRI: writes a page with pictures and a 3D view.")] = None,
    body: PatientOptions = NO_PATIENT,
    recipient_weight: Annotated[float | None, typer.Option(help="Living donation: of the recipient, kg.")] = None,
    page: PageOptions = PageOptions(),
    couinaud: Couinaud = None,
    values: LabelValues = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare resections: resected part, remnant, supply lost, margins, safety bands, vessels crossed.

    Writes resections.csv, vessels_crossed.csv, vessel_margins.csv and resections.json; for each resection
    NAME_resected.nii.gz and NAME_supply.nii.gz (1 remnant without inflow, 2 without outflow, 3 without both); with an
    image resections.html. What loses its supply is a model, not a measurement.
    """
    from PreopReviewLib import images

    wanted, patient = ways.named(), body.patient()
    page.limits_mm  # noqa: B018 (raises what is wrong with it before anything is read)
    file = read(labels, values, couinaud)
    picture = images.read_image(image) if image else None
    file = file.onto(picture) if picture else file

    def make() -> Outcome:
        return resections_of(file, wanted, picture, patient, recipient_weight, page)

    deliver(make, "liver resections", out, overwrite, as_json)


def resections_of(
    file: Labels,
    wanted: dict[str, dict[str, Any]],
    picture: sitk.Image | None = None,
    patient: Patient | None = None,
    recipient_kg: float | None = None,
    page: PageOptions = PageOptions(),
) -> Outcome:
    """What the command finds.

    Args:
        file: on the picture's grid, if there is a picture.
        wanted: descriptions of resections by name, see `resections.plans`.
    """
    from LiverPlannerLib.perfusion.ratios import crossing_rows
    from LiverPlannerLib.resection.vessel_margins import margin_rows, vessel_margins
    from LiverPlannerLib.resections.comparing import compare_resections
    from LiverPlannerLib.resections.plans import Liver, make_resections
    from PreopReviewLib.errors import NothingFound

    liver = Liver(file.labels, file.couinaud, drawn=file.lesions)
    compared = compare_resections(
        liver.labels,
        make_resections(liver, wanted),
        liver.trees,
        patient=patient,
        recipient_kg=recipient_kg,
        limits_mm=page.limits_mm,
        drawn=file.lesions,
    )
    try:
        margins = vessel_margins(liver.trees, which=page.vessels.value, drawn=liver.drawn)  # type: ignore[arg-type]
    except NothingFound:
        margins = []
    data = {
        "labels": str(file.path),
        "resections": compared.as_rows(),
        "notes": list(dict.fromkeys([*file.sentences, *compared.notes])),
        "resection_notes": {m.name: list(m.resection.notes) for m in compared.resections},
        "vessel_margins": margin_rows(margins),
        "vessels_crossed": [
            {"resection": m.name, **row}
            for m in compared.resections
            for row in (crossing_rows(m.perfusion) if m.perfusion else [])
        ],
    }

    def write(folder: Path) -> None:
        _write(folder, liver, compared, data, page)
        if picture is not None:
            _write_page(folder, picture, liver, compared, margins, page, data["notes"])

    return Outcome(data, list(_words(data)), write)


def _write(folder: Path, liver: Liver, compared: Compared, data: dict[str, Any], options: PageOptions) -> None:
    """Tables, and the images and bodies of each resection."""
    from LiverPlannerLib.perfusion.model import PerfusionModel
    from PreopReviewLib import images

    for table in ("resections", "vessels_crossed", "vessel_margins"):
        write_csv(folder / f"{table}.csv", data[table])
    write_json(folder / "resections.json", data)
    model = PerfusionModel(liver.trees) if liver.trees.territories else None
    for m in compared.resections:
        name = re.sub(r"[^\w+-]+", "_", m.name).strip("_")
        images.write_image(m.resection.resected, folder / f"{name}_resected.nii.gz")
        if model is not None:
            supply = model.image(model.taken(m.resection.resected))
            images.write_image(supply, folder / f"{name}_supply.nii.gz")
        if options.print_files:
            from LiverPlannerLib.scene.print_files import write_print_files

            write_print_files(liver.labels, m.resection, name, folder, [f.value for f in options.print_files])


def _write_page(
    folder: Path,
    picture: sitk.Image,
    liver: Liver,
    compared: Compared,
    margins: list[VesselMargin],
    options: PageOptions,
    notes: list[str],
) -> None:
    from LiverPlannerLib.report.resections import resections_page
    from PreopReviewLib.reports import write_report

    page = resections_page(
        picture,
        liver.labels,
        compared,
        liver.trees,
        margins=margins,
        limits_mm=options.limits_mm,
        title=options.title,
        notes=notes,
    )
    write_report(page, folder / "resections.html")


def _words(data: dict[str, Any]) -> Iterator[str | Table]:
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
    yield Table("Resections side by side", ("resection", *(name for _, name in columns)), rows)
    for name, notes in data["resection_notes"].items():
        for note in notes:
            yield f"{name}: {note}"
    yield from data["notes"]
