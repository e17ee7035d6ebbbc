"""The one rule for two grids: same lattice by index, other lattice without losing what is thin, no overlap refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError


def labels_of(array: np.ndarray, spacing=(0.8, 0.9, 5.0), origin=(-20.0, 13.0, 7.0), angle: float = 0.0) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    image.SetDirection((c, -s, 0, s, c, 0, 0, 0, 1))
    return image


@pytest.fixture
def drawn() -> sitk.Image:
    """A liver with lesions of 1, 2 and 8 voxels and a diagonal vein one voxel wide, all inside a margin."""
    array = np.zeros((14, 40, 36), np.uint8)
    array[3:11, 5:35, 5:31] = 1
    array[4, 8, 8] = 2
    array[5, 20, 20:22] = 2
    array[6:8, 28:30, 26:28] = 2
    for step in range(6):
        array[4 + step, 10 + step, 10 + step] = 5
    return labels_of(array, angle=11.0)


def moves() -> dict[str, object]:
    return {
        "flipped": lambda i: sitk.Flip(i, [True, False, True]),
        "permuted": lambda i: sitk.PermuteAxes(i, [2, 0, 1]),
        "both": lambda i: sitk.Flip(sitk.PermuteAxes(i, [1, 2, 0]), [False, True, True]),
        "cropped": lambda i: i[4:33, 3:37, 2:12],
        "padded": lambda i: sitk.ConstantPad(i, [3, 0, 2], [0, 5, 1]),
    }


@pytest.mark.parametrize("name", moves())
def test_on_one_lattice_every_voxel_keeps_its_value(drawn, name):
    other = moves()[name](drawn)
    there = images.onto_grid(other, drawn)
    assert (there.exact, there.notes, there.outside_ml) == (True, [], {})
    assert (images.array_of(there.labels) == images.array_of(drawn)).all()
    back = images.onto_grid(drawn, other)
    assert (images.array_of(back.labels) == images.array_of(other)).all()
    assert back.labels.GetOrigin() == other.GetOrigin()


@pytest.mark.parametrize("angle", [1e-4, 0.006, 0.05, 0.09])
def test_headers_that_differ_by_rounding_are_one_lattice(drawn, angle):
    turned = labels_of(images.array_of(drawn), angle=11.0 + angle, origin=(-20.0005, 13.0, 7.0))
    moved = images.onto_grid(turned, drawn)
    assert moved.exact
    assert (images.array_of(moved.labels) == images.array_of(drawn)).all()
    assert moved.labels.GetDirection() == drawn.GetDirection()


@pytest.mark.parametrize(
    "other",
    [
        {"angle": 11.5},
        {"angle": 11.0, "origin": (-19.7, 13.0, 7.0)},
        {"angle": 11.0, "spacing": (0.82, 0.9, 5.0)},
    ],
)
def test_a_real_turn_shift_or_scale_is_another_lattice_and_is_said(drawn, other):
    moved = images.onto_grid(labels_of(images.array_of(drawn), **other), drawn)
    assert not moved.exact
    assert "resampled" in moved.notes[0]


def test_no_lesion_and_no_vein_vanishes_on_a_coarser_grid(drawn):
    coarse = images.resample_spacing(sitk.Image(drawn) * 0, (2.0, 2.0, 7.0), "nearest")
    moved = images.array_of(images.onto_grid(drawn, coarse).labels)
    import cc3d

    assert cc3d.connected_components(moved == 2, return_N=True, connectivity=26)[1] == 3
    volume = {v: (moved == v).sum() * images.voxel_ml(coarse) for v in (1, 5)}
    array = images.array_of(drawn)
    assert volume[5] == pytest.approx((array == 5).sum() * images.voxel_ml(drawn), abs=images.voxel_ml(coarse))
    assert volume[1] == pytest.approx((array == 1).sum() * images.voxel_ml(drawn), rel=0.1)


def test_on_a_finer_grid_volumes_stay(drawn):
    fine = images.resample_spacing(sitk.Image(drawn) * 0, (0.4, 0.45, 1.25), "nearest")
    moved = images.array_of(images.onto_grid(drawn, fine).labels)
    for value in (1, 2, 5):
        before = (images.array_of(drawn) == value).sum() * images.voxel_ml(drawn)
        assert (moved == value).sum() * images.voxel_ml(fine) == pytest.approx(before, rel=1e-6)


def test_what_reaches_beyond_the_image_is_counted_and_named(drawn):
    half = drawn[:, :, :6]
    moved = images.onto_grid(drawn, half)
    array = images.array_of(drawn)
    assert moved.outside_ml == {v: pytest.approx((array[6:] == v).sum() * images.voxel_ml(drawn)) for v in (1, 2, 5)}
    assert "outside the image" in moved.notes[0]


def test_grids_that_do_not_overlap_are_refused(drawn):
    far = labels_of(images.array_of(drawn), origin=(500.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="do not overlap"):
        images.onto_grid(far, drawn)
    with pytest.raises(GeometryError, match="do not overlap"):
        images.onto_grid(labels_of(images.array_of(drawn), origin=(500.0, 0.0, 0.0), angle=11.0), drawn)


def test_a_grid_that_covers_both_holds_every_label(drawn):
    part = drawn[10:20, 10:20, 4:8]
    whole = images.covering_grid(part, drawn)
    assert images.same_lattice(whole, part) is not None
    moved = images.onto_grid(drawn, whole)
    assert moved.exact
    assert np.bincount(images.array_of(moved.labels).ravel())[1:].tolist() == (
        np.bincount(images.array_of(drawn).ravel())[1:].tolist()
    )
