"""Rows in a QTableWidget, on the clipboard and in a CSV file; shared by the sections that measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from LiverPlannerLib.scene.tables import Column, Row, csv_text, write_csv

MOST_ROWS = 12
"""A table grows up to so many rows before it scrolls: the panel scrolls already."""
FEW, VERY_FEW = 6, 3
"""So many columns are narrower than a panel; of very few, the last one may be the unit."""
ONE_LINE = 6
"""Letters of a title that needs no second line."""


def fit_rows(view: Any, most: int) -> None:
    """Makes a QListWidget as high as its rows are, up to so many of them."""
    count = min(max(view.count, 1), most)
    line = max(view.sizeHintForRow(0) if view.count else 0, qt.QFontMetrics(view.font).height())
    view.setFixedHeight(int(count * line + 2 * view.frameWidth + 2))


def fill_table(
    widget: Any,
    columns: Sequence[Column],
    rows: Sequence[Row],
    color_of: Callable[[Row], tuple[float, float, float] | None] | None = None,
    checkable: str = "",
    all_columns: bool = True,
) -> None:
    """Shows rows; the chosen row stays chosen where it can.

    Args:
        widget: QTableWidget.
        color_of: color of the square before a row's first cell.
        checkable: key of the flag column that the user may tick; other flags are words.
        all_columns: show also those that matter to few (not `Column.brief`).
    """
    chosen = widget.currentRow()
    blocked = widget.blockSignals(True)
    try:
        widget.setColumnCount(len(columns))
        widget.setRowCount(len(rows))
        for c, column in enumerate(columns):
            head = qt.QTableWidgetItem(in_two_lines(_(column.title)))
            head.setToolTip(_(column.help) if column.help else "")
            widget.setHorizontalHeaderItem(c, head)
            for r, row in enumerate(rows):
                item = _item(column, row, column.key == checkable, c > 0)
                item.setToolTip(str(row.get("how") or row.get("reason") or item.toolTip()))
                widget.setItem(r, c, item)
        if color_of is not None:
            for r, row in enumerate(rows):
                _add_square(widget.item(r, 0), color_of(row))
        for c, column in enumerate(columns):
            widget.setColumnHidden(c, not (column.brief or all_columns))
        widget.horizontalHeader().setHighlightSections(False)  # bold words would need more room than they got
        widget.resizeColumnsToContents()
        shown = [c for c in columns if all_columns or c.brief]
        _stretch(widget, shown)
        widget.visible = bool(rows)
        _fit_height(widget, len(rows), 2 if any("\n" in in_two_lines(_(c.title)) for c in columns) else 1)
        if 0 <= chosen < len(rows):
            widget.setCurrentCell(chosen, 0)
    finally:
        widget.blockSignals(blocked)


def in_two_lines(title: str) -> str:
    """A title of several words in two lines of about one length: columns of numbers are narrower than their titles."""
    if len(title) <= ONE_LINE or " " not in title:
        return title
    breaks = [i for i, letter in enumerate(title) if letter == " "]
    best = min(breaks, key=lambda i: max(i, len(title) - i - 1))
    return f"{title[:best]}\n{title[best + 1 :]}"


def _item(column: Column, row: Row, checkable: bool, aligned: bool) -> Any:
    value = row.get(column.key)
    item = qt.QTableWidgetItem("" if checkable else column.shown(value))
    if checkable:
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
        item.setCheckState(qt.Qt.Checked if value else qt.Qt.Unchecked)
    elif column.kind == "number" and aligned:  # one in the first column names the row
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    if column.kind == "text" and len(column.shown(value)) > 24:
        item.setToolTip(column.shown(value))
    return item


def _add_square(item: Any, color: tuple[float, float, float] | None) -> None:
    if color is not None:
        item.setData(qt.Qt.DecorationRole, qt.QColor.fromRgbF(*color))


def _stretch(widget: Any, columns: Sequence[Column]) -> None:
    """The room that is left goes to the first column where there are few, else to the last one if it holds words.

    A last column of numbers keeps its size: Qt may make it wider than the room, and a number that is cut off reads as
    another one. Where there are few and all are numbers, they share the room, and none gets less than the widest needs.
    """
    words = bool(columns) and columns[-1].kind == "text"
    few = len(columns) <= VERY_FEW or (len(columns) <= FEW and not words)
    share = few and all(column.kind == "number" for column in columns)
    header = widget.horizontalHeader()
    header.setStretchLastSection(words and not few)
    if share:
        header.setMinimumSectionSize(max((widget.columnWidth(c) for c in range(widget.columnCount)), default=0))
    for c in range(len(columns) if share else min(len(columns), 1)):
        header.setSectionResizeMode(c, qt.QHeaderView.Stretch if few else qt.QHeaderView.Interactive)


def _fit_height(widget: Any, rows: int, lines: int) -> None:
    line = widget.fontMetrics().height() + 6
    widget.verticalHeader().setMinimumSectionSize(line)
    widget.verticalHeader().setDefaultSectionSize(line)
    head = lines * widget.fontMetrics().height() + 8
    shown = min(rows, MOST_ROWS)
    widget.setFixedHeight(int(head + shown * line + 2 * widget.frameWidth + 16))


def copy_table(columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Puts rows on the clipboard, as a spreadsheet takes them."""
    qt.QApplication.clipboard().setText(csv_text(columns, rows, "\t", titles=True))


def save_table(
    name: str, columns: Sequence[Column], rows: Sequence[Row], notes: Sequence[str], parent: Any | None = None
) -> Path | None:
    """Asks for a file and writes rows to it.

    Returns:
        the file; None where the user has cancelled.

    Raises:
        OutputError: it cannot be written.
    """
    path = qt.QFileDialog.getSaveFileName(parent, _("Save the table"), f"{name}.csv", _("Tables (*.csv)"))
    if not path:
        return None
    chosen = Path(path)
    return write_csv(chosen if chosen.suffix else chosen.with_suffix(".csv"), columns, rows, notes)


class FoldedNotes:
    """Sentences in one line with their number, unfolded by a click; a single one is shown as it is.

    Args:
        label: QLabel; all sentences are in its tooltip, folded or not.
    """

    def __init__(self, label: Any) -> None:
        self._label, self._open = label, False
        self._notes: tuple[str, ...] = ()
        self._urgent = ""
        label.setTextInteractionFlags(qt.Qt.TextBrowserInteraction)
        label.connect("linkActivated(QString)", lambda _link: self._turn())

    def show(self, notes: Sequence[str], urgent: str = "") -> None:
        """Shows other sentences, folded if they are others than before.

        Args:
            urgent: a sentence that is never folded away.
        """
        if tuple(notes) != self._notes:
            self._open = False
        self._notes, self._urgent = tuple(notes), urgent
        self._fill()

    def _turn(self) -> None:
        self._open = not self._open
        self._fill()

    def _fill(self) -> None:
        from html import escape

        notes, label = self._notes, self._label
        lines = [f"<b>{escape(self._urgent)}</b>"] if self._urgent else []
        if len(notes) == 1:
            lines.append(escape(notes[0]))
        elif notes:
            words = _("{count} notes").format(count=len(notes))
            lines.append(f"<a href='notes'>{'▾' if self._open else '▸'} {words}</a>")
        label.text = "<br>".join(lines) + (bullets(notes) if self._open and len(notes) > 1 else "")
        label.toolTip = bullets([*([self._urgent] if self._urgent else []), *notes])
        label.visible = bool(lines)


def bullets(notes: Sequence[str]) -> str:
    """Sentences as rich text, one per line."""
    from html import escape

    if not notes:
        return ""
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<ul style='margin: 0px; -qt-list-indent: 0; margin-left: 12px;'>{lines}</ul>"
