"""Columns of result tables: one description for the panel, the command, the report and CSV."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: in the rows.
        title: what people read, with the unit.
        kind: of the values; a flag is 0 or 1.
        decimals: how a number is shown; None shows three digits at least.
        help: what it means, a sentence.
        missing: shown where there is no number.
        brief: whether it is shown where there is little room.
    """

    key: str
    title: str
    kind: Literal["text", "number", "flag"] = "number"
    decimals: int | None = 1
    help: str = ""
    missing: str = "n/a"
    brief: bool = True

    def number(self, value: Any) -> Any:
        """A number rounded to the column's decimals, for tables that set numbers themselves; anything else as it is."""
        rounds = isinstance(value, float) and math.isfinite(value) and self.decimals is not None
        return round(value, self.decimals) if rounds else value

    def shown(self, value: Any) -> str:
        """A value as people read it; None and NaN are missing."""
        if self.kind == "text":
            return "" if value is None else str(value)
        if self.kind == "flag":
            return "yes" if value else "no"
        if value is None or math.isnan(value):
            return self.missing
        decimals = self.decimals
        if decimals is None:
            decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return f"{value:.{decimals}f}"
