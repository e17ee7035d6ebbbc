"""The median of 3³ voxels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from PreopReviewLib.inference import median


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1), (7, 11, 13), (3, 40, 900), (4, 2, 9000)])
@pytest.mark.parametrize("values", ["float32", "few"])
def test_the_median_equals_the_one_by_sorting(shape: tuple[int, int, int], values: str) -> None:
    rng = np.random.default_rng(5)
    array = rng.normal(size=shape).astype(np.float32) if values == "float32" else rng.integers(-3, 4, shape)
    filtered = median.median_of_27(array)
    assert filtered.dtype == array.dtype
    assert np.array_equal(filtered, ndimage.median_filter(array, 3, mode="nearest"))
