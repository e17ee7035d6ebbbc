"""The command `preop`: gathers the command groups of the libraries."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer

from preopreview import __version__
from PreopReviewLib.command.console import run
from PreopReviewLib.command.options import only_finite

GROUPS = (
    "LiverPlannerLib.commands",
    "LiverPlannerLib.commands.demo",
    "LiverPlannerLib.commands.evaluate_model",
    "RotatorCuffCAMLib.commands.classify",
    "PreopReviewLib.command.image",
    "PreopReviewLib.command.models",
    "PreopReviewLib.command.phantom",
    "PreopReviewLib.command.data",
    "PreopReviewLib.command.train",
    "PreopReviewLib.command.predict",
    "PreopReviewLib.command.evaluate",
    "PreopReviewLib.command.cohort",
    "PreopReviewLib.command.dicom",
    "PreopReviewLib.command.review",
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From an MRI or CT to what a surgeon reviews before an operation. Not for clinical use.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"preop {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """From an MRI or CT to what a surgeon reviews before an operation. Not for clinical use."""


for _group in GROUPS:
    import_module(_group).register(app)
only_finite(app)


@cache
def whole_command() -> Any:
    """The whole command line, built once: that takes longer than what many calls do with it."""
    return typer.main.get_command(app)


def main() -> None:
    """The entry point of the command."""
    try:
        run(whole_command(), sys.argv[1:])
    except KeyboardInterrupt:  # before `run` listens: nothing has been begun
        sys.exit(130)


if __name__ == "__main__":
    main()
