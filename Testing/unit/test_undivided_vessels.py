"""Vessels that a model draws as one tree, told apart by what another model has named."""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.vessels.undivided import portal_part

SPACING = (1.0, 1.0, 1.0)


def two_trees():
    """Two straight vessels with a side branch each, apart from each other (K, J, I)."""
    portal, hepatic = np.zeros((40, 70, 40), bool), np.zeros((40, 70, 40), bool)
    portal[18:22, 8:11, 3:37] = True
    portal[18:22, 11:18, 20:22] = True
    hepatic[18:22, 58:61, 3:37] = True
    hepatic[18:22, 52:58, 10:12] = True
    return portal, hepatic


def test_whole_trees_take_the_names_of_what_was_found_of_them():
    portal, hepatic = two_trees()
    vessel = portal | hepatic
    seen = np.zeros(vessel.shape, bool)
    seen[:, :, 3:15] = True  # the other model has found one end of each only
    part = portal_part(vessel, portal & seen, hepatic & seen, SPACING)
    assert np.array_equal(part, portal)


def test_names_a_little_beside_the_vessels_are_as_good():
    portal, hepatic = two_trees()
    beside = np.roll(portal, 3, axis=0), np.roll(hepatic, 3, axis=0)
    assert np.array_equal(portal_part(portal | hepatic, *beside, SPACING), portal)


def test_a_vein_at_the_cava_is_hepatic():
    portal, hepatic = two_trees()
    cava = np.zeros(portal.shape, bool)
    cava[15:25, 56:63, 30:40] = True
    wrong = portal_part(portal | hepatic, portal | hepatic, np.roll(portal, 15, axis=0), SPACING, cava)
    assert not wrong[hepatic].any()


def test_without_any_name_there_is_none():
    portal, hepatic = two_trees()
    assert portal_part(portal | hepatic, portal, np.zeros_like(portal), SPACING) is None
    assert portal_part(np.zeros_like(portal), portal, hepatic, SPACING) is None
