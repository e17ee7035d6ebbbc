"""Labels of other people: whose numbers they are, by names, by numbers and shapes, by a mapping, or refused."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.labels import match_code, match_name, parse_mapping, read_labels, read_mask
from LiverPlannerLib.labels.names import couinaud_names, match_segment
from LiverPlannerLib.structures import mask_of, structure
from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, InputError

MM = 4.0
ML = MM**3 / 1000


def ball(center: tuple[int, int, int], radius: float) -> np.ndarray:
    k, j, i = np.indices((40, 60, 80))
    return (k - center[0]) ** 2 + (j - center[1]) ** 2 + (i - center[2]) ** 2 <= radius**2


LIVER, SPLEEN = ball((22, 30, 22), 17), ball((22, 40, 66), 9)  # LPS: a low index I is the patient's right
RIGHT_KIDNEY, LEFT_KIDNEY = ball((6, 48, 25), 6), ball((8, 50, 58), 6)
TUMOR = ball((22, 30, 20), 5)


def organs(numbers: dict[str, int]) -> np.ndarray:
    array = np.zeros(LIVER.shape, np.uint8)
    masks = {"spleen": SPLEEN, "rk": RIGHT_KIDNEY, "lk": LEFT_KIDNEY, "liver": LIVER, "tumor": TUMOR}
    for name, value in numbers.items():
        array[masks[name]] = value
    return array


def write(array: np.ndarray, path, extension: str | None = None):
    image = nib.Nifti1Image(array.transpose(2, 1, 0), np.diag([-MM, -MM, MM, 1]))
    if extension is not None:
        image.header.extensions.append(nib.nifti1.Nifti1Extension(0, extension.encode()))
    nib.save(image, path)
    return path


def names_xml(names: dict[int, str]) -> str:
    body = "".join(f'<Label Key="{k}" Red="1"><![CDATA[{v}]]></Label>' for k, v in names.items())
    return f'<?xml version="1.0"?><CaretExtension><LabelTable>{body}</LabelTable></CaretExtension>'


def ml_of(labels: sitk.Image, key: str) -> float:
    return float(images.array_of(mask_of(labels, key)).sum()) * images.voxel_ml(labels)


@pytest.mark.parametrize(
    ("table", "numbers"),
    [
        ("AMOS", {"spleen": 1, "rk": 2, "lk": 3, "liver": 6}),
        ("TotalSegmentator", {"spleen": 1, "rk": 2, "lk": 3, "liver": 5}),
        ("FLARE22", {"liver": 1, "rk": 2, "spleen": 3, "lk": 13}),
        ("CHAOS", {"liver": 63, "rk": 126, "lk": 189, "spleen": 252}),
        ("CHAOS", {"liver": 1, "rk": 2, "lk": 3, "spleen": 4}),
    ],
)
def test_the_liver_of_a_public_numbering_is_the_liver_and_nothing_else_is(tmp_path, table, numbers):
    read = read_labels(write(organs(numbers), tmp_path / "a.nii.gz"))
    assert table in read.how
    assert ml_of(read.labels, "liver") == pytest.approx(LIVER.sum() * ML)
    assert set(np.unique(images.array_of(read.labels))) == {0, 1}
    assert len(read.unknown) == 3


def test_our_own_numbers_stay_what_they_are(tmp_path):
    read = read_labels(write(organs({"liver": 1, "tumor": 2}), tmp_path / "a.nii.gz"))
    assert (read.notes, read.unknown) == ([], [])
    assert ml_of(read.labels, "tumor") == pytest.approx(TUMOR.sum() * ML)


def test_names_in_the_header_are_believed_before_numbers(tmp_path):
    array = organs({"spleen": 1, "liver": 5})
    read = read_labels(write(array, tmp_path / "a.nii.gz", names_xml({1: "spleen", 5: "liver"})))
    assert "names in its header" in read.how
    assert ml_of(read.labels, "liver") == pytest.approx(LIVER.sum() * ML)
    segments = np.zeros_like(array)
    for n in range(8):
        segments[LIVER & (np.indices(LIVER.shape)[2] % 8 == n)] = n + 1
    read = read_labels(
        write(segments, tmp_path / "s.nii.gz", names_xml({n: f"liver_segment_{n}" for n in range(1, 9)}))
    )
    assert set(np.unique(images.array_of(read.labels))) == {0, 1}


def test_a_data_set_beside_or_above_the_file_names_its_values(tmp_path):
    (tmp_path / "labelsTr").mkdir()
    path = write(organs({"liver": 1, "tumor": 4}), tmp_path / "labelsTr" / "a.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 1, "portal_vein": 4}}))
    assert ml_of(read_labels(path).labels, "portal_vein") == pytest.approx(TUMOR.sum() * ML)
    (tmp_path / "labelsTr" / "a.txt").write_text(
        '# ITK-SnAP\n0 0 0 0 0 0 0 "Clear Label"\n1 9 9 9 1 1 1 "Liver"\n4 9 9 9 1 1 1 "HCC S8"\n'
    )
    assert ml_of(read_labels(path).labels, "tumor") == pytest.approx(TUMOR.sum() * ML)


def test_a_mapping_is_believed_before_all_and_checked(tmp_path):
    path = write(organs({"liver": 7, "tumor": 21}), tmp_path / "a.nii.gz", names_xml({7: "spleen"}))
    read = read_labels(path, parse_mapping("liver=7,tumour=21"))
    assert ml_of(read.labels, "tumor") == pytest.approx(TUMOR.sum() * ML)
    assert "liver=7" in read.how
    (tmp_path / "map.csv").write_text("value,name\n7,liver\n21,cyst\n")
    assert ml_of(read_labels(path, parse_mapping(str(tmp_path / "map.csv"))).labels, "cyst") > 0
    with pytest.raises(InputError, match="'heart'"):
        read_labels(path, parse_mapping("heart=7"))
    with pytest.raises(InputError, match="two names"):
        parse_mapping("liver=7,tumor=7")
    with pytest.raises(FileMissing, match=r"gone\.json"):
        parse_mapping("gone.json")


def test_what_no_table_explains_is_refused_with_values_and_volumes(tmp_path):
    path = write(organs({"liver": 40, "spleen": 200}), tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=rf"40 \({LIVER.sum() * ML:.0f} ml\).*--labels"):
        read_labels(path)


def test_a_vessel_tree_with_tumors_is_not_a_liver(tmp_path):
    k, j, i = np.indices(LIVER.shape)
    tree = ((abs(k - 20) < 2) & (abs(j - 30) < 2)) | ((abs(i - 40) < 2) & (abs(j - 30) < 2))
    array = tree.astype(np.uint8)
    array[ball((10, 20, 20), 4)] = 2
    read = read_labels(write(array, tmp_path / "a.nii.gz"))
    assert "liver_vessels" in read.how
    assert ml_of(read.labels, "liver_vessel") == pytest.approx((array == 1).sum() * ML)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Tumor 1", "tumor"),
        ("Tumour_2", "tumor"),
        ("HCC S8", "tumor"),
        ("Metastasis 4", "tumor"),
        ("liver_lesion", "tumor"),
        ("Hepatic cyst 12", "cyst"),
        ("portal_vein_and_splenic_vein", "portal_vein"),
        ("liver_vessels", "liver_vessel"),
        ("kidney cyst", None),
        ("pancreatic mass", None),
        ("Lung lesion", None),
        ("splenic vein", None),
    ],
)
def test_names_with_numbers_and_places_are_understood_and_other_organs_are_not(name, key):
    found = match_name(name)
    assert (found and found.key) == key


def test_a_lesion_of_another_organ_is_no_lesion_of_the_liver():
    cyst = ("SCT", "367643001", "Cyst")
    assert match_code(cyst) == structure("cyst")
    assert match_code(cyst, "10200004") == structure("cyst")
    assert match_code(cyst, "277962002") == structure("cyst")
    assert match_code(cyst, "64033007") is None


@pytest.mark.parametrize(
    ("name", "number"),
    [("liver_segment_4", 4), ("Segment VIII", 8), ("S4a", 4), ("Couinaud segment 2", 2), ("Segment_1", 1), ("5", None)],
)
def test_couinaud_segments_are_known_by_name(name, number):
    assert match_segment(name) == number


def test_a_segment_that_nobody_named_is_no_couinaud_segment():
    assert couinaud_names(["Segment_1", "Segment_2"]) == set()
    assert couinaud_names(["liver_segment_2", "Segment_1"]) == {"liver_segment_2"}
    assert len(couinaud_names([f"Segment {n}" for n in range(1, 9)])) == 8


def test_where_a_mask_is_asked_for_whatever_is_not_0_is_in_it(tmp_path):
    for value, kind in ((255, np.uint8), (1, np.float32), (3, np.int16)):
        path = write((TUMOR * value).astype(kind), tmp_path / f"{value}.nii.gz")
        assert (images.array_of(read_mask(path, ("liver",))) == TUMOR).all()
    both = write(organs({"liver": 1, "tumor": 2}), tmp_path / "both.nii.gz")
    assert (images.array_of(read_mask(both, ("liver",))) == LIVER).all()
    with pytest.raises(InputError, match="remnant"):
        read_mask(both, ("remnant",))
