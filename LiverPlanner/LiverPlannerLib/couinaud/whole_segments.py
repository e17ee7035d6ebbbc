"""Label images in which every segment is one piece, and nothing of the liver is left over."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from PreopReviewLib.images.counting import label_counts, looked_up

_NEIGHBORS = [(axis, step) for axis in range(3) for step in (-1, 1)]


def whole_segments(labels: np.ndarray) -> np.ndarray:
    """Each segment reduced to its largest piece (6-connected); what is left over joins what it touches most.

    A left-over piece is given as a whole to the segment with which it shares most faces, so that it stays connected;
    pieces that touch nothing but other such pieces wait for those. Parts of the liver that are not connected with any
    segment's largest piece become 0 (see `fill_unreached`).

    Args:
        labels: (K, J, I) uint8, 0 to 8.
    """
    import cc3d

    pieces = cc3d.connected_components(np.require(labels, requirements="CW"), connectivity=6)
    sizes = label_counts(pieces)[: int(pieces.max()) + 1]
    sizes[0] = 0
    value = np.zeros(len(sizes), np.uint8)
    for own, given in zip(pieces, labels, strict=True):
        value[own] = given
    kept = np.zeros(len(sizes), bool)
    for segment in np.unique(value[1:]):
        members = np.flatnonzero(value == segment)
        kept[members[sizes[members].argmax()]] = True
    owner = np.where(kept, value, 0).astype(np.uint8)
    loose = np.argwhere((labels > 0) & ~looked_up(kept, pieces))
    if not len(loose):
        return labels.copy()
    contacts = _contacts(pieces, loose)
    while len(contacts):
        owned = owner[contacts[:, 1]] > 0
        if not owned.any():
            break
        votes = np.zeros((len(sizes), 9), np.int64)
        np.add.at(votes, (contacts[owned, 0], owner[contacts[owned, 1]]), contacts[owned, 2])
        now = np.flatnonzero(votes.any(1))
        owner[now] = votes[now].argmax(1)
        contacts = contacts[owner[contacts[:, 0]] == 0]
    return owner[pieces]


def _contacts(pieces: np.ndarray, loose: np.ndarray) -> np.ndarray:
    """(n, 3): a loose piece, another piece that it touches, and by how many faces."""
    mine = pieces[tuple(loose.T)]
    pairs = []
    for axis, step in _NEIGHBORS:
        other = loose.copy()
        other[:, axis] += step
        valid = (other[:, axis] >= 0) & (other[:, axis] < pieces.shape[axis])
        theirs = pieces[tuple(other[valid].T)]
        differ = (theirs > 0) & (theirs != mine[valid])
        pairs.append(np.stack([mine[valid][differ], theirs[differ]], 1).astype(np.int64))
    pairs_in_contact, counts = np.unique(np.concatenate(pairs), axis=0, return_counts=True)
    return np.column_stack([pairs_in_contact, counts]) if len(pairs_in_contact) else np.zeros((0, 3), np.int64)


def fill_unreached(labels: np.ndarray, inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """The labels (K, J, I) with every voxel of `inside` without one given the nearest (mm): loose parts of a liver."""
    empty = inside & (labels == 0)
    if not empty.any():
        return labels
    nearest = ndimage.distance_transform_edt(
        labels == 0, sampling=list(spacing), return_distances=False, return_indices=True
    )
    out = labels.copy()
    out[empty] = labels[tuple(nearest[:, empty])]
    return out
