"""Reading an image from NIfTI, NRRD, MetaImage or DICOM."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import FileMissing, InputError, NoImage, UnreadableImage
from PreopReviewLib.images.checks import not_finite, structural_findings
from PreopReviewLib.images.dicom import choose_series, list_series, read_series

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")


def read_image(path: str | Path, series: str | None = None) -> sitk.Image:
    """A 3-D scalar image, in LPS physical space, with the direction that the file gives.

    Args:
        path: an image file, one file of a DICOM series, or a folder with a DICOM series.
        series: SeriesInstanceUID, where a folder holds several.

    Raises:
        FileMissing, NoImage, SeveralSeries, UnreadableImage, UnsupportedImage: each naming the path.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file or folder {path}", "Check the path")
    image = _from_folder(path, series) if path.is_dir() else _from_file(path)
    for finding in structural_findings(image):
        raise finding.as_error(str(path))
    # An image of one frame in a fourth dimension is a volume all the same.
    return image[:, :, :, 0] if image.GetDimension() == 4 else image


def read_labels(path: str | Path) -> sitk.Image:
    """A 3-D label image with whole numbers, as uint8 or uint16.

    Raises:
        InputError: fractions or negative values (an image, or a probability map, in place of labels);
        and what `read_image` raises.
    """
    image = read_image(path)
    array = sitk.GetArrayViewFromImage(image)
    if array.size and (not np.isfinite(array).all() or array.min() < 0 or array.max() > 65535):
        raise InputError(f"{path} is no label image: its values go from {array.min()} to {array.max()}", _LABEL_HELP)
    if image.GetPixelID() >= sitk.sitkFloat32 and (array != np.round(array)).any():
        raise InputError(f"{path} is no label image: it has values between whole numbers", _LABEL_HELP)
    return sitk.Cast(image, sitk.sitkUInt8 if array.max() < 256 else sitk.sitkUInt16)


_LABEL_HELP = "Give an image whose voxels are label numbers (0 is background)"


def _from_folder(folder: Path, series: str | None) -> sitk.Image:
    found = list_series(folder)
    if not found and series is None:
        files = [p for p in sorted(folder.iterdir()) if p.name.lower().endswith(SUFFIXES)]
        if len(files) == 1:
            return _from_file(files[0])
        if files:
            names = ", ".join(f.name for f in files)
            raise NoImage(f"{folder} holds {len(files)} image files", f"Give one of them: {names}")
    return read_series(choose_series(found, folder, series), folder)


def _from_file(path: Path) -> sitk.Image:
    if path.stat().st_size == 0:
        raise UnreadableImage(f"{path} is empty", "Copy or export it again")
    if not path.name.lower().endswith(SUFFIXES):
        return _from_dicom_file(path)
    try:
        if path.name.lower().endswith((".nii", ".nii.gz")):
            _require_whole_nifti(path)
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        text = str(error)
        if "orthonormal" in text:
            raise UnreadableImage(
                f"{path} has axes that are not at right angles, which images cannot have here",
                "Resample it to a grid of right angles first, in 3D Slicer with Crop Volume",
            ) from error
        raise UnreadableImage(
            f"{path} is truncated, corrupted or not what its name says", "Copy or export it again"
        ) from error


def _from_dicom_file(path: Path) -> sitk.Image:
    own = [s for s in list_series(path.parent) if path in s.files]
    if not own:
        raise UnreadableImage(
            f"{path} is of no known image format",
            f"Give {', '.join(SUFFIXES)}, or a folder with a DICOM series",
        )
    return read_series(own[0], path.parent)


_NIFTI_FLOATS = {"16": "f4", "64": "f8"}


def _require_whole_nifti(path: Path) -> None:
    """ITK reads a truncated NIfTI's missing end as zeros, and NaN as zero, and says nothing: so look first."""
    header = sitk.ImageFileReader()
    header.SetFileName(str(path))
    header.ReadImageInformation()
    bits = int(header.GetMetaData("bitpix"))  # of a whole voxel, all components
    offset = int(float(header.GetMetaData("vox_offset")))
    expected = offset + int(np.prod(header.GetSize())) * bits // 8
    held, bad = _scan_nifti(path, offset, _NIFTI_FLOATS.get(header.GetMetaData("datatype")))
    if held < expected:
        raise UnreadableImage(f"{path} is truncated: {held} of {expected} bytes", "Copy or export it again")
    if bad:
        raise not_finite(bad).as_error(str(path))


def _scan_nifti(path: Path, offset: int, kind: str | None) -> tuple[int, int]:
    """The unpacked size in bytes, and how many voxels of a floating-point file are not finite."""
    held = bad = 0
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
            start = stream.read(offset)
            held = len(start)
            order = "<" if start[:2] in (b"\x5c\x01", b"\x1c\x02") else ">"  # 348 (NIfTI-1) or 540 (NIfTI-2)
            while block := stream.read(1 << 24):
                held += len(block)
                if kind:
                    values = np.frombuffer(block[: len(block) // 8 * 8], order + kind)
                    bad += values.size - int(np.count_nonzero(np.isfinite(values)))
    except (EOFError, OSError, zlib.error) as error:
        raise UnreadableImage(f"{path} is truncated or corrupted ({error})", "Copy or export it again") from error
    return held, bad
