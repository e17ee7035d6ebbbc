"""VTK's and MRML's own messages: out of the terminal, into Python's logging."""

from __future__ import annotations

import logging
import re
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

_installed: list[Any] = []
_seen: Counter[str] = Counter()


def is_harmless(text: str) -> bool:
    """Whether a message is one of those in `HARMLESS`."""
    return any(re.search(pattern, text, re.DOTALL) for pattern, _ in HARMLESS)


def install() -> None:
    """Sends every message of VTK to the logger of this module, once per process.

    Errors and warnings go there as such, the harmless ones at level DEBUG. Not for use inside the Slicer
    application, which has its own error log.
    """
    if _installed:
        return
    import vtk

    window = vtk.vtkOutputWindow()
    window.SetDisplayModeToNever()
    for event, level in (("ErrorEvent", logging.ERROR), ("WarningEvent", logging.WARNING)):
        window.AddObserver(event, _logging_at(level))
    vtk.vtkOutputWindow.SetInstance(window)
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    _installed.append(window)


def _logging_at(level: int) -> Any:
    import vtk

    @vtk.calldata_type(vtk.VTK_STRING)
    def forward(_window: object, _event: str, text: str) -> None:
        same = re.sub(r"0x[0-9a-f]+", "", text)
        _seen[same] += 1
        if _seen[same] <= REPEATS:
            LOGGER.log(logging.DEBUG if is_harmless(text) else level, text.strip())

    return forward
