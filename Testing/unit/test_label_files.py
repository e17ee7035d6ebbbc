"""Label images and Slicer segmentations as labels of our table."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.labels import match_name, match_terminology, read_labels
from LiverPlannerLib.structures import mask_of
from PreopReviewLib import errors, images


def segmentation(path, segments, layers=1):
    """A .seg.nrrd as Slicer writes it: segments are (name, tags, layer, label value, mask slice)."""
    array = np.zeros((6, 8, 10, layers), np.uint8)
    for _, _, layer, value, where in segments:
        array[(*where, layer)] = value
    image = sitk.GetImageFromArray(array if layers > 1 else array[..., 0], isVector=layers > 1)
    image.SetSpacing((1.0, 1.5, 2.0))
    for n, (name, tags, layer, value, _) in enumerate(segments):
        for key, text in (("Name", name), ("Tags", tags), ("Layer", str(layer)), ("LabelValue", str(value))):
            image.SetMetaData(f"Segment{n}_{key}", text)
    sitk.WriteImage(image, str(path))
    return path


LIVER = "Segmentation.Status:x|TerminologyEntry:A~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~^^~B~^^~^^|"
INNER = (slice(2, 4), slice(2, 4), slice(2, 4))
OUTER = (slice(1, 5), slice(1, 6), slice(1, 8))


def test_overlapping_segments_nest(tmp_path):
    path = segmentation(
        tmp_path / "a.seg.nrrd", [("whatever", LIVER, 0, 1, OUTER), ("Portal vein", "", 1, 1, INNER)], layers=2
    )
    file_labels = read_labels(path)
    array = images.array_of(file_labels.labels)
    assert (array[INNER] == 5).all()
    assert (array == 1).sum() == 4 * 5 * 7 - 8
    assert file_labels.unknown == []
    assert file_labels.labels.GetSpacing() == (1.0, 1.5, 2.0)


def test_the_code_beats_the_name(tmp_path):
    path = segmentation(tmp_path / "a.seg.nrrd", [("Cyst", LIVER, 0, 3, OUTER)])
    assert set(np.unique(images.array_of(read_labels(path).labels))) == {0, 1}


def test_segments_that_the_table_lacks_are_reported(tmp_path):
    path = segmentation(tmp_path / "a.seg.nrrd", [("Liver", "", 0, 1, OUTER), ("Spleen", "", 0, 2, INNER)])
    assert read_labels(path).unknown[0].startswith("Spleen (")
    only = segmentation(tmp_path / "b.seg.nrrd", [("Spleen", "", 0, 2, INNER)])
    with pytest.raises(errors.InputError, match="none of the liver structures, only Spleen"):
        read_labels(only)


def test_label_values_that_the_table_lacks_are_left_out_and_reported(tmp_path):
    array = np.zeros((4, 5, 6), np.uint8)
    array[0:2], array[2], array[3] = 1, 2, 77
    path = images.write_image(sitk.GetImageFromArray(array), tmp_path / "a.nii.gz")
    file_labels = read_labels(path)
    assert file_labels.unknown[0].startswith("77 (")
    assert set(np.unique(images.array_of(file_labels.labels))) == {0, 1, 2}


def test_the_liver_of_a_multi_organ_label_file_is_the_liver(shared_data):
    file_labels = read_labels(shared_data / "totalsegmentator" / "ct_3mm_seg117.nii.gz")
    ml = images.array_of(mask_of(file_labels.labels, "liver")).sum() * images.voxel_ml(file_labels.labels)
    assert ml == pytest.approx(1155.0, abs=1)  # the liver and the portal trunk beside it


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Liver", "liver"),
        ("hepatic_vein", "hepatic_vein"),
        ("Hepatic Veins", "hepatic_vein"),
        ("PV", "portal_vein"),
        ("tumor", "tumor"),
        ("IVC", "inferior_vena_cava"),
    ],
)
def test_names_of_others_are_understood(name, key):
    assert match_name(name).key == key


def test_names_and_entries_that_mean_nothing_match_nothing():
    assert match_name("Segment_1") is None
    assert match_terminology("") is None
    assert match_terminology("A~SCT^1^x~SCT^78961009^Spleen~^^~B~^^~^^") is None
    assert match_terminology("A~SCT^49755003^x~SCT^86049000^Neoplasm, Primary~^^~B~^^~^^").key == "tumor"


def test_a_damaged_segmentation_is_named(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    path.write_bytes(b"NRRD0004\ntype: uchar\n")
    with pytest.raises(errors.UnreadableImage, match=r"a\.seg\.nrrd"):
        read_labels(path)
