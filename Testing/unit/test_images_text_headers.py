"""NRRD and MetaImage headers that ITK's readers fall over, or read without a word: refused by field."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, ImplausibleImage, InputError, UnreadableImage


@pytest.fixture
def damaged(tmp_path):
    """Writes an image, replaces some bytes of the file, and reads it."""
    image = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    image.SetSpacing((3, 2, 4))

    def read(suffix: str, old: bytes, new: bytes, packed: bool = False) -> sitk.Image:
        path = tmp_path / f"x{suffix}"
        sitk.WriteImage(image, str(path), packed)
        raw = path.read_bytes()
        assert old in raw
        path.write_bytes(raw.replace(old, new, 1))
        return images.read_image(path)

    return read


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (b"domain domain domain", b"a" * 5000, UnreadableImage),
        (b"domain domain domain", b"domain domain", UnreadableImage),
        (b"type: short", b"type: shirt", UnreadableImage),
        (b"encoding: raw", b"encoding: zst", UnreadableImage),
        (b"dimension: 3", b"dimension: 2", UnreadableImage),
        (b"sizes: 5 4 3", b"sizes: 5 4 -3", UnreadableImage),
        (b"sizes: 5 4 3", b"sizes: 5 4 99999999999999", UnreadableImage),
        (b"sizes: 5 4 3", b"sizes: 5 4 4", UnreadableImage),
        (b"sizes: 5 4 3", b"sizes: 5 4 2", UnreadableImage),
        (b"(3,0,0)", b"(3,0)", UnreadableImage),
        (b"(3,0,0)", b"(nan,0,0)", ImplausibleImage),
        (b"endian: little", b"endian: little\ndimension: 3", UnreadableImage),
        (b"endian: little", b"endian: little\ndata file: ../../etc/passwd", UnreadableImage),
        (b"endian: little", b"endian: little\ndata file: nothing.raw", FileMissing),
    ],
    ids=lambda v: v.__name__ if isinstance(v, type) else v.decode()[:40],
)
def test_a_damaged_nrrd_header_is_refused(damaged, old, new, error):
    with pytest.raises(error):
        damaged(".nrrd", old, new)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (b"MET_SHORT", b"MET_SHIRT", UnreadableImage),
        (b"NDims = 3", b"NDims = 300", UnreadableImage),
        (b"DimSize = 5 4 3", b"DimSize = 5 4 1e9", UnreadableImage),
        (b"DimSize = 5 4 3", b"DimSize = 5 4 4", UnreadableImage),
        (b"Offset = 0 0 0", b"Offset = 0 0", UnreadableImage),
        (b"Offset = 0 0 0", b"Offset = 0 0 nan", UnreadableImage),
        (b"ElementSpacing = 3 2 4", b"ElementSpacing = 3 2 0", ImplausibleImage),
        (b"Offset = 0 0 0", b"Offset = 0 0 0\nComment = " + b"a" * 20000, UnreadableImage),
        (b"= LOCAL", b"= ../x.raw", UnreadableImage),
        (b"= LOCAL", b"= " + b"x" * 600, FileMissing),
    ],
    ids=lambda v: v.__name__ if isinstance(v, type) else v.decode()[:40],
)
def test_a_damaged_metaimage_header_is_refused(damaged, old, new, error):
    with pytest.raises(error):
        damaged(".mha", old, new)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_packed_voxels_are_counted_and_sound_files_are_read(damaged, suffix):
    size = b"sizes: 5 4 3" if suffix == ".nrrd" else b"DimSize = 5 4 3"
    assert damaged(suffix, size, size, packed=True).GetSize() == (5, 4, 3)
    with pytest.raises(InputError):
        damaged(suffix, size, size[:-1] + b"4", packed=True)
