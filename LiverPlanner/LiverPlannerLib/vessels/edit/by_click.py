"""Vessels corrected by a click: rename, extend, cut, join, remove, grow, shrink. Each gives an `Edit`.

Nothing is changed by them. Places are RAS, mm. A network (`VesselNetwork`) knows the center lines of labels; `apply`
changes both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import label_words, structure
from LiverPlannerLib.vessels.edit.changes import Edit, beneath, box_of_index, edit_of, voxel_at
from LiverPlannerLib.vessels.edit.network import VESSEL_VALUES, Pick, VesselNetwork
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError

REACH_MM = 60.0
"""A vessel is extended by so much at most: further away a click means something else."""
WINDOW_MM = 8.0
END_SHARE = 0.8
"""Of the radius at its beginning that a new stretch of vessel has at its end: vessels taper."""
GAP_VOXELS = 1.1
AROUND_MM = 12.0
"""So far around a branch the image says how bright the liver is."""


def apply(network: VesselNetwork, edit: Edit) -> None:
    """Changes the labels of a network by an edit of it, and its center lines accordingly."""
    was, is_now = (np.isin(values, list(VESSEL_VALUES)) for values in (edit.old, edit.new))
    edit.apply(network.array)
    for value in np.unique(edit.new[was & is_now]).tolist():
        index = edit.index[was & is_now & (edit.new == value)]
        network.renamed(network.points_of(index), value)
    if (was & ~is_now).any():
        network.erased(edit.index[was & ~is_now])
    for value in np.unique(edit.new[~was & is_now]).tolist():
        network.drawn(edit.index[~was & is_now & (edit.new == value)], value, edit.line, edit.radii)


def rename(network: VesselNetwork, point_ras: np.ndarray, to: str, downstream: bool = True) -> Edit:
    """Gives the branch at a place, and what lies downstream of it, to another tree.

    Args:
        to: key of a vessel or duct.
        downstream: False changes the branch alone.

    Raises:
        InputError: no vessel there, one that has this name already, or a structure that is not a vessel.
    """
    target = structure(to)
    if target.label not in VESSEL_VALUES:
        raise InputError(f"{target.name} is not a vessel or duct", "Choose a vein, the artery or the bile duct")
    picked = network.pick(point_ras)
    if picked.value == target.label:
        raise InputError(f"This branch is {target.name.lower()} already", "Choose another name")
    return rename_pick(network, picked, to, downstream)


def rename_pick(network: VesselNetwork, picked: Pick, to: str, downstream: bool = True) -> Edit:
    """`rename` of what is lit up."""
    index = network.voxels_of(picked.downstream if downstream else picked.branch)
    target = structure(to)
    words = f"{label_words(picked.value)}, {_ml(network, index):.1f} ml, renamed to {target.name.lower()}"
    return edit_of(network.array, index, target.label, words)


def remove(network: VesselNetwork, point_ras: np.ndarray, what: Literal["piece", "branch"] = "piece") -> Edit:
    """Erases the connected piece at a place, or the branch with all that lies downstream of it.

    Raises:
        InputError: no vessel there.
    """
    picked = network.pick(point_ras)
    if what == "branch":
        index = network.voxels_of(picked.downstream)
    else:
        tree = network.tree(picked.value)
        of = tree.forest.tree[np.searchsorted(tree.points, picked.point)]
        index = network.voxels_of(tree.points[tree.forest.tree == of])
    words = f"{label_words(picked.value)}, {_ml(network, index):.1f} ml, removed"
    return _erased(network, index, words)


def cut(network: VesselNetwork, point_ras: np.ndarray) -> Edit:
    """Severs a vessel at a place: a gap of two voxels across it.

    Raises:
        InputError: no vessel there.
    """
    picked = network.pick(point_ras)
    points = network.points * network.mm
    line = points[picked.branch]
    middle = points[picked.point]
    near = line[np.linalg.norm(line - middle, axis=1) <= WINDOW_MM]
    tangent = np.linalg.svd(near - near.mean(0))[2][0] if len(near) > 2 else np.array([1.0, 0, 0])
    own = network.voxels_of(picked.branch)
    offset = np.stack(np.unravel_index(own, network.array.shape), 1) * network.mm - middle
    along = np.abs(offset @ tangent)
    beside = np.linalg.norm(offset, axis=1) <= 3 * network.radius[picked.point] + network.mm.max()
    index = own[(along <= GAP_VOXELS * network.mm.max()) & beside]
    if not len(index):
        raise InputError("The vessel is too thin here to be cut", "Remove it, or click next to it")
    return _erased(network, index, f"{label_words(picked.value)} cut")


def extend(
    network: VesselNetwork, point_ras: np.ndarray, to: str, image: sitk.Image | None = None,
    probability: sitk.Image | None = None,
) -> Edit:  # fmt: skip
    """Draws a vessel on to a place, along the way that looks most like it.

    Args:
        to: key of the vessel that goes on.
        image: CT or MRI on the grid of the labels; without it the way is straight.
        probability: of a model for this vessel, 0 to 1, on the same grid.

    Raises:
        InputError: a click outside the image, on the vessel itself, or more than 60 mm from it.
        GeometryError: image or probability on another grid.
    """
    target = structure(to)
    if target.label not in VESSEL_VALUES:
        raise InputError(f"{target.name} is not a vessel or duct", "Choose a vein, the artery or the bile duct")
    end = voxel_at(point_ras, network.grid)
    if network.array[tuple(end)] == target.label:
        raise InputError(f"The click lies in the {target.name.lower()} already", "Click where it should end")
    own = np.flatnonzero(network.value == target.label)
    away = np.linalg.norm((network.points[own] - end) * network.mm, axis=1) if len(own) else np.array([np.inf])
    if away.min() > REACH_MM:
        raise InputError(f"There is no {target.name.lower()} within {REACH_MM:g} mm of the click", "Click nearer to it")
    from LiverPlannerLib.vessels.edit.paths import way_to

    path, start = way_to(network, end, target.label, float(away.min()), image, probability)
    radius = float(network.radius[start])
    radii = np.linspace(radius, END_SHARE * radius, len(path))
    index = _tube(network, path, radii)
    words = f"{target.name.lower()} extended by {_length(network, path):.0f} mm"
    return replace(edit_of(network.array, index, target.label, words), line=path, radii=radii)


def join(
    network: VesselNetwork, one_ras: np.ndarray, other_ras: np.ndarray, image: sitk.Image | None = None,
    probability: sitk.Image | None = None,
) -> Edit:  # fmt: skip
    """Closes the gap between two ends of one vessel.

    Raises:
        InputError: no vessel at one of the places, two different vessels, or a gap above 60 mm.
    """
    one, other = network.pick(one_ras), network.pick(other_ras)
    if one.value != other.value:
        raise InputError(
            f"One end is {label_words(one.value)}, the other {label_words(other.value)}",
            "Rename one of them first",
        )
    ends = network.points[[one.point, other.point]]
    if np.linalg.norm((ends[0] - ends[1]) * network.mm) > REACH_MM:
        raise InputError(f"The ends are more than {REACH_MM:g} mm apart", "Click nearer ends")
    from LiverPlannerLib.vessels.edit.paths import way_between

    start, end = np.rint(ends).astype(int)
    path = way_between(network, start, end, one.value, image, probability)
    radii = np.linspace(network.radius[one.point], network.radius[other.point], len(path))
    index = _tube(network, path, radii)
    if (network.array[tuple(path.T)] == one.value).all():
        raise InputError("These ends are joined already", "Choose two ends with a gap between them")
    words = f"{label_words(one.value)} joined over {_length(network, path):.0f} mm"
    return replace(edit_of(network.array, index, one.value, words), line=path, radii=radii)


def grow(network: VesselNetwork, point_ras: np.ndarray, image: sitk.Image | None = None) -> Edit:
    """Widens the branch at a place to its edge: by what has half its contrast; without an image, by one voxel.

    Raises:
        InputError: no vessel there, or nothing to grow into. GeometryError: an image on another grid.
    """
    picked, box, mask = _branch_box(network, point_ras, AROUND_MM)
    part = network.array[box]
    allowed = (part == 0) | (part == 1)
    if image is None:
        from scipy.ndimage import binary_dilation

        wider = binary_dilation(mask) & allowed
    else:
        from LiverPlannerLib.vessels.cleanup import regrown, vessel_contrast

        values, ground = _values_and_ground(network, image, box, mask)
        contrast = vessel_contrast(mask, values, ground)
        wider = regrown(mask, values, ground, contrast, allowed | mask, network.mm) & ~mask
    index = _flat(np.argwhere(wider), box, network.array.shape)
    if not len(index):
        raise InputError("The branch reaches its edge already", "Extend it, or paint")
    words = f"{label_words(picked.value)} branch grown by {_ml(network, index):.2f} ml"
    return edit_of(network.array, index, picked.value, words)


def shrink(network: VesselNetwork, point_ras: np.ndarray, image: sitk.Image | None = None) -> Edit:
    """Narrows the branch at a place to its edge; without an image, by one voxel. Its center line stays.

    Raises:
        InputError: no vessel there, or nothing to take away. GeometryError: an image on another grid.
    """
    from scipy.ndimage import binary_erosion

    picked, box, mask = _branch_box(network, point_ras, AROUND_MM)
    if image is None:
        whole = network.array[box] == picked.value
        kept = binary_erosion(whole, border_value=1)
    else:
        from LiverPlannerLib.vessels.cleanup import half_contrast, vessel_contrast

        values, ground = _values_and_ground(network, image, box, mask)
        kept = half_contrast(mask, values, ground, vessel_contrast(mask, values, ground), share=0.5)
    line = np.rint(network.points[picked.branch]).astype(int) - [s.start for s in box]
    inside = ((line >= 0) & (line < mask.shape)).all(1)
    kept = kept.copy()
    kept[tuple(line[inside].T)] = True
    index = _flat(np.argwhere(mask & ~kept), box, network.array.shape)
    if not len(index):
        raise InputError("The branch cannot be narrowed any more", "Remove it, or erase")
    return _erased(network, index, f"{label_words(picked.value)} branch narrowed by {_ml(network, index):.2f} ml")


def _ml(network: VesselNetwork, index: np.ndarray) -> float:
    return len(index) * float(network.mm.prod()) / 1000


def _length(network: VesselNetwork, path: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0) * network.mm, axis=1).sum())


def _erased(network: VesselNetwork, index: np.ndarray, words: str) -> Edit:
    mask, low = box_of_index(index, network.array.shape)
    values = beneath(network.array, mask, low)
    return edit_of(network.array, np.sort(index), values, words)


def _flat(places: np.ndarray, box: tuple[slice, ...], shape: tuple[int, ...]) -> np.ndarray:
    at = places + [s.start for s in box]
    return np.ravel_multi_index(tuple(at.T), shape)


def _branch_box(
    network: VesselNetwork, point_ras: np.ndarray, border_mm: float
) -> tuple[Pick, tuple[slice, ...], np.ndarray]:
    """The branch at a place: pick, a box around it with a border, and its mask there."""
    picked = network.pick(point_ras)
    own = network.voxels_of(picked.branch)
    places = np.stack(np.unravel_index(own, network.array.shape), 1)
    border = np.ceil(border_mm / network.mm).astype(int)
    low = np.maximum(places.min(0) - border, 0)
    high = np.minimum(places.max(0) + 1 + border, network.array.shape)
    mask = np.zeros(high - low, bool)
    mask[tuple((places - low).T)] = True
    return picked, tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)), mask


def _values_and_ground(
    network: VesselNetwork, image: sitk.Image, box: tuple[slice, ...], mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The lightly smoothed image in a box, and the level of the liver beside the branch."""
    from scipy.ndimage import gaussian_filter

    if not images.same_grid(image, network.grid):
        raise GeometryError("The image and the labels lie on different grids", "Resample the labels to the image")
    values = gaussian_filter(images.array_of(image)[box].astype(np.float32), 0.5)
    liver = (network.array[box] == 1) & ~mask
    level = float(np.median(values[liver])) if liver.any() else float(np.median(values[~mask]))
    return values, np.full(values.shape, level, np.float32)


def _tube(network: VesselNetwork, path: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Flat indices of the free voxels within `radii` (mm) of a path (voxels); other structures stay as they are."""
    reach = np.ceil(radii.max() / network.mm).astype(int) + 1
    low = np.maximum(path.min(0) - reach, 0)
    high = np.minimum(path.max(0) + reach + 1, network.array.shape)
    from scipy.spatial import cKDTree

    places = np.argwhere(np.ones(high - low, bool)) + low
    away, near = cKDTree(path * network.mm).query(places * network.mm, distance_upper_bound=float(radii.max()) + 1e-6)
    inside = np.isfinite(away)
    inside[inside] = away[inside] <= np.maximum(radii[near[inside]], network.mm.min() / 2)
    places = places[inside]
    free = np.isin(network.array[tuple(places.T)], (0, 1))
    line = np.isin(network.array[tuple(path.T)], (0, 1))
    voxels = np.concatenate([places[free], path[line]])
    return np.unique(np.ravel_multi_index(tuple(voxels.T), network.array.shape)) if len(voxels) else np.zeros(0, int)
