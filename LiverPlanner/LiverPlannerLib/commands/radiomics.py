"""`preop liver radiomics`: features of each structure; with a second label image, their agreement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from LiverPlannerLib.commands.cutting import LabelValues
from PreopReviewLib.command.console import Table, say
from PreopReviewLib.command.options import Quiet, Series, VolumeOfSeries
from PreopReviewLib.command.outcome import Outcome, deliver
from PreopReviewLib.csv_text import csv_text
from PreopReviewLib.progress import Progress, silent
from PreopReviewLib.structured import json_text

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.radiomics.agreement import FeatureAgreement
    from LiverPlannerLib.radiomics.features import RadiomicsResult
    from LiverPlannerLib.radiomics.settings import RadiomicsSettings


FEATURES = "features.csv"


class Modality(StrEnum):
    """Which settings to use."""

    auto = "auto"
    ct = "ct"
    mr = "mr"


def register(app: typer.Typer) -> None:
    """Adds the commands to the group `liver`."""
    app.command("radiomics")(radiomics)
    app.command("radiomics-agreement")(agreement)


def radiomics(
    image: Annotated[Path, typer.Argument(help="CT or MRI: an image file or a DICOM folder.", show_default=False)],
    labels: Annotated[Path, typer.Argument(help="Label image or segmentation.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    modality: Annotated[
        Modality, typer.Option(help="mr: z-score x 100, bins of 5; ct: HU, bins of 25; auto: by the image.")
    ] = Modality.auto,
    structures: Annotated[
        str | None, typer.Option(help="Keys separated by commas, e.g. liver,tumor; default: all.")
    ] = None,
    bin_width: Annotated[float | None, typer.Option(help="Width of the gray levels.")] = None,
    spacing: Annotated[float | None, typer.Option(help="Edge of the cubic voxels, mm.")] = None,
    series: Series = None,
    volume: VolumeOfSeries = None,
    values: LabelValues = None,
    together: Annotated[
        bool, typer.Option("--together", help="All tumors as one region, and all cysts; default: each by itself.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder if it exists.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compute shape, first-order and texture features (IBSI) of each structure, of tumors and cysts one by one.

    Writes features.csv and features.json, the latter with the settings and the version of the library. Exits with 3
    if no structure has features.
    """
    from LiverPlannerLib.commands.cutting import image_notes, read
    from LiverPlannerLib.radiomics.settings import settings_for
    from PreopReviewLib import images
    from PreopReviewLib.command.console import progress_bar

    loaded = images.read_image(image, images.selection(series, volume))
    kind = images.guess_modality(loaded) if modality is Modality.auto else modality.value
    changes = {k: v for k, v in {"bin_width": bin_width, "spacing_mm": spacing}.items() if v is not None}
    settings = replace(settings_for(kind), **changes)
    file = read(labels, values).onto(loaded)
    chosen = [s.strip() for s in structures.split(",")] if structures else None
    with progress_bar(quiet) as progress:
        deliver(
            lambda: features_of(loaded, file, settings, image_notes(loaded, image), chosen, together, progress),
            "liver radiomics",
            out,
            overwrite,
            as_json,
        )


def features_of(
    image: sitk.Image,
    file: Labels,
    settings: RadiomicsSettings,
    notes: Sequence[str] = (),
    structures: list[str] | None = None,
    together: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """What the command finds; a failure of it is that no structure has features.

    Args:
        file: on the image's grid.
        notes: sentences on the image.
    """
    from LiverPlannerLib.radiomics.features import extract

    result = extract(
        image,
        file.labels,
        settings,
        structures=structures,
        together=together,
        progress=progress,
        drawn=file.lesions,
    )
    return outcome_of(result, file, notes)


def outcome_of(result: RadiomicsResult, file: Labels, notes: Sequence[str] = ()) -> Outcome:
    """What the command says of features; see `features_of`."""
    from PreopReviewLib.errors import NothingFound

    result = replace(result, notes=(*notes, *file.sentences, *result.notes))
    failure = None
    if not any(s.features for s in result.structures):
        reasons = "; ".join(f"{s.region} {s.note}" for s in result.structures)
        failure = NothingFound("No structure has features", reasons)
    return Outcome(result.as_dict(), list(_words(result)), lambda folder: _write(result, folder), failure)


def agreement(
    first: Annotated[Path, typer.Argument(help="Folder of CASE/features.csv with one mask.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="The same cases with the other mask.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file to write.", show_default=False)],
    structure: Annotated[str, typer.Option(help="Key of the structure.")] = "liver",
    form: Annotated[str, typer.Option(help="Form of the ICC.")] = "ICC(2,1)",
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Intraclass correlation of every feature between two masks of the same cases (Gross 2024)."""
    from LiverPlannerLib.radiomics.agreement import feature_agreement
    from PreopReviewLib.output import check_file, output_file

    read = [path for folder in (first, second) for path in sorted(folder.glob(f"*/{FEATURES}"))]
    check_file(out, overwrite, read)
    one, two = read_features(first, structure), read_features(second, structure)
    common = [case for case in one if case in two]
    alone = sorted(set(one) ^ set(two))
    result = feature_agreement([one[c] for c in common], [two[c] for c in common], form)
    with output_file(out, overwrite, read) as work:
        _write_agreement(result, work)
    say(f"{structure}: {result}.")
    if alone:
        say(f"In only one of the two folders, left out: {', '.join(alone)}.")
    if result.left_out:
        say(f"{len(result.left_out)} features left out, since they are not defined in every case.")
    say(f"Written to {out}.")


def read_features(folder: Path, structure: str) -> dict[str, dict[str, float]]:
    """Case → feature → value, from CASE/features.csv as `preop liver radiomics` writes it.

    Raises:
        FileMissing, InputError: no folder, no such file in it, the structure in none of them, or a case with several
            lesions, of which no one knows which one is meant.
        UnreadableImage: a file that is not a table.
    """
    from PreopReviewLib.errors import FileMissing, InputError
    from PreopReviewLib.tables import read_table

    if not folder.is_dir():
        raise FileMissing(f"There is no folder {folder}", "Check the path")
    cases = {}
    for path in sorted(folder.glob(f"*/{FEATURES}")):
        table = read_table(path, ("structure", "feature", "value"))
        rows = [r for r in table.rows if r.get("structure") == structure and r.get("feature")]
        lesions = {r.get("lesion") or "" for r in rows}
        if len(lesions) > 1:
            raise InputError(
                f"{path} has {len(lesions)} lesions of {structure}, and cannot be compared as one",
                "Compute the features with --together",
            )
        names = [r.get("feature") for r in rows]
        if twice := next((r for r in rows if names.count(r.get("feature")) > 1), None):
            raise InputError(
                f"{path} has the feature {twice.get('feature')} of {structure} twice", "Keep one line for each feature"
            )
        if rows:
            cases[path.parent.name] = {r.get("feature"): table.number(r, "value") for r in rows}
    if not cases:
        raise InputError(f"{folder} holds no features of {structure}", "Give a folder of CASE/features.csv")
    return cases


def _write(result: RadiomicsResult, folder: Path) -> None:
    from LiverPlannerLib.radiomics.names import PYRADIOMICS, family_of

    (folder / "features.json").write_text(json_text(result.as_dict()) + "\n")
    rows: list[list[object]] = [["structure", "lesion", "family", "feature", "value", "pyradiomics_name", "note"]]
    for s in result.structures:
        if s.note:
            rows.append([s.key, s.lesion or "", "", "", "", "", s.note])
        for name, value in s.features.items():
            shown = repr(value) if value == value else ""
            rows.append([s.key, s.lesion or "", family_of(name), name, shown, PYRADIOMICS.get(name, ""), ""])
    (folder / FEATURES).write_text(csv_text(rows), encoding="utf-8", newline="")


def _write_agreement(result: FeatureAgreement, out: Path) -> None:
    from LiverPlannerLib.radiomics.names import family_of

    rows: list[list[object]] = [["family", "feature", result.form, "low", "high", "cases", "note"]]
    for name, value in result.values.items():
        defined = value.value == value.value
        cells = [f"{v:.6f}" for v in (value.value, value.low, value.high)] if defined else ["", "", ""]
        rows.append([family_of(name), name, *cells, value.cases, "" if defined else "n/a: no variation"])
    for name, reason in result.left_out.items():
        rows.append([family_of(name), name, "", "", "", result.cases, f"n/a: {reason}"])
    out.write_text(csv_text(rows), encoding="utf-8", newline="")


def _words(result: RadiomicsResult) -> Iterator[str | Table]:
    from LiverPlannerLib.radiomics.features import region_name
    from LiverPlannerLib.radiomics.names import FAMILIES, family_of

    families = list(FAMILIES.values())
    rows = []
    for s in result.structures:
        counts = [sum(family_of(n) == f for n in s.features) for f in families]
        rows.append([region_name(s.region), s.voxels, *counts, s.note])
    yield Table("Features computed", ["structure", "voxels", *families, "note"], rows)
    s = result.settings
    scaling = f"z-score × {s.scale:g} + {s.shift:g}" if s.normalize else "intensities as they are"
    yield (f"{result.library}; settings {s.name}: {scaling}, bins of {s.bin_width:g}, voxels of {s.spacing_mm:g} mm.")
    yield from result.notes
