"""Grids: orientation, resampling, boxes, voxel and patient coordinates."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from PreopReviewLib import errors, images


def oblique(size=(12, 10, 8), angles=(0.3, -0.2, 0.5), spacing=(1.5, 2.0, 3.0)) -> sitk.Image:
    rng = np.random.default_rng(3)
    image = sitk.GetImageFromArray(rng.normal(size=size[::-1]).astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin((5.0, -7.0, 11.0))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix())
    return image


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SRA", "AIL"])
def test_orienting_keeps_every_voxel_at_its_place(axes):
    image = oblique()
    turned = images.orient(image, axes)
    rng = np.random.default_rng(0)
    for _ in range(20):
        index = [int(rng.integers(s)) for s in turned.GetSize()]
        point = turned.TransformIndexToPhysicalPoint(index)
        assert turned[index] == image[image.TransformPhysicalPointToIndex(point)]


def test_orient_ras_means_that_indices_increase_to_right_anterior_superior():
    turned = images.orient(oblique(angles=(0.1, 0.05, 0.1)), "RAS")
    steps = np.diff(images.kji_to_ras(np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]]), turned), axis=0)
    assert (np.diag(steps) > 0).all()


def test_ras_is_lps_with_two_signs_turned():
    image = oblique()
    point = np.array(image.TransformIndexToPhysicalPoint((3, 4, 5)))
    np.testing.assert_allclose(images.kji_to_ras([[5, 4, 3]], image)[0], point * [-1, -1, 1], atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.floats(-20, 20)] * 3))
def test_patient_and_voxel_coordinates_are_inverse(point):
    image = oblique()
    there = images.kji_to_ras(np.array([point]), image)
    np.testing.assert_allclose(images.ras_to_kji(there, image)[0], point, atol=1e-6)


def test_resampling_to_another_spacing_keeps_the_field_of_view():
    image = oblique()
    for spacing in ((1.0, 1.0, 1.0), (4.0, 4.0, 4.0)):
        other = images.resample_spacing(image, spacing)
        for size, old, new, count in zip(
            image.GetSize(), image.GetSpacing(), other.GetSpacing(), other.GetSize(), strict=True
        ):
            assert size * old == pytest.approx(new * count)
        first = image.TransformContinuousIndexToPhysicalPoint((-0.5,) * 3)
        np.testing.assert_allclose(other.TransformContinuousIndexToPhysicalPoint((-0.5,) * 3), first, atol=1e-9)


def test_resampling_a_constant_leaves_no_dark_border():
    image = oblique() * 0 + 7
    finer = images.resample_spacing(image, (0.7, 0.9, 1.1))
    np.testing.assert_allclose(images.array_of(finer), 7, atol=1e-5)


def test_resampling_a_linear_ramp_is_exact_inside():
    image = oblique(angles=(0, 0, 0))
    k, j, i = np.indices(images.array_of(image).shape)
    ramp = images.image_like((2.0 * i + 3.0 * j - k).astype(np.float32), image)
    finer = images.resample_spacing(ramp, (0.75, 1.0, 1.5))
    back = images.resample_to(finer, ramp)
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(images.array_of(back)[inner], images.array_of(ramp)[inner], atol=1e-3)


def test_resampling_labels_invents_no_value():
    labels = np.zeros((8, 10, 12), np.uint8)
    labels[2:6, 2:5, 2:10] = 1
    labels[2:6, 5:8, 2:10] = 9
    image = images.image_like(labels, oblique())
    for spacing in ((0.8, 0.8, 0.8), (4.0, 4.0, 4.0)):
        assert set(np.unique(images.array_of(images.resample_spacing(image, spacing, "label")))) <= {0, 1, 9}


def test_an_impossible_spacing_is_refused():
    with pytest.raises(errors.InputError, match="three positive numbers"):
        images.resample_spacing(oblique(), (1.0, 0.0, 1.0))


def test_crop_and_paste_are_exact_inverses():
    image = oblique()
    box = images.Box((1, 2, 3), (6, 7, 11))
    part = images.crop(image, box)
    np.testing.assert_array_equal(images.array_of(part), images.array_of(image)[box.slices])
    index = (2, 1, 0)
    np.testing.assert_allclose(
        part.TransformIndexToPhysicalPoint(index),
        image.TransformIndexToPhysicalPoint([a + b for a, b in zip(index, box.start[::-1], strict=True)]),
    )
    back = images.paste(part, image * 0, box)
    expected = np.zeros_like(images.array_of(image))
    expected[box.slices] = images.array_of(image)[box.slices]
    np.testing.assert_array_equal(images.array_of(back), expected)
    with pytest.raises(errors.GeometryError):
        images.paste(image, image, box)


def test_the_bounding_box_has_its_margin_in_mm_and_stays_inside():
    mask = np.zeros((8, 10, 12), np.uint8)
    mask[3, 4, 5] = 1
    image = images.image_like(mask, oblique())
    assert images.bounding_box(image) == images.Box((3, 4, 5), (4, 5, 6))
    assert images.bounding_box(image, 3.0) == images.Box((2, 2, 3), (5, 7, 8))
    assert images.bounding_box(image, 999.0) == images.Box((0, 0, 0), (8, 10, 12))
    with pytest.raises(errors.InputError, match="empty"):
        images.bounding_box(image * 0)


def test_same_grid_sees_small_shifts_turns_and_sizes():
    image = oblique()
    assert images.same_grid(image, oblique())
    moved = oblique()
    moved.SetOrigin((5.1, -7.0, 11.0))
    assert not images.same_grid(image, moved)
    assert not images.same_grid(image, oblique(angles=(0.3, -0.2, 0.51)))
    assert not images.same_grid(image, oblique(size=(12, 10, 9)))


def test_a_view_of_a_temporary_image_keeps_its_voxels():
    views = [images.array_of(oblique((60, 60, 60)) * 0 + n) for n in range(8)]
    assert [float(v.max()) for v in views] == list(range(8))
    assert not views[0].flags.writeable


def test_an_array_of_another_shape_is_refused():
    with pytest.raises(errors.GeometryError):
        images.image_like(np.zeros((3, 3, 3)), oblique())


def test_no_view_is_taken_of_an_image_that_nobody_holds():
    import re
    from pathlib import Path

    libraries = Path(__file__).resolve().parents[2]
    views = [
        (path.name, call)
        for path in libraries.glob("*/*Lib/**/*.py")
        for call in re.findall(r"GetArrayViewFromImage\((.*)", path.read_text(encoding="utf-8"))
    ]
    assert views
    assert [v for v in views if not re.match(r"\w+\)", v[1])] == [], "use images.array_of, which keeps the image alive"
