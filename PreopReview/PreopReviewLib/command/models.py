"""`preop models`: which models there are, what may be said of them, getting and removing them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.train import join, pack
from PreopReviewLib.models.adapter import adapters

_JSON = typer.Option("--json", help="Print JSON.")
_NAME = typer.Argument(help="Name of a model, as in the list.", show_default=False)


def register(app: typer.Typer) -> None:
    """Adds the group `models` to the command."""
    group = typer.Typer(no_args_is_help=True, help="List, describe, install, remove, pack and join models.")
    group.command("list")(list_)
    group.command("info")(info)
    group.command("install")(install)
    group.command("remove")(remove)
    group.command("import")(import_)
    group.command("pack")(pack)
    group.command("join")(join)
    app.add_typer(group, name="models")


def list_(as_json: Annotated[bool, _JSON] = False) -> None:
    """List every model that is built in, installed, or can be fetched."""
    from PreopReviewLib import models
    from PreopReviewLib.command.console import emit, print_table

    entries = models.list_models()
    data = {"folder": str(models.models_folder()), "models": [_plain(e) for e in entries]}

    def table() -> None:
        rows = [(e.name, e.state, e.version, e.license, e.size_mb, e.problem or e.description) for e in entries]
        print_table("", ["model", "state", "version", "license", "MB", "what for"], rows)
        say(f"Installed models are kept in {models.models_folder()} (PREOP_MODELS changes that).")

    emit(data, as_json, table)


def info(name: Annotated[str, _NAME], as_json: Annotated[bool, _JSON] = False) -> None:
    """Show a model's card and metadata. NAME may also be a package's folder."""
    from PreopReviewLib import models
    from PreopReviewLib.command.console import emit
    from PreopReviewLib.models.overview import card, totalsegmentator_metadata

    if metadata := totalsegmentator_metadata().get(name):
        emit(metadata, as_json, lambda: say(card(name).rstrip()))
        return
    package = models.find_package(name)
    emit({"folder": str(package.folder), **package.metadata}, as_json, lambda: say(_described(package)))


def install(
    name: Annotated[str, _NAME],
    from_file: Annotated[
        Path | None, typer.Option("--from", help="The wheel, or a package's folder or zip; nothing is fetched.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an installed one.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Install a model: fetched from its public source, or from a file where there is no network."""
    from PreopReviewLib import models
    from PreopReviewLib.command.console import emit, progress_bar

    with progress_bar(quiet) as progress:
        package = models.install(name, from_file, progress, overwrite)
    data = {"name": name, "version": package.version, "folder": str(package.folder)}
    emit(data, as_json, lambda: say(f"{name} {package.version} is installed in {package.folder}"))


Foreign = StrEnum("Foreign", {kind: kind for kind in adapters()})
"""Kind of imported model."""


def import_(
    file: Annotated[Path, typer.Argument(help="Its file or folder.", show_default=False)],
    kind: Annotated[Foreign, typer.Option("--as", help="What it is; see Docs/Models.md.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Package folder to create; without it, the model is installed."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
    license_: Annotated[str, typer.Option("--license", help="License, if the file does not state it.")] = "",
    structures: Annotated[
        str | None, typer.Option(help="What its labels mean, e.g. liver=1,tumor=2, where their names do not say it.")
    ] = None,
    folds: Annotated[str | None, typer.Option(help="Folds of an nnU-Net, e.g. 0,1; by default all.")] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML or JSON: spacing_mm, window, intensity, where the file does not say them.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older package.")] = False,
) -> None:
    """Make a model that others trained usable here. Only weights and plain values are read; no code in it is run."""
    from PreopReviewLib.errors import ModelError
    from PreopReviewLib.models.importing import ImportOptions, import_model

    options = ImportOptions(
        name, license_, _meant(structures), tuple(folds.split(",")) if folds else (), _settings(settings)
    )
    if output is None and not name:
        raise ModelError("The model has no name to be installed by", "Name it, or name a folder for the package")
    package = import_model(kind.value, file, output, options, overwrite)
    for note in package.metadata.get("notes", ()):
        say(note)
    drawn = ", ".join(package.metadata["inference"]["classes"][1:])
    used = name if output is None else package.folder
    say(f"{package.folder}: {package.name} draws {drawn}; use it with preop liver plan --model {used}")


def _settings(file: Path | None) -> dict[str, object]:
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.structured import read_yaml

    if file is None:
        return {}
    settings = read_yaml(file)  # JSON is YAML
    if not isinstance(settings, dict):
        raise InputError(f"{file} holds no settings by name", "Write for example spacing_mm: 2.0")
    return settings


def _meant(structures: str | None) -> dict[int, str] | None:
    from PreopReviewLib.models.kinds import label_reader

    return label_reader().parse_mapping(structures) if structures else None


def remove(name: Annotated[str, _NAME], as_json: Annotated[bool, _JSON] = False) -> None:
    """Remove an installed model. Those that come with PreopReview stay."""
    from PreopReviewLib import models
    from PreopReviewLib.command.console import emit

    folder = models.remove(name)
    emit({"removed": name, "folder": str(folder)}, as_json, lambda: say(f"{name} is removed from {folder}"))


def _plain(entry: object) -> dict[str, object]:
    return {k: str(v) if isinstance(v, Path) else v for k, v in vars(entry).items()}


def _described(package: object) -> str:
    return f"{package.card.rstrip()}\n\nFolder: {package.folder}"  # type: ignore[attr-defined]
