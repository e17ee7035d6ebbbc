"""Lin's expansion and corrosion on a plan: tumors grow inside the liver, and into nothing that is something else."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.scene.cyst_segments import contour_tumors
from LiverPlannerLib.scene.segments import SegmentVoxels, segment_specs
from LiverPlannerLib.structures import structure
from LiverPlannerLib.voxel_boxes import common, without
from PreopReviewLib.errors import NothingFound
from PreopReviewLib.scene import nodes


def _plan(scene, tumor: bool = True):
    array = np.zeros((40, 40, 40), np.uint8)
    array[4:36, 4:36, 4:36] = structure("liver").label
    if tumor:
        array[4:14, 12:22, 12:22] = structure("tumor").label  # touches the liver's edge
        array[8:12, 23:28, 12:22] = structure("cyst").label  # one voxel beside it
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.8, 0.8, 0.8))
    return nodes.add_segmentation(scene, image, segment_specs(), "Plan")


def test_tumors_grow_inside_the_liver_and_not_into_cysts(scene):
    plan = _plan(scene)
    before = SegmentVoxels(plan)
    ml = contour_tumors(plan)
    after = SegmentVoxels(plan)
    assert ml == pytest.approx((before.volume_ml("tumor"), after.volume_ml("tumor")))
    assert ml[1] > 1.15 * ml[0]
    assert without(before.mask("tumor"), after.mask("tumor")).count == 0
    assert without(after.mask("tumor"), before.mask("liver")).count == 0
    assert common(after.mask("tumor"), before.mask("cyst")) == 0
    assert after.mask("cyst").same_as(before.mask("cyst"))


def test_without_a_tumor_nothing_grows(scene):
    with pytest.raises(NothingFound, match="no tumor"):
        contour_tumors(_plan(scene, tumor=False))
