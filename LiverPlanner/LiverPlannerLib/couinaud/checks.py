"""Livers whose segments are doubtful: cut off, on the wrong side, or divided unlike any liver of the training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from PreopReviewLib.images.counting import label_counts
from PreopReviewLib.images.geometry import box_of

SHAPE_ALONE = (
    "The Couinaud segments come from the shape of the liver alone: the network sees no vessels and knows no variants "
    "of the portal and hepatic veins. Compare the borders with the veins before you rely on them."
)

LEAST_RIGHTWARD = 0.037
"""How far right of the middle of its box, in widths, a liver's center of mass lies at least: half of the least of 140
livers (0.074; median 0.143)."""
BEYOND = 1.25
"""Factor by which a segment's share of the liver may leave the range of the livers that were learned from."""


def doubts(
    shape: np.ndarray,
    labels: np.ndarray,
    image_shape: Sequence[int],
    box: Sequence[slice],
    usual: Sequence[Sequence[float]] | None,
) -> list[str]:
    """Sentences of warning.

    Args:
        shape: the liver (K, J, I), bool, on an axis-aligned LPS grid, I to the left.
        labels: its segments, 1 to 8, in the liver's box of the image.
        image_shape, box: of the whole image, and where the box lies in it.
        usual: lowest and highest share of the liver of each segment among the livers learned from.
    """
    problems = []
    if any(b.start == 0 or b.stop == n for b, n in zip(box, image_shape, strict=True)):
        problems.append(
            "The liver reaches the border of the image: of a liver that is cut off, the Couinaud segments are not to "
            "be relied on."
        )
    if rightward(shape) < LEAST_RIGHTWARD:
        problems.append(
            "The bulk of this liver does not lie on the patient's right: situs inversus, a mirrored image, or a liver "
            "after resection? Its Couinaud segments are not reliable."
        )
    counts = label_counts(labels)[1:9]
    for number, share in enumerate(counts / counts.sum(), 1):
        if share == 0:
            problems.append(
                f"Couinaud segment {number} was not found: is the liver whole, and not one after hepatectomy?"
            )
        elif usual is not None:
            low, high = usual[number - 1]
            if not low / BEYOND <= share <= high * BEYOND:
                problems.append(
                    f"Couinaud segment {number} takes {share:.1%} of the liver, against {low:.1%} to {high:.1%} in the "
                    "livers that the network learned from: look at its borders. A liver after hepatectomy is divided "
                    "wrongly."
                )
    return problems


def rightward(shape: np.ndarray) -> float:
    """How far the center of mass of a mask (K, J, I) lies to the right of the middle of its box, in widths of it."""
    across = box_of(shape)[2]
    weights = shape.sum((0, 1))[across].astype(float)
    middle = (len(weights) - 1) / 2
    return float((middle - (weights * np.arange(len(weights))).sum() / weights.sum()) / max(len(weights) - 1, 1))
