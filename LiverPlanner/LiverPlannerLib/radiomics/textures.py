"""Texture matrices in numpy, for MIRP's formulas.

MIRP builds its matrices and evaluates its formulas on pandas frames, which costs a second for a lesion of a few hundred
voxels. Here the same matrices (IBSI, arXiv 1612.07003, section 3) come from a few passes of numpy, as columns that
MIRP's own formulas take: `Columns` gives what they ask of a frame. `Testing/unit/test_radiomics_textures.py` compares
every feature with MIRP's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

DIRECTIONS = tuple(
    (k, j, i) for k in (0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1) if (k, j, i) > (0, 0, 0)
)  # the 13 of 26 neighbors that come later in memory
DENSE = 1 << 22
"""Up to so many pairs of values are counted in an array, more by sorting."""


class Columns:
    """Columns of one length, as attributes; indexed by a mask of rows."""

    def __init__(self, **columns: np.ndarray) -> None:
        self.__dict__.update(columns)

    def __len__(self) -> int:
        return len(next(iter(self.__dict__.values())))

    def __getitem__(self, rows: np.ndarray) -> Columns:
        return Columns(**{name: column[rows] for name, column in self.__dict__.items()})


class Matrix:
    """What one of MIRP's formulas takes: a matrix as columns, and its sums, as attributes of MIRP's names."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:  # only to tell type checkers that there are attributes
        raise AttributeError(name)

    @staticmethod
    def is_empty() -> bool:
        """Never: matrices without a pair of voxels are left out, as MIRP does."""
        return False


def _counted(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each pair of whole numbers ≥ 0 that occurs, by the first, then the second; and how often."""
    width = int(second.max()) + 1
    codes = first.astype(np.int64) * width + second
    if (int(first.max()) + 1) * width <= DENSE:
        counts = np.bincount(codes)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, counts = np.unique(codes, return_counts=True)
    return found // width, found % width, counts


def _sums(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys that occur, whole numbers ≥ 0, ascending, and the sum of the values of each."""
    names, places = np.unique(keys, return_inverse=True)
    return names, np.bincount(places, weights=values)


def _marginals(first: np.ndarray, second: np.ndarray, counts: np.ndarray, voxels: int, letter: str) -> Matrix:
    """Columns of MIRP's names for runs (`r`), zones and dependences (`s`): levels i, lengths or sizes j."""
    i, j, n = first.astype(float), second.astype(float), counts.astype(float)
    by_level, by_size = _sums(i, n), _sums(j, n)
    return Matrix(
        **{
            f"{letter}ij": Columns(i=i, j=j, **{f"{letter}ij": n}),
            f"{letter}i": Columns(i=by_level[0], **{f"{letter}i": by_level[1]}),
            f"{letter}j": Columns(j=by_size[0], **{f"{letter}j": by_size[1]}),
        },
        n_s=float(n.sum()),
        n_voxels=voxels,
    )


def _lines(levels: np.ndarray) -> Iterator[np.ndarray]:
    """For each of `DIRECTIONS` all levels (K, J, I; 0 outside) in a row, line after line along it, 0 between lines."""
    padded = np.pad(levels, ((0, 0), (0, 1), (0, 1)))
    flat, (_, height, width) = padded.ravel(), padded.shape
    for k, j, i in DIRECTIONS:
        step = (k * height + j) * width + i
        rows = -(-flat.size // step) + 1
        whole = np.zeros(rows * step, flat.dtype)
        whole[: flat.size] = flat
        yield whole.reshape(rows, step).T.ravel()


def directional(levels: np.ndarray, bins: int) -> tuple[list[Matrix], list[Matrix]]:
    """Co-occurrence and run-length matrices, one for each of `DIRECTIONS` that has any.

    Args:
        levels: gray levels from 1 (K, J, I); 0 outside the region, around which they are cropped.
        bins: number of gray levels.
    """
    pairs, runs = [], []
    voxels = int(np.count_nonzero(levels))
    for direction, line in zip(DIRECTIONS, _lines(levels), strict=True):
        first, second = line[:-1], line[1:]
        both = (first > 0) & (second > 0)
        if both.any():
            pairs.append(_cooccurrence(first[both], second[both], bins))
        if np.dot(direction, (levels[0].size, levels.shape[2], 1)) == 0:
            continue  # in a box one voxel thick two directions can cancel out; MIRP then has no runs along them
        starts = np.concatenate([[0], np.flatnonzero(first != second) + 1])
        lengths = np.diff(starts, append=len(line))
        inside = line[starts] > 0
        runs.append(_marginals(*_counted(line[starts][inside], lengths[inside]), voxels, "r"))
    return pairs, runs


def _cooccurrence(first: np.ndarray, second: np.ndarray, bins: int) -> Matrix:
    i, j, n = _counted(np.concatenate([first, second]), np.concatenate([second, first]))
    p = n / n.sum()
    levels, marginal = _sums(i, p)
    apart, differences = _sums(np.abs(i - j), p)
    together, sums = _sums(i + j, p)
    rows, columns = np.searchsorted(levels, i), np.searchsorted(levels, j)
    i, j, levels = i.astype(float), j.astype(float), levels.astype(float)
    return Matrix(
        pij=Columns(i=i, j=j, n=n, pij=p, pi=marginal[rows], pj=marginal[columns]),
        pi=Columns(i=levels, pi=marginal),
        pj=Columns(j=levels, pj=marginal),
        pimj=Columns(k=apart.astype(float), pimj=differences),
        pipj=Columns(k=together.astype(float), pipj=sums),
        n_g=bins,
        n_voxels=int(n.sum()),
        mu=float(np.sum(i * p)),
        mu_marg=float(np.sum(levels * marginal)),
    )


def largest_correlation(matrix: Matrix) -> float:
    """MIRP's maximum correlation coefficient of a co-occurrence matrix, without its loop over all pairs of levels."""
    if matrix.n_g == 1:
        return 1.0
    levels, p = matrix.pi.i, matrix.pi.pi
    rows, columns = np.searchsorted(levels, matrix.pij.i), np.searchsorted(levels, matrix.pij.j)
    joint = np.zeros((len(levels), len(levels)))
    joint[rows, columns] = matrix.pij.pij
    # MIRP leaves Q at 0 where two levels never meet.
    q = np.where(joint > 0, (joint / p[:, None]) @ (joint / p).T, 0.0)
    values = np.sort(np.append(np.linalg.eigvals(q), 0.0))  # levels that do not occur add zeros
    return float(np.sqrt(max(0.0, float(np.real(values[-2])))))


def zones(levels: np.ndarray) -> Matrix:
    """The size-zone matrix of gray levels (K, J, I): connected voxels (26 neighbors) of one level."""
    import cc3d

    numbers = cc3d.connected_components(levels.astype(np.uint32), connectivity=26)
    inside = levels > 0
    _, where, sizes = np.unique(numbers[inside], return_index=True, return_counts=True)
    return _marginals(*_counted(levels[inside][where], sizes), int(inside.sum()), "s")


def _neighbors(levels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each of the 26 neighbors the levels there, and whether it lies in the region, for each voxel (K, J, I)."""
    padded = np.pad(levels, 1)
    shape = levels.shape
    for k, j, i in (*DIRECTIONS, *((-k, -j, -i) for k, j, i in DIRECTIONS)):
        there = padded[1 + k : 1 + k + shape[0], 1 + j : 1 + j + shape[1], 1 + i : 1 + i + shape[2]]
        yield there, there > 0


def neighborhoods(levels: np.ndarray, bins: int) -> tuple[Matrix, Matrix | None]:
    """Of gray levels (K, J, I): the dependence matrix (differences of 0), and the neighborhood tone difference matrix.

    Args:
        bins: number of gray levels.

    The second is None where no voxel has a neighbor.
    """
    inside = levels > 0
    alike = np.zeros(levels.shape, np.uint8)
    number = np.zeros(levels.shape, np.uint8)
    total = np.zeros(levels.shape, np.int64)
    for there, is_in in _neighbors(levels):
        alike += there == levels
        number += is_in
        total += there
    voxels = int(inside.sum())
    dependence = _marginals(*_counted(levels[inside], alike[inside] + np.uint8(1)), voxels, "s")
    reached = inside & (number > 0)
    if not reached.any():
        return dependence, None
    own = levels[reached]
    difference = np.abs(own - total[reached] / number[reached])
    return dependence, _tone_difference(own, difference, bins)


def _tone_difference(own: np.ndarray, difference: np.ndarray, bins: int) -> Matrix:
    found, s = _sums(own, difference)
    n = _sums(own, np.ones(len(own)))[1]
    i, p = found.astype(float), n / n.sum()
    first, second = (m.ravel() for m in np.meshgrid(np.arange(len(i)), np.arange(len(i)), indexing="ij"))
    return Matrix(
        pi=Columns(i=i, s=s, n=n, pi=p),
        pij=Columns(i=i[first], j=i[second], pi=p[first], pj=p[second], si=s[first], sj=s[second]),
        n_g=bins,
        n_p=len(i),
        n_voxels=float(n.sum()),
    )
