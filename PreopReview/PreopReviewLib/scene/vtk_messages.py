"""VTK's and MRML's own messages: out of the terminal, into Python's logging."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import tempfile
import threading
import time
from collections import Counter
from typing import Any

LOGGER = logging.getLogger("PreopReviewLib.scene.vtk")

HARMLESS: tuple[tuple[str, str], ...] = (
    (
        r"FindDefaultColorFiles failed: HomeDirectory is not set",
        "Slicer's color tables are files of the application; every color here comes from our own table",
    ),
    (
        r"Load(TerminologyFromFile|RegionContextFromFile|DefaultTerminologies|DefaultRegionContexts)"
        r".*(SlicerGeneralAnatomy|DICOM-Master)",
        "Slicer's terminology lists are files of the application; our entries carry their codes themselves",
    ),
    (
        r"vtkSlicerVolumeRenderingLogic.*Failed to load presets: Share directory",
        "Slicer's volume rendering presets are a file of the application; we set volume properties ourselves",
    ),
    (
        r"GenericColors\.txt|GenericAnatomyColors",
        "as above: a color table of the application, used only for segments without a color of their own",
    ),
)
"""Patterns of messages that say nothing wrong about a scene made without the application, and why."""

REPEATS = 3
"""How often one message is passed on; a filter that complains does so for every cell."""

PAUSE_S = 0.5

_installed: list[Any] = []
_at = [0]
_reading = threading.Lock()
_seen: Counter[str] = Counter()


def is_harmless(text: str) -> bool:
    """Whether a message is one of those in `HARMLESS`."""
    return any(re.search(pattern, text, re.DOTALL) for pattern, _ in HARMLESS)


def install() -> None:
    """Sends every message of VTK to the logger of this module, once per process.

    Errors and warnings go there as such, the harmless ones at level DEBUG. Not for use inside the Slicer
    application, which has its own error log.

    VTK writes its messages into a file by itself, and `pass_on` reads them from there: an observer in Python would
    wait for the interpreter's lock in whichever thread of VTK complains, while the main thread holds that lock and
    waits for the thread.
    """
    if _installed:
        return
    import vtk

    handle, name = tempfile.mkstemp(prefix="preop-vtk-", suffix=".log")
    os.close(handle)
    window = vtk.vtkFileOutputWindow()
    window.SetFileName(name)
    window.SetFlush(True)
    vtk.vtkOutputWindow.SetInstance(window)
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    _installed.extend((window, name))
    atexit.register(_close)
    threading.Thread(target=_follow, name="VTK messages", daemon=True).start()


def pass_on() -> None:
    """Logs what VTK has complained of since the last call."""
    with _reading:
        if not _installed:
            return
        try:
            with open(_installed[1], encoding="utf-8", errors="replace") as stream:
                stream.seek(_at[0])
                text = stream.read()
                _at[0] = stream.tell()
        except OSError:
            return  # a cleaner of temporary files took it: nothing is left to say
        for level, message in messages_of(text):
            same = re.sub(r"0x[0-9a-f]+", "", message)
            _seen[same] += 1
            if _seen[same] <= REPEATS:
                LOGGER.log(logging.DEBUG if is_harmless(message) else level, message)


def messages_of(text: str) -> list[tuple[int, str]]:
    """The messages in what VTK wrote, each with its level."""
    parts = re.split(r"(?m)^(?=(?:ERROR|Warning|Generic Warning|Debug): In )", text)
    return [
        (logging.ERROR if part.startswith("ERROR") else logging.WARNING, part.strip())
        for part in parts
        if part.strip() and not part.startswith("Debug")
    ]


def _follow() -> None:
    while _installed:
        time.sleep(PAUSE_S)
        pass_on()


def _close() -> None:
    pass_on()
    with _reading:  # the follower may be reading just now
        names = _installed[1:]
        _installed.clear()
    for name in names:
        with contextlib.suppress(OSError):
            os.remove(name)
