"""Whether the packages are there that the review in a browser needs, in versions that work together."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from PreopReviewLib.errors import InputError

SLICER_CORE = "5.11."
"""slicer-layer-dm 2.0.0, which trame-slicer 2.0.0 needs, is built for this slicer-core and does not load with 5.12."""
SECRET_VARIABLE, SECRET_HEADER = "PREOP_REVIEW_SECRET", "X-Preop-Review"
"""How gate and session know each other."""
PREPARE = "?"
"""The gate's word to a session that a reader is about to come; no name can be this."""
INSTALL = "Install it, best in an environment of its own: pip install 'preopreview[review]'"


def require_review() -> None:
    """Raises InputError with what to install."""
    for package in ("aiohttp", "trame_slicer", "slicer_core"):
        if find_spec(package) is None:
            raise InputError(f"The review in a browser needs the package {package.replace('_', '-')}", INSTALL)
    try:
        installed = version("slicer-core")
    except PackageNotFoundError:
        installed = "of an unknown version"
    if not installed.startswith(SLICER_CORE):
        raise InputError(
            f"The review in a browser needs slicer-core {SLICER_CORE}0.6, but {installed} is installed", INSTALL
        )
