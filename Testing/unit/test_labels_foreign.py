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
        ("WORD", {"liver": 1, "spleen": 2, "lk": 3, "rk": 4}),
        ("CHAOS", {"liver": 63, "rk": 126, "lk": 189, "spleen": 252}),
        ("CHAOS", {"liver": 1, "rk": 2, "lk": 3, "spleen": 4}),
    ],
)
def test_the_liver_of_a_public_numbering_is_the_liver_and_nothing_else_is(tmp_path, table, numbers):
    read = read_labels(write(organs(numbers), tmp_path / "a.nii.gz"))
    assert table in read.how
    assert ml_of(read.labels, "liver") == pytest.approx(LIVER.sum() * ML)
    assert {1} <= set(np.unique(images.array_of(read.labels)))
    assert len(read.unknown) == 3


def test_btcv_and_amos_are_told_apart_by_the_sides_of_the_adrenals(tmp_path):
    """Where they are, 12 and 13 (BTCV) or 11 and 12 (AMOS); without any, both say the same of the liver."""
    right, left, middle = ball((12, 44, 30), 2), ball((12, 44, 54), 2), ball((10, 36, 42), 4)
    array = organs({"spleen": 1, "rk": 2, "lk": 3, "liver": 6})
    btcv, amos = array.copy(), array.copy()
    for value, mask in ((10, ball((20, 44, 30), 2)), (11, middle), (12, right), (13, left)):
        btcv[mask & (array == 0)] = value
    for value, mask in ((10, middle), (11, right), (12, left), (13, ball((6, 36, 34), 4))):
        amos[mask & (array == 0)] = value
    read = read_labels(write(btcv, tmp_path / "b.nii.gz"))
    assert read.how == "by its values and shapes, which match BTCV"
    assert ml_of(read.labels, "portal_vein") == pytest.approx((btcv == 10).sum() * ML)
    assert read_labels(write(amos, tmp_path / "a.nii.gz")).how == "by its values and shapes, which match AMOS"
    array[middle & (array == 0)] = 10
    with pytest.raises(InputError, match="another label table"):
        read_labels(write(array, tmp_path / "c.nii.gz"))


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
    assert {1} <= set(np.unique(images.array_of(read.labels)))


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
    with pytest.raises(InputError, match=rf"40 \({LIVER.sum() * ML:.0f} ml\).*which structure each value is"):
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
    meaning = match_name(name)
    assert (meaning and meaning.key) == key


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


def test_names_put_into_a_header_are_read_and_change_no_voxel(tmp_path):
    array = np.zeros((12, 16, 20), np.uint8)
    array[2:10, 3:12, 4:16], array[5:8, 5:8, 6:9] = 1, 2
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.5, 1.5, 4))
    path = images.write_image(image, tmp_path / "a.nii.gz")
    images.name_nifti_values(path, {1: "liver", 2: "portal_vein & <more>"})
    assert np.array_equal(np.asarray(nib.load(path).dataobj).T, array)
    assert np.array_equal(images.array_of(images.read_image(path)), array)
    assert images.read_image(path).GetSpacing() == (1.5, 1.5, 4)
    read = read_labels(path)
    assert read.how == "by the names in its header"
    assert read.unknown[0].startswith("portal_vein & <more> (2)")
    images.name_nifti_values(images.write_image(image, path), {1: "liver", 2: "portal_vein"})
    assert set(np.unique(images.array_of(read_labels(path).labels))) == {0, 1, 5}
    with pytest.raises(InputError, match="no room"):
        images.name_nifti_values(path, {1: "liver"})


def two_lesions(tmp_path, names):
    """A liver with two lesions side by side, as values 11 and 12 that a file beside it names."""
    array = np.zeros((20, 24, 28), np.uint8)
    array[2:18, 2:22, 2:26] = 5
    array[8:12, 8:12, 8:12], array[8:12, 8:12, 12:18] = 11, 12
    path = tmp_path / "case.nii.gz"
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((4, 4, 4))
    images.write_image(image, path)
    words = {5: "liver", **dict(zip((11, 12), names, strict=True))}
    (tmp_path / "case.label").write_text("\n".join(f'{v} 1 1 1 1 1 1 "{n}"' for v, n in words.items()))
    return path


def test_lesions_of_their_own_values_stay_apart_where_they_touch(tmp_path):
    from LiverPlannerLib.comparison.pair import compare
    from LiverPlannerLib.plan.measures import find_regions
    from LiverPlannerLib.resection.cutting import Plane, resect_by_planes, with_drawn_lesions
    from LiverPlannerLib.resection.margins import measure_margins

    read = read_labels(two_lesions(tmp_path, ("Tumor 1", "HCC S8")))
    labels, drawn = read.labels, read.lesions
    assert [(r.name, r.voxels) for r in find_regions(labels, drawn)] == [("HCC S8 (12)", 96), ("Tumor 1 (11)", 64)]
    assert [r.voxels for r in find_regions(labels)] == [160], "without it, what touches is one"
    cut = with_drawn_lesions(resect_by_planes(labels, [Plane((-46, 0, 0), (-1, 0, 0))]), labels, drawn)
    assert [(x.name, x.fate) for x in cut.lesions] == [("HCC S8 (12)", "resected"), ("Tumor 1 (11)", "in the remnant")]
    assert not any("cuts through" in note for note in cut.notes)
    margins = measure_margins(labels, cut, drawn=drawn)
    assert [(x.number, x.name, x.voxels) for x in margins.lesions] == [(1, "HCC S8 (12)", 96), (2, "Tumor 1 (11)", 64)]
    assert margins.as_rows()[0]["name"] == "HCC S8 (12)"
    same = compare(labels, labels, drawn_prediction=drawn, drawn_reference=drawn)
    assert (same.detection["tumor"].found, len(same.detection["tumor"].lesions)) == (2, 2)
    merged = compare(labels, labels, drawn_reference=drawn)
    assert [x.outcome for x in merged.detection["tumor"].lesions] == ["merged"]


def test_a_tumor_and_a_cyst_that_touch_are_decided_one_by_one(tmp_path):
    from LiverPlannerLib.cysts.filter import filter_cysts

    read = read_labels(two_lesions(tmp_path, ("Tumor 1", "Tumor 2")))
    values = np.array([-100, 110, 0, 0, 0, 110, 0, 0, 0, 0, 0, 60, 8], float)
    array = images.array_of(images.read_image(tmp_path / "case.nii.gz"))
    hu = values[array] + np.random.default_rng(0).normal(0, 5, array.shape)
    hu[:2] = -1000
    image = images.image_like(hu.astype(np.int16), read.labels)
    filtered = filter_cysts(image, read.labels, lesions_are="labels", split_touching=False, drawn=read.lesions)
    assert [(r.voxels, r.decision) for r in filtered.regions] == [(96, "cyst"), (64, "tumor")]
    together = filter_cysts(image, read.labels, lesions_are="labels", split_touching=False)
    assert [r.voxels for r in together.regions] == [160]


def test_lesions_that_share_voxels_are_told_and_the_smaller_one_keeps_them(tmp_path):
    from LiverPlannerLib.labels.joining import Part, joined
    from LiverPlannerLib.structures import structure

    shape = (20, 24, 28)
    reference = sitk.Image(shape[::-1], sitk.sitkUInt8)
    masks = [np.zeros(shape, bool) for _ in range(3)]
    masks[0][2:18, 2:22, 2:26] = True
    masks[1][5:8, 5:8, 5:8] = True
    masks[2][5:10, 5:10, 5:10] = True
    kinds = ("liver", "tumor", "tumor")
    names = ("Liver", "Tumor 1", "All tumors")
    parts = [Part.of(n, m, structure(k)) for n, m, k in zip(names, masks, kinds, strict=True)]
    parts_joined = joined(tmp_path / "x", reference, parts, "by hand")
    assert np.bincount(parts_joined.lesions.array.ravel()).tolist()[1:] == [27, 98]
    assert "0.027 ml are both All tumors and Tumor 1, and count as the latter." in parts_joined.notes


def test_lesions_stay_apart_on_another_grid(tmp_path):
    read = read_labels(two_lesions(tmp_path, ("Tumor 1", "Tumor 2")))
    fine = sitk.Image(70, 60, 50, sitk.sitkUInt8)
    fine.SetSpacing((1.6, 1.6, 1.6))
    fine.SetOrigin((-2, -2, -2))
    moved = read.onto(fine)
    ml = np.bincount(moved.lesions.array.ravel())[1:] * images.voxel_ml(fine)
    assert ml == pytest.approx([64 * 0.064, 96 * 0.064], rel=0.05)
    assert np.array_equal(moved.lesions.array > 0, images.array_of(moved.labels) == 2)
    assert any("resampled" in note for note in moved.notes)


def test_a_cropped_label_file_does_not_say_that_the_liver_reaches_the_edge_of_the_image(tmp_path):
    from LiverPlannerLib.resection.volumetry import volumetry

    array = np.ones((20, 24, 28), np.uint8)
    path = images.write_image(sitk.GetImageFromArray(array), tmp_path / "cropped.nii.gz")
    assert not any("edge" in note for note in volumetry(read_labels(path).labels).notes)
    array[0] = 0
    path = images.write_image(sitk.GetImageFromArray(array), tmp_path / "cut_off.nii.gz")
    assert any("edge" in note for note in volumetry(read_labels(path).labels).notes)


def test_regions_of_a_data_set_name_their_smallest_values(tmp_path):
    array = np.zeros((20, 24, 28), np.uint8)
    array[2:18, 2:22, 2:26], array[8:12, 8:12, 8:12] = 1, 2
    path = images.write_image(sitk.GetImageFromArray(array), tmp_path / "a.nii.gz")
    labels = {"background": 0, "whole liver": [1, 2], "tumor": 2}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels, "regions_class_order": [1, 2]}))
    assert np.array_equal(images.array_of(read_labels(path).labels), array)


def test_what_reading_the_image_of_the_labels_decided_is_said(tmp_path):
    array = np.zeros((28, 24, 20), np.uint8)
    array[2:26, 2:22, 2:18] = 1
    turned = nib.Nifti1Image(array, np.diag([2.0, 2, 2, 1]))
    turned.set_sform(np.diag([2.0, 2, 2, 1]), 1)
    moved = np.diag([2.0, 2, 2, 1])
    moved[:3, 3] = 40
    turned.set_qform(moved, 1)
    nib.save(turned, tmp_path / "a.nii.gz")
    assert any("qform and sform differ" in note for note in read_labels(tmp_path / "a.nii.gz").notes)
