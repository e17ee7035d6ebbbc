"""Nearest points, searched for by two threads.

SciPy's own threads (``workers``) are not used: if one of them cannot be started for lack of memory, the others go on
searching a tree that is freed meanwhile, which ends the whole process. Ours are waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.two_threads import in_two_threads

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

PARTS = 8
FEW = 5000
"""So few points take some milliseconds, for which no thread needs to be started: that can fail, too."""


def nearest(tree: cKDTree, points: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices of the tree's points nearest to others, as `cKDTree.query` gives them.

    Args:
        points: (N, D), in the unit of the tree's.
        options: of `cKDTree.query`, such as ``k``.
    """
    if len(points) <= FEW:
        return tree.query(points, **options)
    parts = in_two_threads(lambda part: tree.query(part, **options), np.array_split(points, PARTS))
    distance, index = (np.concatenate(each) for each in zip(*parts, strict=True))
    return distance, index
