"""NIfTI and text headers of others: the standard decides, what is impossible is refused, what is assumed is said."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import errors, images


def small(pixel=np.int16) -> sitk.Image:
    image = sitk.GetImageFromArray(np.arange(120).reshape(6, 5, 4).astype(pixel))
    image.SetSpacing((1.5, 2, 3))
    return image


def with_fields(path, *fields):
    """A .nii of `small` with some header fields set: (format, place, values)."""
    whole = images.write_image(small(), path.with_name("whole.nii"))
    block = bytearray(whole.read_bytes())
    for kind, at, values in fields:
        struct.pack_into(kind, block, at, *values)
    path.write_bytes(block)
    return path


NO_SFORM = ("<h", 254, (0,))


@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_an_impossible_spacing_is_refused(tmp_path, bad):
    path = with_fields(tmp_path / "a.nii", ("<f", 80, (bad,)), NO_SFORM)
    with pytest.raises(errors.ImplausibleImage, match="impossible spacing"):
        images.read_image(path)


def test_the_sform_decides_and_a_contradiction_is_said(tmp_path):
    read = images.read_image(with_fields(tmp_path / "a.nii", ("<3f", 80, (1, 1, 1))))
    assert read.GetSpacing() == pytest.approx((1.5, 2, 3))
    assert "pixdim gives 1 × 1 × 1 mm, its sform 1.5 × 2 × 3 mm" in images.notes_of(read)[0]


def test_a_slight_shear_is_straightened_and_a_large_one_refused(tmp_path):
    read = images.read_image(with_fields(tmp_path / "a.nii", ("<f", 304, (0.002,))))
    assert read.GetSpacing() == pytest.approx((1.5, 2, 3), abs=1e-4)
    with pytest.raises(errors.UnsupportedImage, match="off a right angle"):
        images.read_image(with_fields(tmp_path / "b.nii", ("<f", 304, (0.8,))))


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_sheared_direction_is_refused(tmp_path, suffix):
    image = small()
    image.SetDirection((1, 0, 0, 0, 1, 0.34, 0, 0, 0.94))
    with pytest.raises(errors.UnsupportedImage, match="off a right angle"):
        images.read_image(images.write_image(image, tmp_path / f"a{suffix}"))


@pytest.mark.parametrize("pixel", [np.int64, np.uint64])
@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd"])
def test_64_bit_values_that_fit_are_cast(tmp_path, pixel, suffix):
    read = images.read_image(images.write_image(small(pixel), tmp_path / f"a{suffix}"))
    assert read.GetPixelID() == sitk.sitkInt16
    np.testing.assert_array_equal(images.array_of(read), images.array_of(small()))
    with pytest.raises(errors.UnsupportedImage, match="beyond 32 bits"):
        images.read_image(images.write_image(small(pixel) * (1 << 40), tmp_path / f"b{suffix}"))


def test_names_that_mislead_are_read_all_the_same(tmp_path):
    plain = images.write_image(small(), tmp_path / "a.nii").read_bytes()
    (tmp_path / "not_packed.nii.gz").write_bytes(plain)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(plain))
    images.write_image(small(), tmp_path / "x.mha").rename(tmp_path / "UPPER.MHA")
    for name in ("not_packed.nii.gz", "packed.nii", "UPPER.MHA"):
        assert images.same_grid(images.read_image(tmp_path / name), small()), name


def test_a_pair_nifti_2_complex_and_files_of_a_mac(tmp_path):
    nib = pytest.importorskip("nibabel")
    array, affine = np.arange(120, dtype=np.int16).reshape(4, 5, 6), np.diag([-1.5, -2, 3, 1.0])
    nib.save(nib.Nifti1Pair(array, affine), tmp_path / "pair.img")
    nib.save(nib.Nifti2Image(array, affine), tmp_path / "two.nii.gz")
    nib.save(nib.Nifti1Image(array.astype(np.complex64), affine), tmp_path / "complex.nii")
    for name in ("pair.img", "pair.hdr", "two.nii.gz"):
        read = images.read_image(tmp_path / name)
        np.testing.assert_array_equal(images.array_of(read), array.T)
        assert read.GetSpacing() == (1.5, 2, 3)
    with pytest.raises(errors.UnsupportedImage, match="complex numbers"):
        images.read_image(tmp_path / "complex.nii")
    (tmp_path / "mac").mkdir()
    images.write_image(small(), tmp_path / "mac" / "ct.nii")
    (tmp_path / "mac" / "._ct.nii").write_bytes(b"\0\5\x16\7" + bytes(100))
    assert images.read_image(tmp_path / "mac").GetSize() == (4, 5, 6)


def test_a_missing_data_file_and_a_missing_spacing_are_said(tmp_path):
    images.write_image(small(), tmp_path / "ok.mha")
    (tmp_path / "gone.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementSpacing = 1 1 1\n"
        "ElementType = MET_SHORT\nElementDataFile = gone.raw\n"
    )
    with pytest.raises(errors.FileMissing, match=r"its data file gone\.raw is missing"):
        images.read_image(tmp_path / "gone.mhd")
    raw = images.array_of(small()).tobytes()
    start = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 5 6\nencoding: raw\nendian: little\n\n"
    (tmp_path / "a.nrrd").write_bytes(start + raw)
    assert "1 mm was assumed" in images.notes_of(images.read_image(tmp_path / "a.nrrd"))[0]


@pytest.mark.parametrize("offset", [0.0, 1e-30, 348.0, 352.5, float("nan")])
def test_voxels_do_not_begin_in_the_header(tmp_path, offset):
    with pytest.raises(errors.UnreadableImage, match="vox_offset"):
        images.read_image(with_fields(tmp_path / "a.nii", ("<f", 108, (offset,))))


def test_a_voxel_size_that_contradicts_the_type_is_refused_unless_the_length_of_the_file_decides(tmp_path):
    with pytest.raises(errors.UnreadableImage, match="datatype means 8 bits per voxel, its bitpix says 16"):
        images.read_image(with_fields(tmp_path / "a.nii", ("<h", 70, (2,))))
    read = images.read_image(with_fields(tmp_path / "b.nii", ("<h", 72, (32,))))
    assert "its bitpix says 32; the datatype was used" in images.notes_of(read)[0]
    assert sitk.GetArrayFromImage(read).ravel().tolist() == list(range(120))


def test_an_unknown_unit_of_length_is_said(tmp_path):
    read = images.read_image(with_fields(tmp_path / "a.nii", ("<B", 123, (7,))))
    assert read.GetSpacing() == pytest.approx((1.5, 2, 3))
    assert "unit of length is not known (code 7); mm was taken" in images.notes_of(read)[0]
