"""Layouts in which labeled livers are published."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from Testing.Benchmarks.labeled_livers import labeled_livers

from PreopReviewLib import images
from PreopReviewLib.errors import InputError

LIVER = np.zeros((5, 6, 7), bool)
LIVER[1, 2:4, 2:5] = LIVER[2, 1:5, 1:3] = True


def series(folder, modality: str, values: np.ndarray) -> list[str]:
    """A series whose file names run against the order of its slices; the names from the first slice to the last."""
    folder.mkdir(parents=True)
    names = []
    for k, slab in enumerate(values):
        d = Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = MRImageStorage
        d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = "1.2.3", f"1.2.{len(modality)}", "1.2.4"
        d.Modality, d.PatientName, d.PatientID, d.InstanceNumber = modality, "One", "1", k + 1
        d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 3 * k], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.RescaleSlope, d.RescaleIntercept = [2, 1.5], 1, 0
        d.Rows, d.Columns = slab.shape
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated = d.BitsStored = 16
        d.HighBit, d.PixelRepresentation, d.PixelData = 15, 1, slab.astype("<i2").tobytes()
        names.append(f"IMG-{len(values) - k:05d}")
        pydicom.dcmwrite(folder / f"{names[-1]}.dcm", d, enforce_file_format=True)
    return names


def pngs(folder, names: list[str], mask: np.ndarray, gray: int) -> None:
    folder.mkdir(parents=True)
    for name, slab in zip(names, mask, strict=True):
        picture = np.where(slab, gray, 0).astype(np.uint8)
        picture[0, 0] = 252  # another organ, in MR; in CT nothing has this value but the liver
        sitk.WriteImage(sitk.GetImageFromArray(picture), str(folder / f"{name}.png"))


def found(cases) -> dict[str, tuple[str, np.ndarray]]:
    read = {}
    for case in cases:
        image, liver = case.read()
        assert images.same_grid(image, liver)
        read[case.name] = (case.modality, images.array_of(liver) > 0)
    return read


def test_chaos_masks_lie_on_the_slices_whose_files_they_are_named_after(tmp_path) -> None:
    values = np.arange(LIVER.size).reshape(LIVER.shape)
    case = tmp_path / "MR" / "12" / "T2SPIR"
    pngs(case / "Ground", series(case / "DICOM_anon", "MR", values), LIVER, 63)
    dual = tmp_path / "MR" / "3" / "T1DUAL"
    names = series(dual / "DICOM_anon" / "InPhase", "MR", values)
    series(dual / "DICOM_anon" / "OutPhase", "MR", values)
    pngs(dual / "Ground", names, LIVER, 63)
    read = found(labeled_livers(str(tmp_path)))
    assert set(read) == {"chaos-T2SPIR-12", "chaos-T1DUAL-InPhase-3", "chaos-T1DUAL-OutPhase-3"}
    for modality, liver in read.values():
        assert modality == "MR"
        np.testing.assert_array_equal(liver, LIVER)


def test_a_missing_mask_of_chaos_is_said(tmp_path) -> None:
    case = tmp_path / "CT" / "5"
    names = series(case / "DICOM_anon", "CT", np.zeros(LIVER.shape, int))
    pngs(case / "Ground", names, LIVER, 255)
    (case / "Ground" / f"{names[2]}.png").unlink()
    (only,) = labeled_livers(str(tmp_path))
    assert (only.name, only.modality) == ("chaos-CT-5", "CT")
    with pytest.raises(InputError, match="5 slices"):
        only.read()


def test_ircad_lits_and_pairs_are_read(tmp_path) -> None:
    values = np.arange(LIVER.size).reshape(LIVER.shape)
    patient = tmp_path / "ircad" / "3Dircadb1.4"
    series(patient / "PATIENT_DICOM", "CT", values)
    series(patient / "MASKS_DICOM" / "liver", "CT", LIVER * 255)
    lits = tmp_path / "lits"
    lits.mkdir()
    for name, array in (("volume-7.nii", values.astype(np.int16)), ("segmentation-7.nii", LIVER.astype(np.uint8) * 2)):
        sitk.WriteImage(sitk.GetImageFromArray(array), str(lits / name))
    read = found(labeled_livers(str(tmp_path)))
    assert set(read) == {"ircad-3Dircadb1.4", "lits-7"}
    pair = found(labeled_livers(f"{lits}/volume-7.nii:{lits}/segmentation-7.nii:1-2"))
    for _, liver in [*read.values(), *pair.values()]:
        np.testing.assert_array_equal(liver, LIVER)


def test_a_folder_of_something_else_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="known layout"):
        labeled_livers(str(tmp_path))
    with pytest.raises(InputError, match="There is no folder"):
        labeled_livers(str(tmp_path / "nowhere"))
