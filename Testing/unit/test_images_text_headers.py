"""NRRD and MetaImage headers that ITK's readers fall over, or read without a word: refused by field."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, ImplausibleImage, InputError, UnreadableImage, UnsupportedImage


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


SIDES = "it does not give its orientation in the patient; left and right may be swapped"


@pytest.mark.parametrize(("unit", "mm"), [("um", 0.001), ("µm", 0.001), ("cm", 10), ("m", 1000), ("mm", 1), ("", 1)])
def test_lengths_of_an_nrrd_in_another_unit_are_converted_and_said(damaged, unit, mm):
    read = damaged(".nrrd", b"endian: little", f'endian: little\nspace units: "{unit}" "{unit}" "{unit}"'.encode())
    assert read.GetSpacing() == pytest.approx((3 * mm, 2 * mm, 4 * mm))
    said = [f"its header gives lengths in {unit}; they were converted to mm"]
    assert images.notes_of(read) == (said if mm != 1 else [])


def test_a_unit_that_is_not_known_is_refused(damaged):
    with pytest.raises(UnreadableImage, match="spaceunits"):
        damaged(".nrrd", b"endian: little", b'endian: little\nspace units: "ell" "ell" "ell"')
    with pytest.raises(UnreadableImage, match="spaceunits"):
        damaged(".nrrd", b"endian: little", b'endian: little\nspace units: "mm" "mm" "cm"')


@pytest.mark.parametrize(
    ("suffix", "old", "new"),
    [
        (".nrrd", b"space: left-posterior-superior", b"space: scanner-xyz"),
        (".nrrd", b"space: left-posterior-superior", b"space dimension: 3"),
        (".mha", b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n", b""),
    ],
)
def test_a_file_that_does_not_say_which_side_is_left_is_noted(damaged, suffix, old, new):
    assert SIDES in images.notes_of(damaged(suffix, old, new))
    assert SIDES not in images.notes_of(damaged(suffix, b"\n", b"\n"))


def test_a_sheared_segmentation_is_refused_as_a_sheared_image_is(tmp_path):
    from LiverPlannerLib.labels import read_labels
    from PreopReviewLib.errors import UnsupportedImage

    image = sitk.GetImageFromArray(np.ones((8, 8, 8), np.uint8))
    for key, word in {"ID": "a", "Name": "Liver", "LabelValue": "1", "Layer": "0"}.items():
        image.SetMetaData(f"Segment0_{key}", word)
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    raw = (tmp_path / "a.seg.nrrd").read_bytes()
    assert b"(0,1,0)" in raw
    (tmp_path / "a.seg.nrrd").write_bytes(raw.replace(b"(0,1,0)", b"(0.3,1,0)", 1))
    with pytest.raises(UnsupportedImage, match="off a right angle"):
        read_labels(tmp_path / "a.seg.nrrd")


@pytest.mark.parametrize(
    ("suffix", "line"), [(".nrrd", b"space origin: (0,0,0)\n"), (".mha", b"Offset = 0 0 0\n")], ids=["nrrd", "mha"]
)
def test_a_file_that_does_not_say_where_it_lies_is_noted(damaged, suffix, line):
    notes = images.notes_of(damaged(suffix, line, b""))
    assert notes == ["it does not give its place in the patient (no origin); 0 was taken for the first voxel"]


def test_a_packing_that_is_not_read_is_named(damaged):
    with pytest.raises(UnsupportedImage, match="is packed with bzip2"):
        damaged(".nrrd", b"encoding: raw", b"encoding: bzip2")
