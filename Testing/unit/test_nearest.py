"""Nearest points by two threads."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from PreopReviewLib.nearest import FEW, nearest


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 2 * FEW + 1])
@pytest.mark.parametrize("options", [{}, {"k": 3}, {"distance_upper_bound": 0.1}], ids=str)
def test_they_are_those_of_one_search(count, options):
    rng = np.random.default_rng(count)
    tree, points = cKDTree(rng.random((500, 3))), rng.random((count, 3))
    for found, expected in zip(nearest(tree, points, **options), tree.query(points, **options), strict=True):
        assert np.array_equal(found, expected)
        assert found.dtype == expected.dtype
