"""Vessels, bile duct, tumors and cysts inside a given liver, by the network that learned from phantoms."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.segmentation.cava_blood import blood_in, slivers_of
from LiverPlannerLib.segmentation.dark_bands import bands_in
from LiverPlannerLib.segmentation.left_out import extend_mask
from LiverPlannerLib.segmentation.vessel_edges import fit_edges, local_parenchyma
from LiverPlannerLib.structures import structure
from LiverPlannerLib.vessels.cleanup import (
    carried_on,
    drop_islands,
    hysteresis,
    separate_trees,
)
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, ModelError, NothingFound
from PreopReviewLib.models.kinds import simulated, simulated_note
from PreopReviewLib.progress import CancelToken, Progress, silent, within

if TYPE_CHECKING:
    from PreopReviewLib.models.package import ModelPackage

PACKAGE = "five-structures-synthetic"
MARGIN_MM = 14.0
REACH_CLOSING_MM, TRUNK_MM = 9.0, 12.0
LEAST_LESION_ML = 0.05
MOST_LOOKS = 4
SHIFTS = (0, 1)
CYST_ODDS = 2.0
VESSEL_THRESHOLDS, NAMING_THRESHOLDS = (0.5, 0.3), (0.75, 0.6)
"""Of the share of both trees: what a vessel must reach, and down to where it goes on; and the same of the part whose
branches are named first. Chosen on 16 phantoms and two CTs of 3D-IRCADb: in the whole, branches that touch where the
network doubts take each other's name."""


@dataclass(frozen=True)
class FiveStructures:
    """What was found.

    Attributes:
        labels: label image on the source grid with the table's values: liver 1, tumor 2, cyst 3, hepatic vein 4,
            portal vein 5, bile duct 6, vena cava 7 (the last only within 10 mm of the liver).
        model: name and version of the model.
        seconds: time taken.
        notes: what a reader should know.
        warnings: what a reader must know.
        untouched: labels before post-processing, if asked for.
    """

    labels: sitk.Image
    model: str
    seconds: float
    notes: list[str] = field(default_factory=list)
    untouched: sitk.Image | None = None
    warnings: list[str] = field(default_factory=list)


def segment_structures(
    image: sitk.Image,
    liver_mask: sitk.Image,
    package: ModelPackage | None = None,
    device: str = "cpu",
    progress: Progress = silent,
    cancel: CancelToken | None = None,
    keep_untouched: bool = False,
) -> FiveStructures:
    """Run the five-structure network inside a liver.

    Args:
        image: CT in HU or MRI, any grid and direction.
        liver_mask: non-zero in the liver, on the same grid.
        package: a model package of this task; by default the one that is shipped.
        device: "cpu", "cuda" or "auto".
        keep_untouched: return the network's own labels too.

    Raises:
        GeometryError: image and mask do not share a grid.
        NothingFound: the mask is empty.
        ModelError: the package is for another task.
    """
    started = time.perf_counter()
    cancel = cancel or CancelToken()
    if not images.same_grid(image, liver_mask):
        raise GeometryError("The liver mask is not on the image's grid", "Resample the mask to the image")
    if not (images.array_of(liver_mask) > 0).any():
        raise NothingFound("The liver mask is empty", "Give a mask that holds the liver")
    package = package or shipped_package()
    settings = _settings(package)
    notes = [simulated_note(package.name)] if simulated(package.metadata) else []
    given = liver_mask != 0
    for look in range(MOST_LOOKS):
        share = within(progress, 0.75 * look / MOST_LOOKS, 0.75 * (look + 1) / MOST_LOOKS)
        seen = _look(image, liver_mask, package, device, share, cancel)
        # A lesion that the mask leaves out is seen only 10 mm deep: look again with what was found of it.
        wider = extend_mask(given, liver_mask, seen.frame, seen.tidy, settings["classes"])
        if wider is None:
            break
        liver_mask = wider
    if look:
        added = np.count_nonzero(images.array_of(liver_mask)) - np.count_nonzero(images.array_of(given))
        milliliters = added * images.voxel_ml(image)
        notes.append(f"{milliliters:.0f} ml of lesion that the liver's mask leaves out were added to it")
    warnings = _without_bands(seen, package) if images.guess_modality(image) == "CT" else []
    progress(0.75, "resampling the result to the image's grid")
    labels = _to_source(seen.tidy, settings["classes"], seen.frame, liver_mask)
    labels = fit_edges(labels, image, liver_mask, local_parenchyma(seen.volume, seen.mask, seen.tidy))
    untouched = _to_source(seen.probabilities, settings["classes"], seen.frame, liver_mask) if keep_untouched else None
    progress(1.0, "done")
    seconds = time.perf_counter() - started
    return FiveStructures(labels, f"{package.name} {package.version}", seconds, notes, untouched, warnings)


@dataclass(frozen=True)
class _Look:
    """One pass of the network: image and mask on its grid, what it said, and the same cleaned up."""

    frame: sitk.Image
    volume: sitk.Image
    mask: sitk.Image
    probabilities: np.ndarray
    tidy: np.ndarray


def _look(
    image: sitk.Image,
    liver_mask: sitk.Image,
    package: ModelPackage,
    device: str,
    progress: Progress,
    cancel: CancelToken,
) -> _Look:
    settings = _settings(package)
    progress(0.0, "preparing the liver's box")
    frame = _frame(liver_mask, settings["spacing_mm"])
    volume, mask = _to_frame(image, frame), _to_frame(liver_mask != 0, frame, kind="label")
    cancel.raise_if_cancelled()
    progress(0.15, "segmenting vessels, ducts and lesions")
    probabilities = class_probabilities(package, images.array_of(volume), images.array_of(mask) > 0, device)
    cancel.raise_if_cancelled()
    progress(0.8, "separating portal from hepatic veins")
    tidy = postprocess(probabilities, settings["classes"], [settings["spacing_mm"]] * 3)
    blood = blood_in(tidy.argmax(0), settings["classes"], images.array_of(volume), images.array_of(mask) > 0)
    tidy[settings["classes"].index("tumor")][blood] = 0
    tidy[settings["classes"].index("inferior_vena_cava")][blood] = 1
    return _Look(frame, volume, mask, probabilities, tidy)


def _without_bands(seen: _Look, package: ModelPackage) -> list[str]:
    """Takes dark bands out of what was called tumor, in place; returns what is to be said of them."""
    from scipy import ndimage

    settings = _settings(package)
    classes, best = settings["classes"], seen.tidy.argmax(0)
    at, spacing = classes.index("tumor"), settings["spacing_mm"]
    inside = images.array_of(seen.mask) > 0
    bands = bands_in((best == at) & inside, (best == 0) & inside, images.array_of(seen.volume), spacing)
    if not bands.any():
        return []
    seen.tidy[at][ndimage.binary_propagation(bands, mask=(best == at) & (bands | ~inside))] = 0
    milliliters = bands.sum() * spacing**3 / 1000
    return [
        f"{milliliters:.0f} ml that {package.name} called tumor are hardly darker than the liver beside "
        "them, from side to side: they were read as dark bands of the CT and left out. Check the image there."
    ]


def shipped_package() -> ModelPackage:
    """The package in Resources/Models."""
    from PreopReviewLib.models.package import load_package
    from PreopReviewLib.resources import resource

    return load_package(resource("Models", PACKAGE))


def class_probabilities(
    package: ModelPackage,
    volume: np.ndarray,
    liver: np.ndarray,
    device: str = "cpu",
    shifts: Sequence[int] = SHIFTS,
) -> np.ndarray:
    """Softmax of the network over a whole liver box in one pass (the network has batch norm: no window matters).

    The network thinks in blocks of 2x2x2 voxels. Where their borders lie is chance, so the mean over two places of
    them is taken. The members of an `Ensemble` take turns: two of them see one place each.

    Args:
        volume: (K, J, I) on the package's grid (up, back, left).
        liver: bool of the same shape.
        shifts: voxels by which the blocks are shifted along all axes.

    Returns:
        float32 (classes, K, J, I).
    """
    import torch

    from PreopReviewLib.inference.fusing import fused
    from PreopReviewLib.models.liver_channels import liver_channels

    settings = _settings(package)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    network = fused(package.load_network()).to(device)
    members = list(getattr(network, "members", [network]))
    shown = liver_channels(volume.astype(np.float32), liver, settings["spacing_mm"])
    total = np.zeros((len(settings["classes"]), *liver.shape), np.float32)
    passes = max(len(members), len(shifts))
    for turn in range(passes):
        member, shift = members[turn % len(members)], shifts[turn % len(shifts)]
        pad = [(shift, -(size + shift) % settings["divisor"]) for size in liver.shape]
        padded = np.pad(shown, [(0, 0), *pad], mode="edge")
        tensor = torch.from_numpy(padded)[None].to(device).contiguous(memory_format=torch.channels_last_3d)
        with torch.inference_mode():
            probabilities = member(tensor)[0].float().softmax(0).cpu().numpy()
        total += probabilities[(slice(None), *(slice(shift, shift + size) for size in liver.shape))]
    return total / passes


def postprocess(probabilities: np.ndarray, classes: list[str], spacing: list[float]) -> np.ndarray:
    """Post-processing of (C, K, J, I) on the network's grid: gaps, islands, portal against hepatic, small lesions.

    Returns:
        probabilities in which a voxel's largest is the cleaned-up decision.
    """
    at = {name: classes.index(name) for name in classes}
    portal, hepatic = probabilities[at["portal_vein"]], probabilities[at["hepatic_vein"]]
    both = portal + hepatic
    cava = probabilities.argmax(0) == at["inferior_vena_cava"]
    probabilities = _doubtful_cysts_as_tumors(probabilities, at["tumor"], at["cyst"])
    others = probabilities.argmax(0)
    lesion = np.isin(others, [at["tumor"], at["cyst"]])
    free = ~cava & ~lesion
    vessel = drop_islands(hysteresis(both, *VESSEL_THRESHOLDS) & free, spacing, least_ml=0.15)
    sure = vessel & hysteresis(both, *NAMING_THRESHOLDS)
    is_portal = carried_on(separate_trees(sure, portal, hepatic, spacing, cava), sure, vessel, portal - hepatic)
    out = probabilities.copy()
    out[at["portal_vein"]] = np.where(is_portal, both, 0)
    out[at["hepatic_vein"]] = np.where(vessel & ~is_portal, both, 0)
    soft_edge = ~vessel & (others != at["portal_vein"]) & (others != at["hepatic_vein"]) & ~lesion
    for key, own in (("portal_vein", is_portal), ("hepatic_vein", vessel & ~is_portal)):
        near = _grown(own) & soft_edge
        out[at[key]][near] = both[near]
    for key, least, close, tiny in (
        ("bile_duct", 0.05, 6.0, 0.016),
        ("tumor", LEAST_LESION_ML, 0.0, 1.0),
        ("cyst", LEAST_LESION_ML, 0.0, 1.0),
    ):
        decided = others == at[key]
        kept = drop_islands(decided, spacing, least, close, tiny, keep_largest=False)
        out[at[key]][decided & ~kept] = 0
    out[at["background"]][vessel] = np.minimum(out[at["background"]][vessel], both[vessel] * 0.99)
    return out


def _doubtful_cysts_as_tumors(probabilities: np.ndarray, tumor: int, cyst: int) -> np.ndarray:
    """A lesion counts as cyst only where that is twice as likely: a tumor called cyst is the worse mistake."""
    doubt = (probabilities.argmax(0) == cyst) & (probabilities[cyst] < CYST_ODDS * probabilities[tumor])
    out = probabilities.copy()
    out[tumor][doubt], out[cyst][doubt] = probabilities[cyst][doubt], probabilities[tumor][doubt]
    return out


def _grown(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return ndimage.binary_dilation(mask, iterations=1)


def _settings(package: ModelPackage) -> dict:
    settings = package.metadata.get("inference")
    needed = ("spacing_mm", "classes", "divisor")
    if not isinstance(settings, dict) or any(key not in settings for key in needed):
        raise ModelError(f"{package.name} does not work inside a given liver", f"Choose a model such as {PACKAGE}")
    return settings


def _frame(liver_mask: sitk.Image, spacing: float) -> sitk.Image:
    """An empty LPS-oriented isotropic image round the liver (axes I left, J back, K up)."""
    voxels = np.argwhere(images.array_of(liver_mask) > 0)[:, ::-1].astype(float)
    low, high = voxels.min(0) - 0.5, voxels.max(0) + 0.5
    corners = [
        liver_mask.TransformContinuousIndexToPhysicalPoint([float(v) for v in np.where(pick, high, low)])
        for pick in np.ndindex(2, 2, 2)
    ]
    start = np.min(corners, 0) - MARGIN_MM
    size = np.ceil((np.max(corners, 0) + MARGIN_MM - start) / spacing).astype(int)
    frame = sitk.Image([int(n) for n in size], sitk.sitkUInt8)
    frame.SetSpacing([spacing] * 3)
    frame.SetOrigin([float(v) for v in start + spacing / 2])
    return frame


def _to_frame(image: sitk.Image, frame: sitk.Image, kind: str = "linear") -> sitk.Image:
    """Resample to the frame, averaging over the frame's voxels where the source is finer."""
    target = np.array(frame.GetSpacing())
    fine = np.array(image.GetSpacing())
    width = np.sqrt(np.maximum((0.5 * target) ** 2 - (0.5 * fine) ** 2, 0)) * 0.7
    image = sitk.Cast(images.crop(image, images.box_of_grid(frame, image)), sitk.sitkFloat32)
    width = [float(w) for w in width]
    small = [n > 4 for n in image.GetSize()]
    for axis, sigma in enumerate(width):
        if sigma > 0.25 * fine[axis] and small[axis]:
            image = sitk.RecursiveGaussian(image, sigma, False, sitk.RecursiveGaussianImageFilter.ZeroOrder, axis)
    outside = float(images.array_of(image).min()) if kind == "linear" else 0.0
    out = sitk.Resample(image, frame, sitk.Transform(), sitk.sitkLinear, outside)
    return sitk.Cast(out > 0.5, sitk.sitkUInt8) if kind == "label" else out


def _to_source(probabilities: np.ndarray, classes: list[str], frame: sitk.Image, liver_mask: sitk.Image) -> sitk.Image:
    """Largest class at each voxel of the source grid, as the table's labels, inside the liver and its hilum."""
    box = images.box_of_grid(frame, liver_mask)
    small = images.crop(liver_mask, box)
    inside = images.array_of(small) > 0
    best = np.full(inside.shape, -1.0, np.float32)
    labels = np.zeros(inside.shape, np.uint8)
    reach = _reach(small)
    for index, name in enumerate(classes):
        channel = images.image_like(probabilities[index], frame)
        part = images.Box((0, 0, 0), inside.shape)
        if index:
            # The largest probability is at least 1 in the number of classes: elsewhere this class is not it.
            likely = images.image_like(probabilities[index] >= 1 / len(classes), frame)
            if not images.array_of(likely).any():
                continue
            part = images.box_of_grid(images.crop(likely, images.bounding_box(likely, frame.GetSpacing()[0])), small)
        outside = 1.0 if index == 0 else 0.0
        grid = images.crop(small, part)
        fine = images.array_of(sitk.Resample(channel, grid, sitk.Transform(), sitk.sitkLinear, outside))
        value = 0 if index == 0 else structure(name).label
        better = fine > best[part.slices]
        labels[part.slices][better] = value
        np.maximum(best[part.slices], fine, out=best[part.slices])
    labels[~(reach | _trunks(labels, reach, small))] = 0
    cava = labels == structure("inferior_vena_cava").label
    labels[slivers_of(cava, images.spacing_kji(small))] = 0
    for key in ("tumor", "cyst"):
        labels[(labels == structure(key).label) & ~inside] = 0
    labels[inside & (labels == 0)] = structure("liver").label
    out = np.zeros(liver_mask.GetSize()[::-1], np.uint8)
    out[box.slices] = labels
    return images.image_like(out, liver_mask)


def _trunks(labels: np.ndarray, reach: np.ndarray, mask: sitk.Image) -> np.ndarray:
    """Portal vein and bile duct on their way to the hilum: up to 12 mm from the liver, where they go on from inside."""
    import cc3d
    import edt

    away = edt.edt((images.array_of(mask) == 0).view(np.uint8), anisotropy=tuple(images.spacing_kji(mask)), parallel=1)
    out = np.zeros(labels.shape, bool)
    for key in ("portal_vein", "bile_duct"):
        own = (labels == structure(key).label) & (away <= TRUNK_MM)
        parts = cc3d.connected_components(own, connectivity=26)
        held = np.zeros(int(parts.max()) + 1, bool)
        held[np.unique(parts[reach])] = True
        held[0] = False
        out |= held[parts]
    return out


def _reach(mask: sitk.Image) -> np.ndarray:
    """Where vessels may be: the liver and the hollows of its surface (a closing of 9 mm), where the hilum lies."""
    import edt

    spacing = tuple(images.spacing_kji(mask))
    inside = np.pad(images.array_of(mask) > 0, 1)
    # (Bytes, because edt is slower on booleans.)
    near = edt.edt((~inside).view(np.uint8), anisotropy=spacing, parallel=1) <= REACH_CLOSING_MM
    closed = edt.edt(near.view(np.uint8), anisotropy=spacing, parallel=1) > REACH_CLOSING_MM
    core = tuple(slice(1, -1) for _ in range(3))
    return (closed | inside)[core]
