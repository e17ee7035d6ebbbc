"""Structures packed into as few label maps as their overlaps allow, a step at a time.

Slicer can merge the label maps of segments itself, but only all at once, and takes longer for it than a panel may be
silent.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from LiverPlannerLib.plan.parts import Part, slabs


@dataclass(frozen=True)
class Layer:
    """Parts that share no voxel, as one label map.

    Attributes:
        start: first voxel (K, J, I) of the box, on the grid of the image.
        values: uint8, 0 where there is none of them.
        value_of: by the part's key, its value, from 1 on.
    """

    start: tuple[int, int, int]
    values: np.ndarray = field(repr=False)
    value_of: dict[str, int]


def layers_steps(parts: Sequence[Part]) -> Generator[None, None, list[Layer]]:
    """Puts every part into the first layer where it overlaps none; one part, or less, is done per step.

    Returns:
        (of the generator) the layers; each is as small as its parts allow.
    """
    groups: list[list[Part]] = []
    for part in parts:
        fitting = next((g for g in groups if not any(_overlap(part, other) for other in g)), None)
        if fitting is None:
            groups.append([part])
        else:
            fitting.append(part)
        yield
    layers = []
    for group in groups:
        low = np.min([p.start for p in group], axis=0)
        high = np.max([np.add(p.start, p.voxels.shape) for p in group], axis=0)
        values = group[0].voxels  # 0 and 1: already a label map, if it is alone
        if len(group) > 1:
            values = np.zeros(high - low, np.uint8)
            for value, part in enumerate(group, 1):
                box = values[_within(part.start, part.voxels.shape, low)]
                for some in slabs(box.shape):
                    np.copyto(box[some], value, where=part.voxels[some].view(bool))
                    yield
        layers.append(Layer(tuple(low.tolist()), values, {p.key: n for n, p in enumerate(group, 1)}))
    return layers


def _overlap(a: Part, b: Part) -> bool:
    low = np.maximum(a.start, b.start)
    size = np.minimum(np.add(a.start, a.voxels.shape), np.add(b.start, b.voxels.shape)) - low
    if (size <= 0).any():
        return False
    mine, other = (p.voxels[_within(low, size, p.start)] for p in (a, b))
    return any(np.logical_and(x, y).any() for x, y in zip(mine, other, strict=True))


def _within(start: Sequence[int], size: Sequence[int], origin: Sequence[int]) -> tuple[slice, ...]:
    """The place of a box in an array whose first voxel lies at `origin`."""
    return tuple(slice(int(s - o), int(s - o + n)) for s, n, o in zip(start, size, origin, strict=True))
