"""Rows on territories for tables and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.territories.areas import Territories
from LiverPlannerLib.territories.names import NamedTerritory


def name_of_branches(named: Sequence[NamedTerritory], territories: Territories) -> dict[int, str]:
    """The territory's name for each branch that lies in one; stems above the territories have none."""
    return {
        below: territory.name
        for territory in named
        for branch in territory.branches
        for below in territories.tree.downstream(branch)
    }


def branch_rows(territories: Territories, named: Sequence[NamedTerritory]) -> list[dict[str, Any]]:
    """Every branch: radius, length, and the ml and percent of the liver that a click on it takes."""
    names = name_of_branches(named, territories)
    return [
        {
            "tree": territories.tree.structure,
            "branch": b.id,
            "parent": b.parent,
            "generation": b.generation if b.generation >= 0 else None,
            "name": names.get(b.id),
            "radius_mm": round(b.radius_mm, 2),
            "length_mm": round(b.length_mm, 1),
            "territory_ml": round(float(territories.ml[b.id]), 2),
            "territory_percent": round(100 * territories.share(b.id), 2),
        }
        for b in territories.tree.branches
    ]


def named_rows(territories: Territories, named: Sequence[NamedTerritory]) -> list[dict[str, Any]]:
    """The territories by name, with the value that they have in `named_image`; together 100 % of the liver."""
    return [
        {
            "tree": territories.tree.structure,
            "value": value,
            "name": n.name,
            "branches": " ".join(map(str, n.branches)),
            "ml": round(n.ml, 2),
            "percent": round(100 * n.share, 2),
            "fit_percent": None if n.fit is None else round(100 * n.fit, 1),
        }
        for value, n in enumerate(named, 1)
    ]


def named_image(territories: Territories, named: Sequence[NamedTerritory]) -> sitk.Image:
    """Label image (uint16): 1, 2, … in the order of `named`."""
    values = np.zeros(len(territories.last), np.uint16)
    for value, territory in enumerate(named, 1):
        values[territories.taken(territory.branches)] = value
    return territories.image(values)
