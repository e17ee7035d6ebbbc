"""Region images and masks on the voxel lattice of a segmentation."""

from __future__ import annotations

from typing import Any

import numpy as np

Start = tuple[int, ...]


def place(labels: Any, to_space: np.ndarray) -> tuple[Start, np.ndarray]:
    """Lattice index (K, J, I) of the first voxel of a region image, and its array.

    Args:
        to_space: `Grid.to_ras` for an image in the world, `Grid.to_node` for one below the node's transform.
    """
    from PreopReviewLib import images

    x, y, z = labels.GetOrigin()
    index = np.linalg.inv(to_space) @ [-x, -y, z, 1.0]
    return tuple(np.round(index[:3][::-1]).astype(int).tolist()), images.array_of(labels)


def painted(mask: Any, start: Start, shape: Start) -> np.ndarray:
    """The voxels of a mask in the box at `start`, as booleans."""
    from LiverPlannerLib.voxel_boxes import paint

    array = np.zeros(shape, np.uint8)
    paint(array, start, mask, 1)
    return array > 0
