"""What a mouse points at in 3D: the first center line, or the first voxel of a kind, along its line of sight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

LEAST_MM = 2.0
"""So near to a center line a thin branch is hit, too: a hand does not aim better."""


@dataclass(frozen=True)
class Sight:
    """A line of sight through a view.

    Attributes:
        start: RAS mm, at the viewer.
        towards: unit vector, away from the viewer.
    """

    start: np.ndarray
    towards: np.ndarray

    def first(self, points: np.ndarray, radii: np.ndarray) -> int | None:
        """The foremost of center-line points whose tube the line meets; None where it meets none.

        A tube that is met wins over one that is only passed by `LEAST_MM`.

        Args:
            points: (N, 3) RAS mm.
            radii: (N,) mm.
        """
        offset = points - self.start
        along = offset @ self.towards
        beside = np.linalg.norm(offset - along[:, None] * self.towards, axis=1)
        for reach in (radii, np.maximum(radii, LEAST_MM)):
            met = np.flatnonzero((beside <= reach) & (along > 0))
            if len(met):
                # The tube's surface is met before its center line; of its points the one nearest to the line.
                front = met[(along - radii)[met] <= (along - radii)[met].min() + 2 * radii[met].max()]
                return int(front[beside[front].argmin()])
        return None

    def first_voxel(self, labels: sitk.Image, values: Iterable[int]) -> np.ndarray | None:
        """RAS (3,) of the first voxel with one of some labels on the line; None where there is none."""
        array = images.array_of(labels)
        step = float(min(labels.GetSpacing())) / 2
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in array.shape])).reshape(3, -1).T.astype(float)
        depths = (images.kji_to_ras(corners, labels) - self.start) @ self.towards
        places = self.start + np.arange(max(depths.min(), 0.0), depths.max() + step, step)[:, None] * self.towards
        index = np.rint(images.ras_to_kji(places, labels)).astype(int)
        inside = ((index >= 0) & (index < array.shape)).all(1)
        hit = np.flatnonzero(np.isin(array[tuple(index[inside].T)], list(values)))
        return places[inside][hit[0]] if len(hit) else None
