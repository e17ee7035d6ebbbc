"""Making a reader study and evaluating it, from the panel; and what is remembered of the last one."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from PreopReviewLib.panels.context import Context
from RotatorCuffCAMLib.readers.study import Study, create_study, load_study, read_study_cases

FOLDER, READER, GROUP = (f"PreopReview/ReaderStudy{n}" for n in ("Folder", "Reader", "Group"))
"""Keys of the settings."""


def remember(folder: str, reader: str, group: str) -> None:
    """Keeps who reads what for the next scene and the next day."""
    settings = qt.QSettings()
    for key, value in ((FOLDER, folder), (READER, reader), (GROUP, group)):
        settings.setValue(key, value)


def remembered() -> tuple[str, str, str]:
    """Folder, reader and group of the last session; empty where there was none."""
    settings = qt.QSettings()
    return tuple("" if (v := settings.value(k)) is None else str(v) for k in (FOLDER, READER, GROUP))  # type: ignore


def make_study(parent: Any, second_look: bool) -> Study | None:
    """Asks for a table of cases and a place, and makes a study there.

    Args:
        second_look: ask for the model's answers, too, which are shown after each first answer.

    Returns:
        None where the user has cancelled.

    Raises:
        PreopError: the table names no cases, an image is missing, or the folder holds a study.
    """
    table = qt.QFileDialog.getOpenFileName(parent, _("Table of the cases"), "", _("Tables (*.csv)"))
    if not table:
        return None
    cases = read_study_cases(table)
    model = None
    if second_look:
        model = qt.QFileDialog.getExistingDirectory(
            parent, _("The model's answers, a folder for each case"), str(Path(table).parent)
        )
        if not model:
            return None
    place = qt.QFileDialog.getExistingDirectory(parent, _("Make the study in a new folder of"), str(Path(table).parent))
    if not place:
        return None
    name = Path(table).stem
    return create_study(
        Path(place) / f"{name}_study", cases, name, second_look=second_look, model=Path(model) if model else None
    )


def start_evaluation(context: Context, parent: Any, folder: str, on_done: Any) -> None:
    """Asks for the truth and a place, and evaluates all readers of a study in the worker.

    Args:
        on_done: called with the words for the panel and the folder.

    Raises:
        PreopError: there is no study in the folder.
    """
    study = load_study(folder)
    truth = qt.QFileDialog.getOpenFileName(parent, _("Table of the diagnoses: case and class"), "", _("Tables (*.csv)"))
    if not truth:
        return
    place = qt.QFileDialog.getExistingDirectory(parent, _("Write the tables into a new folder of"), str(study.folder))
    if not place:
        return
    out = Path(place) / "evaluation"
    context.run_job(
        "RotatorCuffCAMLib.tasks:evaluate_readers",
        {"study": str(study.folder), "truth": truth, "out": str(out)},
        context.new_folder(),
        on_finished=lambda result: on_done(evaluation_html(result), out),
        title=_("Evaluation"),
    )


SHOWN = ("Reader", "Binary", "Top-1", "Top-1 ± 1", "Time (s)", "κ with truth")
"""What of the readers' table fits into a panel; all of it is in the folder."""


def evaluation_html(result: dict[str, Any]) -> str:
    """The readers' figures that matter first, and what is to be said of them."""
    places = [result["columns"].index(name) for name in SHOWN]
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(row[n]))}&nbsp;&nbsp;</td>" for n in places) + "</tr>"
        for row in result["rows"]
    )
    head = "".join(f"<th align='left'>{escape(name)}&nbsp;&nbsp;</th>" for name in SHOWN)
    words = "".join(f"<p style='margin: 2px;'>{escape(w)}</p>" for w in result["statements"])
    warnings = "".join(f"<li>{escape(w[0].upper() + w[1:])}.</li>" for w in result["warnings"])
    warnings = _("<b>Beware:</b>") + f"<ul style='margin: 0px;'>{warnings}</ul>" if warnings else ""
    return f"<table>{'<tr>' + head + '</tr>'}{rows}</table>{words}{warnings}"
