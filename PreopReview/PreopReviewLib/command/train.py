"""`preop train`, `preop models pack` and `preop models join`: recipes, runs and packages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.command.console import say


def register(app: typer.Typer) -> None:
    """Adds the command; `pack` and `join` are among those of `preop models`."""
    app.command("train")(train)


def train(
    output: Annotated[Path, typer.Option("-o", "--output", help="Run folder.", show_default=False)],
    recipe: Annotated[str, typer.Option(help="Name of a recipe, or a YAML file.")] = "five-structures",
    data: Annotated[str, typer.Option(help="phantoms, a folder of preop data, or a MONAI datalist.")] = "phantoms",
    fold: Annotated[int | None, typer.Option(min=0, help="Fold of the data's split, from 0.")] = None,
    shapes: Annotated[
        list[str] | None, typer.Option(help="FILE:LABEL of real livers for phantoms; 'FOLDER/*.nii.gz:1-8' for many.")
    ] = None,
    scans: Annotated[
        list[str] | None, typer.Option(help="IMAGE:LABELS:VALUES, a labeled CT to paint in other contrasts.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue the run in the folder.")] = False,
    minutes: Annotated[float | None, typer.Option(help="Stop with a checkpoint after this many minutes.")] = None,
    settings_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE for a field of the recipe, e.g. training.ema=0.9.")
    ] = None,
    package: Annotated[Path | None, typer.Option(help="Model package to start from (fine-tuning).")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes that prepare samples.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the network.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
) -> None:
    """Train a recipe; stop at any moment and go on with --resume. Log and curve are in the run folder."""
    from PreopReviewLib.command.console import progress_bar
    from PreopReviewLib.training.fit import RunSettings, start_run
    from PreopReviewLib.training.image_task import cache_folder
    from PreopReviewLib.training.recipe import load_recipe

    chosen = load_recipe(recipe).set_from_words(settings_ or ())
    settings = RunSettings(data, shapes or (), minutes, device, workers, threads, fold=fold, scans=scans or ())
    if package is not None:
        from PreopReviewLib.training.fine_tuning import start_from, told_of

        chosen, settings.initial = start_from(chosen, package)
        settings.start = told_of(package)
    with progress_bar() as progress:
        result = start_run(chosen, output, settings, resume, progress)
    best = "not validated yet" if math.isnan(result.best_score) else f"best validation score {result.best_score:.3f}"
    say(f"{output}: iteration {result.iteration}, {result.minutes:.1f} min, {best}")
    if data is not None and (prepared := cache_folder(Path(data), output)).is_dir():
        say(f"Prepared cases are kept in {prepared}: later runs start at once with them. They may be deleted.")


def pack(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="Package folder.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Of the model.")] = None,
    version: Annotated[str, typer.Option(help="Of the model.")] = "1.0.0",
    checkpoint: Annotated[str, typer.Option(help="best or last.")] = "best",
    figures: Annotated[
        Path | None, typer.Option(help="JSON of `preop evaluate` (figures.json) or `preop evaluate-model`.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older package.")] = False,
    command: Annotated[str, typer.Option(help="The command that made the run, for the card.")] = "",
    license_: Annotated[
        str | None, typer.Option("--license", help="Of the model: a name such as CC-BY-4.0, or a file with the text.")
    ] = None,
) -> None:
    """Make a model package with a card from a run."""
    from PreopReviewLib.training.pack import pack_run, read_figures

    measured = read_figures(figures) if figures else {}
    package = pack_run(run, output, name, version, checkpoint, command, measured, overwrite, license_)
    say(f"{package.folder}: {package.size_bytes / 1e6:.1f} MB, {package.metadata['training']['data']}")
    say(f"License: {package.metadata['license']}")


def join(
    packages: Annotated[list[Path], typer.Argument(help="Package folders, of one recipe.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="Package folder.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Of the model; by default the first one's.")] = None,
    version: Annotated[str, typer.Option(help="Of the model.")] = "1.0.0",
    figures: Annotated[Path | None, typer.Option(help="JSON file of `preop evaluate-model`.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older package.")] = False,
) -> None:
    """Make one package of several, whose networks answer together (the mean of their probabilities)."""
    from PreopReviewLib.training.join import join_packages
    from PreopReviewLib.training.pack import read_figures

    measured = read_figures(figures) if figures else {}
    package = join_packages(packages, output, name, version, measured, overwrite)
    say(f"{package.folder}: {package.size_bytes / 1e6:.1f} MB")
