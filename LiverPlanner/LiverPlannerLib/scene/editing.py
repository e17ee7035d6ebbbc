"""What an edit does besides what was meant: voxels taken from other segments, and new segments with copied codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from LiverPlannerLib.labels.names import match_name, match_terminology
from LiverPlannerLib.scene.segments import SegmentVoxels
from LiverPlannerLib.structures import structure
from LiverPlannerLib.terminology_files import terminology_entry
from LiverPlannerLib.voxel_boxes import BoxedMask, common, without
from PreopReviewLib.scene.finding import segment_keys

NO_MEANING = (
    "Segmentation category and type - DICOM master list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~"
    "Anatomic codes - DICOM master list~^^~^^"
)
"""Slicer's own entry for a segment that no one has coded."""


@dataclass(frozen=True)
class Taken:
    """What an edit of one structure took from another.

    Attributes:
        by, of: names of the segments.
        ml: volume that `of` has lost.
        emptied: nothing is left of it.
    """

    by: str
    of: str
    ml: float
    emptied: bool


def taken_by_edit(before: Mapping[str, BoxedMask], now: SegmentVoxels) -> list[Taken]:
    """What segments have lost to others that were edited in the same step.

    Voxels that the liver has lost to something inside it are not counted: the liver gets them back.

    Args:
        before: masks by segment identifier.
    """
    segmentation = now.node.GetSegmentation()
    changed = [i for i, mask in now.masks.items() if before.get(i) is not mask]
    taken = []
    for loser in changed:
        lost = without(before[loser], now.masks[loser]) if loser in before else None
        if lost is None or not lost.count:
            continue
        shares = {
            winner: common(lost, now.masks[winner])
            for winner in changed
            if winner != loser and structure(now.structures[winner]).parent != now.structures[loser]
        }
        winner = max(shares, key=shares.get, default=None)
        if winner is not None and shares[winner]:
            names = (segmentation.GetSegment(i).GetName() for i in (winner, loser))
            taken.append(Taken(*names, shares[winner] * now.grid.voxel_ml, not now.masks[loser].count))
    return taken


def forget_copied_code(segmentation: Any, segment_id: str) -> bool:
    """Removes a code from a new segment that is only a copy of another's: Slicer gives it that of the one before.

    Returns:
        whether there was one.
    """
    segment = segmentation.GetSegment(segment_id)
    if segment is None:
        return False
    entry, known = segment.GetTerminology() or "", match_terminology(segment.GetTerminology() or "")
    ids = [segmentation.GetNthSegmentID(i) for i in range(segmentation.GetNumberOfSegments())]
    copied = any(segmentation.GetSegment(i).GetTerminology() == entry for i in ids if i != segment_id)
    if known is None or not copied or match_name(segment.GetName() or "") is known:
        return False
    segment.SetTerminology(NO_MEANING)
    return True


def code_by_name(node: Any) -> list[str]:
    """Gives segments without a code that of their name, e.g. "Metastasis" that of a tumor.

    Returns:
        their names.
    """
    coded = []
    for segment_id in segment_keys(node):
        segment = node.GetSegmentation().GetSegment(segment_id)
        meaning = match_name(segment.GetName() or "")
        if meaning is not None and (segment.GetTerminology() or NO_MEANING) == NO_MEANING:
            segment.SetTerminology(terminology_entry(meaning))
            segment.SetColor(*meaning.color)
            coded.append(segment.GetName())
    return coded
