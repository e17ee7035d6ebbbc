"""What a run has measured so far, as a table and a curve."""

from __future__ import annotations

from pathlib import Path

from PreopReviewLib.csv_text import csv_of_dicts
from PreopReviewLib.output import whole_file

COUNTED = ("iteration", "minutes", "loss", "learning_rate")
"""Columns that are not scores."""


def write_log(run: Path, history: list[dict[str, float]]) -> None:
    """`log.csv` and `curve.png`; nothing where nothing was measured."""
    if not history:
        return
    run.mkdir(parents=True, exist_ok=True)
    with whole_file(run / "log.csv") as file:
        file.write_text(csv_of_dicts(history, list(history[0])), encoding="utf-8", newline="")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4))
    axes = figure.add_subplot()
    at = [row["iteration"] for row in history]
    axes.plot(at, [row["loss"] for row in history], "k", label="loss")
    for name in (key for key in history[0] if key not in COUNTED):
        axes.plot(at, [row[name] for row in history], label=name)
    axes.set_xlabel("iteration")
    axes.set_ylim(0, max(1.5, min(3.0, history[0]["loss"])))
    axes.legend(fontsize=7, ncol=3)
    with whole_file(run / "curve.png") as file:
        figure.savefig(file, dpi=90)
