"""A full turn of the shoulder as an animation."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from PreopReviewLib.errors import InputError, OutputError

FRAMES, SECONDS = 36, 6.0
"""Pictures of one turn, and how long it takes."""

KINDS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
"""Suffixes: GIF opens everywhere and has 256 colors; WebP and animated PNG have all."""


def require_kind(path: str | Path) -> str:
    """The format of a movie by its suffix.

    Raises:
        InputError: another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in KINDS:
        raise InputError(f"A movie cannot be written as {suffix or 'a file without suffix'}", "Use .gif, .webp or .png")
    return KINDS[suffix]


def write_movie(path: str | Path, frames: Iterable[np.ndarray], seconds: float = SECONDS) -> Path:
    """Writes an animation that repeats.

    Args:
        frames: uint8 (height, width, 3), all of one size; at least one.
        seconds: of one turn.

    Raises:
        InputError: an unknown suffix, or no frame.
        OutputError: the file cannot be written.
    """
    from PIL import Image

    path, kind = Path(path), require_kind(path)
    pictures = [Image.fromarray(np.ascontiguousarray(f)) for f in frames]
    if not pictures:
        raise InputError("The movie has no picture", "Draw at least one")
    if kind == "GIF":
        # One palette for the whole turn, else colors flicker from picture to picture.
        palette = _palette(pictures)
        pictures = [p.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for p in pictures]
    held = io.BytesIO()
    options = {"quality": 90} if kind == "WEBP" else {}
    pictures[0].save(
        held,
        kind,
        save_all=True,
        append_images=pictures[1:],
        duration=max(20, round(1000 * seconds / len(pictures))),
        loop=0,
        **options,
    )
    try:
        path.write_bytes(held.getvalue())
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", "Choose a folder with space") from error
    return path


def _palette(pictures: list) -> object:
    from PIL import Image

    some = pictures[:: max(1, len(pictures) // 6)]
    width, height = some[0].size
    sheet = Image.new("RGB", (width, height * len(some)))
    for n, picture in enumerate(some):
        sheet.paste(picture, (0, n * height))
    return sheet.quantize(256, method=Image.Quantize.MEDIANCUT)
