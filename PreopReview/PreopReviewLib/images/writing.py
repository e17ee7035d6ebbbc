"""Writing images, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import SimpleITK as sitk

from PreopReviewLib.errors import OutputError


def write_image(image: sitk.Image, path: str | Path, compress: bool = True) -> Path:
    """Writes an image; an existing file is replaced only once the new one is complete.

    Raises:
        OutputError: no such folder, no permission, a full disk, an unknown format.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith((".nii.gz", ".seg.nrrd")) else path.suffix
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(suffix=suffix, prefix=".writing-", dir=path.parent)
        os.close(handle)
        sitk.WriteImage(image, temporary, compress)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes private files
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "unknown format or full disk"
        raise OutputError(
            f"{path} cannot be written ({cause})", "Choose a folder with space and write permission"
        ) from error
    finally:
        if temporary and os.path.exists(temporary):
            os.remove(temporary)
    return path
