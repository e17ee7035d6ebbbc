"""Which model draws which structure of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from LiverPlannerLib.structures import SEGMENTS, STRUCTURES, structure
from PreopReviewLib.errors import InputError, ModelError
from PreopReviewLib.models.catalog import require_package
from PreopReviewLib.models.segmenter import Segmenter, segmenter
from PreopReviewLib.progress import Progress, silent

INNER = ("hepatic_vein", "portal_vein", "bile_duct", "tumor", "cyst")
"""What the default models draw inside the liver."""
COUINAUD = "segments"
"""What a model that draws Couinaud segments is chosen for, beside the structures."""


@dataclass
class ChosenModels:
    """The models that were asked for; a structure without one comes from the default models."""

    by_structure: dict[str, Segmenter] = field(default_factory=dict)

    def rest(self) -> list[str]:
        """Structures inside the liver that are left to the default models, wholly or, as with trunks, for the rest."""
        return [key for key in INNER if key not in self.by_structure or self.adds(key)]

    def adds(self, key: str) -> bool:
        """Whether the model chosen for a structure draws a part of it only, which the default ones' is added to."""
        return key in getattr(self.by_structure.get(key), "partly", ())

    def channels(self) -> tuple[str, ...]:
        """What images the model that needs most of them needs."""
        return max((getattr(m, "channels", ()) for m in self.by_structure.values()), key=len, default=())

    def default(self, name: str, progress: Progress = silent) -> Segmenter:
        """A default model by name; fetched on first use where it does not come with PreopReview."""
        return segmenter(require_package(name, progress))


def drawn_by(structures: Sequence[str]) -> list[str]:
    """What of a plan a model draws: structures of the table, and ``segments``, which together are a liver."""
    keys = {s.key for s in STRUCTURES}
    drawn = [k for k in structures if k in keys]
    if any(s.key in structures for s in SEGMENTS):
        drawn += [COUINAUD] if "liver" in drawn else ["liver", COUINAUD]
    return drawn


def choose(words: Sequence[str]) -> ChosenModels:
    """The models that words such as ``my-model`` or ``tumor=my-model`` name.

    ``NAME`` alone draws everything of the table of structures that it can, and Couinaud segments; ``STRUCTURE=NAME``
    (or ``segments=NAME``) only that one, and wins over a ``NAME`` alone.

    Raises:
        InputError: a structure that is not in the table, or named twice.
        ModelError: an unknown or broken model, one that is not for segmentation, or that does not draw the structure.
    """
    known = {s.key for s in STRUCTURES}
    whole: dict[str, Segmenter] = {}
    single: dict[str, Segmenter] = {}
    loaded: dict[str, Segmenter] = {}
    for word in words:
        key, equals, name = word.partition("=")
        if not equals or "/" in key or "\\" in key:
            key, name = "", word
        if not name.strip():
            raise InputError(f"{word!r} names no model", "Write for example liver=my-model, or my-model alone")
        model = loaded.setdefault(name, segmenter(name)) if name not in loaded else loaded[name]
        if not key:
            drawn = drawn_by(model.structures)
            if not drawn:
                raise ModelError(
                    f"The model {model.name} draws {', '.join(model.structures)}, which are not structures of a plan",
                    f"Choose a model that draws one of {', '.join(sorted(known))}",
                )
            taken = sorted(set(drawn) & set(whole))
            if taken:
                raise InputError(
                    f"Two models were chosen for {', '.join(taken)}", "Say which one draws what: STRUCTURE=NAME"
                )
            whole |= dict.fromkeys(drawn, model)
            continue
        key = key if key == COUINAUD else structure(key).key
        if key in single:
            raise InputError(f"Two models were chosen for {key}", "Choose one")
        if key not in drawn_by(model.structures):
            raise ModelError(
                f"The model {model.name} does not draw {key}, but {', '.join(model.structures)}",
                "Choose another model for it",
            )
        single[key] = model
    return ChosenModels({**whole, **single})
