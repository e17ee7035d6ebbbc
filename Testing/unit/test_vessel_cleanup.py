"""Post-processing of vessel trees."""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.vessels.cleanup import (
    carried_on,
    drop_islands,
    find_branches,
    half_contrast,
    hysteresis,
    regrown,
    separate_trees,
    vessel_contrast,
)

ONE = (1.0, 1.0, 1.0)


def tube(shape, start, end, radius):
    points = np.linspace(start, end, 200)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    out = np.zeros(shape, bool)
    for point in points:
        out |= ((grid - point) ** 2).sum(-1) <= radius**2
    return out


def test_hysteresis_closes_a_gap_of_low_probability_but_starts_nothing():
    probability = np.zeros((5, 5, 20))
    probability[2, 2, 2:8] = 0.9
    probability[2, 2, 8:12] = 0.35
    probability[2, 2, 12:18] = 0.9
    probability[0, 0, 0:4] = 0.35
    kept = hysteresis(probability)
    assert kept[2, 2, 2:18].all()
    assert not kept[0, 0].any()


def test_islands_far_from_the_tree_go_and_near_ones_stay():
    mask = np.zeros((20, 20, 60), bool)
    mask[8:12, 8:12, 0:40] = True
    mask[8:12, 8:12, 42:45] = True
    mask[0:3, 0:3, 55:58] = True
    kept = drop_islands(mask, ONE, least_ml=0.1, near_mm=3.0)
    assert kept[:, :, :46].sum() == mask[:, :, :46].sum()
    assert not kept[:, :, 50:].any()


def test_dropping_islands_of_nothing_gives_nothing():
    assert not drop_islands(np.zeros((4, 4, 4), bool), ONE).any()


def test_the_center_line_of_a_fork_has_three_arms_that_meet_at_one_knot():
    shape = (40, 40, 40)
    fork = tube(shape, (20, 20, 3), (20, 20, 20), 2.5)
    fork |= tube(shape, (20, 20, 20), (20, 5, 36), 2) | tube(shape, (20, 20, 20), (20, 35, 36), 2)
    branches = find_branches(fork)
    long = [b for b in range(branches.count) if (branches.branch == b).sum() >= 5]
    assert len(long) == 3
    assert len(branches.links) >= 3


def crossing():
    shape = (30, 40, 60)
    portal = tube(shape, (10, 5, 30), (10, 35, 30), 3)
    hepatic = tube(shape, (15, 20, 3), (15, 20, 57), 3)
    return portal, hepatic & ~portal


def test_touching_trees_with_wrong_patches_get_one_name_each():
    portal, hepatic = crossing()
    vessel = portal | hepatic
    chance = np.where(portal, 0.8, 0.2)
    chance[:, 8:12] = 1 - chance[:, 8:12]
    chance[:, :, 45:50] = 1 - chance[:, :, 45:50]
    named = separate_trees(vessel, np.where(vessel, chance, 0), np.where(vessel, 1 - chance, 0), ONE)
    before = ((chance > 0.5) & vessel)[portal].mean()
    after = named[portal].mean()
    assert before < 0.9 < after
    assert named[hepatic].mean() < 0.1


def test_a_thick_vein_does_not_change_its_name_between_two_forks():
    shape = (40, 40, 60)
    stem = tube(shape, (10, 20, 4), (10, 20, 56), 4)
    sides = tube(shape, (10, 20, 22), (34, 20, 22), 2) | tube(shape, (10, 20, 36), (34, 20, 36), 2)
    vessel = stem | sides
    chance = np.where(vessel, 0.97, 0.0)
    chance[:16, :, 24:35] = np.where(vessel, 0.03, 0.0)[:16, :, 24:35]
    named = separate_trees(vessel, chance, np.where(vessel, 1 - chance, 0), ONE)
    assert (chance > 0.5)[stem].mean() < 0.85
    assert named[stem].all()


def test_a_branch_at_the_vena_cava_is_hepatic_whatever_the_network_says():
    shape = (20, 20, 60)
    vessel = tube(shape, (10, 10, 5), (10, 10, 50), 3)
    cava = np.zeros(shape, bool)
    cava[:, :, 51:] = True
    portal = np.where(vessel, 0.6, 0.0)
    hepatic = np.where(vessel, 0.4, 0.0)
    assert separate_trees(vessel, portal, hepatic, ONE)[vessel].all()
    assert not separate_trees(vessel, portal, hepatic, ONE, cava).any()


def test_no_vessel_has_no_names():
    empty = np.zeros((5, 5, 5))
    assert not separate_trees(empty > 0, empty, empty, ONE).any()


def test_a_vessel_drawn_too_thick_is_cut_back_to_the_image_bright_or_dark():
    shape = (20, 20, 40)
    true, thick = tube(shape, (10, 10, 2), (10, 10, 38), 2), tube(shape, (10, 10, 2), (10, 10, 38), 4)
    rng = np.random.default_rng(0)
    for sign in (1, -1):
        image = 100.0 + sign * 50.0 * true + rng.normal(0, 3, shape)
        usual = np.full(shape, 100.0)
        contrast = vessel_contrast(thick, image, usual)
        assert abs(contrast - sign * 50) < 5
        assert np.array_equal(half_contrast(thick, image, usual, contrast), true)


def test_a_vessel_that_does_not_show_is_left_as_it_is():
    shape = (12, 12, 30)
    vessel = tube(shape, (6, 6, 2), (6, 6, 28), 3)
    image = np.random.default_rng(1).normal(100, 10, shape)
    usual = np.full(shape, 100.0)
    assert vessel_contrast(vessel, image, usual) == 0
    assert np.array_equal(half_contrast(vessel, image, usual, 0), vessel)
    assert np.array_equal(regrown(vessel, image, usual, 0, ~vessel, ONE), vessel)
    assert vessel_contrast(vessel & False, image, image) == 0


def test_a_vessel_goes_on_along_what_looks_like_it_and_no_farther_than_it_may():
    shape = (12, 12, 40)
    true = tube(shape, (6, 6, 2), (6, 6, 37), 2)
    beside = tube(shape, (1, 1, 2), (1, 1, 37), 1)  # as bright, but never met
    image = 100.0 + 50.0 * (true | beside)
    seen = true.copy()
    seen[:, :, 20:] = False
    usual, anywhere = np.full(shape, 100.0), np.ones(shape, bool)
    grown = regrown(seen, image, usual, 50.0, anywhere, ONE, reach_mm=5)
    assert np.flatnonzero(grown[6, 6]).tolist() == np.flatnonzero(true[6, 6, :25]).tolist()
    assert not (grown & ~true).any()
    assert np.array_equal(regrown(seen, image, usual, 50.0, seen, ONE), seen)


def test_names_go_on_along_the_tree_and_not_through_the_air():
    vessel = np.zeros((5, 12, 30), bool)
    vessel[2, 2, :] = True  # portal at its left end
    vessel[2, 9, :] = True  # hepatic at its right end
    vessel[2, 2:5, 29] = True  # the portal one bends towards the hepatic one, whose named end is nearer to that
    vessel[0, 0, 0:3] = True  # pieces that hang on nothing named
    vessel[4, 11, 0:3] = True
    named, is_portal = np.zeros_like(vessel), np.zeros_like(vessel)
    named[2, 2, :4] = is_portal[2, 2, :4] = True
    named[2, 9, 26:] = True
    lean = np.zeros(vessel.shape)
    lean[0, 0, 0:3] = 0.2, -0.1, 0.2
    lean[4, 11, 0:3] = 0.2, -0.5, 0.2
    portal = carried_on(is_portal, named, vessel, lean)
    assert portal[2, 2, :].all()
    assert portal[2, 2:5, 29].all()
    assert not portal[2, 9, :].any()
    assert portal[0, 0, 0:3].all()
    assert not portal[4, 11, 0:3].any()
    assert not portal[~vessel].any()


def test_without_names_every_piece_goes_by_its_own():
    vessel = np.zeros((3, 3, 9), bool)
    vessel[1, 1, :3] = vessel[1, 1, 6:] = True
    none = np.zeros_like(vessel)
    lean = np.where(np.arange(9) < 4, 0.3, -0.3) * np.ones(vessel.shape)
    assert np.array_equal(carried_on(none, none, vessel, lean), vessel & (lean > 0))
