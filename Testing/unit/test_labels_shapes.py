"""Numbers that could be ours, or another table's, but whose shapes say otherwise: refused, never read as that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.labels import name_our_values, read_labels
from LiverPlannerLib.structures import mask_of
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

MM = 2.0
SHAPE = (60, 80, 110)  # K, J, I; a low I is the patient's right
KK, JJ, II = np.indices(SHAPE)


def ball(center: tuple[int, int, int], radius: float) -> np.ndarray:
    return (KK - center[0]) ** 2 + (JJ - center[1]) ** 2 + (II - center[2]) ** 2 <= radius**2


def tube(a: tuple[int, int, int], b: tuple[int, int, int], radius: float) -> np.ndarray:
    start, way = np.array(a, float), np.subtract(b, a).astype(float)
    points = np.stack([KK, JJ, II], -1) - start
    along = np.clip(points @ way / (way @ way), 0, 1)
    return np.linalg.norm(points - along[..., None] * way, axis=-1) <= radius


LIVER = ((KK - 30) / 26) ** 2 + ((JJ - 40) / 34) ** 2 + ((II - 40) / 36) ** 2 < 1
VEINS = tube((30, 40, 30), (30, 40, 58), 2.5)
for end in ((44, 40, 70), (16, 40, 70), (30, 22, 68), (30, 60, 68)):
    VEINS |= tube((30, 40, 58), end, 1.6)
for end in ((46, 34, 18), (14, 46, 18), (30, 18, 16), (30, 62, 16)):
    VEINS |= tube((30, 40, 30), end, 1.6)
VEINS &= LIVER
TUMOR = ball((38, 52, 38), 6)
FLAT = (((KK - 30) / 13) ** 2 + ((JJ - 40) / 13) ** 2 + ((II - 8) / 3) ** 2 < 1) & LIVER  # under the capsule
CLUSTER = np.logical_or.reduce([ball((c, r, 44), 3) for c in (20, 26, 32) for r in (28, 34, 40)])


def write(path: Path, **values: np.ndarray) -> Path:
    array = np.zeros(SHAPE, np.uint8)
    for value, mask in values.items():
        array[mask] = int(value.removeprefix("v"))
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((MM, MM, MM))
    sitk.WriteImage(image, str(path), True)
    return path


@pytest.mark.parametrize(
    "values",
    [
        {"v1": LIVER, "v2": VEINS},
        {"v1": LIVER, "v2": TUMOR, "v3": VEINS},
        {"v1": LIVER, "v2": VEINS, "v3": TUMOR},
        {"v1": LIVER, "v2": TUMOR, "v3": VEINS & (KK <= 30), "v4": VEINS & (KK > 30)},
    ],
    ids=["liver-vessels", "liver-tumor-vessels", "liver-vessels-tumor", "liver-tumor-two-vessels"],
)
def test_a_tree_of_vessels_is_no_tumor_and_no_cyst(tmp_path, values):
    with pytest.raises(InputError, match="another label table"):
        read_labels(write(tmp_path / "a.nii.gz", **values))


@pytest.mark.parametrize("lesion", [TUMOR, FLAT, CLUSTER, TUMOR | FLAT], ids=["ball", "flat", "cluster", "two"])
def test_lesions_of_other_shapes_are_lesions(tmp_path, lesion):
    read = read_labels(write(tmp_path / "a.nii.gz", v1=LIVER, v3=lesion))
    assert int(images.array_of(mask_of(read.labels, "cyst")).sum()) == lesion.sum()
    assert read.notes == []


def test_names_are_believed_before_shapes_but_the_doubt_is_said(tmp_path):
    path = write(tmp_path / "a.nii.gz", v1=LIVER, v2=VEINS)
    read = read_labels(path, {1: "liver", 2: "tumor"})
    assert any("a tumor with the shape of a vessel tree" in note for note in read.notes)


def test_a_file_that_we_wrote_says_that_its_numbers_are_ours(tmp_path):
    path = write(tmp_path / "a.nii.gz", v1=LIVER, v2=VEINS)
    name_our_values(path)
    read = read_labels(path)
    assert (read.notes, read.unknown, read.sentences) == ([], [], [])
    assert int(images.array_of(mask_of(read.labels, "tumor")).sum()) == VEINS.sum()


@pytest.mark.parametrize("value", [4, 5, 6])
def test_a_lesion_with_a_number_that_another_table_has_is_no_organ_beside_the_liver(tmp_path, value):
    """FLARE22 calls 4 to 6 pancreas, aorta and cava, which do not lie inside a liver."""
    with pytest.raises(InputError, match="another label table"):
        read_labels(write(tmp_path / "a.nii.gz", v1=LIVER, **{f"v{value}": ball((30, 40, 40), 15)}))


def test_two_kidneys_are_no_liver(tmp_path):
    right, left = ball((30, 50, 24), 14), ball((30, 50, 86), 14)
    with pytest.raises(InputError, match="another label table"):
        read_labels(write(tmp_path / "kits.nii.gz", v1=right | left, v2=ball((30, 44, 24), 4)))
    above = ball((14, 40, 40), 12) | ball((46, 40, 40), 12)  # slices without a label between are no sign of that
    assert read_labels(write(tmp_path / "gap.nii.gz", v1=above)).notes == []


def test_a_liver_alone_under_the_number_of_a_tumor_is_refused(tmp_path):
    with pytest.raises(InputError, match="another label table"):
        read_labels(write(tmp_path / "a.nii.gz", v2=LIVER))


def _body(numbers: dict[str, int]) -> dict[str, np.ndarray]:
    masks = {
        "spleen": ball((34, 58, 96), 10),
        "liver": LIVER,
        "portal": VEINS,
        "left adrenal": ball((22, 60, 84), 3),
        "rib": tube((20, 12, 88), (34, 30, 104), 2),
        "other": ball((4, 70, 60), 3),
    }
    return {f"v{number}": masks[name] for name, number in numbers.items()}


def test_both_versions_of_totalsegmentator_are_told_apart_by_where_the_portal_vein_lies(tmp_path):
    first = write(tmp_path / "1.nii.gz", **_body({"spleen": 1, "liver": 5, "portal": 9, "rib": 64, "other": 40}))
    read = read_labels(first)
    assert read.how == "by its values and shapes, which match TotalSegmentator 1"
    assert int(images.array_of(mask_of(read.labels, "portal_vein")).sum()) == VEINS.sum()
    second = write(
        tmp_path / "2.nii.gz", **_body({"spleen": 1, "liver": 5, "left adrenal": 9, "portal": 64, "other": 40})
    )
    read = read_labels(second)
    assert read.how == "by its values and shapes, which match TotalSegmentator total"
    assert int(images.array_of(mask_of(read.labels, "portal_vein")).sum()) == VEINS.sum()


def test_a_liver_and_its_portal_vein_alone_are_those_of_the_second_version(tmp_path):
    """In the first one 64 is a rib of the left side, which does not lie against the liver."""
    read = read_labels(write(tmp_path / "a.nii.gz", v5=LIVER, v64=VEINS))
    assert read.how == "by its values and shapes, which match TotalSegmentator total"
    assert set(np.unique(images.array_of(read.labels))) == {0, 1, 5}


def test_a_spleen_and_a_liver_are_told_from_a_liver_and_an_aorta(tmp_path):
    read = read_labels(write(tmp_path / "a.nii.gz", v1=ball((34, 58, 96), 10), v5=LIVER))
    assert int(images.array_of(mask_of(read.labels, "liver")).sum()) == LIVER.sum()
