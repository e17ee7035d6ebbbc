"""`preop data`: labeled images of any origin become a data folder, and are split by patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.options import Quiet

if TYPE_CHECKING:
    from PreopReviewLib.datasets.importing import Import


def register(app: typer.Typer) -> None:
    """Adds the group `data` to the command."""
    group = typer.Typer(no_args_is_help=True, help="Import labeled images to train on, and split them by patient.")
    group.command("import")(import_)
    group.command("split")(split)
    app.add_typer(group, name="data")


def import_(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of DICOM studies or of image files, nnU-Net raw folder, or CSV of image and labels or class.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Data folder to create.", show_default=False)],
    labels: Annotated[
        str | None, typer.Option(help="What the label values are: liver=5,tumor=6 or a file of names and values.")
    ] = None,
    structures: Annotated[
        str | None, typer.Option(help="Structures to keep, separated by commas; default: all.")
    ] = None,
    phase: Annotated[
        str,
        typer.Option(
            help="Which series of a study: words of its description (alternatives separated by commas), or "
            "first, last, largest."
        ),
    ] = "",
    label_files: Annotated[str, typer.Option(help="Pattern for label files, e.g. '*_manual.nii.gz'.")] = "",
    classes: Annotated[Path | None, typer.Option(help="CSV of patient and class, for DICOM studies.")] = None,
    modality: Annotated[str, typer.Option(help="ct or mr, where the source holds both.")] = "",
    by_folder: Annotated[
        bool, typer.Option("--by-folder", help="Without Patient ID, the first folder identifies the patient.")
    ] = False,
    keep_names: Annotated[
        bool, typer.Option("--keep-names", help="Keep the names of cases, where they name no patient.")
    ] = False,
    simulated: Annotated[
        bool | None, typer.Option("--simulated/--real", help="What the images are, for the cards of models.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="CSV to write that tells which case is whose. Keep it elsewhere.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier data folder.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a data folder of labeled images: pseudonyms, one numbering, and a reason for each study that is left out."""
    from PreopReviewLib.command.console import emit, progress_bar
    from PreopReviewLib.datasets.importing import ImportOptions, import_data
    from PreopReviewLib.datasets.sources import Rule
    from PreopReviewLib.errors import InputError

    if modality.upper() not in ("", "CT", "MR"):
        raise InputError(f"There is no modality {modality!r}", "Use ct or mr")
    kept = tuple(s.strip() for s in structures.split(",")) if structures else ()
    options = ImportOptions(Rule(phase, label_files, by_folder), labels, kept, modality.upper(), keep_names, simulated)
    with progress_bar(quiet) as progress:
        imported = import_data(
            source, output, options, classes=classes, key=key, overwrite=overwrite, progress=progress
        )

    data = {"folder": str(imported.folder), "taken": imported.taken, "labels": imported.values, "notes": imported.notes}
    data["left_out"] = [dict(zip(("patient", "source", "why"), row, strict=True)) for row in imported.left_out]
    emit(data, as_json, lambda: _show_imported(imported, output))


def _show_imported(imported: Import, output: Path) -> None:
    from PreopReviewLib.command.console import print_table

    rows = [(r["case"], r["patient"], r["class"] or r.get("structures", ""), imported.sources[r["case"]][1])
            for r in imported.taken]  # fmt: skip
    print_table(f"Imported: {len(rows)}", ["case", "patient", "holds", "source"], rows)
    if imported.left_out:
        print_table(f"Left out: {len(imported.left_out)}", ["patient", "source", "why"], imported.left_out)
    for note in imported.notes:
        say(note)
    say(f"Written to {output}. Next: preop data split {output}")


def split(
    data: Annotated[Path, typer.Argument(help="Data folder, or nnU-Net raw folder.", show_default=False)],
    folds: Annotated[int, typer.Option(help="Number of folds of the patients not kept for test.")] = 0,
    test: Annotated[float, typer.Option(help="Share of the patients for test.")] = 0.2,
    validation: Annotated[float, typer.Option(help="Share for validation, where there are no folds.")] = 0.1,
    counts: Annotated[str | None, typer.Option(help="Patients for training/validation/test, e.g. 329/70/71.")] = None,
    paper: Annotated[str | None, typer.Option(help="Its counts, by the name of its recipe, e.g. gross2024.")] = None,
    chosen: Annotated[
        Path | None, typer.Option("--list", help="CSV of case (or patient) and part: training, validation or test.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same split.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the split, which runs may depend on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Divide the patients of a data folder into training, validation and test, each class in equal shares."""
    from PreopReviewLib.command.console import emit, print_table
    from PreopReviewLib.datasets import splitting
    from PreopReviewLib.datasets.layout import find_data_set
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.training.recipe import patients_of

    if sum(bool(v) for v in (folds, counts, paper, chosen)) > 1:
        raise InputError("Several ways to split were given", "Choose one of folds, counts, a paper and a list")
    held = find_data_set(data)
    if folds:
        division = splitting.split_in_folds(held, folds, test, seed)
    elif chosen:
        division = splitting.split_by_list(held, chosen)
    elif paper:
        division = splitting.split_by_counts(held, patients_of(paper), seed, f"as {paper}")
    else:
        division = splitting.split_by_counts(
            held, _counts(counts, len({c.patient for c in held.cases}), validation, test), seed
        )
    path = splitting.write_split(division, data if data.is_dir() else data.parent, overwrite)

    def table() -> None:
        rows = [(n, len(f["training"]), len(f["validation"]), len(division.test)) for n, f in enumerate(division.folds)]
        print_table(division.how, ["fold", "training", "validation", "test"], rows)
        for note in division.notes:
            say(note)
        say(f"Written to {path}")

    emit({"how": division.how, "notes": division.notes, "test": division.test, "folds": division.folds}, as_json, table)


def _counts(text: str | None, patients: int, validation: float, test: float) -> list[int]:
    from PreopReviewLib.errors import InputError

    if text is not None:
        parts = text.split("/")
        if not all(p.strip().isdigit() for p in parts):
            raise InputError(f"{text!r} is not a split", "Write training/validation/test, e.g. 329/70/71")
        return [int(p) for p in parts]
    if min(validation, test) < 0 or validation + test >= 1:
        raise InputError("The shares for validation and test leave nothing to train on", "Use smaller shares")
    held = [max(1, round(share * patients)) if share else 0 for share in (validation, test)]
    return [max(1, patients - sum(held)), *held]
