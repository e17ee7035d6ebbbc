"""Which segment of a segmentation is what: shown, and changed where a name or a code means something else."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from LiverPlannerLib.structures import STRUCTURES
from PreopReviewLib.panels.context import Context

NOT_COUNTED = _("not counted")
COUINAUD = "couinaud"
"""Stands for a Couinaud segment beside a liver: a part of it, in a layer of its own. Without a liver all of them
together are the liver, and are shown as such."""

ROW, MOST_ROWS = 26, 8
"""Height of a row in pixels; a table of more rows scrolls."""


class SegmentMeanings:
    """A row for every segment, with a choice of structures."""

    def __init__(self, context: Context, table: Any) -> None:
        self.context, self.table = context, table
        self._shown: tuple[Any, ...] = ()
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("Segment"), _("Taken for")])
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(ROW)
        table.horizontalHeader().setStretchLastSection(True)

    def refresh(self, plan: Any | None) -> list[str]:
        """Shows the segments of a plan, and returns the names of those that are not counted."""
        rows = []
        if plan is not None:
            from LiverPlannerLib.scene.segments import is_couinaud, structures_of
            from PreopReviewLib.scene.finding import segment_keys

            keys = segment_keys(plan)
            segments = [plan.GetSegmentation().GetSegment(key) for key in keys]
            for segment_id, segment, known in zip(keys, segments, structures_of(segments), strict=True):
                key = known.key if known else COUINAUD if is_couinaud(segment) else ""
                rows.append((segment_id, segment.GetName(), key))
        signature = (plan.GetID() if plan is not None else "", *rows)
        if signature != self._shown:
            self._shown = signature
            self._fill(plan, rows)
        return [name for _id, name, key in rows if not key]

    def show_in(self, button: Any, segmentation: Any | None) -> None:
        """Shows the segments below a collapsible button whose title says how many are not counted."""
        unknown = self.refresh(segmentation)
        button.visible = segmentation is not None
        words = _("Which segment is what")
        if unknown:
            words = _("Which segment is what ({count} not counted)").format(count=len(unknown))
        button.text = words

    def _fill(self, plan: Any | None, rows: list[tuple[str, str, str]]) -> None:
        self.table.setRowCount(0)
        self.table.setRowCount(len(rows))
        for row, (segment_id, name, key) in enumerate(rows):
            item = qt.QTableWidgetItem(name)
            item.setToolTip(name)
            self.table.setItem(row, 0, item)
            box = qt.QComboBox()
            if key == COUINAUD:
                box.addItem(_("Couinaud segment"), COUINAUD)
            box.addItem(NOT_COUNTED, "")
            for s in STRUCTURES:
                box.addItem(s.name, s.key)
            box.setCurrentIndex(max(box.findData(key), 0))
            box.connect("activated(int)", lambda i, s=segment_id, b=box: self._choose(plan, s, b.itemData(i)))
            self.table.setCellWidget(row, 1, box)
        self.table.setFixedHeight(ROW * (1 + max(1, min(len(rows), MOST_ROWS))) + 4)

    def _choose(self, plan: Any, segment_id: str, key: str) -> None:
        from LiverPlannerLib.scene.segments import set_structure

        segment = plan.GetSegmentation().GetSegment(segment_id)
        if segment is not None and key != COUINAUD:
            set_structure(segment, key or None)
            self.context.notify("segmentation")


def nothing_known(segmentation: Any) -> str:
    """Why a segmentation cannot be compared with a plan, a sentence; empty if a segment is known, or there is none."""
    from LiverPlannerLib.scene.comparison import has_unknown_alone

    if not has_unknown_alone(segmentation):
        return ""
    words = _("No segment of {name} is known here. Say below which of its segments is the liver, a tumor and so on.")
    return words.format(name=segmentation.GetName())
