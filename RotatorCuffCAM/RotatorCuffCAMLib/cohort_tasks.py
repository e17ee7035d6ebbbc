"""The cuff's command as a task of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PreopReviewLib.cohort.tasks import BETWEEN, CellValue, Data, Task, offer_task, plain_name


def classify_row(data: Data, _folder: Path) -> dict[str, CellValue]:
    """The class, the probability of each, warnings."""
    row: dict[str, CellValue] = {"class": data.get("class"), "class_name": data.get("class_name")}
    row |= {plain_name(f"probability_{k}"): v for k, v in data.get("probabilities", {}).items()}
    row["warnings"] = BETWEEN.join(data.get("warnings", ()))
    return row


def least_sure(row: Mapping[str, CellValue]) -> float:
    """The probability of the class that was chosen."""
    probabilities = [v for k, v in row.items() if k.startswith("probability_") and isinstance(v, int | float)]
    return max(probabilities) if probabilities else float("nan")


offer_task(Task("classify", ("cuff", "classify"), classify_row, least_sure, ("activation.png",)))
