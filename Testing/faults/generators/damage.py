"""Damage that any file can take, and the reading of what a command said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..trial import Check, Ran


def pick(rng: np.random.Generator, choices: Any) -> Any:
    """One of several things of any kind."""
    choices = list(choices)
    return choices[int(rng.integers(len(choices)))]


def cut(rng: np.random.Generator, raw: bytes) -> bytes:
    """Its beginning."""
    return raw[: int(rng.integers(0, max(1, len(raw))))]


def flip(rng: np.random.Generator, raw: bytes, start: int = 0, stop: int | None = None) -> bytes:
    """One to eight bytes of a part changed."""
    held = bytearray(raw)
    stop = min(len(held), stop or len(held))
    for _ in range(int(rng.integers(1, 9))):
        if stop > start:
            held[int(rng.integers(start, stop))] = int(rng.integers(256))
    return bytes(held)


def insert(rng: np.random.Generator, raw: bytes, start: int = 0, stop: int | None = None) -> bytes:
    """Random bytes put in between."""
    at = int(rng.integers(start, max(start + 1, min(len(raw), stop or len(raw)))))
    return raw[:at] + rng.bytes(int(rng.integers(1, 40))) + raw[at:]


def said(ran: Ran) -> Any:
    """The JSON on stdout; None if there is none."""
    try:
        return json.loads(ran.out)
    except ValueError:
        return None


def without(data: Any, *keys: str) -> Any:
    """JSON without some keys at any depth."""
    if isinstance(data, dict):
        return {k: without(v, *keys) for k, v in data.items() if k not in keys}
    return [without(v, *keys) for v in data] if isinstance(data, list) else data


def notes(data: Any) -> list[str]:
    """All notes, warnings and findings in the JSON of a command."""
    if isinstance(data, dict):
        own = [str(v) for k in ("notes", "warnings", "findings", "left_out") if (v := data.get(k))]
        return own + [n for v in data.values() for n in notes(v)]
    return [n for v in data for n in notes(v)] if isinstance(data, list) else []


def same_or_noted(reference: Any, also: Callable[[Any, Path], str] | None = None, *ignored: str) -> Check:
    """The numbers are those of the undamaged input, or a note says what was found.

    Args:
        also: a second opinion where they are not: "" if it confirms the result.
        ignored: keys that name the file.
    """
    ignored = (*ignored, "path", "labels", "notes", "findings", "warnings")
    expected, known = without(reference, *ignored), set(notes(reference))

    def check(ran: Ran, folder: Path) -> str:
        data = said(ran)
        if data is None:
            return "no JSON on stdout"
        if without(data, *ignored) == expected or set(notes(data)) - known:
            return ""
        return also(data, folder) if also else f"other numbers, without a note: {_difference(data, expected)}"

    return check


def _difference(data: Any, expected: Any, where: str = "") -> str:
    if isinstance(data, dict) and isinstance(expected, dict):
        for key in expected:
            if data.get(key) != expected[key]:
                return _difference(data.get(key), expected[key], f"{where}.{key}")
        return f"{where}: more"
    if isinstance(data, list) and isinstance(expected, list) and len(data) == len(expected):
        for n, (one, other) in enumerate(zip(data, expected, strict=True)):
            if one != other:
                return _difference(one, other, f"{where}[{n}]")
    return f"{where} is {str(data)[:60]}, not {str(expected)[:60]}"
