"""One hostile run: what is done, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Check = Callable[["Ran", Path], str]
"""What is wrong with a run that ended with 0, or ""."""


@dataclass(frozen=True)
class Ran:
    """What a run left behind.

    Attributes:
        code: exit code; negative is the number of the signal that ended it.
        seconds: on the clock.
        hung: it had to be killed, after its time or its processor time was over.
        outside: paths outside its folder that it wrote to, as Python saw it.
    """

    code: int
    out: str
    err: str
    seconds: float
    hung: bool = False
    outside: tuple[str, ...] = ()


@dataclass
class Trial:
    """A run of ``preop ARGUMENTS`` in a folder that its generator has filled.

    Attributes:
        what: the damage, in words, for the report.
        check: of a run that ended with 0.
        outputs: paths, relative to the folder, that appear whole or not at all.
        file_limit: bytes that any file may have: a full disk.
        memory_mb: address space beyond what the process has at its start.
        signal: its number, and the share of the sound run's time after which it is sent.
        closed: numbers of streams that are closed; `full` of those that lead to a full device.
        encoding: of the streams.
        earlier: an earlier run, whose result the outputs hold, comes first.
        seconds: after which it counts as hanging.
        never_refused: the input is sound, so that a refusal is a failure.
        grows: the outputs are added to as the run goes on, as checkpoints are.
    """

    what: str
    arguments: list[str]
    check: Check = lambda _ran, _folder: ""
    outputs: tuple[str, ...] = ()
    file_limit: int | None = None
    memory_mb: int | None = None
    signal: tuple[int, float] | None = None
    closed: tuple[int, ...] = ()
    full: tuple[int, ...] = ()
    encoding: str = "utf-8"
    earlier: list[str] | None = None
    seconds: float = 120.0
    never_refused: bool = False
    grows: bool = False


Generator = Callable[[np.random.Generator, Path, Any], Trial]
"""Fills a folder from the sound `material.Material`."""
