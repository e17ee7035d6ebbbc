"""Bands of a CT against tumors."""

from __future__ import annotations

import numpy as np
import pytest

from LiverPlannerLib.segmentation.dark_bands import bands_in

SHAPE = (30, 40, 50)


@pytest.fixture
def liver() -> tuple[np.ndarray, np.ndarray]:
    """A block of liver of 100 HU with noise, and its mask."""
    inside = np.zeros(SHAPE, bool)
    inside[3:-3, 3:-3, 3:-3] = True
    return np.random.default_rng(1).normal(100, 8, SHAPE) - ~inside * 200, inside


def ball(radius: float = 7) -> np.ndarray:
    k, j, i = np.indices(SHAPE)
    return (k - 15) ** 2 + (j - 28) ** 2 + (i - 18) ** 2 < radius**2


def judged(volume: np.ndarray, inside: np.ndarray, called: np.ndarray) -> np.ndarray:
    return bands_in(called, inside & ~called, volume, 2.0)


def test_a_tumor_is_kept_dark_or_bright(liver: tuple[np.ndarray, np.ndarray]) -> None:
    volume, inside = liver
    for change in (-40, 30):
        assert not judged(volume + change * ball(), inside, ball()).any()


def test_a_piece_of_a_band_goes_and_a_tumor_inside_the_band_stays(liver: tuple[np.ndarray, np.ndarray]) -> None:
    volume, inside = liver
    volume = volume.copy()
    volume[:, 20:36] -= 35
    assert (judged(volume, inside, ball()) == ball()).all()
    assert not judged(volume - 60 * ball(), inside, ball()).any()


def test_a_lesion_with_no_liver_beside_it_is_not_judged(liver: tuple[np.ndarray, np.ndarray]) -> None:
    volume, inside = liver
    called = inside.copy()
    called[:, :20] = False
    assert not judged(volume - 40 * called, inside, called).any()
    assert not judged(volume, inside, inside).any(), "nor is anything where there is no other liver at all"
