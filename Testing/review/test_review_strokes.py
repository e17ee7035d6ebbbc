"""Strokes change the voxels under the brush and nothing else, in the scene itself; no browser."""

from __future__ import annotations

import numpy as np
import pytest
from Testing.review.pages import require_review_packages

from PreopReviewLib.images.vtk_images import array_of_vtk, fill
from PreopReviewLib.scene.nodes import LABELMAP, SURFACE

CELL = (1.0, 1.0, 2.0)


@pytest.fixture
def segmentation():
    """Two segments, 1 and 2, side by side in one layer of 10 × 10 × 10 voxels that starts at index 20."""
    require_review_packages()
    import slicer

    array = np.zeros((10, 10, 10), np.uint8)
    array[2:8, 2:8, 2:5] = 1
    array[2:8, 2:8, 5:8] = 2
    layer = slicer.vtkOrientedImageData()
    fill(layer, array, (20, 20, 20))
    layer.SetSpacing(*CELL)
    node = slicer.vtkSegmentation()
    node.SetSourceRepresentationName(LABELMAP)
    for key, value in (("left", 1), ("right", 2)):
        segment = slicer.vtkSegment()
        segment.SetLabelValue(value)
        segment.AddRepresentation(LABELMAP, layer)
        node.AddSegment(segment, key)
    return node


def voxels(segmentation, key) -> np.ndarray:
    """Of a segment on a grid of 60³ voxels."""
    whole = np.zeros((60, 60, 60), bool)
    segment = segmentation.GetSegment(key)
    image = segment.GetRepresentation(LABELMAP)
    k, j, i = (slice(a, b + 1) for a, b in np.array(image.GetExtent()).reshape(3, 2)[::-1])
    whole[k, j, i] = array_of_vtk(image) == segment.GetLabelValue()
    return whole


def mark(start, shape):
    from PreopReviewLib.review.strokes import BrushMark

    return BrushMark(start, np.ones(shape, bool), (60, 60, 60))


def under(start, shape) -> np.ndarray:
    whole = np.zeros((60, 60, 60), bool)
    whole[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))] = True
    return whole


@pytest.mark.parametrize(
    ("start", "shape"),
    [((23, 23, 22), (2, 3, 4)), ((23, 23, 24), (2, 2, 4)), ((18, 0, 25), (3, 25, 30))],
    ids=["in the layer", "over the other segment", "beyond the layer"],
)
def test_a_stroke_adds_what_is_under_the_brush_and_takes_nothing_from_the_others(segmentation, start, shape):
    from PreopReviewLib.review.strokes import Stroke

    before = {key: voxels(segmentation, key) for key in ("left", "right")}
    said: list[tuple[str, int]] = []
    stroke = Stroke(segmentation, "left", mark(start, shape), True, lambda *gain: said.append(gain))
    wanted = before["left"] | under(start, shape)
    np.testing.assert_array_equal(voxels(segmentation, "left"), wanted)
    np.testing.assert_array_equal(voxels(segmentation, "right"), before["right"])
    gained = int(wanted.sum() - before["left"].sum())
    assert said == [("left", gained)]
    stroke.undo()
    assert said[-1] == ("left", -gained)
    for key, then in before.items():
        np.testing.assert_array_equal(voxels(segmentation, key), then)
    stroke.redo()
    np.testing.assert_array_equal(voxels(segmentation, "left"), wanted)


def test_an_eraser_takes_only_from_its_segment_and_reaches_out_of_the_layer(segmentation):
    from PreopReviewLib.review.strokes import Stroke

    before = {key: voxels(segmentation, key) for key in ("left", "right")}
    where = (0, 0, 24), (40, 40, 30)
    stroke = Stroke(segmentation, "left", mark(*where), False, lambda *_: None)
    np.testing.assert_array_equal(voxels(segmentation, "left"), before["left"] & ~under(*where))
    np.testing.assert_array_equal(voxels(segmentation, "right"), before["right"])
    assert stroke.voxels == -int((before["left"] & under(*where)).sum())
    far = Stroke(segmentation, "left", mark((50, 50, 50), (2, 2, 2)), False, lambda *_: None)
    assert far.voxels == 0
    stroke.undo()
    np.testing.assert_array_equal(voxels(segmentation, "left"), before["left"])


def test_strokes_are_taken_back_in_turn_also_where_a_layer_was_split_between(segmentation):
    from PreopReviewLib.review.strokes import Stroke

    before = {key: voxels(segmentation, key) for key in ("left", "right")}
    strokes = [
        Stroke(segmentation, "left", mark((23, 23, 20), (2, 2, 3)), True, lambda *_: None),
        Stroke(segmentation, "left", mark((23, 23, 24), (2, 2, 4)), True, lambda *_: None),
        Stroke(segmentation, "right", mark((30, 30, 40), (2, 2, 4)), True, lambda *_: None),
        Stroke(segmentation, "left", mark((22, 22, 22), (4, 4, 9)), False, lambda *_: None),
    ]
    for stroke in reversed(strokes):
        stroke.undo()
    for key, then in before.items():
        np.testing.assert_array_equal(voxels(segmentation, key), then)


def test_surfaces_stay_until_they_are_made_anew(segmentation):
    import vtk

    from PreopReviewLib.review.strokes import Stroke

    surface = vtk.vtkPolyData()
    for key in ("left", "right"):
        segmentation.GetSegment(key).AddRepresentation(SURFACE, surface)
    for start in ((23, 23, 22), (23, 23, 24), (2, 2, 2)):  # in place, over the other segment, beyond the layer
        Stroke(segmentation, "left", mark(start, (2, 2, 3)), True, lambda *_: None)
        assert all(segmentation.GetSegment(key).GetRepresentation(SURFACE) is not None for key in ("left", "right"))
