"""Lesion candidates: regions that one network alone calls tumor, on a CT the one trained on simulated images.

A candidate is a structure of its own. Its voxels count as liver and in no lesion's volume until someone accepts it,
which makes it a tumor, or dismisses it, which makes it liver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.lesions import numbered_regions
from LiverPlannerLib.structures import STRUCTURES, structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

if TYPE_CHECKING:
    from LiverPlannerLib.plan.measures import Region

CANDIDATE = "candidate"


def set_aside(labels: sitk.Image, confirmed: np.ndarray) -> sitk.Image:
    """The labels with every tumor region that has no confirmed voxel as a candidate.

    Args:
        confirmed: bool (K, J, I), what counts as tumor: on a CT all that the network trained on patients calls lesion,
            on an MRI what both networks do.
    """
    array = images.array_of(labels).copy()
    for box, inside in numbered_regions(labels, "tumor"):
        if not (confirmed[box] & inside).any():
            array[box][inside] = structure(CANDIDATE).label
    return images.image_like(array, labels)


def on_mri(lesions: np.ndarray, labels: sitk.Image, tumors: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What counts of a lesion network's answer on an MRI, and what of it is confirmed by another network.

    On MRI the network was measured on no patient. On simulated livers without lesions it takes the vessels of the
    hepatobiliary phase for lesions (`Testing.Benchmarks lesion_free`), so what is drawn as vessel or duct is left out,
    and what no other network calls tumor is not confirmed.

    Args:
        lesions: bool (K, J, I), its answer.
        labels: of the plan so far, on the same grid.
        tumors: bool (K, J, I) of what each of the other networks calls tumor, by its name.
    """
    kept = lesions & ~np.isin(images.array_of(labels), [s.label for s in STRUCTURES if s.kind in ("vessel", "duct")])
    return kept, kept & np.logical_or.reduce([np.zeros_like(kept), *tumors.values()])


def decided(labels: sitk.Image, accepted: Sequence[int] = (), dismissed: Sequence[int] = ()) -> sitk.Image:
    """The labels with accepted candidates as tumor and dismissed ones as liver; numbers as by `find_regions`.

    Raises:
        InputError: a number that no candidate has, or that is both accepted and dismissed.
    """
    candidates = numbered_regions(labels, CANDIDATE)
    both = sorted(set(accepted) & set(dismissed))
    if both:
        raise InputError(f"Candidate {both[0]} is both accepted and dismissed", "Decide for one")
    for number in (*accepted, *dismissed):
        if not 1 <= number <= len(candidates):
            known = f"there are 1 to {len(candidates)}" if candidates else "there are none"
            raise InputError(f"There is no candidate {number}: {known}", "List the candidates first")
    array = images.array_of(labels).copy()
    for numbers, key in ((accepted, "tumor"), (dismissed, "liver")):
        for number in numbers:
            box, inside = candidates[number - 1]
            array[box][inside] = structure(key).label
    return images.image_like(array, labels)


def with_sources(
    regions: Sequence[Region],
    labels: sitk.Image,
    masks: Mapping[str, np.ndarray],
    probability: sitk.Image | None,
) -> list[Region]:
    """The regions of tumor and candidates with the models that saw each, and how sure the lesion network was of it.

    Args:
        masks: bool (K, J, I) of what each model calls tumor, by its name.
        probability: of the lesion network, on any grid; None where it was not asked.
    """
    places = {key: numbered_regions(labels, key) for key in ("tumor", CANDIDATE)}
    probabilities = None
    if probability is not None and any(places.values()):
        probabilities = images.array_of(sitk.Resample(probability, labels, sitk.Transform(), sitk.sitkLinear, 0.0))
    out = []
    for region in regions:
        if region.structure not in places:
            out.append(region)
            continue
        box, inside = places[region.structure][region.number - 1]
        seen = tuple(name for name, mask in masks.items() if (mask[box] & inside).any())
        sure = None if probabilities is None else round(float(probabilities[box][inside].max()), 2)
        out.append(replace(region, seen_by=seen, sureness=sure))
    return out


def warning(regions: Sequence[Region]) -> str | None:
    """What a reader must know of a plan's candidates, or None without any."""
    candidates = [r for r in regions if r.structure == CANDIDATE]
    if not candidates:
        return None
    who = "1 lesion candidate" if len(candidates) == 1 else f"{len(candidates)} lesion candidates"
    return (
        f"{who} ({sum(r.ml for r in candidates):.1f} ml), seen by one network only (on a CT by the one trained on "
        "simulated images), which also takes dark bands, uneven perfusion or, on MRI, vessels for tumor: counted as "
        "liver until accepted. Look at each, and accept or dismiss it."
    )
