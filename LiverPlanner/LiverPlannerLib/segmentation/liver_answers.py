"""One liver from what a network says of the same MRI under several intensity maps.

The network was trained on contrasts of its own, and no one map brings every MRI near them. Answers that contradict all
others, and answers that the network itself is less sure of, are left out; the others are averaged. The limits were
chosen on six MRIs (five T2-SPIR, of which the hardest is best seen upside down, and a T1 slab).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from LiverPlannerLib.segmentation.liver_core import core_sureness, liver_core

SURE = 0.965
"""Mean probability in the core from which the first answer is taken alone."""
LEAST_AGREEMENT = 0.5
"""Of the best mean Dice with the other answers."""
LESS_SURE = 0.06
"""How far an answer's mean probability in its core may lie below the best one's."""

Answer = Callable[[int], np.ndarray]
"""The network's probability under the map of that number."""


def agreed(count: int, answer: Answer, voxel_ml: float) -> tuple[np.ndarray, list[int]]:
    """The probability (float32), and the numbers of the answers that it is the mean of.

    Args:
        count: how many maps there are; the first is the usual one.
        answer: called once for each that is needed.
        voxel_ml: of a voxel of the network's grid.
    """
    first = answer(0)
    core = liver_core(first, voxel_ml)[0]
    if count == 1 or core_sureness(core, first) >= SURE:
        return first, [0]
    answers = [first, *(answer(n) for n in range(1, count))]
    kept = chosen_answers(answers, voxel_ml)
    return np.mean([answers[n] for n in kept], axis=0, dtype=np.float32), kept


def chosen_answers(answers: Sequence[np.ndarray], voxel_ml: float) -> list[int]:
    """Numbers of the answers, probabilities (K, J, I), to average; all of them where none finds a liver."""
    cores = [liver_core(a, voxel_ml)[0] for a in answers]
    sure = [core_sureness(c, a) for c, a in zip(cores, answers, strict=True)]
    agreement = [np.mean([_dice(a, b) for b in cores if b is not a]) if len(cores) > 1 else 1.0 for a in cores]
    alike = [n for n, value in enumerate(agreement) if cores[n].any() and value >= LEAST_AGREEMENT * max(agreement)]
    if not alike:
        return list(range(len(answers)))
    best = max(sure[n] for n in alike)
    return [n for n in alike if sure[n] >= best - LESS_SURE]


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.count_nonzero(a & b) / max(1, np.count_nonzero(a) + np.count_nonzero(b)))
