"""Parenchyma of a remnant without portal inflow, without venous outflow, or without both.

Each voxel is fed by the point of the portal vein, and drained by the point of a hepatic vein, that owns it
(`territories`). It loses its inflow or outflow where the resection takes that point, or the vein between it and the
root. So the model knows no collaterals between hepatic veins, no arterial supply and no twigs that were not segmented.
After Lang 2005, Arch Surg 140:629, who calls what such a cut leaves without inflow or outflow devascularized.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.perfusion.names import VesselNames
from LiverPlannerLib.perfusion.severed import Crossing, Flow
from LiverPlannerLib.resection.volumetry import NOT_FUNCTIONAL
from LiverPlannerLib.structures import structure
from LiverPlannerLib.territories.liver import LiverTrees
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, NothingFound

NO_INFLOW, NO_OUTFLOW, NEITHER = 1, 2, 3
"""Values of `Perfusion.image`."""
MODEL_NOTE = (
    "Inflow and outflow after the cut are a model of the segmented veins, not a measurement: it knows no collaterals, "
    "no arterial supply and no vessel that was not segmented."
)
LEAST_DIAMETER_MM = 1.0


@dataclass(frozen=True)
class Perfusion:
    """What a cut does to the parenchyma of the remnant, in ml.

    Attributes:
        remnant_ml: functional parenchyma of the remnant, as `volumetry` counts it.
        no_inflow_ml, no_outflow_ml, neither_ml: of it, what loses its portal inflow, its venous outflow (congested),
            both; each of the first two with the last in it. None where there is no such vein in the labels.
        functional_ml: the remnant without all of these; None where there is neither vein.
        crossings: vessels and ducts that the cut goes through, the widest first.
        notes: sentences for the reader.
    """

    remnant_ml: float
    no_inflow_ml: float | None
    no_outflow_ml: float | None
    neither_ml: float | None
    functional_ml: float | None
    crossings: tuple[Crossing, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Tree:
    """A tree, and for each of its points the number of the liver voxel that it lies in, -1 outside."""

    key: str
    flow: Flow
    voxel: np.ndarray
    owner: np.ndarray | None = field(repr=False)

    def cut(self, taken: np.ndarray) -> np.ndarray:
        return self.flow.cut(taken[self.voxel] & (self.voxel >= 0))


class PerfusionModel:
    """The liver's voxels with their owners, once, to be cut again and again (a plane that is dragged).

    Args:
        trees: with territories.
        exclude: structures that are not functional liver.

    Raises:
        NothingFound: there is neither a portal nor a hepatic vein with a territory.
    """

    def __init__(self, trees: LiverTrees, exclude: Sequence[str] = NOT_FUNCTIONAL) -> None:
        if not trees.territories:
            raise NothingFound("There is neither a portal nor a hepatic vein", "Segment the veins first")
        first = next(iter(trees.territories.values()))
        self.trees, self.grid, self.box, self.liver = trees, first.grid, first.box, first.liver
        values = images.array_of(trees.labels)[self.box][self.liver]
        self.parenchyma = ~np.isin(values, [structure(key).label for key in exclude])
        number = np.full(self.liver.shape, -1, np.int32)
        number[self.liver] = np.arange(len(values), dtype=np.int32)
        self._trees = {
            key: _Tree(
                key,
                Flow(tree),
                _numbers_at(number, images.ras_to_kji(tree.points, self.grid) - [s.start for s in self.box]),
                trees.territories[key].point if key in trees.territories else None,
            )
            for key, tree in trees.trees.items()
        }
        self._ml = images.voxel_ml(self.grid)
        self._names = VesselNames(trees)

    def taken(self, resected: sitk.Image) -> np.ndarray:
        """(n,) whether each liver voxel is taken, of a mask.

        Raises:
            GeometryError: the mask lies on another grid.
        """
        if not images.same_grid(resected, self.grid):
            raise GeometryError("The resection and the labels lie on different grids", "Make it on these labels")
        return images.array_of(resected)[self.box][self.liver] != 0

    def measure(self, taken: np.ndarray, crossings: bool = True) -> Perfusion:
        """What a cut does.

        Args:
            taken: (n,) whether each liver voxel is resected, in the order of `np.argwhere(liver)`.
            crossings: name the vessels crossed, too.
        """
        cuts = {key: tree.cut(taken) for key, tree in self._trees.items()}
        stays = self.parenchyma & ~taken
        counts = np.bincount(self._codes(cuts)[stays], minlength=4) * self._ml
        has_in, has_out = ("portal_vein" in self.trees.territories), ("hepatic_vein" in self.trees.territories)
        return Perfusion(
            remnant_ml=float(counts.sum()),
            no_inflow_ml=float(counts[NO_INFLOW] + counts[NEITHER]) if has_in else None,
            no_outflow_ml=float(counts[NO_OUTFLOW] + counts[NEITHER]) if has_out else None,
            neither_ml=float(counts[NEITHER]) if has_in and has_out else None,
            functional_ml=float(counts[0]),
            crossings=tuple(self._crossings(cuts)) if crossings else (),
            notes=tuple(self._notes(has_in, has_out)),
        )

    def image(self, taken: np.ndarray) -> sitk.Image:
        """The remnant's parenchyma on the grid of the labels: 1 without inflow, 2 without outflow, 3 without both.

        Args:
            taken: of each voxel of the parenchyma (n,), whether it is resected.
        """
        cuts = {key: tree.cut(taken) for key, tree in self._trees.items()}
        codes = np.where(self.parenchyma & ~taken, self._codes(cuts), 0).astype(np.uint8)
        return next(iter(self.trees.territories.values())).image(codes)

    def _codes(self, cuts: dict[str, np.ndarray]) -> np.ndarray:
        codes = np.zeros(len(self.parenchyma), np.uint8)
        for key, value in (("portal_vein", NO_INFLOW), ("hepatic_vein", NO_OUTFLOW)):
            tree = self._trees.get(key)
            if tree is not None and tree.owner is not None and cuts[key].any():
                codes += (tree.flow.lost(cuts[key]) * np.uint8(value))[tree.owner]
        return codes

    def _crossings(self, cuts: dict[str, np.ndarray]) -> list[Crossing]:
        crossings = []
        for key, cut in cuts.items():
            flow, territories = self._trees[key].flow, self.trees.territories.get(key)
            for point, diameter in flow.crossings(cut):
                if diameter < LEAST_DIAMETER_MM:
                    continue
                branch = int(flow.tree.branch_of[point])
                at = flow.tree.points[[point, flow.parent[point]]].mean(0)
                ml = float(territories.ml[branch]) if territories is not None else None
                name = self._names.of(key, branch, at)
                crossings.append(Crossing(key, branch, name, diameter, tuple(at.tolist()), ml))  # type: ignore[arg-type]
        return sorted(crossings, key=lambda c: -c.diameter_mm)

    def _notes(self, has_in: bool, has_out: bool) -> list[str]:
        half = float(images.spacing_kji(self.grid).max())
        notes = [MODEL_NOTE, f"Diameters of vessels crossed are known to about ± {half:.1f} mm, the size of a voxel."]
        notes += self.trees.warnings
        for there, name, what in ((has_in, "portal vein", "inflow"), (has_out, "hepatic vein", "outflow")):
            if not there:
                notes.append(f"There is no {name} in the labels, so nothing is known about the {what}.")
        return notes


def perfusion_of(trees: LiverTrees, resected: sitk.Image, exclude: Sequence[str] = NOT_FUNCTIONAL) -> Perfusion:
    """What one resection does; for several, keep a `PerfusionModel`.

    Raises:
        NothingFound, GeometryError: see `PerfusionModel`.
    """
    model = PerfusionModel(trees, exclude)
    return model.measure(model.taken(resected))


def _numbers_at(number: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N,) the number of the liver voxel at each place (K, J, I), -1 where there is none."""
    at = np.rint(places).astype(int)
    inside = ((at >= 0) & (at < number.shape)).all(axis=1)
    numbers = np.full(len(at), -1, np.int32)
    numbers[inside] = number[tuple(at[inside].T)]
    return numbers
