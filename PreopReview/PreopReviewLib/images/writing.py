"""Writing images, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from PreopReviewLib.errors import OutputError
from PreopReviewLib.output import whole_file


def write_image(image: sitk.Image, path: str | Path, compress: bool = True) -> Path:
    """Writes an image; an existing file is replaced only once the new one is complete.

    Raises:
        OutputError: no such folder, no permission, a full disk, an unknown format.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith((".nii.gz", ".seg.nrrd")) else path.suffix
    try:
        with whole_file(path, suffix) as temporary:
            sitk.WriteImage(image, str(temporary), compress)
    except (OSError, RuntimeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "unknown format or full disk"
        raise OutputError(
            f"{path} cannot be written ({cause})", "Choose a folder with space and write permission"
        ) from error
    return path
