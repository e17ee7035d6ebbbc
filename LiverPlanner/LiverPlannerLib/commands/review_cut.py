"""A cutting plane for the review in a browser: dragged there, with the remnant that it leaves."""

from __future__ import annotations

from typing import Any

from PreopReviewLib.review.tools import offer_tool

NAME = "Cut plane"


class CutTool:
    """A plane through the liver's middle, and what it leaves."""

    def __init__(self, scene: Any, segmentation: Any) -> None:
        from LiverPlannerLib.resection.live_cut import LiveCut
        from LiverPlannerLib.scene.planes import add_plane
        from LiverPlannerLib.scene.segments import SegmentVoxels

        self._cut = LiveCut(SegmentVoxels(segmentation).labels())
        self.node = add_plane(scene, self._cut.center_ras, self._cut.size_mm)

    def rows(self) -> list[tuple[str, str]]:
        """Volumes on both sides; the side that the arrow points to is taken."""
        from LiverPlannerLib.scene.planes import plane_of

        volumes = self._cut.cut([plane_of(self.node)])
        share = volumes.remnant_share
        return [
            ("Remnant", f"{volumes.remnant_ml:.0f} ml"),
            ("Functional remnant", f"{volumes.functional_remnant_ml:.0f} ml"),
            ("of the functional liver", "n/a" if share is None else f"{100 * share:.1f} %"),
            ("Taken", f"{volumes.resected_ml:.0f} ml"),
            ("Tumor left", f"{volumes.tumor_remnant_ml:.1f} ml"),
        ]


offer_tool(NAME, CutTool)
