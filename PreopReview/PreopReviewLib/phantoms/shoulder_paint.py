"""Painting a batch of synthetic shoulders at given points: signal, tear and, where wanted, labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PreopReviewLib.phantoms.shoulder_anatomy import TEXTURE_MM, Tissue
from PreopReviewLib.phantoms.shoulder_shapes import both, capsule, ellipsoid, plate, sphere, union, without

if TYPE_CHECKING:
    import torch

    Coordinates = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    Parameters = dict[str, torch.Tensor]


@dataclass
class Painted:
    """Shoulders at N points, each (B, ...) like the points.

    Attributes:
        signal: noise-free signal, about 0 to 1.
        tear: how much of each point is torn, 0 to 1.
        labels: `Tissue` values (uint8), or None.
    """

    signal: torch.Tensor
    tear: torch.Tensor
    labels: torch.Tensor | None


class _Canvas:
    """A signal (and labels) that shapes are painted over, with edges `edge` mm wide."""

    def __init__(self, like: torch.Tensor, edge: float, labeled: bool) -> None:
        import torch

        self.signal = torch.full_like(like, 0.015)
        self.labels = torch.zeros_like(like, dtype=torch.uint8) if labeled else None
        self.edge = edge

    def cover(self, shape: torch.Tensor) -> torch.Tensor:
        return (0.5 - shape / self.edge).clamp(0, 1)

    def paint(self, shape: torch.Tensor, value: torch.Tensor, label: Tissue) -> None:
        self.blend(self.cover(shape), value, label)

    def blend(self, cover: torch.Tensor, value: torch.Tensor, label: Tissue) -> None:
        self.signal = self.signal + cover * (value - self.signal)
        if self.labels is not None:
            self.labels[cover > 0.5] = int(label)


def paint_shoulders(
    points: Coordinates, q: Parameters, lattices: tuple[torch.Tensor, torch.Tensor], edge: float, labeled: bool = False
) -> Painted:
    """The shoulders `q` (see `stack`) at points (B, D, H, W) of the shoulder frame, in mm.

    Args:
        lattices: as of `draw_lattices`, on the points' device.
        edge: width of the transition between two tissues, mm (about the in-plane voxel size).
        labeled: also give labels.
    """
    import torch

    warp, texture = (_sample(lattice, points) for lattice in lattices)
    p = tuple(a + q["warp"] * warp[:, i] for i, a in enumerate(points))
    coarse, fine = texture[:, 0], texture[:, 1]
    canvas = _Canvas(p[0], edge, labeled)
    humerus = _humerus(p, q)
    _body(canvas, p, q, fine)
    _muscles(canvas, p, q, coarse, fine)
    sheet = _cuff(canvas, p, q, fine)
    _scapula(canvas, p, q, fine)
    _joint(canvas, p, q, humerus, sheet, fine)
    tear = canvas.cover(_tear(q, sheet, coarse)) * (1 - canvas.cover(humerus)) * (q["tear_width"] > 0)
    canvas.blend(tear, q["fluid"] * q["tear_signal"] + 0.03 * fine, Tissue.TEAR)
    depth = (q["head_radius"] + 25 - p[0]).clamp(min=0)
    coil = 1 + q["coil_strength"] * (torch.exp(-depth / q["coil_depth"]) - 0.5)
    return Painted((canvas.signal * coil).clamp(min=0), tear, canvas.labels)


def _sample(lattice: torch.Tensor, points: Coordinates) -> torch.Tensor:
    import torch
    from torch.nn import functional as F

    at = torch.stack([a / (TEXTURE_MM / 2) for a in points], -1)
    return F.grid_sample(lattice, at, mode="bilinear", padding_mode="reflection", align_corners=True)


def _zero(q: Parameters) -> torch.Tensor:
    return q["head_radius"] * 0


def _humerus(p: Coordinates, q: Parameters) -> torch.Tensor:
    r = q["head_radius"]
    head = sphere(p, (0, 0, 0), r)
    knob = q["tuberosity"] * r
    greater = sphere(p, (0.50 * r, 0.05 * r, 0.36 * r), knob)
    shaft = capsule(p, (0.22 * r, 0, -1.4 * r), (0.22 * r + 100 * q["neck_tilt"], 0, -130), 0.68 * r, q["shaft_radius"])
    neck = capsule(p, (0.15 * r, 0, -0.3 * r), (0.24 * r, 0, -1.5 * r), 0.85 * r, 0.62 * r)
    return union(union(union(head, greater, 3.0), neck, 4.0), shaft, 6.0)


def _body(canvas: _Canvas, p: Coordinates, q: Parameters, fine: torch.Tensor) -> None:
    r = q["head_radius"]
    outer = r + q["acromion_gap"] + q["deltoid"] + q["skin_fat"]
    arm = capsule(p, (0, 0, -4), (20, 0, -140), outer, outer - 6)
    neck = capsule(p, (-20, -4, 8), (-140, -6, 48), outer - 8, outer + 4)
    chest = ellipsoid(
        p, (-110 + _zero(q), 4 + _zero(q), -70 + _zero(q)), (90 + _zero(q), 62 + _zero(q), 110 + _zero(q))
    )
    body = union(union(arm, neck, 18.0), chest, 12.0)
    canvas.paint(body, q["fat"] * (1 + 0.06 * fine), Tissue.FAT)
    flesh = body + q["skin_fat"]
    streaks = (fine > 1.1) * 0.3
    canvas.paint(flesh, q["muscle"] * (1 + 0.12 * fine) + streaks * (q["fat"] - q["muscle"]), Tissue.MUSCLE)


def _muscles(canvas: _Canvas, p: Coordinates, q: Parameters, coarse: torch.Tensor, fine: torch.Tensor) -> None:
    r, bulk = q["head_radius"], q["muscle_bulk"]
    roof = r + q["acromion_gap"]
    # Fat around the joint and in the fossae, into which the muscles are laid.
    space = capsule(p, (0, 0, 0), (16, 0, -130), r + 8.0, q["shaft_radius"] + 4)
    fossa = capsule(p, (-18, 0, r - 2), (-90, -4, r + 2), 13.0 + _zero(q), 17.0 + _zero(q))
    axilla = ellipsoid(p, (-r - 4, _zero(q), -36 + _zero(q)), (12 + _zero(q), 20 + _zero(q), 15 + _zero(q)))
    fat = q["fat"] * (1 + 0.08 * fine + 0.04 * coarse)
    for shape in (union(space, fossa, 6.0), axilla):
        canvas.paint(shape, fat, Tissue.FAT)
    streak = (q["fatty_streaks"] * (fine > 0.6)).clamp(0, 1)
    belly = q["muscle"] * (1 + 0.10 * fine) + streak * (q["fat"] - q["muscle"])
    teres = capsule(p, (-r - 4, -14, -22), (-75, -18, -46), 9 * bulk, 11 * bulk)
    subscapularis = ellipsoid(p, (-42 + _zero(q), 19 + _zero(q), -10 + _zero(q)), (40 * bulk, 10 * bulk, 28 * bulk))
    infraspinatus = capsule(p, (-12, -r - 2, 4), (-80, -22, -8), 8 * bulk, 13 * bulk)
    supraspinatus = capsule(p, (-0.30 * r, 1, r + 3.2), (-78, -1, r + 1), 4.2 * bulk, 13 * bulk)
    canvas.paint(teres, belly, Tissue.MUSCLE)
    canvas.paint(subscapularis, belly, Tissue.MUSCLE)
    canvas.paint(infraspinatus, belly, Tissue.INFRASPINATUS_MUSCLE)
    canvas.paint(both(supraspinatus, p[2] - roof + 1.0), belly, Tissue.SUPRASPINATUS_MUSCLE)
    # The central tendon, which runs some way into the muscle.
    inner = capsule(p, (-0.2 * r, 1, r + 3.4), (-1.9 * r, 0, r + 3.0), 1.9 + _zero(q), 0.5 + _zero(q))
    canvas.paint(inner, q["tendon"] * 1.5, Tissue.SUPRASPINATUS_MUSCLE)


@dataclass
class _Sheet:
    """Coordinates on the cuff: depth 0 to 1 from joint to bursa, mm along the fibers from the footprint
    (medially) and along the footprint (forward), and the sheet's shape."""

    depth: torch.Tensor
    along: torch.Tensor
    forward: torch.Tensor
    shape: torch.Tensor
    radial: torch.Tensor


def _sheet(p: Coordinates, q: Parameters) -> _Sheet:
    import torch

    x, y, z = p
    r = q["head_radius"]
    rho = torch.sqrt(x * x + y * y + z * z).clamp(min=1.0)
    middle = r + 2 + q["cuff_thickness"] / 2
    elevation = torch.asin((y / rho).clamp(-0.999, 0.999))
    angle = torch.atan2(x, z)
    forward = middle * elevation
    along = middle * torch.cos(elevation) * (q["insertion"] - angle)
    # Thinner at the footprint; the sheet lies on the head's cartilage.
    thickness = q["cuff_thickness"] * (0.62 + 0.38 * (along / 9).clamp(0, 1))
    depth = (rho - r - 1.7) / thickness
    length = middle * torch.cos(elevation) * (q["insertion"] - q["junction"])
    shell = both(r + 1.7 - rho, rho - r - 1.7 - thickness)
    shape = both(shell, -along - 1.0, along - length, forward - 15.5, -forward - 35.0)
    return _Sheet(depth, along, forward, shape, rho - r)


def _cuff(canvas: _Canvas, p: Coordinates, q: Parameters, fine: torch.Tensor) -> _Sheet:
    import torch

    sheet = _sheet(p, q)
    spread = ((sheet.forward - q["tendinosis_place"]) / 9) ** 2 + ((sheet.along - 9) / 7) ** 2
    degenerate = q["tendinosis"] * torch.exp(-spread)
    value = q["tendon"] * (1 + 0.25 * fine) + degenerate
    canvas.paint(sheet.shape, value, Tissue.SUPRASPINATUS_TENDON)
    canvas.paint(both(sheet.shape, sheet.forward + 9.0), value, Tissue.INFRASPINATUS_TENDON)
    return sheet


def _bone(canvas: _Canvas, shape: torch.Tensor, q: Parameters, fine: torch.Tensor, shell: Any, label: Tissue) -> None:
    canvas.paint(shape, q["cortex"], Tissue.CORTEX)
    canvas.paint(shape + shell, q["marrow"] * (1 + 0.09 * fine), label)


def _scapula(canvas: _Canvas, p: Coordinates, q: Parameters, fine: torch.Tensor) -> None:
    import torch

    x, y, z = p
    r = q["head_radius"]
    face = r + 3.6
    medial = (-x - face).clamp(min=0)
    high = q["glenoid_height"] - 0.45 * medial.clamp(max=15) + 0.28 * (medial - 15).clamp(0, 40)
    thick = 12 - 0.42 * medial.clamp(max=18)
    body = both((z + 3).abs() - high, (y + 1).abs() - thick, x + r - 2, face - torch.sqrt(x * x + y * y + z * z))
    blade = both(y.abs() - 3.0, z - 4 - 0.12 * medial, -z - 90, x + r + 16)
    labrum = both(
        (torch.sqrt(((y + 1) / 11.5) ** 2 + ((z + 3) / q["glenoid_height"]) ** 2) - 1).abs() * 12 - 2.2,
        (torch.sqrt(x * x + y * y + z * z) - face).abs() - 3.0,
        x + 0.5 * r,
    )
    _bone(canvas, union(body, blade, 5.0), q, fine, 1.3, Tissue.GLENOID)
    canvas.paint(labrum, q["tendon"] * 1.2, Tissue.FAT)
    roof = r + q["acromion_gap"]
    half = q["acromion_thickness"] / 2
    acromion = plate(
        p,
        (q["acromion_reach"] - 17, -5, roof + half + 0.6),
        (17 + _zero(q), 19 + _zero(q), half),
        3.0,
        q["acromion_slope"],
    )
    spine = capsule(p, (-6, -18, roof + 3), (-85, -26, r - 4), 5.0 + _zero(q), 4.0 + _zero(q))
    coracoid = capsule(p, (-r - 10, 10, r - 6), (-r + 6, 30, r - 14), 6.0 + _zero(q), 6.5 + _zero(q))
    # The distal clavicle meets the acromion with a gap, the acromioclavicular joint.
    end = q["acromion_reach"] - 38
    clavicle = capsule(p, (end - 6, 4, roof + half + 2.5), (-100, 22, roof + 14), 6.2 + _zero(q), 6.5 + _zero(q))
    _bone(canvas, union(acromion, spine, 4.0), q, fine, 1.4, Tissue.ACROMION)
    _bone(canvas, coracoid, q, fine, 1.3, Tissue.ACROMION)
    _bone(canvas, clavicle, q, fine, 1.4, Tissue.CLAVICLE)


def _joint(
    canvas: _Canvas, p: Coordinates, q: Parameters, humerus: torch.Tensor, sheet: _Sheet, fine: torch.Tensor
) -> None:
    import torch

    r = q["head_radius"]
    angle = torch.atan2(p[0], p[2])
    # Bursa: a film over the cuff; the fat stripe above it stays.
    top = 1.7 + q["cuff_thickness"]
    film = both(
        (sheet.radial - top - 0.7).abs() - q["bursa_fluid"] * 0.55,
        sheet.forward.abs() - 15,
        -sheet.along - 6,
        sheet.along - 24,
    )
    canvas.paint(without(film, humerus), q["fluid"] * 0.95, Tissue.FLUID)
    medial = both(p[0] + 0.35 * r, sheet.radial - 2.0 - q["joint_fluid"], 1.6 - sheet.radial)
    recess = ellipsoid(
        p, (-0.75 * r, 4 + _zero(q), -0.98 * r), (3 + 2 * q["joint_fluid"], 8 + _zero(q), 2 + 2 * q["joint_fluid"])
    )
    for shape in (medial, recess):
        canvas.paint(without(shape, humerus), q["fluid"] * 0.9, Tissue.FLUID)
    cartilage = both(sheet.radial - 1.8, -sheet.radial, angle - 0.55, -angle - 2.2)
    canvas.paint(cartilage, q["cartilage"] * (1 + 0.05 * fine), Tissue.CARTILAGE)
    # The cortex is a film over the head and grows thick along the shaft.
    shell = 1.2 + 2.2 * ((-p[2] - r) / 30).clamp(0, 1)
    _bone(canvas, humerus, q, fine, shell, Tissue.HUMERUS)


def _tear(q: Parameters, sheet: _Sheet, coarse: torch.Tensor) -> torch.Tensor:
    import torch

    wide, long = (q["tear_width"] / 2).clamp(min=0.5), (q["tear_length"] / 2).clamp(min=0.5)
    v = (sheet.forward - q["tear_place"]) / wide
    u = (sheet.along - q["tear_gap"] - long) / long
    outline = (torch.sqrt(u * u + v * v) - 1) * torch.minimum(wide, long) + 0.35 * coarse
    thickness = q["cuff_thickness"]
    # A full tear opens into joint and bursa.
    below = torch.where(q["tear_from"] <= 0, q["tear_from"] - 0.15, q["tear_from"])
    above = torch.where(q["tear_to"] >= 1, q["tear_to"] + 0.25, q["tear_to"])
    return both(outline, (below - sheet.depth) * thickness, (sheet.depth - above) * thickness)
