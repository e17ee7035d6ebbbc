"""Liver phantoms: determinism, plausibility, truth."""

from __future__ import annotations

import numpy as np
import pytest

from LiverPlannerLib.structures import STRUCTURES, structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.phantoms import SIMULATED_SEED
from PreopReviewLib.phantoms.anatomy import grow_anatomy
from PreopReviewLib.phantoms.fields import smooth_noise, stretch
from PreopReviewLib.phantoms.growth import Sketch, murray, rasterize
from PreopReviewLib.phantoms.liver import make_liver_phantom
from PreopReviewLib.phantoms.shape import cropped, largest_part
from PreopReviewLib.phantoms.tissues import STRUCTURE_LABELS


@pytest.fixture(scope="module")
def phantom():
    return make_liver_phantom(7, "hbp")


@pytest.fixture(scope="module")
def ct():
    return make_liver_phantom(7, "ct")


def test_the_labels_are_those_of_the_table_of_structures():
    table = {s.key: s.label for s in STRUCTURES}
    assert STRUCTURE_LABELS.items() <= table.items()


def test_the_same_seed_makes_the_same_phantom_and_another_does_not(phantom):
    again, other = make_liver_phantom(7, "hbp"), make_liver_phantom(8, "hbp")
    assert np.array_equal(images.array_of(phantom.image), images.array_of(again.image))
    assert np.array_equal(images.array_of(phantom.labels), images.array_of(again.labels))
    assert not np.array_equal(images.array_of(phantom.labels), images.array_of(other.labels))


def test_one_anatomy_in_two_contrasts_has_one_truth(phantom, ct):
    assert np.array_equal(images.array_of(phantom.labels), images.array_of(ct.labels))


@pytest.mark.parametrize("seed", range(4))
def test_volumes_are_those_of_livers_and_their_vessels(seed):
    planted = make_liver_phantom(seed, "ct").planted
    assert 600 < planted["liver_ml"] < 3200
    assert 5 < planted["volume_ml"]["portal_vein"] < 90
    assert 5 < planted["volume_ml"]["hepatic_vein"] < 120
    assert planted["volume_ml"]["bile_duct"] < planted["volume_ml"]["portal_vein"]


def test_contrasts_order_the_intensities_as_scans_do(phantom, ct):
    for scan, brighter, darker in (
        (phantom, "liver", "portal_vein"),
        (ct, "portal_vein", "liver"),
        (make_liver_phantom(7, "pv_mr"), "hepatic_vein", "liver"),
    ):
        image, labels = images.array_of(scan.image), images.array_of(scan.labels)
        assert np.median(image[labels == STRUCTURE_LABELS[brighter]]) > np.median(
            image[labels == STRUCTURE_LABELS[darker]]
        )


def test_ct_is_in_hounsfield_units(ct):
    image, labels = images.array_of(ct.image), images.array_of(ct.labels)
    assert 60 < np.median(image[labels == 1]) < 145
    assert image.min() < -700


def test_the_portal_trunk_reaches_the_liver_and_main_branches_hang_together(phantom):
    import cc3d

    labels, order = images.array_of(phantom.labels), images.array_of(phantom.order)
    portal = labels == STRUCTURE_LABELS["portal_vein"]
    main = portal & (order == 1)
    assert main.sum() > 0.3 * portal.sum()
    parts = cc3d.connected_components(np.ascontiguousarray(portal), connectivity=26)
    sizes = np.bincount(parts[portal])
    assert sizes.max() > 0.7 * portal.sum()


def test_every_vessel_voxel_has_an_order_and_no_other_has(phantom):
    labels, order = images.array_of(phantom.labels), images.array_of(phantom.order)
    vessels = np.isin(labels, [STRUCTURE_LABELS[k] for k in ("portal_vein", "hepatic_vein", "bile_duct")])
    assert np.array_equal(order > 0, vessels)


def test_a_real_shape_is_bent_but_keeps_about_its_volume():
    axes = np.ogrid[-40:41, -30:31, -45:46]
    ball = (axes[0] / 40) ** 2 + (axes[1] / 30) ** 2 + (axes[2] / 45) ** 2 < 1
    anatomy = grow_anatomy(np.random.default_rng(1), 2.5, shapes=[(ball, 2.0)], procedural=0.0)
    ratio = anatomy.liver.sum() * 2.5**3 / (ball.sum() * 8)
    assert 0.4 < ratio < 2.2


def test_shapes_that_make_no_liver_are_refused():
    with pytest.raises(ValueError, match="plausible"):
        grow_anatomy(np.random.default_rng(1), 2.5, shapes=[(np.ones((5, 5, 5), bool), 2.0)], procedural=0.0)


@pytest.mark.parametrize("wrong", [{"contrast": "pet"}, {"size": (8, 8, 8)}, {"spacing": 0.0}])
def test_impossible_wishes_are_refused(wrong):
    with pytest.raises(InputError):
        make_liver_phantom(1, **wrong)


def test_murrays_law_holds_at_a_fork():
    parents = np.array([-1, 0, 1, 1])
    radii = murray(parents, 4.0, 3.0, 0.1)
    assert radii[1] ** 3 == pytest.approx(radii[2] ** 3 + radii[3] ** 3)


def test_a_rasterized_tube_has_the_volume_of_its_cylinder():
    sketch = Sketch()
    start = sketch.root(np.array([10.0, 20.0, 20.0]))
    sketch.curve(start, [np.array([50.0, 20.0, 20.0])], np.random.default_rng(0), wobble=0.0)
    points, parents = np.array(sketch.points), np.array(sketch.parents)
    share = rasterize((60, 40, 40), 1.0, points, parents, np.full(len(points), 4.0))
    assert share[15:45].sum() == pytest.approx(30 * np.pi * 16, rel=0.03)


def test_stretching_a_ramp_keeps_its_mean_and_ends():
    ramp = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    for axis in range(3):
        out = stretch(np.moveaxis(ramp, 0, axis).copy(), 16, axis)
        assert out.mean() == pytest.approx(1.5, abs=0.01)
        assert out.min() == 0
        assert out.max() == 3


def test_smooth_noise_has_the_shape_that_was_asked_for():
    assert smooth_noise(np.random.default_rng(0), (7, 30, 11), 5).shape == (7, 30, 11)


def test_the_largest_part_is_kept_and_its_holes_filled():
    mask = np.zeros((12, 12, 12), bool)
    mask[1:8, 1:8, 1:8] = True
    mask[4, 4, 4] = False
    mask[10, 10, 10] = True
    kept = cropped(largest_part(mask), 2)
    assert kept.shape == (11, 11, 11)
    assert kept.sum() == 343


def test_the_samples_and_the_demonstration_have_something_of_every_structure_to_show():
    phantom = make_liver_phantom(SIMULATED_SEED, "hbp", slice_mm=0)
    voxels = np.bincount(images.array_of(phantom.labels).ravel(), minlength=8)
    milliliters = voxels * images.voxel_ml(phantom.labels)
    keys = ("liver", "tumor", "cyst", "hepatic_vein", "portal_vein", "bile_duct")
    assert all(milliliters[structure(key).label] > 1 for key in keys)
