"""The picture of a comparison: its panels, orientation and colors."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.comparison.figure import comparison_figure
from LiverPlannerLib.comparison.pair import compare
from PreopReviewLib.errors import InputError

pytest.importorskip("matplotlib")


def labels_of(shift: int = 0, tumor: bool = True) -> sitk.Image:
    """A liver in a corner of the image (low I, J, K), and a tumor in the liver's corner."""
    array = np.zeros((30, 60, 60), np.uint8)
    array[2:20, 4:34, 4:34] = 1
    if tumor:
        array[4:8, 6:12, 6 + shift : 12 + shift] = 2
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2.0, 2.0, 3.0))
    return image


def texts(figure) -> str:
    return " ".join(t.get_text() for axis in figure.axes for t in [axis.title, *axis.texts])


def test_there_is_a_panel_for_each_structure_with_its_numbers():
    figure = comparison_figure(compare(labels_of(2), labels_of(), branches=False))
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title().split("\n")[0] for axis in shown] == ["Liver", "Liver tumor"]
    assert "DSC 0.667" in shown[1].get_title()
    assert "10 mm" in texts(figure)


def test_a_missed_structure_is_called_missed():
    figure = comparison_figure(compare(labels_of(tumor=False), labels_of(), branches=False))
    assert "missed: only in the manual labels" in texts(figure)


def test_the_picture_is_the_same_however_the_axes_of_the_labels_run():
    def panel(prediction: sitk.Image, reference: sitk.Image) -> np.ndarray:
        figure = comparison_figure(compare(prediction, reference, branches=False))
        return figure.axes[1].get_images()[1].get_array().filled(0)

    turned = [sitk.Flip(sitk.PermuteAxes(labels_of(s), [1, 2, 0]), [True, False, True]) for s in (2, 0)]
    assert np.array_equal(panel(labels_of(2), labels_of()), panel(*turned))


def test_the_image_behind_may_lie_on_another_grid_and_move_nothing():
    ct = sitk.Image(20, 20, 20, sitk.sitkInt16) + 60
    ct.SetSpacing((6.0, 6.0, 6.0))
    figure = comparison_figure(compare(labels_of(2), labels_of(), branches=False), ct, "A case")
    behind, over = figure.axes[0].get_images()
    assert behind.get_array().shape == over.get_array().shape
    assert figure.get_suptitle() == "A case"


def test_there_is_no_picture_of_nothing():
    with pytest.raises(InputError, match="Nothing to show"):
        comparison_figure(compare(labels_of(), labels_of(), structures=["cyst"]))
