"""Couinaud segments of a liver mask, by the network that is shipped."""

from __future__ import annotations

import cc3d
import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.couinaud.maps import fill_nearest, read_map
from LiverPlannerLib.couinaud.measuring import image_of, segment_dice
from LiverPlannerLib.couinaud.segments import couinaud_segments, find_segments, shipped_package
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, ModelError, NothingFound


def liver(spacing: tuple[float, float, float] = (2.0, 2.0, 2.0)) -> sitk.Image:
    """A smooth liver: a big right lobe and a thin left one, about 1.3 liters, LPS."""
    size = [round(n / s) for n, s in zip((240, 190, 190), spacing, strict=True)]
    k, j, i = np.indices(size[::-1])
    x, y, z = (n * s for n, s in zip((i, j, k), spacing, strict=True))
    right = ((x - 85) / 68) ** 2 + ((y - 98) / 72) ** 2 + ((z - 92) / 78) ** 2 < 1
    left = ((x - 145) / 75) ** 2 + ((y - 65) / 35) ** 2 + ((z - 120) / 32) ** 2 < 1
    mask = sitk.GetImageFromArray((right | left).astype(np.uint8))
    mask.SetSpacing(spacing)
    return mask


@pytest.fixture(scope="module")
def divided() -> np.ndarray:
    return images.array_of(couinaud_segments(liver()))


def test_eight_connected_segments_fill_the_liver_exactly(divided):
    assert ((divided > 0) == (images.array_of(liver()) > 0)).all()
    for n in range(1, 9):
        assert cc3d.connected_components(divided == n, connectivity=6).max() == 1, n
    x = [np.argwhere(divided == n)[:, 2].mean() for n in range(1, 9)]
    z = [np.argwhere(divided == n)[:, 0].mean() for n in range(1, 9)]
    assert min(x[1], x[2]) > x[3] > max(x[5], x[6])  # 2 and 3 left of 4, that left of 6 and 7
    assert z[6] > z[5]  # 7 above 6
    assert z[7] > z[4]  # 8 above 5


@pytest.mark.parametrize("axes", ["RAS", "SPL", "AIR"])
def test_the_order_and_direction_of_the_axes_do_not_matter(divided, axes):
    turned = couinaud_segments(sitk.DICOMOrient(liver(), axes))
    assert (images.array_of(sitk.DICOMOrient(turned, "LPS")) == divided).mean() > 0.999


def test_place_obliqueness_and_spacing_hardly_matter(divided):
    mask = liver()
    moved = sitk.Image(mask)
    moved.SetOrigin((-512.3, 77.1, 1200.0))
    assert (images.array_of(couinaud_segments(moved)) == divided).mean() > 0.999
    oblique = sitk.Image(260, 260, 90, sitk.sitkUInt8)
    oblique.SetSpacing((1.2, 1.2, 3.0))
    turn = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]])
    oblique.SetDirection(turn.ravel().tolist())
    oblique.SetOrigin((20, -60, -30))
    mask_there = sitk.Resample(mask, oblique, sitk.Transform(), sitk.sitkNearestNeighbor)
    back = sitk.Resample(couinaud_segments(mask_there), mask, sitk.Transform(), sitk.sitkNearestNeighbor)
    both = (images.array_of(back) > 0) & (divided > 0)
    assert both.sum() > 0.97 * (divided > 0).sum()
    assert (images.array_of(back)[both] == divided[both]).mean() > 0.93


def test_vessels_that_the_mask_leaves_out_fill_the_shape_but_get_no_segment(divided):
    whole = images.array_of(liver()) > 0
    vessels = np.zeros_like(whole)
    vessels[40:60, 44:52, 20:70] = True
    mask = images.image_like((whole & ~vessels).astype(np.uint8), liver())
    voxels = images.array_of(couinaud_segments(mask, images.image_like((whole & vessels).astype(np.uint8), liver())))
    assert not voxels[vessels].any()
    rest = whole & ~vessels
    assert (voxels[rest] == divided[rest]).mean() > 0.995
    with pytest.raises(GeometryError):
        couinaud_segments(mask, sitk.Image(4, 4, 4, sitk.sitkUInt8))


def test_a_mirrored_or_cut_liver_is_warned_of():
    assert not any("border" in w or "right" in w for w in find_segments(liver()).warnings)
    array = images.array_of(liver())
    mirrored = images.image_like(np.ascontiguousarray(array[:, :, ::-1]), liver())
    assert any("situs inversus" in w for w in find_segments(mirrored).warnings)
    cut = sitk.RegionOfInterest(liver(), [120, 95, 50], [0, 0, 40])
    assert any("border of the image" in w for w in find_segments(cut).warnings)


def test_masks_without_a_liver_and_other_models_are_refused():
    with pytest.raises(NothingFound, match="empty"):
        couinaud_segments(sitk.Image(20, 20, 20, sitk.sitkUInt8))
    small = sitk.Image(20, 20, 20, sitk.sitkUInt8)
    small[5:9, 5:9, 5:9] = 1
    with pytest.raises(NothingFound, match="0\\.1 ml"):
        couinaud_segments(small)
    from LiverPlannerLib.segmentation.five_structures import shipped_package as other

    with pytest.raises(ModelError, match="does not find Couinaud segments"):
        couinaud_segments(liver(), package=other())


def test_the_package_is_small_and_says_what_it_is():
    package = shipped_package()
    assert package.size_bytes < 8e6
    assert {"MIT", "CC BY-SA 4.0"} <= {w for w in ("MIT", "CC BY-SA 4.0") if w in package.card}
    assert "msd8_133" in package.card
    assert package.metadata["figures"]["cases"] >= 20


def test_real_livers_of_the_held_out_fold_are_divided_well(shared_data):
    maps = shared_data / "couinaud"
    if not maps.is_dir():
        pytest.skip("the Couinaud maps are not on this machine")
    from LiverPlannerLib.couinaud.maps import folds_of

    names = sorted(p.name.split(".")[0] for p in maps.glob("*.nii.gz"))
    held_out = folds_of(names, 5)[0][:6]
    means = []
    for name in held_out:
        case = read_map(maps / f"{name}.nii.gz")
        voxels = images.array_of(couinaud_segments(image_of((case.labels > 0).astype(np.uint8))))
        means.append(np.nanmean(segment_dice(voxels[3:-3, 3:-3, 3:-3], fill_nearest(case.labels, case.labels == 9))))
    assert np.mean(means) > 0.77
    assert min(means) > 0.6
