"""The steps of the pipeline that need no network."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.plan import measures as plan_measures
from LiverPlannerLib.plan import pipeline as plan
from PreopReviewLib import errors, images


def grid(shape=(40, 50, 60), spacing=2.0) -> sitk.Image:
    """An empty image in RAS order: I to the right, J to anterior, K to superior."""
    image = sitk.Image(shape[::-1], sitk.sitkUInt8)
    image.SetSpacing((spacing,) * 3)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    return image


def filled(*boxes, value=1, image=None) -> sitk.Image:
    image = image or grid()
    array = images.array_of(image).copy()
    for box in boxes:
        array[box] = value
    return images.image_like(array, image)


RIGHT = (slice(10, 30), slice(10, 30), slice(38, 55))
LEFT = (slice(10, 30), slice(10, 31), slice(4, 22))
SPECK = (slice(2, 4), slice(2, 4), slice(57, 59))


def test_specks_and_holes_go():
    mask = filled(RIGHT, SPECK)
    hole = filled((slice(18, 20), slice(18, 20), slice(45, 47)), value=0, image=mask)
    kept = images.array_of(plan.plausible_liver(hole))
    np.testing.assert_array_equal(kept, images.array_of(filled(RIGHT)))


def test_of_two_large_components_the_right_one_is_the_liver():
    kept = images.array_of(plan.plausible_liver(filled(RIGHT, LEFT)))
    np.testing.assert_array_equal(kept, images.array_of(filled(RIGHT)))


def test_an_empty_mask_stays_empty():
    assert images.array_of(plan.plausible_liver(grid())).sum() == 0


def test_lesions_outside_the_grown_liver_and_tiny_ones_are_dropped():
    liver = filled(RIGHT)
    inside = (slice(12, 16), slice(12, 16), slice(40, 44))
    bulging = (slice(18, 21), slice(18, 21), slice(53, 58))
    tiny = (slice(25, 26), slice(25, 26), slice(45, 47))
    far = (slice(20, 24), slice(40, 44), slice(40, 44))
    kept = images.array_of(plan.lesions_inside(filled(inside, bulging, tiny, far), liver, 3.0, 0.05))
    assert kept[inside].all()
    assert kept[18:21, 18:21, 53:56].all()
    assert not kept[18:21, 18:21, 57:].any(), "more than 3 mm outside"
    assert not kept[tiny].any()
    assert not kept[far].any()


def test_volumes_count_nested_structures_in_the_liver():
    labels = filled((slice(12, 16), slice(12, 16), slice(40, 44)), value=2, image=filled(RIGHT))
    volumes = plan_measures.measure_volumes(labels, {"liver", "tumor", "cyst"})
    assert volumes == {"liver": pytest.approx(20 * 20 * 17 * 8e-3), "tumor": pytest.approx(64 * 8e-3), "cyst": 0.0}


def test_crumbs_of_lesions_are_given_back_to_the_liver():
    crumb = (slice(12, 13), slice(12, 13), slice(40, 42))
    lesion = (slice(20, 24), slice(20, 24), slice(45, 49))
    labels = filled(crumb, lesion, value=2, image=filled(RIGHT))
    cleaned = images.array_of(plan.without_tiny_lesions(labels, 0.05))
    assert (cleaned[crumb] == 1).all()
    assert (cleaned[lesion] == 2).all()
    assert (cleaned > 0).sum() == (images.array_of(labels) > 0).sum()


def test_regions_are_numbered_by_size_with_center_and_diameter_in_mm():
    small = (slice(12, 13), slice(12, 13), slice(40, 41))
    large = (slice(20, 24), slice(20, 24), slice(45, 49))
    labels = filled(small, large, value=2, image=filled(RIGHT))
    first, second = plan_measures.find_regions(labels)
    assert (first.number, first.voxels, second.number, second.voxels) == (1, 64, 2, 1)
    assert first.diameter_mm == pytest.approx(3 * 2 * np.sqrt(3), abs=0.1)
    assert second.diameter_mm == 0
    assert first.ml == pytest.approx(0.512)
    np.testing.assert_allclose(first.centroid_ras, images.kji_to_ras([[21.5, 21.5, 46.5]], labels)[0], atol=0.01)


def test_flat_regions_have_a_diameter_too():
    flat = (slice(20, 21), slice(20, 24), slice(45, 49))
    assert plan_measures.find_regions(filled(flat, value=3))[0].diameter_mm == pytest.approx(
        3 * 2 * np.sqrt(2), abs=0.1
    )


def test_a_liver_at_the_border_is_told_with_the_side():
    whole = (slice(5, 40), slice(10, 40), slice(10, 50))
    warnings = plan_measures.liver_warnings(filled(whole), 900.0)
    assert len(warnings) == 1
    assert "superior border" in warnings[0]
    assert "not the total liver volume" in warnings[0]
    assert plan_measures.liver_warnings(filled(RIGHT), 900.0) == []


@pytest.mark.parametrize("ml", [120.0, 6000.0])
def test_an_implausible_volume_is_told(ml):
    assert "outside 300 to 5000 ml" in plan_measures.liver_warnings(filled(RIGHT), ml)[0]


def ct() -> sitk.Image:
    rng = np.random.default_rng(0)
    array = rng.normal(60, 10, (40, 50, 60)).astype(np.float32)
    array[:, :5] = -1000
    return images.image_like(array, grid())


def test_a_plan_with_a_given_liver_needs_no_network():
    liver_plan = plan.make_plan(ct(), plan.PlanOptions(lesions=False, structures=False), liver_mask=filled(RIGHT))
    assert liver_plan.models == {"liver": "given"}
    assert liver_plan.volumes_ml == {"liver": pytest.approx(54.4)}
    assert any("outside 300" in w for w in liver_plan.warnings)


def test_a_given_liver_that_is_empty_or_elsewhere_is_refused():
    options = plan.PlanOptions(lesions=False, structures=False)
    with pytest.raises(errors.NothingFound, match="No liver was found in case"):
        plan.make_plan(ct(), options, liver_mask=grid(), source="case")
    with pytest.raises(errors.GeometryError):
        plan.make_plan(ct(), options, liver_mask=grid(spacing=1.0))
    with pytest.raises(errors.InputError, match="empty"):
        plan.labels_from_mask(grid())


def test_tumors_that_no_network_trained_on_patients_confirms_are_named():
    array = np.zeros((8, 10, 20), np.uint8)
    array[1:7, 1:9, 1:19] = 1
    array[2:4, 2:4, 2:4] = 2
    array[4:6, 5:8, 12:16] = 2
    labels = sitk.GetImageFromArray(array)
    labels.SetSpacing((10, 10, 10))
    said = plan_measures.unconfirmed_tumors(labels, "mine 1.0.0")
    assert said.startswith("2 regions of tumor (32.0 ml) found by mine 1.0.0 alone")
    assert plan_measures.unconfirmed_tumors(sitk.Minimum(labels, 1), "mine 1.0.0") is None


def test_structures_beside_the_liver_are_drawn_whole_and_vessels_only_where_they_reach_into_it():
    liver, beside = np.zeros((10, 10, 20), np.uint8), np.zeros((10, 10, 20), np.uint8)
    liver[2:8, 2:8, 2:8] = 1
    beside[2:5, 2:5, 12:15] = 1
    liver_mask, mask = sitk.GetImageFromArray(liver), sitk.GetImageFromArray(beside)
    for key, voxels in (("gallbladder", 27), ("inferior_vena_cava", 27), ("portal_vein", 0), ("liver_vessel", 0)):
        assert images.array_of(plan.drawn_part(mask, key, liver_mask)).sum() == voxels, key
