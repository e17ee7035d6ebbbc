"""Options that many commands have, each said once, and what holds for the options of all."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Annotated, Any

import typer

from PreopReviewLib.errors import InputError

Series = Annotated[str | None, typer.Option(help="SeriesInstanceUID, where a folder holds several.")]
VolumeOfSeries = Annotated[
    str | None,
    typer.Option("--volume", "--phase", help="Which volume of a series: its number, time or type, as listed."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def only_finite(app: typer.Typer) -> None:
    """Makes all commands of an application refuse NaN and infinity, which limits on an option let through."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _checked(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            only_finite(group.typer_instance)


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def checked(*args: Any, **values: Any) -> Any:
        for name, value in values.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"--{name.replace('_', '-')} is {value}", "Give a finite number")
        return function(*args, **values)

    return checked
