"""What a person has decided about branches and cysts is what a report says, as long as it fits what is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.report.measures import MeasureOptions, measure_all
from LiverPlannerLib.vessels.by_hand import SetByHand
from PreopReviewLib import images


@pytest.fixture(scope="module")
def case() -> tuple[sitk.Image, sitk.Image]:
    """A CT of a liver with a portal vein that forks, and a dark lesion."""
    array = np.zeros((24, 40, 44), np.uint8)
    array[3:21, 6:34, 4:40] = 1
    array[8:14, 10:16, 8:14] = 2
    array[10:14, 18:22, 4:24] = 5
    array[11:13, 12:20, 22:24] = 5
    array[11:13, 20:30, 22:24] = 5
    values = np.array([-100, 110, 8, 0, 0, 160])[array] + np.random.default_rng(0).normal(0, 6, array.shape)
    values[:, :3] = -1000
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    return image, images.image_like(array, image)


@pytest.fixture(scope="module")
def by_rule(case):
    return measure_all(*case, MeasureOptions("CT", segments=False))


def test_decisions_by_hand_are_in_the_measures(case, by_rule):
    tree = by_rule.trees[0]
    branch, region = tree.branches[0], by_rule.cysts.regions[0]
    assert branch.main
    assert region.decision == "cyst"
    options = MeasureOptions(
        "CT",
        segments=False,
        branches_by_hand=[SetByHand("portal_vein", branch.id, branch.radius_mm, "peripheral")],
        cysts_by_hand=[(region.id, region.voxels, "tumor")],
    )
    measures = measure_all(*case, options)
    assert not measures.trees[0].branches[0].main
    assert measures.trees[0].main_share < tree.main_share
    assert measures.cysts.regions[0].decision == "tumor"
    assert "by hand" in measures.cysts.regions[0].reason
    assert measures.notes == by_rule.notes


def test_decisions_on_what_has_changed_since_are_left_out_and_told(case, by_rule):
    branch, region = by_rule.trees[0].branches[0], by_rule.cysts.regions[0]
    decision = SetByHand("portal_vein", branch.id, branch.radius_mm, "peripheral")
    options = MeasureOptions(
        "CT",
        segments=False,
        branches_by_hand=[replace(decision, radius_mm=branch.radius_mm + 1), replace(decision, branch=99)],
        cysts_by_hand=[(region.id, region.voxels + 5, "tumor"), (7, 10, "tumor")],
    )
    measures = measure_all(*case, options)
    assert measures.trees[0].branches == by_rule.trees[0].branches
    assert [r.decision for r in measures.cysts.regions] == [r.decision for r in by_rule.cysts.regions]
    assert any("2 decision(s) on main branches of the portal vein" in note for note in measures.notes)
    assert any("2 decision(s) on cysts" in note for note in measures.notes)
