"""`preop liver cysts`: which regions of a tumor mask are cysts (Lin 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from LiverPlannerLib.commands.cutting import LabelValues, image_notes
from LiverPlannerLib.cysts import THRESHOLD_HU
from PreopReviewLib.command.console import Table
from PreopReviewLib.command.options import Series, VolumeOfSeries
from PreopReviewLib.command.outcome import Outcome, deliver
from PreopReviewLib.csv_text import csv_of_dicts
from PreopReviewLib.structured import json_text

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverPlannerLib.cysts.filter import CystResult
    from LiverPlannerLib.labels import Labels


class CystRule(StrEnum):
    """How a region is decided."""

    robust = "robust"
    lin2024 = "lin2024"


class Modality(StrEnum):
    """What kind of image it is."""

    auto = "auto"
    ct = "ct"
    mr = "mr"


class LesionKind(StrEnum):
    """What the values of LABELS mean."""

    auto = "auto"
    labels = "labels"
    mask = "mask"


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("cysts")(cysts)


def cysts(
    image: Annotated[Path, typer.Argument(help="The CT: an image file or a DICOM folder.", show_default=False)],
    labels: Annotated[Path, typer.Argument(help="Label image or segmentation, or lesion mask.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    threshold: Annotated[float, typer.Option(help="HU; a cyst lies below it.")] = THRESHOLD_HU,
    rule: Annotated[CystRule, typer.Option(help="Core median with an undecided class, or the paper's fit.")] = (
        CystRule.robust
    ),
    override: Annotated[
        list[str] | None, typer.Option(help="Decide a region by hand, e.g. 3=tumor; may be repeated.")
    ] = None,
    liver: Annotated[Path | None, typer.Option(help="Liver mask, where LABELS is a lesion mask.")] = None,
    lesions_are: Annotated[LesionKind, typer.Option(help="What LABELS contains; auto reads 0 and 1 as a mask.")] = (
        LesionKind.auto
    ),
    reconsider: Annotated[bool, typer.Option(help="Re-evaluate regions already labeled cyst.")] = False,
    contour: Annotated[
        bool, typer.Option("--contour", help="Also write tumors closed by 2 mm and grown by 1 mm (Lin 2024).")
    ] = False,
    modality: Annotated[Modality, typer.Option(help="Guessed from DICOM or the intensities if auto.")] = Modality.auto,
    relative_threshold: Annotated[
        float | None, typer.Option(help="For MRI, in liver MADs; no value is published.", show_default=False)
    ] = None,
    figures: Annotated[int, typer.Option(min=0, help="Number of figures of single regions, largest first.")] = 20,
    series: Series = None,
    volume: VolumeOfSeries = None,
    values: LabelValues = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Tell suspected cysts from tumors; write the new labels, a table and figures. Nothing is deleted."""
    from PreopReviewLib import images

    picture = images.read_image(image, images.selection(series, volume))
    kind = images.guess_modality(picture) if modality is Modality.auto else modality.value.upper()
    lesions = _lesions(labels, lesions_are, values).onto(picture)
    mask, liver_notes = _liver(liver, picture)
    extra = [*image_notes(picture, image), *lesions.sentences, *liver_notes]

    def make() -> Outcome:
        from LiverPlannerLib.cysts.filter import filter_cysts

        result = filter_cysts(
            picture,
            lesions.labels,
            liver_mask=mask,
            rule=rule.value,
            threshold=threshold,
            modality=kind,
            overrides=_overrides(override or []),
            relative_threshold=relative_threshold,
            lesions_are="labels" if lesions_are is LesionKind.auto and lesions.named else lesions_are.value,
            reconsider_cysts=reconsider,
            drawn=lesions.lesions,
        )
        return cysts_of(result, extra, figures, mask if contour else None, contour)

    deliver(make, "liver cysts", out, overwrite, as_json)


def cysts_of(
    result: CystResult,
    notes: list[str],
    figures: int = 20,
    liver: sitk.Image | None = None,
    contour: bool = False,
) -> Outcome:
    """A result of the filter with its ways out; the contour, if wanted, stays inside the liver, if given."""
    from LiverPlannerLib.cysts.report import as_dict

    def write(folder: Path) -> None:
        _write(result, notes, folder, figures, contour, liver)

    return Outcome({**as_dict(result), "notes": notes}, list(_words(result, notes)), write)


def _lesions(path: Path, kind: LesionKind, values: str | None) -> Labels:
    """The labels; or the lesion mask, 0 and 1, where that is asked for."""
    from LiverPlannerLib.commands.cutting import read
    from LiverPlannerLib.labels import Labels, read_mask

    if kind is LesionKind.mask and not isinstance(path, Labels):
        return Labels(read_mask(path, ("tumor", "lesion")), path=path)
    return read(path, values)


def _liver(path: Path | None, image: sitk.Image) -> tuple[sitk.Image | None, list[str]]:
    """The liver mask on the image's grid, and what moving it there cost."""
    from LiverPlannerLib.labels import read_mask
    from PreopReviewLib import images

    if path is None:
        return None, []
    moved = images.onto_grid(read_mask(path, ("liver",)), image, "liver mask")
    return moved.labels, moved.notes


def _overrides(words: list[str]) -> dict[int, str]:
    from PreopReviewLib.errors import InputError

    decisions = {}
    for word in words:
        region, _, decision = word.partition("=")
        if not region.strip().isdigit() or not decision:
            raise InputError(f"The override {word!r} is not understood", "Write region=decision, e.g. 3=tumor")
        decisions[int(region)] = {"tumor": "tumor"}.get(decision.strip(), decision.strip())
    return decisions


def _write(
    result: CystResult, notes: list[str], folder: Path, figures: int, contour: bool, liver: sitk.Image | None
) -> None:

    from LiverPlannerLib.cysts import report as cyst_report
    from LiverPlannerLib.cysts.contour import clinical_contour
    from LiverPlannerLib.labels import name_our_values
    from PreopReviewLib import images

    name_our_values(images.write_image(result.labels, folder / "labels.nii.gz"))
    images.write_image(result.region_labels, folder / "regions.nii.gz")
    if contour:
        images.write_image(clinical_contour(result.tumor, liver), folder / "tumor_contour.nii.gz")
    table = csv_of_dicts(cyst_report.rows(result), cyst_report.COLUMNS)
    (folder / "regions.csv").write_text(table, encoding="utf-8", newline="")
    report = json_text({**cyst_report.as_dict(result), "notes": notes})
    (folder / "regions.json").write_text(report + "\n", encoding="utf-8")
    if result.regions:
        cyst_report.overview_figure(result).savefig(folder / "overview.png")
    for region in sorted(result.regions, key=lambda r: -r.voxels)[:figures]:
        cyst_report.region_figure(result, region.id).savefig(folder / f"region_{region.id:03d}.png")


def _words(result: CystResult, notes: list[str]) -> Iterator[str | Table]:
    columns = ("region", "ml", "core median", "M", "decision", "rule of Lin 2024", "reason")
    rows = [
        (r.id, round(r.ml, 2), round(r.core_median, 1), round(r.fit_mean, 1), r.decision, r.paper_decision, r.reason)
        for r in result.regions
    ]
    if rows:
        yield Table(f"Regions of the lesion mask ({result.settings.scale.unit})", columns, rows)
    for warning in result.warnings:
        yield f"Note: {warning}."
    yield from notes
