"""Reading an image from NIfTI, NRRD, MetaImage or DICOM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import FileMissing, InputError, NoImage, UnreadableImage, UnsupportedImage
from PreopReviewLib.images.checks import structural_findings
from PreopReviewLib.images.dicom import Series, choose_series, list_series, read_series, series_of_files
from PreopReviewLib.images.dicom_header import is_part, object_without_voxels
from PreopReviewLib.images.geometry import array_of
from PreopReviewLib.images.nifti import read_nifti
from PreopReviewLib.images.notes import add_notes, notes_of
from PreopReviewLib.images.text_headers import check_text_header
from PreopReviewLib.memory_errors import is_out_of_memory
from PreopReviewLib.output import private_folder

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Formats that are written and read."""
_FORMATS = f"{', '.join(SUFFIXES)}, or a folder with a DICOM series"
_PAIRS = (".hdr", ".img", ".hdr.gz", ".img.gz")


def read_image(path: str | Path, series: str | None = None) -> sitk.Image:
    """A 3-D scalar image, in LPS physical space, with the direction that the file gives.

    What had to be decided on the way is told by `notes_of` the image. Its voxels are of 32 bits at most.

    Args:
        path: an image file, one file of a DICOM series, or a folder with a DICOM series.
        series: what to take of a folder that holds several: a SeriesInstanceUID, and after ``#`` the number or some
            words of one of its volumes (see `choose_series`).

    Raises:
        FileMissing, NoImage, SeveralSeries, UnreadableImage, UnsupportedImage: each naming the path.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file or folder {path}", "Check the path")
    with _native_name(path) as named:
        image = _from_folder(named, series) if path.is_dir() else _from_file(named, series)
    for finding in structural_findings(image):
        raise finding.as_error(str(path))
    # An image of one frame in a fourth dimension is a volume all the same.
    return _first_of_four(image) if image.GetDimension() == 4 else image


def _first_of_four(image: sitk.Image) -> sitk.Image:
    volume = image[:, :, :, 0]
    for key in image.GetMetaDataKeys():
        volume.SetMetaData(key, image.GetMetaData(key))
    return volume


@contextmanager
def _native_name(path: Path) -> Iterator[Path]:
    """The path, or where it has bytes that are not UTF-8, a link to it: native readers end the program over them."""
    if not any("\ud800" <= c <= "\udfff" for c in str(path)):
        yield path
        return
    with private_folder() as place:
        link = place / f"image{''.join(s for s in path.suffixes[-2:] if s.isascii())}"
        link.symlink_to(path.absolute())
        yield link


def read_labels(path: str | Path) -> sitk.Image:
    """A 3-D label image with whole numbers, as uint8 or uint16.

    Raises:
        InputError: fractions or negative values (an image, or a probability map, in place of labels);
        and what `read_image` raises.
    """
    image = read_image(path)
    array, notes = array_of(image), notes_of(image)
    if array.size and (not np.isfinite(array).all() or array.min() < 0 or array.max() > 65535):
        raise InputError(
            f"{path} is not a label image: its values range from {array.min()} to {array.max()}", _LABEL_HELP
        )
    if image.GetPixelID() >= sitk.sitkFloat32:
        whole = np.round(array)
        if (np.abs(array - whole) > SCALING_ERROR).any():
            raise InputError(f"{path} is not a label image: it has non-integer values", _LABEL_HELP)
        rounded = sitk.GetImageFromArray(whole.astype(np.uint16))
        rounded.CopyInformation(image)
        image = rounded
    return add_notes(sitk.Cast(image, sitk.sitkUInt8 if array.max() < 255.5 else sitk.sitkUInt16), notes)


SCALING_ERROR = 1e-3
"""How far a label may be from a whole number: a slope stored as a 32-bit float leaves 1e-7 of its value."""
_LABEL_HELP = "Give an image whose voxels are label numbers (0 is background)"


def dicom_source(path: str | Path, series: str | None = None) -> Series | None:
    """The DICOM volume that `read_image` reads of a file or folder; None where it reads another kind of file.

    Raises:
        NoImage, SeveralSeries, UnreadableImage: as `read_image` does.
    """
    path = Path(path)
    if path.is_dir():
        available = list_series(path)
        if not available and series is None and image_files(path):
            return None
        return choose_series(available, path, series)
    return None if path.name.lower().endswith((*SUFFIXES, *_PAIRS)) else _series_of_file(path, series)


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder; not the AppleDouble files of a Mac, and of a pair only the header."""
    return [
        p
        for p in sorted(folder.iterdir())
        if p.name.lower().endswith((*SUFFIXES, ".hdr", ".hdr.gz")) and not p.name.startswith("._")
    ]


def _from_folder(folder: Path, series: str | None) -> sitk.Image:
    available = list_series(folder)
    if not available and series is None:
        files = image_files(folder)
        if len(files) == 1:
            return _from_file(files[0], None)
        if files:
            names = ", ".join(f.name for f in files)
            raise NoImage(f"{folder} holds {len(files)} image files", f"Give one of them: {names}")
    return read_series(choose_series(available, folder, series), folder)


def _from_file(path: Path, series: str | None) -> sitk.Image:
    if path.stat().st_size == 0:
        raise UnreadableImage(f"{path} is empty", "Copy or export it again")
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz", *_PAIRS)):
        return _in_32_bits(read_nifti(path), path)
    if not name.endswith(SUFFIXES):
        chosen = _series_of_file(path, series)
        return read_series(chosen, path.parent)
    header = check_text_header(path)
    try:
        image = _read_by_itk(path)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise UnreadableImage(
            f"{path} is truncated, corrupted or not what its name says", "Copy or export it again"
        ) from error
    for key in image.GetMetaDataKeys():
        if key.startswith("0010|"):  # who the patient is has no place in what is made of the image
            image.EraseMetaData(key)
    return _in_32_bits(header.applied(image, str(path)), path)


_ITK_READERS = {".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO", ".mha": "MetaImageIO", ".mhd": "MetaImageIO"}


def _read_by_itk(path: Path) -> sitk.Image:
    """By the reader of the name's suffix, upper case or lower."""
    return sitk.ReadImage(str(path), imageIO=_ITK_READERS[path.suffix.lower()])


def _in_32_bits(image: sitk.Image, path: Path) -> sitk.Image:
    """64-bit whole numbers in the smallest type that holds them: scenes and networks know none of 64 bits."""
    if image.GetPixelID() not in (sitk.sitkInt64, sitk.sitkUInt64):
        if image.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
            raise UnsupportedImage(f"{path} holds complex numbers", "Export the magnitude image")
        return image
    array = sitk.GetArrayViewFromImage(image)
    low, high = int(array.min()), int(array.max())
    for pixel, kind in ((sitk.sitkInt16, np.int16), (sitk.sitkInt32, np.int32), (sitk.sitkUInt32, np.uint32)):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return _cast(image, pixel)
    raise UnsupportedImage(f"{path} has values from {low} to {high}, beyond 32 bits", "Scale it to 16 bits")


def _cast(image: sitk.Image, pixel: int) -> sitk.Image:
    cast = sitk.Cast(image, pixel)
    for key in image.GetMetaDataKeys():
        cast.SetMetaData(key, image.GetMetaData(key))
    return cast


def _series_of_file(path: Path, series: str | None) -> Series:
    """What one DICOM file stands for: a multi-frame file for itself, a slice for the volume that it belongs to.

    A part of a multi-frame object that was cut into several files (a concatenation) stands for the whole of it.
    """
    alone = series_of_files([path])
    if alone and sum(s.slices for s in alone) > 1 and not is_part(path):
        return choose_series(alone, path, series)
    own = [s for s in list_series(path.parent) if path in s.files]
    if not own and path.name.lower().endswith(".gz"):
        raise UnreadableImage(f"{path} is a packed file that is not NIfTI", "Unpack it first")
    if not own and (what := object_without_voxels(path)):
        raise UnsupportedImage(f"{path} is {what}", "Convert it to an image or a DICOM segmentation, in 3D Slicer")
    if not own:
        raise UnreadableImage(
            f"{path} is not in a known image format",
            f"Give {_FORMATS}",
        )
    return choose_series(own, path, series)
