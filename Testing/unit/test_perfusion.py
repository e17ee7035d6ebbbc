"""What a cut does, on trees where the answer can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from vessel_blocks import LEFT, PLACE, PORTAL, RIGHT, STEM, block, sections, tube

from LiverPlannerLib.perfusion.model import NEITHER, NO_INFLOW, PerfusionModel, perfusion_of
from LiverPlannerLib.resection.cutting import Plane, resect_by_planes
from LiverPlannerLib.territories.liver import find_trees
from PreopReviewLib import images
from PreopReviewLib.errors import NothingFound

VOXEL_ML = 0.008
X, Y, Z = np.moveaxis(PLACE, -1, 0)
BARE = (STEM, RIGHT, LEFT)
VEIN = ((79, 20, 72), (79, 20, 30), 4.0)
VEIN_RIGHT = ((79, 20, 40), (20, 20, 40), 4.0)


def with_hepatic(labels):
    array = images.array_of(labels).copy()
    array[tube(*VEIN) | tube(*VEIN_RIGHT)] = 4
    return images.image_like(array, labels)


def slab(labels, low, high):
    """Takes what lies between two values of x in the file (RAS -x)."""
    planes = [Plane((-low, 0, 0), (-1, 0, 0)), Plane((-high, 0, 0), (1, 0, 0))]
    return resect_by_planes(labels, planes)


def liver_ml(labels, where) -> float:
    inside = images.array_of(images.image_like(images.array_of(labels), labels)) > 0
    block_of = (X > 6) & (X < 152) & (Y > 6) & (Y < 92) & (Z > 10) & (Z < 72)
    return float((inside & block_of & where).sum() * VOXEL_ML)


def test_what_lies_beyond_a_slab_across_the_right_branch_loses_its_inflow_and_nothing_else_does():
    labels = block(BARE)
    perfusion = perfusion_of(find_trees(labels), slab(labels, 49, 59).resected)
    assert perfusion.no_inflow_ml == pytest.approx(liver_ml(labels, X < 49), rel=0.02)
    assert perfusion.no_outflow_ml is None
    assert perfusion.functional_ml == pytest.approx(liver_ml(labels, X > 59), rel=0.02)
    assert any("no hepatic vein" in note for note in perfusion.notes)
    assert any("not a measurement" in note for note in perfusion.notes)


def test_both_inflow_and_outflow_are_counted_for_themselves_and_together():
    labels = with_hepatic(block(BARE))
    trees = find_trees(labels)
    model = PerfusionModel(trees)
    taken = model.taken(slab(labels, 49, 59).resected)
    measured = model.measure(taken)
    beyond = liver_ml(labels, X < 49)
    assert measured.no_inflow_ml == pytest.approx(beyond, rel=0.03)
    assert measured.no_outflow_ml == pytest.approx(beyond, rel=0.03)
    assert measured.neither_ml == pytest.approx(beyond, rel=0.04)
    assert (
        measured.functional_ml + measured.no_inflow_ml + measured.no_outflow_ml - measured.neither_ml
        == pytest.approx(measured.remnant_ml)
    )
    codes = images.array_of(model.image(taken))
    assert (codes == NEITHER).sum() * VOXEL_ML == pytest.approx(measured.neither_ml)
    assert (np.isin(codes, (NO_INFLOW, NEITHER))).sum() * VOXEL_ML == pytest.approx(measured.no_inflow_ml)


def test_a_cut_beyond_the_branches_costs_nothing():
    labels = block()
    perfusion = perfusion_of(find_trees(labels), resect_by_planes(labels, [Plane((-12, 0, 0), (1, 0, 0))]).resected)
    assert perfusion.no_inflow_ml == 0
    assert perfusion.crossings == ()


def test_a_vessel_that_is_crossed_is_named_with_its_diameter():
    labels = block()
    perfusion = perfusion_of(
        find_trees(labels, sections(labels)), resect_by_planes(labels, [Plane((-60, 0, 0), (1, 0, 0))]).resected
    )
    (crossing,) = perfusion.crossings
    assert crossing.name == "right portal vein"
    assert crossing.diameter_mm == pytest.approx(8, abs=1.5)
    assert crossing.at_ras == pytest.approx((-60, -50, 40), abs=2.5)
    assert crossing.territory_ml > 300


def test_a_vessel_that_comes_back_out_of_the_resected_part_is_crossed_twice():
    labels = block()
    perfusion = perfusion_of(find_trees(labels), slab(labels, 49, 59).resected)
    assert len(perfusion.crossings) == 2
    assert {round(c.at_ras[0], -1) for c in perfusion.crossings} == {-60, -50}


def test_a_cut_that_shaves_the_wall_of_a_vessel_does_not_sever_it():
    labels = block(((PORTAL[0]), ((79, 50, 40), (20, 50, 40), 5.0), ((79, 50, 40), (140, 50, 40), 5.0)))
    array = np.zeros_like(images.array_of(labels))
    array[(X > 44) & (X < 48) & (Y > 48) & (Z > 12) & (Z < 70) & (Y < 90)] = 1  # 2 mm long at the center line
    taken = images.image_like(array, labels)
    perfusion = perfusion_of(find_trees(labels), taken)
    assert perfusion.no_inflow_ml == 0


def test_ducts_are_named_by_the_portal_branch_that_they_run_with():
    labels = block()
    array = images.array_of(labels).copy()
    array[tube((79, 40, 20), (79, 40, 40), 2.5) | tube((79, 40, 40), (20, 40, 40), 2.5)] = 6
    labels = images.image_like(array, labels)
    cut = resect_by_planes(labels, [Plane((-60, 0, 0), (1, 0, 0))])
    perfusion = perfusion_of(find_trees(labels, sections(labels)), cut.resected)
    assert [c.name for c in perfusion.crossings] == ["right portal vein", "bile duct beside the right portal vein"]
    assert perfusion.crossings[1].territory_ml is None


def test_a_liver_without_veins_has_no_perfusion():
    labels = block(())
    with pytest.raises(NothingFound, match="neither a portal nor a hepatic vein"):
        perfusion_of(find_trees(labels), slab(labels, 49, 59).resected)
