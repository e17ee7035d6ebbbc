"""Tears of the rotator cuff to draw into a synthetic shoulder, and the class that each belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from PreopReviewLib.errors import InputError

TEAR_CLASSES = ("none", "partial", "small", "medium", "large")
"""Class keys in ordinal order."""

PAPER_TEST_SHARES = (72 / 200, 31 / 200, 22 / 200, 49 / 200, 26 / 200)
"""Shares of the classes in the test set of Shim 2020, Table 1."""


@dataclass(frozen=True)
class TearDrawing:
    """A tear to draw on the cuff.

    Attributes:
        width_mm: from front to back, along the footprint: the size that DeOrio and Cofield classify.
        length_mm: along the fibers (retraction).
        place_mm: where its middle lies along the footprint, forward of the crest of the head (supraspinatus
            from about -9 to 15, infraspinatus behind it to about -34).
        depth: part of the thickness that is torn, from 0 (joint) to 1 (bursa).
        gap_mm: intact tendon between the tear and the footprint.
    """

    width_mm: float
    length_mm: float
    place_mm: float = 4.0
    depth: tuple[float, float] = (0.0, 1.0)
    gap_mm: float = 0.0

    @property
    def full(self) -> bool:
        """Whether it goes through the whole thickness."""
        return self.depth[0] <= 0 and self.depth[1] >= 1


def draw_tear(rng: np.random.Generator, tear_class: int) -> TearDrawing | None:
    """A random tear of a class: its width is the class's size, its place mostly the front of the cuff.

    Raises:
        InputError: no such class.
    """
    u = rng.uniform
    if tear_class == 0:
        return None
    if tear_class == 1:
        # Joint side, bursa side or inside the tendon, 40 to 85 % of the thickness.
        share = u(0.4, 0.8)
        start = (0.0, 1.0 - share, u(0.08, 0.92 - share))[int(rng.integers(3))]
        return TearDrawing(u(5, 13), u(5, 11), u(-12, 9), (start, start + share), u(0.0, 4.0))
    if tear_class not in (2, 3, 4):
        raise InputError(f"tear class must be 0 to 4, got {tear_class}", "Use 0 (none) to 4 (large to massive)")
    low, high = {2: (5.0, 9.8), 3: (10.3, 29.5), 4: (30.5, 46.0)}[tear_class]
    width = u(low, high)
    front, back = 13.0 - width / 2, -30.0 + width / 2
    place = u(max(back, front - 16), front) if front > back else u(-10, -7)
    return TearDrawing(width, min(width, u(0.65, 1.0) * (0.6 * width + 4.5)), place, (0.0, 1.0), u(0.0, 1.5))


def class_of(tear: TearDrawing | None) -> int:
    """The ordinal class of a drawn tear (DeOrio and Cofield's sizes; a partial tear has none)."""
    if tear is None or tear.width_mm <= 0:
        return 0
    if not tear.full:
        return 1
    return 2 if tear.width_mm < 10 else 3 if tear.width_mm <= 30 else 4
