"""Vessels and lesions corrected by a click, on tubes where the right answer is known voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from vessel_blocks import PLACE, PORTAL, block, tube

from LiverPlannerLib.vessels import edit
from LiverPlannerLib.vessels.edit.network import VesselNetwork
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError

X, Y, Z = np.moveaxis(PLACE, -1, 0)
HEPATIC = ((30, 12, 68), (30, 12, 16), 3.5)  # runs past the end of the right anterior twig of the portal vein


def ras(x, y, z):
    """A place of the file (LPS, mm) as RAS."""
    return np.array([-x, -y, z], float)


def fused():
    """A portal vein whose right anterior twig was taken for a hepatic vein, with which it is one piece."""
    labels = block()
    array = images.array_of(labels).copy()
    wrong = tube((40, 50, 40), (30, 15, 40), 3.0) & (array == 5) & (Y < 42)
    array[wrong] = 4
    array[tube(*HEPATIC) & (array == 1)] = 4
    return images.image_like(array, labels), wrong


def test_a_click_lights_up_the_branch_and_what_lies_downstream_of_it():
    labels = block()
    network = VesselNetwork(labels)
    picked = network.pick(ras(60, 50, 40))
    assert picked.value == 5
    lit = np.zeros(labels.GetSize()[::-1], bool)
    lit.reshape(-1)[network.voxels_of(picked.downstream)] = True
    assert (X[lit] < 84).all()
    assert lit[(images.array_of(labels) == 5) & (X < 72)].all()
    branch = network.voxels_of(picked.branch)
    assert len(branch) < lit.sum()


def test_a_branch_is_renamed_with_what_lies_downstream_though_both_trees_are_one_piece():
    labels, wrong = fused()
    network = VesselNetwork(labels)
    change = edit.rename(network, ras(33, 27, 40), "portal_vein")
    after = images.array_of(change.applied(labels))
    assert (after[wrong] == 5).mean() > 0.9
    kept = images.array_of(labels)
    kept_hepatic = (kept == 4) & ~wrong
    assert (after[kept_hepatic] == 4).mean() > 0.9
    assert "renamed to portal vein" in change.words
    assert (images.array_of(labels)[wrong] == 4).all()  # nothing was changed


def test_after_a_rename_the_branch_belongs_to_the_tree_that_it_touches():
    labels, wrong = fused()
    network = VesselNetwork(labels)
    edit.apply(network, edit.rename(network, ras(33, 27, 40), "portal_vein"))
    picked = network.pick(ras(60, 50, 40))
    lit = np.zeros(labels.GetSize()[::-1], bool)
    lit.reshape(-1)[network.voxels_of(picked.downstream)] = True
    assert lit[wrong].mean() > 0.85


def test_an_edit_is_taken_back_exactly():
    labels, _wrong = fused()
    network = VesselNetwork(labels)
    before = network.array.copy()
    change = edit.rename(network, ras(33, 27, 40), "portal_vein")
    edit.apply(network, change)
    assert not np.array_equal(network.array, before)
    change.undo(network.array)
    assert np.array_equal(network.array, before)


def test_a_vessel_is_extended_to_the_click_as_wide_as_it_is():
    labels = block(PORTAL[:2])  # the left branch is missing
    network = VesselNetwork(labels)
    change = edit.extend(network, ras(130, 50, 40), "portal_vein")
    after = images.array_of(change.applied(labels)) == 5
    truth = tube((79, 50, 40), (130, 50, 40), 5.5)
    new = after & ~(images.array_of(labels) == 5)
    assert truth[new].mean() > 0.85
    assert after[tube((79, 50, 40), (130, 50, 40), 3.5) & (X > 85) & (X < 125)].mean() > 0.9
    edit.apply(network, change)
    picked = network.pick(ras(120, 50, 40))
    assert len(network.voxels_of(picked.downstream)) < after.sum()


def test_a_vessel_is_extended_along_what_the_image_shows():
    labels = block(PORTAL[:2])
    shown = np.any([tube((79, 50, 40), (100, 66, 40), 3.0), tube((100, 66, 40), (130, 50, 40), 3.0)], axis=0)
    values = np.where(shown | (images.array_of(labels) == 5), 160.0, 100.0).astype(np.float32)
    image = images.image_like(values, labels)
    network = VesselNetwork(labels)
    change = edit.extend(network, ras(130, 50, 40), "portal_vein", image)
    new = images.array_of(change.applied(labels)) == 5
    assert new[tube((96, 63, 40), (100, 66, 40), 1.5)].mean() > 0.8
    probable = images.image_like(shown.astype(np.float32), labels)
    by_model = edit.extend(network, ras(130, 50, 40), "portal_vein", probability=probable)
    assert (images.array_of(by_model.applied(labels)) == 5)[tube((96, 63, 40), (100, 66, 40), 1.5)].mean() > 0.8


def test_a_cut_parts_a_vessel_and_a_join_closes_the_gap():
    import cc3d

    labels = block(PORTAL[:3])
    network = VesselNetwork(labels)
    edit.apply(network, edit.cut(network, ras(50, 50, 40)))
    assert cc3d.connected_components(network.array == 5, connectivity=26).max() == 2
    assert network.array[20, 25, 25] == 1
    picked = network.pick(ras(30, 50, 40))
    assert (network.points[picked.downstream][:, 2] * 2 < 50).all()
    change = edit.join(network, ras(44, 50, 40), ras(58, 50, 40))
    edit.apply(network, change)
    assert cc3d.connected_components(network.array == 5, connectivity=26).max() == 1
    assert (images.array_of(labels) == 5)[network.array == 5].mean() > 0.94


def test_a_piece_or_a_branch_is_removed_and_liver_is_left():
    apart = ((120, 80, 60), (140, 80, 60), 2.5)
    labels = block((*PORTAL, apart))
    network = VesselNetwork(labels)
    change = edit.remove(network, ras(130, 80, 60))
    after = images.array_of(change.applied(labels))
    assert (after[tube(*apart)] == 1).all()
    assert (after == 5).sum() == (images.array_of(block()) == 5).sum()
    edit.apply(network, change)
    branch = edit.remove(network, ras(60, 50, 40), "branch")
    after = images.array_of(branch.applied(network.labels))
    assert not (after[X < 68] == 5).any()
    assert (after[X > 90] == 5).sum() == (network.array[X > 90] == 5).sum()


def test_what_is_erased_outside_the_liver_is_background():
    labels = block()
    network = VesselNetwork(labels)
    after = images.array_of(edit.remove(network, ras(79, 50, 4)).applied(labels))
    assert (after[(Z < 8)] == 0).all()
    assert (after[tube((79, 50, 16), (79, 50, 30), 3.0)] == 1).all()


def test_a_branch_grows_and_shrinks_to_its_edge_in_the_image():
    labels = block((((79, 50, 0), (79, 50, 40), 5.0), ((79, 50, 40), (20, 50, 40), 2.5)))
    truth = tube((79, 50, 40), (20, 50, 40), 4.5)
    values = np.where(truth | (images.array_of(labels) == 5), 160.0, 100.0)
    image = images.image_like(values.astype(np.float32), labels)
    network = VesselNetwork(labels)
    grown = images.array_of(edit.grow(network, ras(50, 50, 40), image).applied(labels)) == 5
    inner = (X > 24) & (X < 68)
    assert grown[truth & inner].mean() > 0.9
    assert not grown[inner & ~tube((79, 50, 40), (20, 50, 40), 6.5)].any()
    fat = block((((79, 50, 0), (79, 50, 40), 5.0), ((79, 50, 40), (20, 50, 40), 6.5)))
    network = VesselNetwork(fat)
    shrunk = images.array_of(edit.shrink(network, ras(50, 50, 40), image).applied(fat)) == 5
    assert shrunk[truth & inner].mean() > 0.95
    assert (shrunk & inner).sum() < 1.3 * (truth & inner).sum()


def test_without_an_image_a_branch_grows_and_shrinks_by_a_voxel():
    labels = block()
    network = VesselNetwork(labels)
    grown = edit.grow(network, ras(50, 50, 40))
    edit.apply(network, grown)
    assert (grown.new == 5).all()
    shrunk = edit.shrink(network, ras(50, 50, 40))
    assert (shrunk.new == 1).all()
    assert 0.5 < len(shrunk.index) / len(grown.index) < 1.5


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda n: edit.rename(n, ras(100, 20, 60), "hepatic_vein"), "nothing to correct within 4 mm"),
        (lambda n: edit.rename(n, ras(900, 0, 0), "hepatic_vein"), "outside the image"),
        (lambda n: edit.rename(n, ras(60, 50, 40), "portal_vein"), "portal vein already"),
        (lambda n: edit.rename(n, ras(60, 50, 40), "tumor"), "not a vessel"),
        (lambda n: edit.extend(n, ras(60, 50, 40), "portal_vein"), "in the portal vein already"),
        (lambda n: edit.extend(n, ras(60, 70, 60), "hepatic_vein"), "no hepatic vein within 60 mm"),
        (lambda n: edit.join(n, ras(60, 50, 40), ras(64, 50, 40)), "joined already"),
        (lambda n: edit.cut(n, ras(100, 20, 60)), "nothing to correct"),
        (lambda n: edit.remove(n, ras(100, 20, 60)), "nothing to correct"),
    ],
)
def test_a_click_that_means_nothing_is_refused_with_a_sentence(what, words):
    network = VesselNetwork(block())
    before = network.array.copy()
    with pytest.raises(InputError, match=words):
        what(network)
    assert np.array_equal(network.array, before)


def test_an_image_on_another_grid_is_refused():
    labels = block()
    small = images.crop(labels, images.Box((0, 0, 0), (20, 20, 20)))
    with pytest.raises(GeometryError):
        edit.extend(VesselNetwork(labels), ras(60, 70, 60), "portal_vein", small)


def test_a_liver_without_vessels_has_nothing_to_pick():
    with pytest.raises(InputError, match="nothing to correct"):
        VesselNetwork(block(())).pick(ras(60, 50, 40))


# ---- lesions ----


def with_balls(*balls, value=2):
    labels = block(())
    array = images.array_of(labels).copy()
    for center, radius in balls:
        array[np.linalg.norm(PLACE - center, axis=-1) <= radius] = value
    return images.image_like(array, labels)


def lesions(labels, value=2) -> int:
    import cc3d

    return int(cc3d.connected_components(images.array_of(labels) == value, connectivity=26).max())


def test_two_lesions_that_touch_are_parted_and_merged_again():
    labels = with_balls(((50, 50, 40), 12), ((72, 50, 40), 12))
    assert lesions(labels) == 1
    parted = edit.split(labels, ras(50, 50, 40)).applied(labels)
    assert lesions(parted) == 2
    assert (images.array_of(parted) == 2).sum() > 0.85 * (images.array_of(labels) == 2).sum()
    merged = edit.merge(parted, ras(50, 50, 40), ras(74, 50, 40)).applied(parted)
    assert lesions(merged) == 1


def test_a_round_lesion_has_no_waist():
    with pytest.raises(InputError, match="no waist"):
        edit.split(with_balls(((50, 50, 40), 12)), ras(50, 50, 40))


def test_a_lesion_becomes_a_cyst_or_liver_again():
    labels = with_balls(((50, 50, 40), 12), ((110, 50, 40), 8))
    cyst = edit.recode(labels, ras(50, 50, 40), "cyst").applied(labels)
    assert (lesions(cyst), lesions(cyst, 3)) == (1, 1)
    none = edit.not_a_lesion(labels, ras(110, 50, 40)).applied(labels)
    assert lesions(none) == 1
    assert images.array_of(none)[20, 25, 55] == 1
    with pytest.raises(InputError, match="cyst already"):
        edit.recode(cyst, ras(50, 50, 40), "cyst")
    with pytest.raises(InputError, match="not a kind of lesion"):
        edit.recode(labels, ras(50, 50, 40), "liver")


def test_lesions_far_apart_or_one_alone_are_not_merged():
    labels = with_balls(((30, 50, 40), 8), ((120, 50, 40), 8))
    with pytest.raises(InputError, match="mm apart"):
        edit.merge(labels, ras(30, 50, 40), ras(120, 50, 40))
    with pytest.raises(InputError, match="in one lesion"):
        edit.merge(labels, ras(30, 50, 40), ras(32, 50, 40))
