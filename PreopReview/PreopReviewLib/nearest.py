"""Nearest points, searched for by two threads.

SciPy's own threads (``workers``) are not used: if one of them cannot be started for lack of memory, the others go on
searching a tree that is freed meanwhile, which ends the whole process. Those of a pool are waited for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

THREADS = 2
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
    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(lambda part: tree.query(part, **options), np.array_split(points, THREADS)))
    distance, index = (np.concatenate(each) for each in zip(*parts, strict=True))
    return distance, index
