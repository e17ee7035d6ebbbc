"""Signed distances of simple shapes, in torch, for batches: negative inside, millimeters, broadcast with (B, ...)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    Number = float | torch.Tensor
    Point = tuple[Number, Number, Number]


def sphere(p: tuple[torch.Tensor, ...], center: Point, radius: Number) -> torch.Tensor:
    """Distance to a sphere."""
    return distance(p, center) - radius


def distance(p: tuple[torch.Tensor, ...], center: Point) -> torch.Tensor:
    """Distance to a point."""
    import torch

    x, y, z = (a - c for a, c in zip(p, center, strict=True))
    return torch.sqrt(x * x + y * y + z * z)


def ellipsoid(p: tuple[torch.Tensor, ...], center: Point, radii: Point) -> torch.Tensor:
    """About the distance to an ellipsoid (exact on its surface)."""
    import torch

    x, y, z = ((a - c) / r for a, c, r in zip(p, center, radii, strict=True))
    shortest = radii[0]
    for r in radii[1:]:
        shortest = torch.minimum(torch.as_tensor(shortest), torch.as_tensor(r))
    return (torch.sqrt(x * x + y * y + z * z) - 1) * shortest.to(x.device)


def capsule(p: tuple[torch.Tensor, ...], a: Point, b: Point, radius_a: Number, radius_b: Number) -> torch.Tensor:
    """About the distance to a tapered capsule from `a` to `b`."""
    import torch

    axis = [q - o for o, q in zip(a, b, strict=True)]
    rel = [c - o for c, o in zip(p, a, strict=True)]
    length = sum(v * v for v in axis)
    t = (sum(r * v for r, v in zip(rel, axis, strict=True)) / length).clamp(0, 1)
    d = sum((r - t * v) ** 2 for r, v in zip(rel, axis, strict=True))
    return torch.sqrt(d) - (radius_a + (radius_b - radius_a) * t)


def plate(p: tuple[torch.Tensor, ...], center: Point, half: Point, rounding: float, tilt: Number = 0.0) -> torch.Tensor:
    """Distance to a rounded box, tilted about y (laterally down for a positive angle)."""
    import torch

    x, y, z = (a - c for a, c in zip(p, center, strict=True))
    tilt = torch.as_tensor(tilt, device=x.device)
    c, s = torch.cos(tilt), torch.sin(tilt)
    x, z = c * x - s * z, s * x + c * z
    q = [a.abs() - h + rounding for a, h in zip((x, y, z), half, strict=True)]
    outside = torch.sqrt(sum(a.clamp(min=0) ** 2 for a in q))
    inside = torch.maximum(torch.maximum(q[0], q[1]), q[2]).clamp(max=0)
    return outside + inside - rounding


def union(a: torch.Tensor, b: torch.Tensor, seam: float) -> torch.Tensor:
    """Union whose seam is rounded over `seam` mm (polynomial smooth minimum)."""
    mix = (0.5 + 0.5 * (b - a) / seam).clamp(0, 1)
    return b + (a - b) * mix - seam * mix * (1 - mix)


def without(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """What is in `a` and not in `b`."""
    import torch

    return torch.maximum(a, -b)


def both(*shapes: torch.Tensor) -> torch.Tensor:
    """What is in all shapes."""
    import torch

    result = shapes[0]
    for shape in shapes[1:]:
        result = torch.maximum(result, shape)
    return result
