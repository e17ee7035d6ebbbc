"""Where the files of `Resources/` are: in a checkout, in an installed wheel, or inside Slicer."""

from __future__ import annotations

from pathlib import Path

from PreopReviewLib.errors import InputError

_HERE = Path(__file__).resolve().parent
_ROOTS = (
    _HERE.parents[1] / "Resources",  # a checkout: PreopReview/PreopReviewLib -> Resources
    _HERE / "Resources",  # a wheel
    _HERE.parent / "Resources" / "PreopReview",  # Slicer's qt-scripted-modules
)


def resource(*parts: str) -> Path:
    """The path of a file or folder under `Resources/`.

    Raises:
        InputError: it is in none of the places where the package keeps its resources.
    """
    for root in _ROOTS:
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise InputError(f"The resource {'/'.join(parts)} is not part of this installation", "Reinstall PreopReview")
