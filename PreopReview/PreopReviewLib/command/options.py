"""Options that many commands have, each said once."""

from __future__ import annotations

from typing import Annotated

import typer

Series = Annotated[str | None, typer.Option(help="SeriesInstanceUID, where a folder holds several.")]
VolumeOfSeries = Annotated[
    str | None,
    typer.Option("--volume", "--phase", help="Which volume of a series: its number, time or type, as listed."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
