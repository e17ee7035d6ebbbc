"""A test host for scripted Slicer modules; see README.md for what in it is real and what is stood in for."""

from __future__ import annotations

from typing import Any

from .start import why_not

__all__ = ["SlicerHost", "why_not"]


def __getattr__(name: str) -> Any:
    """Qt is imported with the host, not with the question whether there is Qt."""
    if name == "SlicerHost":
        from .host import SlicerHost

        return SlicerHost
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
