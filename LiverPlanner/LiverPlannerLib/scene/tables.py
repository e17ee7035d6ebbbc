"""Results as vtkMRMLTableNode, in the study of what was measured; and the same rows as CSV.

A number that is not defined is NaN in the node and an empty cell in CSV; it is never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from LiverPlannerLib.columns import Column
from PreopReviewLib.csv_text import csv_text as plain_csv

Row = Mapping[str, Any]


def write_table(scene: Any, node: Any | None, name: str, columns: Sequence[Column], rows: Sequence[Row]) -> Any:
    """Puts rows into a table node, which is made if there is none, and returns it."""
    import vtk

    if node is None or node.GetScene() is None:
        node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    table = vtk.vtkTable()
    for column in columns:
        table.AddColumn(_array(column, rows))
    node.SetName(name)
    node.SetUseColumnTitleAsColumnHeader(True)
    node.SetAndObserveTable(table)
    for column in columns:
        node.SetColumnTitle(column.key, column.title)
        if column.help:
            node.SetColumnDescription(column.key, column.help)
    node.SetLocked(True)  # computed, not typed
    return node


def _array(column: Column, rows: Sequence[Row]) -> Any:
    import vtk

    kinds = {"text": vtk.vtkStringArray, "number": vtk.vtkDoubleArray, "flag": vtk.vtkIntArray}
    array = kinds[column.kind]()
    array.SetName(column.key)
    for row in rows:
        value = row.get(column.key)
        if column.kind == "text":
            array.InsertNextValue("" if value is None else str(value))
        elif column.kind == "flag":
            array.InsertNextValue(int(bool(value)))
        else:
            array.InsertNextValue(math.nan if value is None else float(f"{value:.6g}"))  # as VTK writes it to a file
    return array


def read_table(node: Any, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The rows of a table node; a column that it lacks gives None."""
    table = node.GetTable()
    rows = []
    for n in range(table.GetNumberOfRows()):
        row: dict[str, Any] = {}
        for column in columns:
            array = table.GetColumnByName(column.key)
            value = None if array is None else array.GetValue(n)
            if column.kind == "number" and value is not None:
                value = _number(value)
            elif column.kind == "flag" and value is not None:
                value = bool(int(value))
            row[column.key] = value
        rows.append(row)
    return rows


def _number(value: Any) -> float | None:
    number = float(value) if value != "" else math.nan
    return None if math.isnan(number) else number


def place_beside(scene: Any, node: Any, other: Any) -> None:
    """Puts a node into the study of another one, and makes it go where that one goes under transforms: nowhere."""
    hierarchy = scene.GetSubjectHierarchyNode()
    if hierarchy is None or other is None:
        return
    beside = hierarchy.GetItemByDataNode(other)
    parent = hierarchy.GetItemParent(beside) if beside else hierarchy.GetSceneItemID()
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(parent, node)
    hierarchy.SetItemParent(item, parent)


def csv_text(columns: Sequence[Column], rows: Sequence[Row], separator: str = ",", titles: bool = False) -> str:
    """Rows as text, one line a row, with a head line of keys (or titles); what is not defined is empty."""
    heads = [c.title if titles else c.key for c in columns]
    return plain_csv([heads, *([_plain(c, row.get(c.key)) for c in columns] for row in rows)], separator)


def _plain(column: Column, value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if column.kind == "flag":
        return int(bool(value))
    return round(value, 6) if isinstance(value, float) else value


def write_csv(path: str | Path, columns: Sequence[Column], rows: Sequence[Row], notes: Sequence[str] = ()) -> Path:
    """Writes rows to a file, whole or not at all; notes follow the rows as lines that begin with ``#``.

    Raises:
        OutputError: it cannot be written.
    """
    from PreopReviewLib.errors import OutputError
    from PreopReviewLib.output import whole_file

    path = Path(path)
    text = csv_text(columns, rows) + "".join(f"# {note}\n" for note in notes)
    try:
        with whole_file(path) as temporary:
            # Excel takes a file for UTF-8 only with this mark, and there are ± and ² in it.
            temporary.write_text(text, encoding="utf-8-sig")
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror})", "Choose a folder with space and write permission"
        ) from error
    return path
