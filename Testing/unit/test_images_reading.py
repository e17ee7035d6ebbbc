"""Reading: formats, DICOM folders, and every bad file with its own error."""

from __future__ import annotations

import gzip
import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import errors, images


def ramp(size=(7, 6, 5), pixel=np.int16) -> sitk.Image:
    """An oblique image whose voxels are all different."""
    image = sitk.GetImageFromArray(np.arange(np.prod(size), dtype=pixel).reshape(size[::-1]))
    image.SetSpacing((0.8, 0.9, 2.5))
    image.SetOrigin((-11.0, 22.0, -33.0))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3)
    image.SetDirection(turn.GetMatrix())
    return image


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_every_format_keeps_voxels_and_oblique_geometry(tmp_path, suffix):
    image = ramp()
    read = images.read_image(images.write_image(image, tmp_path / f"a{suffix}"))
    assert images.same_grid(read, image)
    np.testing.assert_array_equal(images.array_of(read), images.array_of(image))


def test_a_dicom_folder_is_read_with_its_modality(shared_data):
    folder = shared_data / "totalsegmentator" / "ct_dicom"
    image = images.read_image(folder)
    assert image.GetSize() == (512, 512, 20)
    assert images.guess_modality(image) == "CT"
    one = images.read_image(sorted(folder.iterdir())[3])
    assert images.same_grid(one, image), "one file of a series stands for the series"


def write_series(folder, uid, image, drop=None, move=None, number=1):
    """A small DICOM series, as a scanner would write it."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir(exist_ok=True, parents=True)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    for k in range(image.GetSize()[2]):
        if k == drop:
            continue
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        d.SeriesInstanceUID, d.StudyInstanceUID, d.FrameOfReferenceUID = uid, "1.2.3", "1.2.3.4"
        d.SeriesNumber, d.InstanceNumber, d.Modality, d.SeriesDescription = number, k + 1, "CT", f"phase {number}"
        d.PatientName, d.PatientID = "Phantom", "0"
        position = np.array(image.TransformIndexToPhysicalPoint((0, 0, k)))
        d.ImagePositionPatient = [f"{v:.6f}" for v in (position if move is None else position + move(k))]
        d.ImageOrientationPatient = [f"{v:.8f}" for v in (*direction[:, 0], *direction[:, 1])]
        d.PixelSpacing = [str(image.GetSpacing()[1]), str(image.GetSpacing()[0])]
        d.SliceThickness = str(image.GetSpacing()[2])
        d.Columns, d.Rows = image.GetSize()[:2]
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated = d.BitsStored = 16
        d.HighBit, d.PixelRepresentation, d.RescaleSlope, d.RescaleIntercept = 15, 1, "1", "0"
        d.PixelData = images.array_of(image)[k].astype("<i2").tobytes()
        pydicom.dcmwrite(folder / f"{uid}-{(k * 7) % 11}.dcm", d, enforce_file_format=True)
    return folder


def test_an_oblique_series_is_sorted_by_position(tmp_path):
    image = ramp((5, 4, 9))
    read = images.read_image(write_series(tmp_path / "s", "1.2.3.5", image))
    np.testing.assert_array_equal(images.array_of(read), images.array_of(image))
    assert images.same_grid(read, image, tolerance=0.01)


def test_several_series_are_listed_and_one_can_be_chosen(tmp_path):
    folder = write_series(tmp_path / "s", "1.2.3.5", ramp(), number=1)
    write_series(folder / "deeper", "1.2.3.6", ramp() + 1000, number=2)
    with pytest.raises(errors.SeveralSeries, match=r"by its UID.*1\.2\.3\.5.*phase 1.*5 slices.*1\.2\.3\.6"):
        images.read_image(folder)
    assert images.array_of(images.read_image(folder, "1.2.3.6")).min() == 1000
    with pytest.raises(errors.NoImage, match="no series 9"):
        images.read_image(folder, "9")


def test_a_missing_slice_is_refused(tmp_path):
    folder = write_series(tmp_path / "s", "1.2.3.5", ramp((5, 4, 9)), drop=4)
    with pytest.raises(errors.UnsupportedImage, match="gaps between slices from 2.50 to 5.00 mm"):
        images.read_image(folder)


def test_a_tilted_gantry_is_refused(tmp_path):
    folder = write_series(tmp_path / "s", "1.2.3.5", ramp((5, 4, 9)), move=lambda k: np.array([0, 0.8 * k, 0]))
    with pytest.raises(errors.UnsupportedImage, match="tilted gantry"):
        images.read_image(folder)


def test_copies_of_files_count_once(tmp_path):
    folder = write_series(tmp_path / "s", "1.2.3.5", ramp())
    for file in list(folder.iterdir()):
        shutil.copy(file, folder / f"again-{file.name}")
    read = images.read_image(folder)
    np.testing.assert_array_equal(images.array_of(read), images.array_of(ramp()))
    assert images.notes_of(read) == ["5 duplicate files were left out"]


def test_two_different_files_of_one_instance_are_refused(tmp_path):
    import pydicom

    folder = write_series(tmp_path / "s", "1.2.3.5", ramp())
    file = sorted(folder.iterdir())[2]
    other = pydicom.dcmread(file)
    other.PixelData = bytes(len(other.PixelData))
    other.save_as(folder / "z.dcm")
    with pytest.raises(errors.UnreadableImage, match="one SOP Instance UID, but different pixels"):
        images.read_image(folder)


def test_truncated_dicom_is_named(tmp_path):
    folder = write_series(tmp_path / "s", "1.2.3.5", ramp((64, 64, 5)))
    file = sorted(folder.iterdir())[2]
    file.write_bytes(file.read_bytes()[:-4000])
    with pytest.raises(errors.UnreadableImage, match=r"1\.2\.3\.5.*are truncated: 4192 of 8192 bytes"):
        images.read_image(folder)


def test_missing_file_and_empty_folder(tmp_path):
    with pytest.raises(errors.FileMissing, match="nowhere.nii.gz"):
        images.read_image(tmp_path / "nowhere.nii.gz")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(errors.NoImage):
        images.read_image(tmp_path)
    with pytest.raises(errors.UnreadableImage, match=r"notes\.txt is not in a known image format"):
        images.read_image(tmp_path / "notes.txt")


def test_a_folder_with_one_image_file_stands_for_it(tmp_path):
    images.write_image(ramp(), tmp_path / "a.nrrd")
    assert images.read_image(tmp_path).GetSize() == (7, 6, 5)
    images.write_image(ramp(), tmp_path / "b.nrrd")
    with pytest.raises(errors.NoImage, match=r"a\.nrrd, b\.nrrd"):
        images.read_image(tmp_path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    rng = np.random.default_rng(0)
    noise = sitk.GetImageFromArray(rng.integers(0, 30000, (20, 30, 30)).astype(np.int16))
    path = images.write_image(noise, tmp_path / f"cut{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(errors.UnreadableImage, match="cut"):
        images.read_image(path)


def test_garbage_under_an_image_name_is_refused(tmp_path):
    for name in ("a.nii", "a.nrrd", "a.dcm"):
        (tmp_path / name).write_bytes(b"not an image at all" * 40)
        with pytest.raises(errors.UnreadableImage):
            images.read_image(tmp_path / name)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(b"x" * 1000))
    with pytest.raises(errors.UnreadableImage):
        images.read_image(tmp_path / "b.nii.gz")
    (tmp_path / "c.nii").touch()
    with pytest.raises(errors.UnreadableImage, match="is empty"):
        images.read_image(tmp_path / "c.nii")


def test_four_dimensions_color_and_one_slice_are_refused(tmp_path):
    volume = ramp()
    series = sitk.JoinSeries([volume, volume + 1])
    with pytest.raises(errors.UnsupportedImage, match="2 time points"):
        images.read_image(images.write_image(series, tmp_path / "4d.nii.gz"))
    color = sitk.Compose([sitk.Cast(volume, sitk.sitkUInt8)] * 3)
    with pytest.raises(errors.UnsupportedImage, match="color"):
        images.read_image(images.write_image(color, tmp_path / "rgb.nrrd"))
    with pytest.raises(errors.UnsupportedImage, match="single slice"):
        images.read_image(images.write_image(volume[:, :, 2:3], tmp_path / "slice.nrrd"))


def test_a_fourth_dimension_of_one_is_no_fourth_dimension(tmp_path):
    path = images.write_image(sitk.JoinSeries([ramp()]), tmp_path / "a.nrrd")
    assert images.same_grid(images.read_image(path), ramp())


def test_labels_must_be_whole_numbers(tmp_path):
    floats = sitk.Cast(ramp() > 50, sitk.sitkFloat32)
    read = images.read_labels(images.write_image(floats, tmp_path / "float.nii.gz"))
    assert read.GetPixelID() == sitk.sitkUInt8, "whole numbers stored as floats are labels"
    assert images.array_of(read).sum() == images.array_of(floats).sum()
    with pytest.raises(errors.InputError, match="non-integer values"):
        images.read_labels(images.write_image(floats * 0.5, tmp_path / "half.nii.gz"))
    with pytest.raises(errors.InputError, match="not a label image"):
        images.read_labels(images.write_image(ramp() - 100, tmp_path / "negative.nii.gz"))


def test_writing_leaves_nothing_half_written(tmp_path):
    with pytest.raises(errors.OutputError, match="cannot be written"):
        images.write_image(ramp(), tmp_path / "no such folder" / "a.nii.gz")
    with pytest.raises(errors.OutputError):
        images.write_image(ramp(), tmp_path / "a.unknown")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_utf_8_is_read(tmp_path):
    images.write_image(sitk.GetImageFromArray(np.ones((4, 5, 6), np.uint8)), tmp_path / "a.nii.gz")
    odd = tmp_path / os.fsdecode(b"\xff.nii.gz")
    (tmp_path / "a.nii.gz").rename(odd)
    assert images.read_image(odd).GetSize() == (6, 5, 4)
