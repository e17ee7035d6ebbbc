"""Writing images, whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from PreopReviewLib.errors import OutputError
from PreopReviewLib.output import whole_file

_NIFTI_HEADER = 352
"""Bytes before the voxels at least; extensions come on top."""


def write_image(
    image: sitk.Image, path: str | Path, compress: bool = True, check: Callable[[], None] | None = None
) -> Path:
    """Writes an image; an existing file is replaced only once the new one is complete.

    Args:
        check: called when the new file is complete, before it takes its place; if it raises, the old one stays.

    Raises:
        OutputError: no such folder, no permission, a full disk, an unknown format.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith((".nii.gz", ".seg.nrrd")) else path.suffix
    try:
        with whole_file(path, suffix) as temporary:
            sitk.WriteImage(image, str(temporary), compress)
            _require_whole_nifti(image, temporary)
            if check is not None:
                check()
    except (OSError, RuntimeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "unknown format or full disk"
        raise OutputError(
            f"{path} cannot be written ({cause})", "Choose a folder with space and write permission"
        ) from error
    return path


def _require_whole_nifti(image: sitk.Image, path: Path) -> None:
    """Raises OSError where a NIfTI file was cut short: ITK's writer says nothing when the disk is full."""
    voxels = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
    with path.open("rb") as file:
        if path.name.endswith(".nii.gz"):
            file.seek(-min(4, path.stat().st_size), os.SEEK_END)
            written = int.from_bytes(file.read(4), "little")  # gzip ends with the length of its content
        elif path.name.endswith(".nii"):
            written = path.stat().st_size
        else:
            return
    if not _NIFTI_HEADER <= (written - voxels) % (1 << 32) < _NIFTI_HEADER + (1 << 20):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
