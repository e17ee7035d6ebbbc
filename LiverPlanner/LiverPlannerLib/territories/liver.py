"""The territories of both vein trees of one liver, and the other trees that a cut may cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.structures import STRUCTURES, mask_of
from LiverPlannerLib.territories.areas import Territories, find_territories
from LiverPlannerLib.territories.names import NamedTerritory, named_territories
from LiverPlannerLib.vessels.branches import VesselTree, split_branches
from LiverPlannerLib.vessels.by_hand import SetByHand, set_by_hand
from PreopReviewLib import images
from PreopReviewLib.errors import PreopError
from PreopReviewLib.progress import CancelToken, Progress, silent

WITH_TERRITORIES = ("portal_vein", "hepatic_vein")


@dataclass
class LiverTrees:
    """Trees, territories and their names, by structure key.

    Attributes:
        labels: what they were found in.
        trees: veins, arteries and ducts that occur.
        territories, named: of portal and hepatic vein, where they occur.
        missing: by key, why there is no tree or no territory.
        doubts: sentences on the segments that the names come from.
    """

    labels: sitk.Image = field(repr=False)
    trees: dict[str, VesselTree] = field(default_factory=dict)
    territories: dict[str, Territories] = field(default_factory=dict)
    named: dict[str, list[NamedTerritory]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    @property
    def doubtful_names(self) -> list[str]:
        """Why the names of territories and veins may be wrong."""
        return [f"Names of territories and veins are doubtful: {doubt}" for doubt in self.doubts if self.named]

    @property
    def warnings(self) -> list[str]:
        """Sentences on names that are doubtful, and on trees that are not in one piece."""
        names = {s.key: s.name for s in STRUCTURES}
        warnings = [f"{names[key]}: {w}." for key, tree in self.trees.items() for w in tree.warnings]
        warnings += [f"{names[key]}: {w}." for key, t in self.territories.items() for w in t.warnings]
        return self.doubtful_names + warnings


def find_trees(
    labels: sitk.Image,
    segments: sitk.Image | None = None,
    trees: Mapping[str, VesselTree] | None = None,
    inside: np.ndarray | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
    by_hand: Sequence[SetByHand] = (),
    doubts: Sequence[str] = (),
) -> LiverTrees:
    """All trees of a liver with their territories.

    Args:
        labels: values of the table of structures.
        segments: Couinaud segments on the same grid, for names.
        trees: those that were found in these labels already, by structure key.
        inside: (K, J, I), of `inside_liver`, where it is known already.
        by_hand: branches that someone has set to main or peripheral.
        doubts: the warnings of the segments, which hold for the names as well.

    Raises:
        NothingFound: there is no liver.
    """
    cancel = cancel or CancelToken()
    inside = inside_liver(labels) if inside is None else inside
    liver_trees = LiverTrees(labels, doubts=list(doubts))
    keys = [s.key for s in STRUCTURES if s.vascular]
    liver, cava = mask_of(labels, "liver"), mask_of(labels, "inferior_vena_cava")
    has_cava = bool(images.array_of(cava).any())
    for n, key in enumerate(keys):
        cancel.raise_if_cancelled()
        progress(n / len(keys), "Territories")
        try:
            tree = (trees or {}).get(key) or _tree(labels, key, liver, cava if has_cava else None)
            if tree is None:
                continue
            tree, _changed = set_by_hand(tree, by_hand)
            liver_trees.trees[key] = tree
            if key in WITH_TERRITORIES:
                liver_trees.territories[key] = find_territories(labels, tree, inside)
                liver_trees.named[key] = named_territories(liver_trees.territories[key], segments)
        except PreopError as problem:  # one vessel that is not a tree must not cost the others
            liver_trees.missing[key] = str(problem)
    progress(1.0, "Territories found")
    return liver_trees


def _tree(labels: sitk.Image, key: str, liver: sitk.Image, cava: sitk.Image | None) -> VesselTree | None:
    mask = mask_of(labels, key)
    return split_branches(mask, key, liver, cava) if images.array_of(mask).any() else None
