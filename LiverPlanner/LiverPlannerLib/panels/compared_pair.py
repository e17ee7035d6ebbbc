"""Which two segmentations a comparison is of, and whether they still are what was compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

JUDGED, RIGHT = "PreopReview.Judged", "PreopReview.Reference"
"""References of the table's node: what was compared, and with what."""
_EVENTS = ("SourceRepresentationModified", "SegmentAdded", "SegmentRemoved")


class ComparedPair:
    """Follows two segmentations from the moment that they are compared.

    Args:
        on_edited: called when one of them is edited for the first time since.
    """

    def __init__(self, on_edited: Callable[[], None]) -> None:
        self._on_edited = on_edited
        self._nodes: tuple[Any, ...] = ()
        self._observed: list[tuple[Any, int]] = []
        self._edited: set[str] = set()

    def begin(self, judged: Any, right: Any) -> None:
        """Follows these two; what is edited from now on is not in the numbers."""
        self.forget()
        self._nodes = (judged, right)
        for node in self._nodes:
            self._observe(node.GetSegmentation(), (getattr(slicer.vtkSegmentation, name) for name in _EVENTS), node)
            self._observe(node, (slicer.vtkMRMLTransformableNode.TransformModifiedEvent,), node)

    def _observe(self, observed: Any, events: Any, node: Any) -> None:
        for event in events:
            self._observed.append((observed, observed.AddObserver(event, lambda *_args: self._note(node))))

    def _note(self, node: Any) -> None:
        if node.GetName() not in self._edited:
            self._edited.add(node.GetName())
            self._on_edited()

    def write(self, table: Any) -> None:
        """Keeps in a table's node which two it is of."""
        for role, node in zip((JUDGED, RIGHT), self._nodes, strict=True):
            table.SetNodeReferenceID(role, node.GetID())

    def follow(self, table: Any) -> None:
        """Goes on with the two of a table that was loaded with its scene."""
        judged, right = (table.GetNodeReference(role) for role in (JUDGED, RIGHT))
        if judged is not None and right is not None:
            self.begin(judged, right)

    def forget(self) -> None:
        """Releases both."""
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed.clear()
        self._nodes = ()
        self._edited = set()

    @property
    def gone(self) -> bool:
        """Whether one of them was removed from the scene."""
        return any(node.GetScene() is None for node in self._nodes)

    def problem(self, judged: Any | None, right: Any | None) -> str:
        """Why the numbers are not those of the two segmentations that are chosen now, a sentence; empty if they are."""
        if not self._nodes:
            return ""
        if self._nodes != (judged, right):
            names = (node.GetName() for node in self._nodes)
            return _("These numbers compare {a} with {b}, not what is chosen above. Press Compare.").format(
                **dict(zip("ab", names, strict=True))
            )
        if self._edited:
            names = _(" and ").join(sorted(self._edited))
            return _("{names} has been edited since these numbers were computed. Press Compare again.").format(
                names=names
            )
        return ""
