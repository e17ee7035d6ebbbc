"""One liver from several answers to the same MRI."""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.segmentation.liver_answers import agreed, chosen_answers
from LiverPlannerLib.segmentation.liver_intensity import mr_maps

ML = 0.027


def answer(start: int, stop: int, sure: float) -> np.ndarray:
    out = np.zeros((40, 30, 30), np.float32)
    out[start:stop, 5:25, 5:25] = sure
    return out


def test_an_answer_elsewhere_and_an_unsure_one_are_left_out() -> None:
    answers = [answer(3, 20, 0.9), answer(4, 22, 0.92), answer(26, 39, 0.95), answer(3, 24, 0.7)]
    assert chosen_answers(answers, ML) == [0, 1]


def test_a_sure_first_answer_is_taken_without_asking_again() -> None:
    asked = []

    def ask(number: int) -> np.ndarray:
        asked.append(number)
        return answer(3, 20, 0.98)

    probability, used = agreed(6, ask, ML)
    assert (asked, used) == ([0], [0])
    assert probability.max() == np.float32(0.98)


def test_unsure_answers_are_averaged() -> None:
    given = [answer(3, 20, 0.9), answer(3, 24, 0.88)]
    probability, used = agreed(2, given.__getitem__, ML)
    assert used == [0, 1]
    np.testing.assert_allclose(probability, (given[0] + given[1]) / 2)


def test_no_liver_at_all_stays_no_liver() -> None:
    nothing = np.full((9, 9, 9), 0.2, np.float32)
    probability, _ = agreed(3, lambda _: nothing, ML)
    assert probability.max() < 0.5


def test_ranks_do_not_change_with_the_contrast_and_upside_down_is_upside_down() -> None:
    array = 100 + np.random.default_rng(1).gamma(2, 100, (20, 20, 20))
    array[:, :8] = 1  # air
    usual, *_, inverted, ranks = mr_maps(array)
    again = mr_maps(array**1.7)[-1]
    np.testing.assert_allclose(again(array**1.7), ranks(array), atol=1e-3)
    np.testing.assert_allclose(inverted(array), -usual(array), atol=1e-6)
    for shown in (m(array) for m in mr_maps(array)):
        assert (shown.min() >= -0.5) & (shown.max() <= 0.5)
