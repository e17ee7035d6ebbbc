"""Radiomics: analytic shapes and intensities, settings, structures without voxels, agreement of features."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.radiomics import features as radiomics
from LiverPlannerLib.radiomics.agreement import feature_agreement
from LiverPlannerLib.radiomics.features import extract
from LiverPlannerLib.radiomics.names import PYRADIOMICS, family_of, plain_name
from LiverPlannerLib.radiomics.settings import CT, MR, RadiomicsSettings, settings_for, units_of
from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.evaluation.agreement import icc

needs_mirp = pytest.mark.skipif(
    radiomics.find_spec("mirp") is None, reason="the optional package mirp is not installed (extra 'radiomics')"
)
TWO_MM = RadiomicsSettings("test", normalize=False, scale=1, shift=0, bin_width=10, spacing_mm=2)


def image_of(array: np.ndarray, spacing=(2.0, 2.0, 2.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def box_case(spacing=(2.0, 2.0, 2.0)):
    """A liver of 12 × 10 × 8 voxels that is half 60 and half 100, on a ground of 0."""
    values = np.zeros((24, 24, 24), np.float32)
    labels = np.zeros(values.shape, np.uint8)
    labels[6:14, 6:16, 6:18] = 1
    values[6:14, 6:16, 6:12] = 60
    values[6:14, 6:16, 12:18] = 100
    return image_of(values, spacing), image_of(labels, spacing)


@pytest.fixture(scope="module")
def box():
    if radiomics.find_spec("mirp") is None:
        pytest.skip("the optional package mirp is not installed (extra 'radiomics')")
    return extract(*box_case(), TWO_MM).structures[0]


def test_volume_and_axes_of_a_box_are_those_of_geometry(box):
    assert box.voxels == 960
    assert box.features["morph_vol_approx"] == pytest.approx(960 * 8)
    # A principal axis of n equal voxels of 2 mm: 4 · SD = 4 · 2 · √((n² − 1)/12).
    for name, n in (("maj", 12), ("min", 10), ("least", 8)):
        assert box.features[f"morph_pca_{name}_axis"] == pytest.approx(8 * math.sqrt((n**2 - 1) / 12), rel=0.01)


def test_first_order_features_of_two_equal_halves(box):
    f = box.features
    assert (f["stat_mean"], f["stat_min"], f["stat_max"]) == pytest.approx((80, 60, 100))
    assert f["stat_var"] == pytest.approx(400)
    assert f["stat_energy"] == pytest.approx(480 * (60**2 + 100**2))
    assert f["stat_total_energy"] == pytest.approx(8 * f["stat_energy"])
    assert f["ih_entropy"] == pytest.approx(1)  # one bit
    assert f["ih_uniformity"] == pytest.approx(0.5)


def test_zones_of_two_equal_halves_are_two(box):
    assert box.features["szm_z_perc"] == pytest.approx(2 / 960)
    assert box.features["szm_lze"] == pytest.approx(480**2)
    # Levels 1 and 5: floor(60/10) and floor(100/10), counted from the least.
    assert box.features["szm_hgze"] == pytest.approx((1 + 25) / 2)


def test_every_family_of_the_guide_is_there(box):
    families = {family_of(n) for n in box.features}
    assert families == {"shape", "first order", "first order (histogram)", "GLCM", "GLRLM", "GLSZM", "GLDM", "NGTDM"}
    assert set(PYRADIOMICS) <= set(box.features)


def test_names_carry_no_settings(box):
    assert not any(part in n for n in box.features for part in ("_3d", "_d1", "fbs"))


def test_plain_names_leave_out_what_is_no_shape():
    assert plain_name("cm_joint_max_d1_3d_avg_fbsp_w5.0") == "cm_joint_max"
    assert plain_name("ngl_lde_d1_a0.0_3d") == "ngl_lde"
    assert plain_name("morph_moran_i") is None
    assert plain_name("image_voxel_size_x") is None


@needs_mirp
def test_features_of_another_voxel_size_describe_the_same_box():
    fine = extract(*box_case((1.0, 1.0, 4.0)), TWO_MM).structures[0].features
    assert fine["morph_vol_approx"] == pytest.approx(960 * 4, rel=0.05)


@needs_mirp
def test_the_z_score_makes_features_independent_of_gain_and_offset():
    generator = np.random.default_rng(0)
    values = generator.normal(100, 20, (20, 20, 20)).astype(np.float32)
    labels = np.zeros(values.shape, np.uint8)
    labels[5:15, 5:15, 5:15] = 1
    plain = extract(image_of(values), image_of(labels), MR).structures[0].features
    scaled = extract(image_of(values * 3 + 500), image_of(labels), MR).structures[0].features
    for name in ("stat_mean", "stat_energy", "cm_contrast", "rlm_sre", "ngt_contrast"):
        assert scaled[name] == pytest.approx(plain[name], rel=0.01), name
    assert plain["stat_mean"] == pytest.approx(300, abs=15)


@needs_mirp
def test_two_masks_of_one_image_share_grid_and_bins():
    image, labels = box_case()
    whole = extract(image, labels, TWO_MM).structures[0].features
    half = sitk.GetArrayFromImage(labels)
    half[:, :, :12] = 0
    part = extract(image, image_of(half), TWO_MM).structures[0].features
    assert (whole["stat_max"], part["stat_max"]) == pytest.approx((100, 100))
    assert part["ih_uniformity"] == pytest.approx(1)


@needs_mirp
def test_structures_without_voxels_or_with_few_are_noted_and_have_no_features():
    image, labels = box_case()
    array = sitk.GetArrayFromImage(labels)
    array[8:10, 8:10, 8] = 2
    result = extract(image, image_of(array), TWO_MM, structures=["liver", "tumor", "cyst"])
    notes = {s.key: s.note for s in result.structures}
    assert notes == {"liver": "", "tumor": "n/a: 4 voxels at 2 mm are too few", "cyst": "n/a: no voxels"}
    assert result.structures[2].features == {}
    json.dumps(result.as_dict(), allow_nan=False)


@needs_mirp
def test_the_result_names_settings_and_library(box):
    data = extract(*box_case(), MR, structures=["liver"]).as_dict()
    assert data["settings"]["name"] == "gross2024"
    assert (data["settings"]["bin_width"], data["settings"]["scale"], data["settings"]["spacing_mm"]) == (5, 100, 2)
    assert data["library"].startswith("MIRP ")


def test_ct_keeps_hounsfield_units_and_mr_follows_gross():
    assert settings_for("ct") == CT
    assert settings_for("MR") == MR
    assert not CT.normalize
    assert (MR.normalize, MR.scale, MR.bin_width) == (True, 100, 5)
    with pytest.raises(InputError, match="settings for PET"):
        settings_for("PET")


@pytest.mark.parametrize("change", [{"bin_width": 0}, {"spacing_mm": -1}, {"scale": math.nan}])
def test_settings_that_cannot_be_are_an_error(change):
    with pytest.raises(InputError, match="must be positive"):
        RadiomicsSettings(**change)


def test_images_that_cannot_be_used_are_clear_errors(monkeypatch):
    image, labels = box_case()
    moved = image_of(sitk.GetArrayFromImage(labels), (3.0, 2.0, 2.0))
    with pytest.raises(GeometryError, match="another grid"):
        extract(image, moved, TWO_MM)
    with pytest.raises(InputError, match="no structure"):
        extract(image, image_of(np.zeros((24, 24, 24), np.uint8)), TWO_MM)
    with pytest.raises(InputError, match="heart"):
        extract(image, labels, TWO_MM, structures=["heart"])
    monkeypatch.setattr(radiomics, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package mirp"):
        extract(image, labels, TWO_MM)


@needs_mirp
def test_a_constant_image_or_one_with_gaps_is_an_error():
    _, labels = box_case()
    with pytest.raises(InputError, match="constant"):
        extract(image_of(np.full((24, 24, 24), 7, np.float32)), labels, TWO_MM)
    holes = np.zeros((24, 24, 24), np.float32)
    holes[0, 0, 0] = math.nan
    with pytest.raises(InputError, match="not finite"):
        extract(image_of(holes), labels, TWO_MM)


def test_agreement_of_features_is_the_icc_of_each():
    first = [{"a": 1.0, "b": 5.0}, {"a": 2.0, "b": 5.0}, {"a": 4.0, "b": 5.0}]
    second = [{"a": 1.1, "b": 5.0}, {"a": 2.3, "b": 5.0}, {"a": 3.9, "b": 5.0}]
    result = feature_agreement(first, second)
    assert result.values["a"].value == icc([[1, 1.1], [2, 2.3], [4, 3.9]]).value
    assert math.isnan(result.values["b"].value)
    assert result.mean == result.values["a"].value
    assert math.isnan(result.sd)
    assert result.share_excellent == 1


def test_features_that_are_not_defined_everywhere_are_left_out_with_a_reason():
    result = feature_agreement([{"a": 1, "b": 2}, {"a": 2, "b": math.nan}], [{"a": 1, "b": 2}, {"a": 3, "b": 2}])
    assert result.left_out == {"b": "not defined in 1 of 2 cases"}


def test_features_of_one_case_have_no_agreement():
    with pytest.raises(InputError, match="two cases or more, not 1"):
        feature_agreement([{"a": 1}], [{"a": 1}])
    with pytest.raises(InputError, match="do not pair"):
        feature_agreement([{"a": 1}], [])


@needs_mirp
def test_small_changes_of_a_real_mask_leave_most_features_alike(shared_data):
    folder = shared_data / "totalsegmentator"
    image = sitk.ReadImage(str(folder / "mr_3mm_slab.nii.gz"))
    liver = sitk.Cast(sitk.ReadImage(str(folder / "mr_3mm_slab_seg.nii.gz")) == 5, sitk.sitkUInt8)
    grown = sitk.BinaryDilate(liver, [1, 0, 0])
    a, b = (extract(image, m, MR).structures[0].features for m in (liver, grown))
    close = sum(math.isclose(a[n], b[n], rel_tol=0.15) for n in PYRADIOMICS)
    assert close / len(PYRADIOMICS) > 0.6
    assert b["morph_volume"] > a["morph_volume"]


@needs_mirp
def test_every_lesion_is_described_on_its_own_and_all_together_on_request():
    k, j, i = np.indices((30, 30, 60)) * 2.0
    labels = np.ones(k.shape, np.uint8)
    for at, radius in ((24, 12), (94, 8)):
        labels[(k - 30) ** 2 + (j - 30) ** 2 + (i - at) ** 2 < radius**2] = 2
    values = np.random.default_rng(0).normal(0, 10, k.shape).astype(np.float32)
    extracted = extract(image_of(values), image_of(labels), TWO_MM, structures=["tumor"])
    assert [s.region for s in extracted.structures] == ["tumor_1", "tumor_2"]
    assert [s.features["morph_diam"] for s in extracted.structures] == pytest.approx([24, 16], abs=2.5)
    assert not extracted.notes
    group = extract(image_of(values), image_of(labels), TWO_MM, structures=["tumor"], together=True)
    assert group.structures[0].features["morph_diam"] > 80
    assert "2 lesions were taken as one region" in group.notes[0]


def test_the_units_of_features_are_said() -> None:
    assert units_of(CT.normalize, CT.scale, CT.shift).endswith("volumes in mm³, intensities in HU.")
    assert "of the z-score × 100 + 300" in units_of(MR.normalize, MR.scale, MR.shift)
