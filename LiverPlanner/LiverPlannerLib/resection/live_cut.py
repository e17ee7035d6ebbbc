"""Volumes on both sides of cutting planes, fast enough to follow a plane while it is dragged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.resection.cutting import ON_PLANE_MM, Plane
from LiverPlannerLib.resection.volumetry import NOT_FUNCTIONAL
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.images.geometry import box_of


@dataclass(frozen=True)
class CutVolumes:
    """What planes take and leave, ml.

    Attributes:
        resected_ml, remnant_ml: everything of the liver on that side.
        functional_ml: of the whole liver, without the excluded structures.
        functional_remnant_ml: of the remnant, the same.
        tumor_remnant_ml: tumor left in the remnant.
    """

    resected_ml: float
    remnant_ml: float
    functional_ml: float
    functional_remnant_ml: float
    tumor_remnant_ml: float

    @property
    def remnant_share(self) -> float | None:
        """Functional remnant of the functional liver; None where nothing is functional."""
        return self.functional_remnant_ml / self.functional_ml if self.functional_ml else None


class LiveCut:
    """The liver's voxels as points, once, to be cut again and again.

    The counts are those of `resection.resect_by_planes` and `volumetry`, up to voxels whose center lies within a
    hundredth of a µm of a plane.

    Args:
        labels: values of the table of structures.
        exclude: structures that are not functional liver.
        inside: (K, J, I), of `inside_liver`, where it is known already.

    Raises:
        NothingFound: there is no liver.
    """

    def __init__(
        self, labels: sitk.Image, exclude: Sequence[str] = NOT_FUNCTIONAL, inside: np.ndarray | None = None
    ) -> None:
        liver = inside_liver(labels) if inside is None else inside
        box = box_of(liver)
        if box is None:
            raise NothingFound("There is no liver in the segmentation", "Segment the liver first")
        corner = np.array([s.start for s in box], float)
        voxels = np.argwhere(liver[box]).astype(np.float32)
        base = images.kji_to_ras(corner[None], labels)[0]
        steps = (images.kji_to_ras(corner + np.eye(3), labels) - base).astype(np.float32)
        self._base = base
        # Measured by columns below: to reduce axis 0 of (n, 3) takes NumPy five times as long or more.
        self._points = voxels @ steps  # RAS mm from the corner of the box: float32 is exact to 0.0001 mm there
        values = images.array_of(labels)[box][liver[box]]
        self._functional = ~np.isin(values, [structure(key).label for key in exclude])
        self._tumor = values == structure("tumor").label
        self._ml = images.voxel_ml(labels)
        self._count = (len(values), int(np.count_nonzero(self._functional)), int(np.count_nonzero(self._tumor)))

    @property
    def center_ras(self) -> tuple[float, float, float]:
        """Centroid of the liver, mm."""
        x, y, z = (float(self._points[:, n].mean(dtype=float) + self._base[n]) for n in range(3))
        return x, y, z

    @property
    def size_mm(self) -> float:
        """Length of the diagonal of the box around the liver in patient axes."""
        return float(np.linalg.norm([np.ptp(self._points[:, n]) for n in range(3)]))

    def taken(self, planes: Sequence[Plane]) -> np.ndarray:
        """(n,) whether planes take each liver voxel, in the order of `np.argwhere(liver)`.

        Raises:
            InputError: no plane.
        """
        if not planes:
            raise InputError("There is no cutting plane", "Add one")
        taken = np.ones(self._count[0], bool)
        for plane in planes:
            normal = np.array(plane.normal, float)
            normal /= np.linalg.norm(normal)
            level = (np.array(plane.point) - self._base) @ normal + ON_PLANE_MM
            taken &= self._points @ normal.astype(np.float32) > level
        return taken

    def cut(self, planes: Sequence[Plane]) -> CutVolumes:
        """The volumes for planes; what lies on the normals' side of all of them is taken.

        Raises:
            InputError: no plane.
        """
        taken = self.taken(planes)
        total, functional, tumor = self._count
        away = int(np.count_nonzero(taken))
        away_functional = int(np.count_nonzero(taken & self._functional))
        away_tumor = int(np.count_nonzero(taken & self._tumor)) if tumor else 0
        counts = (away, total - away, functional, functional - away_functional, tumor - away_tumor)
        return CutVolumes(*(n * self._ml for n in counts))
