"""The five tear classes of Shim 2020 in ordinal order; sizes by DeOrio and Cofield (greatest length at surgery).

The authors' program numbers them otherwise (4 is Partial there); top-1±1 accuracy only makes sense in this order.
"""

from __future__ import annotations

from dataclasses import dataclass

from PreopReviewLib.errors import InputError


@dataclass(frozen=True)
class TearClass:
    """One class.

    Attributes:
        index: place in the ordinal order, which is the network's output channel.
        key: identifier in files and commands.
        name: what people read.
        from_cm, to_cm: bounds of the tear's size, None where the class has none.
        color: sRGB, 0 to 1.
        snomed: SNOMED CT concept (code, meaning) where one says it; sizes have none.
        aliases: other spellings accepted in tables.
    """

    index: int
    key: str
    name: str
    from_cm: float | None
    to_cm: float | None
    color: tuple[float, float, float]
    snomed: tuple[str, str] | None = None
    aliases: tuple[str, ...] = ()


_TEAR = ("307172000", "Rotator cuff tear")

TEAR_CLASSES: tuple[TearClass, ...] = (
    TearClass(0, "none", "None", None, None, (0.30, 0.69, 0.31), aliases=("no tear", "intact", "normal")),
    TearClass(1, "partial", "Partial", None, None, (1.0, 0.92, 0.23), _TEAR, ("partial thickness",)),
    TearClass(2, "small", "Small (< 1 cm)", 0.0, 1.0, (1.0, 0.70, 0.0), _TEAR),
    TearClass(3, "medium", "Medium (1–3 cm)", 1.0, 3.0, (0.96, 0.42, 0.10), _TEAR),
    TearClass(
        4,
        "large",
        "Large to massive (> 3 cm)",
        3.0,
        None,
        (0.78, 0.10, 0.12),
        _TEAR,
        ("massive", "large-to-massive", "large to massive", "large+massive"),
    ),
)
"""In ordinal order."""

KEYS = tuple(c.key for c in TEAR_CLASSES)


def tear_class(value: str | int) -> TearClass:
    """The class of a key, name, other spelling or ordinal index.

    Raises:
        InputError: there is no such class.
    """
    text = str(value).strip().lower()
    for candidate in TEAR_CLASSES:
        names = (candidate.key, candidate.name.lower(), str(candidate.index), *candidate.aliases)
        if text in names:
            return candidate
    raise InputError(f"There is no tear class {value!r}", f"Use one of {', '.join(KEYS)}")
