"""`preop demo`: the whole liver plan on a sample, or on an image of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.options import Quiet


def register(app: typer.Typer) -> None:
    """Adds the command to the top level."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("demo"),
    case: Annotated[Path | None, typer.Option(help="An image or DICOM folder of your own, instead.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder if it exists.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run the liver plan on a sample CT: scene, labels, volumes, pictures, surfaces. Not for clinical use."""
    from LiverPlannerLib.commands.demo_case import run_demo
    from PreopReviewLib.command.console import progress_bar

    with progress_bar(quiet) as progress:
        run_demo(out, case, overwrite, progress)
    say((out / "summary.txt").read_text(encoding="utf-8"))
    say("In the folder", out)
    for file in sorted(out.iterdir()):
        say(f"  {file.name}")
