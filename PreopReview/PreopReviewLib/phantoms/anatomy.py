"""A whole liver with everything in and around it, as tissues and vessel fractions on one isotropic grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from PreopReviewLib.phantoms.fields import grid, smooth_noise
from PreopReviewLib.phantoms.growth import VesselTree, rasterize
from PreopReviewLib.phantoms.lesions import Lesion, plant_lesions
from PreopReviewLib.phantoms.organs import surroundings
from PreopReviewLib.phantoms.shape import cropped, largest_part, procedural_liver, warp_liver
from PreopReviewLib.phantoms.tissues import CLASSES, UNSCORED, VESSELS, Tissue
from PreopReviewLib.phantoms.vessels import (
    Landmarks,
    Site,
    bile_ducts,
    find_landmarks,
    hepatic_veins,
    portal_vein,
    vena_cava,
)

SCORED_FROM, UNSCORED_FROM = 0.38, 0.27
"""A voxel counts as vessel from the first share of it, and is not scored between the second and the first.

A wider unscored band (from 0.12) taught the network to draw vessels a voxel too thick.
"""


@dataclass
class Anatomy:
    """One anatomy; axes K (up), J (back), I (left).

    Attributes:
        tissues: uint8 Tissue codes, vessels not among them.
        fractions: (4, K, J, I) uint8, share of each voxel in VESSELS, 255 = all of it.
        main: (K, J, I) bool, voxels of main branches.
        liver: bool, the liver with its vessels and lesions, without gallbladder.
        spacing: voxel edge, mm.
        lesions: what was planted.
        trees: center lines by structure key, mm.
    """

    tissues: np.ndarray
    fractions: np.ndarray
    main: np.ndarray
    liver: np.ndarray
    spacing: float
    lesions: list[Lesion] = field(default_factory=list)
    trees: dict[str, VesselTree] = field(default_factory=dict)

    def cut(self, box: tuple[slice, slice, slice]) -> Anatomy:
        """The part of the anatomy inside a box of voxels."""
        return Anatomy(
            self.tissues[box],
            self.fractions[(slice(None), *box)],
            self.main[box],
            self.liver[box],
            self.spacing,
            self.lesions,
            self.trees,
        )

    def classes(self) -> np.ndarray:
        """The network's target: uint8 index into CLASSES, UNSCORED where a vessel fills little of the voxel."""
        target = np.zeros(self.tissues.shape, np.uint8)
        for tissue in (Tissue.TUMOR, Tissue.TUMOR_CORE, Tissue.TUMOR_RIM):
            target[self.tissues == tissue] = CLASSES.index("tumor")
        target[self.tissues == Tissue.CYST] = CLASSES.index("cyst")
        most = self.fractions.max(0)
        free = target == 0
        target[free & (most > 255 * UNSCORED_FROM)] = UNSCORED
        chosen = free & (most > 255 * SCORED_FROM)
        channel = np.array([CLASSES.index(key) for key in VESSELS], np.uint8)
        target[chosen] = channel[self.fractions[:, chosen].argmax(0)]
        return target


def grow_anatomy(
    rng: np.random.Generator,
    spacing: float = 2.0,
    margin: float = 24.0,
    shapes: Sequence[tuple[np.ndarray, float]] = (),
    procedural: float = 0.4,
) -> Anatomy:
    """A new anatomy, wholly determined by the state of `rng` and the shapes.

    Args:
        spacing: voxel edge, mm.
        margin: what is kept round the liver, mm.
        shapes: real liver masks (K, J, I) with their isotropic spacing (mm), to be bent; none = procedural shapes only.
        procedural: share of procedural livers where there are real ones.
    """
    for _ in range(20):
        if len(shapes) and rng.random() >= procedural:
            liver = warp_liver(rng, *shapes[rng.integers(len(shapes))], spacing)
        else:
            liver = procedural_liver(rng, spacing)
        if not liver.any():
            continue
        liver = cropped(largest_part(liver), max(2, round(margin / spacing)))
        millilitres = liver.sum() * spacing**3 / 1000
        if 600 < millilitres < 3200:
            return _fill(rng, liver, spacing)
    raise ValueError("the given shapes do not give a liver of plausible size")


def _fill(rng: np.random.Generator, liver: np.ndarray, spacing: float) -> Anatomy:
    import edt

    depth = edt.edt(liver, parallel=1) * spacing
    landmarks = find_landmarks(rng, liver, spacing)
    inside = np.argwhere(depth > 3) * spacing
    site = Site(inside, landmarks, rng)
    portal = portal_vein(site)
    hepatic = hepatic_veins(site, portal)
    duct = bile_ducts(site, portal)
    cava = vena_cava(site, liver.shape, spacing)
    whole = liver
    if rng.random() < 0.5:
        liver = liver & ~(cava > 0.2)
    tissues = surroundings(rng, liver, spacing, landmarks)
    # Mostly no fat can be seen between liver and vena cava.
    tissues[whole if rng.random() < 0.7 else liver] = Tissue.LIVER
    _fissures(rng, tissues, liver, depth, landmarks, spacing)
    liver = _gallbladder(rng, tissues, liver, landmarks, spacing)
    lesions = plant_lesions(rng, tissues, liver, inside, spacing)
    trees = {"portal_vein": portal, "hepatic_vein": hepatic, "bile_duct": duct}
    fractions, main = _fractions(rng, tissues, liver, trees, cava, spacing)
    return Anatomy(tissues, fractions, main, liver, spacing, lesions, trees)


def _fractions(
    rng: np.random.Generator,
    tissues: np.ndarray,
    liver: np.ndarray,
    trees: dict[str, VesselTree],
    cava: np.ndarray,
    spacing: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Voxel shares of VESSELS as uint8, and the voxels of main branches; vessels do not overlap."""
    shape = liver.shape

    def drawn(tree: VesselTree, parents: np.ndarray | None = None) -> np.ndarray:
        return rasterize(shape, spacing, tree.points, tree.parents if parents is None else parents, tree.radii)

    share = {key: drawn(tree) for key, tree in trees.items()}
    main = np.zeros(shape, bool)
    for tree in trees.values():
        main |= drawn(tree, np.where(tree.main, tree.parents, -1)) > SCORED_FROM
    from scipy import ndimage

    near = ndimage.binary_dilation(liver, iterations=max(1, round(4 / spacing)))
    portal = share["portal_vein"]
    cava = cava * (1 - portal)
    hepatic = share["hepatic_vein"] * near * (1 - portal) * (1 - cava)
    duct = share["bile_duct"] * np.clip(1 - portal - hepatic - cava, 0, 1)
    lesion = np.isin(tissues, _LESION)
    invaded = lesion & (smooth_noise(rng, shape, 8) > 1.2) & (tissues == Tissue.TUMOR)
    kept = ~lesion | invaded
    fractions = np.stack([portal * kept, hepatic * kept, duct * kept, cava])
    return (fractions * 255).astype(np.uint8), main & kept


_LESION = [Tissue.TUMOR, Tissue.CYST, Tissue.TUMOR_CORE, Tissue.TUMOR_RIM]


def _fissures(
    rng: np.random.Generator,
    tissues: np.ndarray,
    liver: np.ndarray,
    depth: np.ndarray,
    landmarks: Landmarks,
    spacing: float,
) -> None:
    """Thin fatty sheets (falciform and venous ligament), and fatty or spared tissue beside them, in place."""
    hilum = landmarks.hilum
    k, j, i = (axis * spacing for axis in grid(tissues.shape))
    wavy = smooth_noise(rng, tissues.shape, 4) * 5
    normal = (rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3), 1.0)
    at = hilum + np.array([0, 0, rng.uniform(20, 40)])
    sheet = np.abs(sum(n * (axis - c) for n, axis, c in zip(normal, (k, j, i), at, strict=True)) + wavy)
    front = (j < hilum[1] + 4) & (k < hilum[0] + rng.uniform(-4, 24)) & liver
    if rng.random() < 0.3:
        tissues[front & (sheet < rng.uniform(5, 12)) & (depth < rng.uniform(8, 18))] = Tissue.STEATOSIS
    if rng.random() < 0.65:
        tissues[front & (sheet < rng.uniform(0.8, 2.8)) & (depth < rng.uniform(8, 28))] = Tissue.FISSURE
    if rng.random() < 0.4:
        slanted = np.abs((k - hilum[0]) * 0.8 - (j - hilum[1]) * 0.6 + wavy)
        behind = (j > hilum[1] - 6) & (np.abs(i - hilum[2] - 12) < 26) & liver
        tissues[behind & (slanted < rng.uniform(0.6, 2.2)) & (depth < rng.uniform(6, 20))] = Tissue.FISSURE


def _gallbladder(
    rng: np.random.Generator, tissues: np.ndarray, liver: np.ndarray, landmarks: Landmarks, spacing: float
) -> np.ndarray:
    """Paints a gallbladder at the underside in two livers of three; returns the liver without it."""
    from PreopReviewLib.phantoms.fields import box_around, ellipsoid

    if rng.random() > 0.65:
        return liver
    hilum = landmarks.hilum
    center = hilum + np.array([-rng.uniform(2, 24), -rng.uniform(26, 52), -rng.uniform(8, 30)])
    radii = np.array([rng.uniform(10, 18), rng.uniform(18, 34), rng.uniform(10, 16)])
    box = box_around(tissues.shape, center / spacing, radii * 1.3 / spacing)
    axes = grid([part.stop - part.start for part in box], [part.start for part in box])
    inside = ellipsoid(axes, center / spacing, radii / spacing) < 0
    tissues[box][inside] = Tissue.GALLBLADDER
    liver = liver.copy()
    liver[box][inside] = False
    return liver
