"""Terminology entries as the strings that Slicer keeps with a segment.

Seven parts joined by ``~``: context, category, type, type modifier, region context, region, region modifier; a
coded part is ``scheme^value^meaning`` (Slicer developer guide, "Segmentations", terminology).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from PreopReviewLib.errors import InputError

REGION_CONTEXT = "Anatomic codes - DICOM master list"
"""Slicer's own list of anatomic regions, to which our regions belong."""

_NOTHING = "^^"


class Term(NamedTuple):
    """A coded term, e.g. ``Term("SCT", "10200004", "Liver")``."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class TerminologyEntry:
    """What a segment is, in codes.

    Attributes:
        context: name of the list (a terminology file) that category and type are from.
        region_context: name of the list that the region is from; empty without a region.
    """

    context: str
    category: Term
    type: Term
    type_modifier: Term | None = None
    region: Term | None = None
    region_modifier: Term | None = None
    region_context: str = ""


def serialize(entry: TerminologyEntry) -> str:
    """The string form of an entry.

    Raises:
        InputError: a part holds one of the separators ``~`` and ``^``, for which the form has no escape.
    """
    parts = (entry.category, entry.type, entry.type_modifier, entry.region, entry.region_modifier)
    words = [entry.context, entry.region_context, *(word for part in parts if part for word in part)]
    if any(mark in word for word in words for mark in "~^"):
        raise InputError(f"The terminology entry {entry.type.meaning!r} holds a '~' or '^'", "Reword it")
    category, kind, modifier, region, region_modifier = ("^".join(part) if part else _NOTHING for part in parts)
    return "~".join((entry.context, category, kind, modifier, entry.region_context, region, region_modifier))


def deserialize(text: str) -> TerminologyEntry:
    """The entry of a string.

    Raises:
        InputError: the string does not have that form, or lacks category or type.
    """
    parts = text.split("~")
    if len(parts) != 7 or any(parts[i].count("^") != 2 for i in (1, 2, 3, 5, 6)):
        raise InputError(f"{text!r} is not a terminology entry", "Seven parts joined by '~' are expected")
    category, kind, modifier, region, region_modifier = (_term(parts[i]) for i in (1, 2, 3, 5, 6))
    if category is None or kind is None:
        raise InputError(f"The terminology entry {text!r} has no category or no type", "Give both")
    return TerminologyEntry(parts[0], category, kind, modifier, region, region_modifier, parts[4])


def _term(text: str) -> Term | None:
    return None if text == _NOTHING else Term(*text.split("^"))
