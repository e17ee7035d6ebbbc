"""Phantoms as a hospital exports them: DICOM studies of patients, with segmentations, to be taken over for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from LiverPlannerLib.structures import STRUCTURES
from PreopReviewLib import images
from PreopReviewLib.images.dicom import series_of_files
from PreopReviewLib.phantoms.liver import make_liver_phantom
from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom


def uid(*words: object) -> str:
    """The same words give the same UID."""
    return generate_uid(entropy_srcs=["preop", *map(str, words)])


def write_series(
    image: sitk.Image,
    folder: Path,
    patient: str,
    modality: str = "MR",
    description: str = "T1 hepatobiliary",
    number: int = 5,
    study: str = "",
    name: str = "",
    birth: str = "19500101",
) -> list[Path]:
    """An image as one DICOM file for each slice; values are rounded to whole numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    array = np.round(images.array_of(image)).astype(np.int16)
    axes = np.array(image.GetDirection()).reshape(3, 3)
    study = study or uid(patient, name, birth)
    files = []
    for k in range(array.shape[0]):
        one = pydicom.Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
        one.SOPInstanceUID = uid(study, number, description, k)
        one.file_meta.MediaStorageSOPClassUID, one.file_meta.MediaStorageSOPInstanceUID = (
            one.SOPClassUID,
            one.SOPInstanceUID,
        )
        one.PatientID, one.PatientName, one.PatientBirthDate = patient, name or f"Doe^{patient}", birth
        one.PatientSex, one.StudyID, one.AccessionNumber = "F", "1", ""
        one.StudyDate, one.StudyTime, one.ReferringPhysicianName = "20240101", "120000", ""
        one.StudyInstanceUID, one.SeriesInstanceUID = study, uid(study, number, description)
        one.FrameOfReferenceUID, one.Modality = uid(study, "frame"), modality
        one.SeriesDescription, one.SeriesNumber, one.InstanceNumber = description, number, k + 1
        one.Rows, one.Columns = array.shape[1:]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
        if modality == "CT":
            one.RescaleSlope, one.RescaleIntercept = 1, 0
        spacing = image.GetSpacing()
        one.PixelSpacing, one.SliceThickness = [spacing[1], spacing[0]], spacing[2]
        one.ImageOrientationPatient = [float(v) for v in (*axes[:, 0], *axes[:, 1])]
        one.ImagePositionPatient = [float(v) for v in image.TransformIndexToPhysicalPoint((0, 0, k))]
        one.PixelData = array[k].tobytes()
        path = folder / f"IM{k:04d}"
        one.save_as(path, enforce_file_format=True)
        files.append(path)
    return files


def write_segmentation(labels: sitk.Image, files: list[Path], path: Path) -> None:
    """Labels, with the values of the table of structures, as a DICOM SEG of a series."""
    series = series_of_files(files)[0]
    array = images.array_of(labels)
    masks = [
        images.CodedMask(
            s.name,
            images.image_like((array == s.label).astype(np.uint8), labels),
            (s.category.scheme, s.category.value, s.category.meaning),
            (s.type.scheme, s.type.value, s.type.meaning),
        )
        for s in STRUCTURES
        if (array == s.label).any()
    ]
    images.write_dicom_segmentation(masks, series, path)


def liver_patient(
    folder: Path, number: int, contrast: str = "hbp", size: int = 48, spacing: float = 5.0, everything: bool = False
) -> sitk.Image:
    """A liver phantom as study and SEG of the patient PAT-number; its labels.

    Args:
        everything: a block of each structure is drawn into the labels, so that none is missing in a small phantom.
    """
    phantom = make_liver_phantom(400 + number, contrast, (size, size, size), spacing, 1)
    labels = phantom.labels
    if everything:
        array = images.array_of(labels).copy()
        k, j, i = (int(v) for v in np.argwhere(array == 1)[len(np.argwhere(array == 1)) // 2])
        for n, value in enumerate((2, 3, 4, 5, 6, 7)):
            array[k - 1 : k + 1, j - 1 : j + 1, i + 2 * n - 6 : i + 2 * n - 4] = value
        labels = images.image_like(array, labels)
    modality = "CT" if contrast == "ct" else "MR"
    files = write_series(phantom.image, folder / "series", f"PAT-{number}", modality)
    write_segmentation(labels, files, folder / "seg.dcm")
    return labels


def shoulder_patient(folder: Path, number: int, tear: str) -> None:
    """A shoulder phantom as a coronal study of the patient PAT-number."""
    index = ("none", "partial", "small", "medium", "large").index(tear)
    phantom = make_shoulder_phantom(60 + number, index, size=(64, 64, 20))
    write_series(phantom.image, folder / "series", f"PAT-{number}", description="T2 coronal")
