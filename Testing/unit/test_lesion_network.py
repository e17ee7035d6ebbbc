"""Lesions: preparation, windows, geometry."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.segmentation import lesions
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError

torch = pytest.importorskip("torch")


def case() -> tuple[sitk.Image, sitk.Image]:
    array = np.full((30, 60, 60), -50, np.int16)
    array[5:25, 10:50, 15:45] = 100
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2.0, 2.0, 4.0))
    image.SetOrigin((5, 6, 7))
    return image, images.image_like((array == 100).astype(np.uint8), image)


@pytest.mark.parametrize("size", [5, 90, 124, 125, 208, 500])
def test_windows_cover_the_liver_evenly(size: int) -> None:
    side, starts = lesions.share(size, 124, 4)
    assert side <= 124
    assert side % 8 == 4
    assert starts[0] <= 0
    assert starts[-1] + side >= size
    assert all(b - a <= side for a, b in pairwise(starts))


def test_every_side_that_windows_may_have_is_one_the_network_takes() -> None:
    from PreopReviewLib.models.kuleuven_networks import KuLeuvenLesionUNet

    network = KuLeuvenLesionUNet((2, 3, 4, 5)).eval()
    shape = [lesions.share(n, w, r)[0] for n, w, r in zip((20, 30, 9), lesions.MAX_WINDOW, (4, 4, 2), strict=True)]
    with torch.inference_mode():
        out = network(torch.rand(1, 1, *(n + 2 * m for n, m in zip(shape, lesions._MARGIN, strict=True))))
    assert list(out.shape[2:]) == shape


@pytest.mark.parametrize(
    ("size", "start"),
    [((30, 41, 20), (40, 35, 22)), ((100, 92, 5), (0, 0, 24)), ((12, 40, 54), (88, 50, 0)), ((3, 2, 1), (9, 90, 50))],
)
def test_the_fast_network_equals_the_plain_one_on_a_window_that_is_mostly_zero(
    size: tuple[int, int, int], start: tuple[int, int, int]
) -> None:
    from PreopReviewLib.models.kuleuven_lesion_fast import lesion_logits
    from PreopReviewLib.models.kuleuven_networks import KuLeuvenLesionUNet

    torch.manual_seed(1)
    network = KuLeuvenLesionUNet((3, 4, 5, 6)).eval()
    shape = (100, 92, 54)
    values = torch.rand(size) - 0.5
    full = torch.zeros(shape)
    full[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = values
    with torch.inference_mode():
        expected = network(full[None, None])[0, 0]
        logits = lesion_logits(network, values, start, shape)
    assert logits.shape == expected.shape
    assert torch.allclose(logits, expected, atol=2e-4)


def test_the_liver_is_prepared_in_place_and_everything_else_is_dark() -> None:
    image, liver = case()
    values, inside, grid = lesions.prepare(image, liver, "CT")
    assert values.shape == inside.shape == grid.GetSize()
    assert grid.GetSpacing() == (1.0, 1.0, 3.0)
    assert (values[~inside] == -0.5).all()
    middle = tuple(n // 2 for n in values.shape)
    assert values[middle] == pytest.approx(0.25)
    center = images.array_of(liver).nonzero()
    world = image.TransformContinuousIndexToPhysicalPoint([float(c.mean()) for c in center[::-1]])
    index = grid.TransformPhysicalPointToContinuousIndex(world)
    assert np.allclose(index, (np.array(grid.GetSize()) - 1) / 2, atol=1.0)


def test_mr_is_scaled_by_the_extreme_of_the_liver_that_is_farther_from_its_median() -> None:
    image, liver = case()
    array = images.array_of(image).copy()
    array[10, 20, 20], array[12, 20, 20] = 80, 200
    values, _, _ = lesions.prepare(images.image_like(array, image), liver, "MR")
    middle = tuple(n // 2 for n in values.shape)
    assert values[middle] == pytest.approx(0.0, abs=1e-6)
    assert 0.1 < values.max() <= 0.5


def test_a_mask_on_another_grid_or_an_empty_one_is_refused() -> None:
    image, liver = case()
    other = sitk.Image(liver)
    other.SetSpacing((1.0, 1.0, 1.0))
    with pytest.raises(GeometryError):
        lesions.segment_lesions(image, other, "CT")
    with pytest.raises(InputError, match="empty"):
        lesions.segment_lesions(image, liver * 0, "CT")
