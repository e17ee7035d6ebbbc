"""Liver vessels that a model draws as one, told apart by what another model calls portal and hepatic vein."""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.vessels.cleanup import Spacing, separate_trees

MARGIN = 2
"""Voxels of rim round the vessels in which the computation is done."""


def portal_part(
    vessel: np.ndarray, portal: np.ndarray, hepatic: np.ndarray, spacing: Spacing, cava: np.ndarray | None = None
) -> np.ndarray | None:
    """Which voxels of undivided vessels are portal; None where nothing says so.

    Each branch goes by how near the other model's veins are to it, all branches together (see `separate_trees`), so
    that branches which that model has missed take the name of what they are attached to.

    Args:
        vessel, portal, hepatic, cava: bool (K, J, I), of one shape.
        spacing: mm.
    """
    import edt

    if not vessel.any() or not portal.any() or not hepatic.any():
        return None
    voxels = np.argwhere(vessel)
    low, high = np.maximum(voxels.min(0) - MARGIN, 0), voxels.max(0) + 1 + MARGIN
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))

    def nearness(named: np.ndarray) -> np.ndarray:
        if not named[box].any():
            return np.zeros(vessel[box].shape, np.float32)
        away = edt.edt(np.require(~named[box], requirements="CW").view(np.uint8), anisotropy=tuple(spacing), parallel=1)
        return 1 / (1 + away)

    portal_vein = np.zeros(vessel.shape, bool)
    trees = np.ascontiguousarray(vessel[box])
    portal_vein[box] = separate_trees(
        trees, nearness(portal), nearness(hepatic), spacing, None if cava is None else np.ascontiguousarray(cava[box])
    )
    return portal_vein
