"""Our terminology and color table, made known to Slicer when it has started."""

from __future__ import annotations

import logging
from typing import Any

import slicer

from PreopReviewLib.resources import resource

TERMINOLOGY = "PreopReview.term.json"
COLORS = "PreopReview.csv"
COLOR_NODE = "PreopReview"
"""Name and singleton tag of the color node: it outlives a scene and is not saved with one."""


def register_terminology() -> str:
    """Loads our list into the Terminologies module; returns its name."""
    name = slicer.modules.terminologies.logic().LoadTerminologyFromFile(str(resource("Terminologies", TERMINOLOGY)))
    if not name:
        logging.warning("PreopReview: the terminology %s was not loaded", TERMINOLOGY)
    return name


def register_colors() -> Any:
    """Adds our color table as one of Slicer's own, once; returns its node."""
    node = slicer.mrmlScene.GetSingletonNode(COLOR_NODE, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    path = str(resource("Terminologies", COLORS))
    node = slicer.modules.colors.logic().LoadColorFile(path, COLOR_NODE)
    if node is None:
        logging.warning("PreopReview: the color table %s was not loaded", COLORS)
        return None
    node.SetSingletonTag(COLOR_NODE)
    node.SetAttribute("Category", "Discrete")
    node.SetSaveWithScene(False)
    storage = node.GetStorageNode()
    if storage is not None:
        storage.SetSaveWithScene(False)
        slicer.mrmlScene.RemoveNode(storage)
    return node
