"""A test host for scripted Slicer modules; see README.md for what in it is real and what is stood in for."""

from .host import SlicerHost
from .start import why_not

__all__ = ["SlicerHost", "why_not"]
