"""The liver's vessels: portal vein, hepatic veins, bile ducts and vena cava in the given liver, a mask (K, J, I).

The large branches follow anatomy (trunk, bifurcation, umbilical part, sectoral and segmental branches; three
hepatic veins between the sectors), the small ones grow by space colonisation. Radii in mm: portal trunk 4.8 to 8.4,
first order 60 to 80 % of it, umbilical part 3 to 4.5, sectors 2 to 3.5, hepatic veins 3 to 6.5, vena cava 7 to 15.
Axes K (up), J (back), I (left), mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from PreopReviewLib.phantoms.growth import (
    Sketch,
    VesselTree,
    colonise,
    main_branches,
    murray,
    raise_radius,
)


@dataclass(frozen=True)
class Landmarks:
    """Where vessels enter: the hepatic veins' confluence and the hilum (mm, K-J-I)."""

    confluence: np.ndarray
    hilum: np.ndarray


@dataclass
class Site:
    """What growth needs to know of a liver: voxel centers well inside it (mm) and its landmarks."""

    inside: np.ndarray
    landmarks: Landmarks
    rng: np.random.Generator

    def __post_init__(self) -> None:
        k, j, i = self.inside.T
        hilum = self.landmarks.hilum
        self.center = self.inside.mean(0)
        right = i < hilum[2] - 16
        left = i > hilum[2] + 20
        middle_k = np.median(k[right]) if right.any() else self.center[0]
        middle_j = np.median(j[right]) if right.any() else self.center[1]
        self.right_height, self.right_depth = middle_k, middle_j
        up, front = k > middle_k, j < middle_j
        left_k = np.median(k[left]) if left.any() else self.center[0]
        self._parts = {
            "right": right,
            "left": left,
            "anterior": right & front,
            "posterior": right & ~front,
            "S5": right & front & ~up,
            "S8": right & front & up,
            "S6": right & ~front & ~up,
            "S7": right & ~front & up,
            "S4": ~right & ~left & (j < hilum[1] - 5),
            "S2": left & (k > left_k),
            "S3": left & (k <= left_k),
        }

    def region(self, name: str, spread: float = 0.3) -> np.ndarray:
        """A random point of a part of the liver, drawn to its middle."""
        voxels = self.inside[self._parts[name]]
        if len(voxels) < 50:
            return self.center + self.rng.uniform(-10, 10, 3)
        return voxels[self.rng.integers(len(voxels))] * spread + voxels.mean(0) * (1 - spread)

    def attractors(self, count: int, allowed: np.ndarray | None = None) -> np.ndarray:
        """`count` random points inside the liver, from the voxels where `allowed` is true."""
        voxels = self.inside if allowed is None else self.inside[allowed]
        chosen = voxels[self.rng.integers(len(voxels), size=count)]
        return chosen + self.rng.uniform(-1, 1, chosen.shape)


def find_landmarks(rng: np.random.Generator, liver: np.ndarray, spacing: float) -> Landmarks:
    """Guess the confluence (behind, below the dome) and the hilum (underside) from the shape alone.

    Raises:
        ValueError: the mask has no column where the confluence could be.
    """
    voxels = np.argwhere(liver)
    low, high = voxels.min(0), voxels.max(0)
    width = min(high[2] - low[2], 210 / spacing)
    for _ in range(30):
        i = int(low[2] + rng.uniform(0.40, 0.56) * width)
        column = liver[:, :, max(i - 1, 0) : i + 2].any(2)
        top = np.flatnonzero(column.any(1))
        k = int(top.max() - rng.uniform(12, 32) / spacing) if len(top) else -1
        back = np.flatnonzero(column[k]) if k >= 0 else []
        if len(back):
            break
    else:
        raise ValueError("no place for the confluence")
    confluence = np.array([k * spacing, back.max() * spacing - rng.uniform(1, 8), i * spacing])
    hilum = confluence + np.array([-rng.uniform(40, 72), -rng.uniform(22, 44), rng.uniform(-12, 12)])
    down = np.array([-1.0, 0.25, 0.35])
    down *= spacing / np.linalg.norm(down)

    def inside(point: np.ndarray) -> bool:
        index = np.rint(point / spacing).astype(int)
        return bool(((index >= 0) & (index < liver.shape)).all() and liver[tuple(index)])

    if inside(hilum):
        for _ in range(int(160 / spacing)):
            if not inside(hilum + down):
                break
            hilum = hilum + down
    else:
        gap = ((voxels * spacing - hilum) ** 2 * (0.6, 1, 1)).sum(1)
        hilum = voxels[gap.argmin()] * spacing
    return Landmarks(confluence, hilum.astype(float))


def portal_vein(site: Site) -> VesselTree:
    """Trunk from below, right and left branch, umbilical part, sectors and segments, then fine branches."""
    rng, hilum = site.rng, site.landmarks.hilum
    uniform = rng.uniform
    sketch = Sketch()
    start = sketch.root(hilum + np.array([-uniform(20, 40), uniform(0, 18), uniform(14, 40)]))
    fork = hilum + np.array([uniform(0, 9), -uniform(-1, 6), uniform(-10, 3)])
    bifurcation, trunk = sketch.curve(start, [hilum * 0.9 + fork * 0.1, fork], rng, wobble=0.6)
    anterior, posterior = site.region("anterior"), site.region("posterior")
    first, second, segments = [], [], []
    right_end = bifurcation
    if rng.random() < 0.85:
        right_end, line = sketch.curve(bifurcation, [fork * 0.55 + (anterior + posterior) * 0.225], rng)
        first.append(line)
    end = np.array(sketch.points[right_end])
    stem, line = sketch.curve(right_end, [end * 0.5 + anterior * 0.5], rng)
    second.append(line)
    for name in ("S8", "S5"):
        segments.append(sketch.curve(stem, [site.region(name, 0.4)], rng)[1])
    stem, line = sketch.curve(right_end, [end * 0.5 + posterior * 0.5], rng)
    second.append(line)
    for name in ("S7", "S6"):
        segments.append(sketch.curve(stem, [site.region(name, 0.4)], rng)[1])
    bend = fork + np.array([uniform(4, 18), -uniform(8, 24), uniform(20, 40)])
    left_end, line = sketch.curve(bifurcation, [(fork + bend) / 2 + (uniform(0, 6), 0, 0), bend], rng)
    first.append(line)
    tip, umbilical = sketch.curve(left_end, [bend + np.array([uniform(-8, 4), -uniform(16, 32), uniform(0, 10)])], rng)
    segments.append(sketch.curve(left_end, [bend * 0.3 + site.region("S2", 0.4) * 0.7], rng)[1])
    segments.append(sketch.curve(tip, [site.region("S3", 0.4)], rng)[1])
    segments.append(sketch.curve(tip, [site.region("S4", 0.5)], rng)[1])
    count = int(uniform(100, 380))
    points, parents = colonise(rng, site.attractors(count), sketch, 3.2, uniform(6, 9))
    root = uniform(4.8, 8.4)
    radii = murray(parents, root, uniform(2.3, 2.9), uniform(0.5, 0.9))
    raise_radius(radii, trunk, root, root * 0.97)
    for line in first:
        raise_radius(radii, line, root * uniform(0.6, 0.8), root * uniform(0.5, 0.7))
    raise_radius(radii, umbilical, root * uniform(0.5, 0.75), root * uniform(0.35, 0.6))
    for line in second:
        raise_radius(radii, line, root * uniform(0.45, 0.6), root * uniform(0.3, 0.45))
    for line in segments:
        raise_radius(radii, line, root * uniform(0.3, 0.45), root * uniform(0.15, 0.25))
    return VesselTree(points, parents, radii, main_branches(parents, radii, 0.36 * root))


def hepatic_veins(site: Site, portal: VesselTree) -> VesselTree:
    """Right, middle and left vein between the sectors, joining at the confluence; fine branches avoid the portal."""
    from scipy.spatial import cKDTree

    rng, (confluence, hilum) = site.rng, (site.landmarks.confluence, site.landmarks.hilum)
    uniform = rng.uniform
    sketch = Sketch()
    start = sketch.root(confluence + np.array([2.0, 6.0, 0.0]))
    middle_target = np.array([hilum[0] + uniform(-10, 20), hilum[1] - uniform(24, 50), hilum[2] - uniform(6, 28)])
    right_target = site.region("right", 0.25) * 0.8 + 0.2 * np.array(
        [site.right_height - uniform(0, 40), site.right_depth, site.center[2] - uniform(20, 60)]
    )
    left_target = site.region("left", 0.3) + (uniform(0, 8), 0, 0)
    bow = (confluence + right_target) / 2 + (uniform(0, 12), 0, -uniform(0, 16))
    veins = [sketch.curve(start, [confluence + (0, -2, -6), bow, right_target], rng)[1]]
    common = start
    if rng.random() < 0.7:
        ahead = confluence + (0, -6, 0)
        common, line = sketch.curve(start, [ahead, ahead + (uniform(-4, 2), -uniform(6, 14), uniform(0, 8))], rng)
        veins.append(line)
    from_here = np.array(sketch.points[common])
    for target, sag in ((middle_target, uniform(0, 12)), (left_target, 0.0)):
        bow = (from_here + target) / 2 + (uniform(-2, 8), -sag, 0)
        veins.append(sketch.curve(common, [bow, target], rng)[1])
    if rng.random() < 0.35:
        sketch.curve(start, [confluence + (-16, -6, -8), site.region("S6")], rng)
    near_portal = cKDTree(portal.points[portal.radii > 1.4]).query(site.inside)[0]
    allowed = near_portal > min(8, float(np.quantile(near_portal, 0.5)))
    count = int(uniform(70, 260))
    points, parents = colonise(rng, site.attractors(count, allowed), sketch, 3.2, uniform(7, 10))
    root = uniform(5.5, 8.5)
    thickest = uniform(3.2, 6.5)
    radii = np.minimum(murray(parents, root, uniform(2.2, 2.8), uniform(0.5, 0.9)), thickest)
    for line in veins:
        raise_radius(radii, line, thickest * uniform(0.8, 1.0), thickest * uniform(0.25, 0.45))
    radii[0] = radii.max()
    return VesselTree(points, parents, radii, main_branches(parents, radii, 0.4 * thickest))


def bile_ducts(site: Site, portal: VesselTree) -> VesselTree:
    """Ducts beside the thicker portal branches; dilated in one liver of five."""
    uniform = site.rng.uniform
    dilated = uniform(1.4, 2.2) if site.rng.random() < 0.2 else 1.0
    kept = portal.radii >= np.quantile(portal.radii, uniform(0.3, 0.8))
    side = np.array([uniform(0.1, 0.8), -uniform(0.4, 1), -uniform(0.2, 0.8)])
    side /= np.linalg.norm(side)
    radii = np.clip(portal.radii * uniform(0.25, 0.5) * dilated, 0.6, 7.0)
    points = portal.points + side * ((portal.radii + radii + 0.3) * uniform(0.85, 1.1))[:, None]
    parents = np.where(kept, portal.parents, -1)
    return VesselTree(points, parents, radii, portal.main & kept)


def vena_cava(site: Site, shape: tuple[int, ...], spacing: float) -> np.ndarray:
    """Voxel fractions of the inferior vena cava: a flattened tube behind the confluence, top to bottom."""
    uniform = site.rng.uniform
    confluence = site.landmarks.confluence
    wide, deep = uniform(9, 15), uniform(7, 13)
    drift_back, drift_left = uniform(-0.12, 0.05), uniform(-0.05, 0.06)
    forward, leftward = uniform(0, 0.4), uniform(0, 0.3)
    out = np.zeros(shape, np.float32)
    rows = np.arange(shape[1], dtype=np.float32)[:, None] * spacing
    columns = np.arange(shape[2], dtype=np.float32)[None] * spacing
    for k in range(shape[0]):
        below = confluence[0] - k * spacing
        back, left = drift_back * max(below, 0), drift_left * max(below, 0)
        if below < 0:
            back, left = forward * below, -leftward * below
        center = (confluence[1] + 7 + back, confluence[2] + left)
        away = np.sqrt(((rows - center[0]) / deep) ** 2 + ((columns - center[1]) / wide) ** 2)
        out[k] = np.clip((1 - away) * min(wide, deep) / spacing + 0.5, 0, 1)
    return out
