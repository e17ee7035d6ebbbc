"""One label for each voxel from the labels of several annotators: by majority, or weighed by STAPLE.

STAPLE with several labels at once (Rohlfing et al. 2003, after Warfield et al., IEEE TMI 2004) is written out here
because ITK's filter counts a voxel whose votes are tied as background when it estimates how well annotators agree,
and then finds background in the middle of organs. A tie says nothing about anyone: it is left out of the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

Method = Literal["staple", "majority"]
METHODS: tuple[Method, ...] = get_args(Method)
UNDECIDED = 255
_ROUNDS = 200
_SETTLED = 1e-7
_TIE = 1e-6
"""Relative difference of probabilities below which two labels are tied."""


def vote(drawn: Sequence[np.ndarray], method: Method) -> np.ndarray:
    """The label of each voxel, `UNDECIDED` where the votes are tied; never a label that no one named.

    Args:
        drawn: uint8 arrays of one shape, one for each annotator; values below `UNDECIDED`.
        method: ``majority`` counts votes; ``staple`` weighs them by how well annotators agree with the consensus.
    """
    patterns, counts, of_voxel, values = _combinations(drawn)
    named = (patterns[:, :, None] == np.arange(len(values))).sum(axis=0)
    score = named.astype(float)
    if method == "staple":
        score = np.where(named > 0, _staple(patterns, counts, named), 0)
    return np.append(values, np.uint8(UNDECIDED))[_winners(score)][of_voxel].reshape(drawn[0].shape)


def _combinations(drawn: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The different combinations of votes: a few hundred stand for millions of voxels.

    Returns:
        (annotators, P) index of the label that each named; (P,) voxels; (voxels,) the combination of each voxel; the
        values of the labels.
    """
    values = np.flatnonzero(sum(np.bincount(d.ravel(), minlength=UNDECIDED + 1) for d in drawn)).astype(np.uint8)
    place = np.zeros(UNDECIDED + 1, np.int64)
    place[values] = np.arange(len(values))
    code = np.zeros(drawn[0].size, np.int64)
    rows: list[np.ndarray] = []
    for one in drawn:
        row = place[one.ravel()]
        sizes = np.bincount(code * len(values) + row)
        code = code * len(values) + row
        there = np.flatnonzero(sizes)
        rows = [r[there // len(values)] for r in rows] + [there % len(values)]
        shorter = np.zeros(len(sizes), np.int64)
        shorter[there] = np.arange(len(there))
        code, counts = shorter[code], sizes[there]
    return np.stack(rows), counts, code, values


def _winners(score: np.ndarray) -> np.ndarray:
    """Per row the column with the largest score; the number of columns where two are tied or all are 0."""
    best = score.max(axis=1)
    tied = (score >= best[:, None] * (1 - _TIE)).sum(axis=1) > 1
    return np.where(tied | (best <= 0), score.shape[1], score.argmax(axis=1))


def _staple(patterns: np.ndarray, counts: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Expectation maximization over combinations of votes.

    Args:
        patterns: (annotators, P) index of the label that each named.
        counts: (P,) voxels with that combination.
        named: (P, L) votes for each label.

    Returns:
        (P, L) probability of each label; a row of 0 where no label explains the votes.
    """
    kinds = named.shape[1]
    first = _winners(named.astype(float))
    weight = np.zeros(named.shape)
    decided = np.flatnonzero(first < kinds)
    weight[decided, first[decided]] = 1.0
    for _ in range(_ROUNDS):
        mass = weight * counts[:, None]
        prior = mass.sum(axis=0) / max(mass.sum(), 1)
        new = np.repeat(prior[None], len(counts), axis=0)
        for votes in patterns:
            seen = np.zeros((kinds, kinds))  # of the voxels of each true label, how often this one names each label
            np.add.at(seen, votes, mass)
            new *= (seen / np.maximum(seen.sum(axis=0), 1e-300))[votes]
        total = new.sum(axis=1, keepdims=True)
        new = np.divide(new, total, out=np.zeros_like(new), where=total > 0)
        settled = np.abs(new - weight).max() < _SETTLED
        weight = new
        if settled:
            break
    return weight
