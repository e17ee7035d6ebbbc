"""DICOM SEG: read what others wrote, write what others read, with the structures told by their codes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.commands.plan_case import _write_dicom, coded_mask
from LiverPlannerLib.labels import match_code, read_labels
from LiverPlannerLib.plan.pipeline import LiverPlan
from LiverPlannerLib.structures import mask_of, structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, OutputError, UnreadableImage

SHAPE = (5, 24, 32)


@pytest.fixture
def series(tmp_path):
    """A small CT series on oblique axes, as files and as the image read from them."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder = tmp_path / "series"
    folder.mkdir()
    tilt = np.deg2rad(20)
    rows, columns = np.array([1.0, 0, 0]), np.array([0, np.cos(tilt), np.sin(tilt)])
    normal = np.cross(rows, columns)
    study, uid, frame = generate_uid(), generate_uid(), generate_uid()
    for k in range(SHAPE[0]):
        ds = pydicom.Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, uid, frame
        ds.PatientName, ds.PatientID, ds.Modality, ds.SeriesNumber = "Doe^Jane", "17", "CT", 3
        ds.ImagePositionPatient = [float(v) for v in np.array([-20.0, 30, 40]) + 2.5 * k * normal]
        ds.ImageOrientationPatient = [float(v) for v in (*rows, *columns)]
        ds.PixelSpacing, ds.SliceThickness = [0.8, 0.7], 2.5
        ds.Rows, ds.Columns = SHAPE[1:]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, 1
        ds.RescaleIntercept, ds.RescaleSlope = 0, 1
        ds.PixelData = np.full(SHAPE[1:], 10 * k, np.int16).tobytes()
        ds.save_as(folder / f"{9 - k}.dcm", enforce_file_format=True)  # file names against the order of the slices
    return folder


def labels_on(image: sitk.Image) -> sitk.Image:
    array = np.zeros(SHAPE, np.uint8)
    array[1:4, 5:20, 4:28] = structure("liver").label
    array[2, 8:12, 6:16] = structure("portal_vein").label
    array[3, 9:11, 6:9] = structure("tumor").label
    return images.image_like(array, image)


def coded(labels: sitk.Image, *keys: str) -> list[images.CodedMask]:
    return [coded_mask(structure(key), mask_of(labels, key), "a-model") for key in keys]


def test_a_segmentation_that_another_tool_wrote_is_read_voxel_for_voxel(shared_data):
    folder = shared_data / "dicom_seg"
    file_labels = read_labels(folder / "liver.dcm")  # its codes are of the retired SRT scheme
    truth = sitk.ReadImage(str(folder / "liver_seg.nrrd"))
    assert file_labels.unknown == []
    moved = images.onto_grid(file_labels.labels, truth)
    assert (moved.exact, moved.outside_ml) == (True, {})
    np.testing.assert_array_equal(images.array_of(moved.labels) > 0, images.array_of(truth) > 0)


def test_what_is_written_comes_back_on_the_grid_of_the_series(series, tmp_path):
    image = images.read_image(series)
    labels = labels_on(image)
    path = tmp_path / "segmentation.dcm"
    masks = coded(labels, "liver", "portal_vein", "tumor", "cyst")
    images.write_dicom_segmentation(masks, images.list_series(series)[0], path)

    again = read_labels(path)
    assert again.unknown == []
    back = images.resample_to(again.labels, image, "nearest")
    np.testing.assert_array_equal(images.array_of(back), images.array_of(labels))
    regions = {m.name: m.regions for m in images.read_dicom_segmentation(path)}
    assert regions[structure("tumor").name][0][1] == "10200004", "a tumor of the liver, not of another organ"
    assert regions["Liver"] == ()


def test_the_object_carries_codes_colors_patient_and_who_drew_it(series, tmp_path):
    import pydicom

    labels = labels_on(images.read_image(series))
    masks = coded(labels, "liver", "portal_vein")
    images.write_dicom_segmentation(masks, images.list_series(series)[0], tmp_path / "s.dcm")
    ds = pydicom.dcmread(tmp_path / "s.dcm")
    liver, vein = ds.SegmentSequence
    assert (ds.Modality, ds.PatientID, ds.ContentDescription) == ("SEG", "17", "Not for clinical use")
    assert vein.SegmentedPropertyTypeCodeSequence[0].CodeValue == "32764006"
    assert (liver.SegmentAlgorithmType, liver.SegmentAlgorithmName) == ("AUTOMATIC", "a-model")
    assert liver.RecommendedDisplayCIELabValue != vein.RecommendedDisplayCIELabValue
    assert ds.ReferencedSeriesSequence[0].SeriesInstanceUID == images.list_series(series)[0].uid


def test_a_plan_of_a_dicom_folder_writes_it_and_a_deidentified_one_says_why_not(series, tmp_path):
    import pydicom

    image = images.read_image(series)
    volumes = {"liver": 1.0, "portal_vein": 0.1, "cyst": 0.0}
    plan = LiverPlan(image, labels_on(image), "CT", volumes, [], [], {"liver": "a-model"})
    _write_dicom(plan, series, None, tmp_path)
    assert images.is_dicom_segmentation(tmp_path / "segmentation.dcm")
    assert plan.notes == []

    for file in series.iterdir():
        ds = pydicom.dcmread(file)
        ds.FrameOfReferenceUID = ""
        ds.save_as(file)
    (tmp_path / "none").mkdir()
    _write_dicom(plan, series, None, tmp_path / "none")
    assert "have no FrameOfReferenceUID" in plan.notes[0]
    assert not list((tmp_path / "none").iterdir())


def test_couinaud_segments_are_an_object_of_their_own(series, tmp_path):
    import pydicom

    from LiverPlannerLib.couinaud.volumes import Division

    image = images.read_image(series)
    labels = labels_on(image)
    array = (images.array_of(labels) > 0).astype(np.uint8) * 5
    array[:, ::2][array[:, ::2] > 0] = 8
    division = Division(images.image_like(array, image), "couinaud 1.0.0", [], {}, [], [], 0.1)
    plan = LiverPlan(image, labels, "CT", {"liver": 1.0}, [], [], {"liver": "a-model"}, couinaud=division)
    _write_dicom(plan, series, None, tmp_path)
    assert plan.notes == []
    five, eight = pydicom.dcmread(tmp_path / "segments.dcm").SegmentSequence
    assert five.SegmentedPropertyTypeCodeSequence[0].CodeValue == "277959000"
    assert eight.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Couinaud hepatic segment VIII"
    assert eight.SegmentAlgorithmName == "couinaud 1.0.0"


def test_what_cannot_be_written_is_said(series, tmp_path):
    image = images.read_image(series)
    listed = images.list_series(series)[0]
    empty = images.image_like(np.zeros(SHAPE, np.uint8), image)
    with pytest.raises(InputError, match="every segment is empty"):
        images.write_dicom_segmentation(coded(empty, "liver"), listed, tmp_path / "s.dcm")
    with pytest.raises(GeometryError, match="has 4 slices, but the series"):
        images.write_dicom_segmentation(coded(labels_on(image)[:, :, :4], "liver"), listed, tmp_path / "s.dcm")
    with pytest.raises(OutputError, match="cannot be written"):
        images.write_dicom_segmentation(coded(labels_on(image), "liver"), listed, tmp_path / "no" / "s.dcm")


def test_a_damaged_segmentation_is_named(series, tmp_path):
    path = tmp_path / "s.dcm"
    labels = labels_on(images.read_image(series))
    images.write_dicom_segmentation(coded(labels, "liver"), images.list_series(series)[0], path)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(UnreadableImage, match=r"s\.dcm cannot be read"):
        read_labels(path)


def test_codes_of_both_schemes_mean_the_same_structure():
    assert match_code(("SRT", "T-62000", "Liver")).key == "liver"
    assert match_code(("SCT", "10200004", "Liver")).key == "liver"
    assert match_code(("SCT", "108369006", "Neoplasm")).key == "tumor"
    assert match_code(("SCT", "80891009", "Heart")) is None


def without_spacing(path, thickness):
    """Removes the distance between slices from a SEG, as some writers do, and sets their thickness."""
    import pydicom

    ds = pydicom.dcmread(path)
    measures = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    del measures.SpacingBetweenSlices
    if thickness is None:
        del measures.SliceThickness
    else:
        measures.SliceThickness = thickness
    ds.save_as(path)
    return path


@pytest.mark.parametrize(
    ("slices", "thickness", "spacing", "words"),
    [
        ([1, 2, 3], 2.5, 2.5, None),
        ([1, 2, 3], 4, 2.5, "the smallest between its frames, 2.5 mm,"),
        ([0, 2, 4], 2.5, 2.5, "their thickness of 2.5 mm"),
        ([0, 4], 2.5, 2.5, "their thickness of 2.5 mm"),
        ([1, 2, 4], 4, 2.5, "the smallest between its frames, 2.5 mm,"),
        ([0, 1, 4], None, 2.5, "the smallest between its frames, 2.5 mm,"),
        ([2], 4, 4, "their thickness of 4 mm"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_slices_that_are_left_out_are_no_thicker_slices(series, tmp_path, slices, thickness, spacing, words):
    image = images.read_image(series)
    array = np.zeros(SHAPE, np.uint8)
    array[slices, 5:20, 4:28] = 1
    path = tmp_path / "segmentation.dcm"
    images.write_dicom_segmentation(
        coded(images.image_like(array, image), "liver"), images.list_series(series)[0], path
    )
    mask = images.read_dicom_segmentation(without_spacing(path, thickness))[0].mask
    assert mask.GetSpacing()[2] == pytest.approx(spacing)
    assert int(images.array_of(mask).sum()) == array.sum()
    notes = [f"it does not state the distance between its slices; {words} was used"] if words else []
    assert images.notes_of(mask) == notes


def test_the_only_slice_of_a_segmentation_without_a_thickness_is_refused(series, tmp_path):
    image = images.read_image(series)
    array = np.zeros(SHAPE, np.uint8)
    array[2, 5:20, 4:28] = 1
    path = tmp_path / "segmentation.dcm"
    images.write_dicom_segmentation(
        coded(images.image_like(array, image), "liver"), images.list_series(series)[0], path
    )
    with pytest.raises(UnreadableImage, match="does not state how thick its only slice is"):
        images.read_dicom_segmentation(without_spacing(path, None))
