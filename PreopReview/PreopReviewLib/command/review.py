"""`preop review`: plans and cohorts looked at, corrected and judged in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.command.console import say


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("review")(review)


def review(
    folder: Annotated[Path, typer.Argument(help="A plan, a cohort, a folder of plans, or a .mrb.", show_default=False)],
    host: Annotated[str, typer.Option(help="Address to serve at. Any but this computer's own needs a password.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password that readers are asked for.")
    ] = None,
    reader_header: Annotated[
        str, typer.Option(help="Header in which a reverse proxy names the reader; only for use behind one.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Readers at once; each has a process.")] = 4,
) -> None:
    """Serve a page with cases, slices, 3D, structures, brush, comments and decisions; Ctrl-C ends it.

    What readers say is kept beside the results, never in them. Not for clinical use.
    """
    from PreopReviewLib.review.cases import find_cases
    from PreopReviewLib.review.needs import require_review

    cases = find_cases(folder)
    require_review()
    from PreopReviewLib.review.gate import Gate, check_exposure, serve

    password = _password(password_file)
    check_exposure(host, password, reader_header)
    gate = Gate(folder.absolute(), host, port, password, reader_header, limit, say)

    def ready() -> None:
        say(f"{len(cases)} case{'' if len(cases) == 1 else 's'} at {gate.address}")
        if gate.reader_header:
            say(
                f"Anyone who reaches this port can claim any name in {gate.reader_header}: let only the proxy reach it."
            )
        elif gate.password:
            say("The password and all images travel unencrypted: on an open network, put a proxy with TLS in front.")

    serve(gate, ready)


def _password(path: Path | None) -> str:
    from PreopReviewLib.errors import FileMissing, InputError

    if path is None:
        return ""
    if not path.is_file():
        raise FileMissing(f"There is no file {path}", "Write the password into it")
    password = path.read_text(encoding="utf-8").strip()
    if len(password) < 8:
        raise InputError(f"The password in {path} has {len(password)} characters", "Use at least 8")
    return password
