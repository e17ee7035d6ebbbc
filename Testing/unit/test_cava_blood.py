"""Blood of the vena cava against tumors."""

from __future__ import annotations

import numpy as np
import pytest

from LiverPlannerLib.segmentation.cava_blood import blood_in, slivers_of

CLASSES = ["background", "portal_vein", "hepatic_vein", "bile_duct", "tumor", "cyst", "inferior_vena_cava"]
SHAPE = (30, 40, 50)


def ball(middle: tuple[int, int, int], radius: float) -> np.ndarray:
    return sum((grid - at) ** 2 for grid, at in zip(np.indices(SHAPE), middle, strict=True)) < radius**2


CAVA, BLOOD, TUMOR = ball((8, 30, 20), 5), ball((16, 30, 20), 4), ball((15, 12, 35), 5)


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the network says, the image (liver 100 HU, veins 150), and the liver's mask."""
    best = np.zeros(SHAPE, int)
    best[4, 5:35, 40] = CLASSES.index("hepatic_vein")
    best[CAVA], best[BLOOD], best[TUMOR] = 6, 4, 4
    volume = np.random.default_rng(1).normal(100, 8, SHAPE) + 50 * ((best == 2) | (best == 6))
    return best, volume, np.ones(SHAPE, bool)


def test_what_is_bright_as_veins_and_lies_on_the_cava_is_blood(scene) -> None:
    best, volume, liver = scene
    blood = blood_in(best, CLASSES, volume + 50 * BLOOD - 40 * TUMOR, liver)
    assert (blood == ((best == 4) & BLOOD)).all()


def test_a_dark_tumor_on_the_cava_stays(scene) -> None:
    best, volume, liver = scene
    assert not blood_in(best, CLASSES, volume - 40 * (BLOOD | TUMOR), liver).any()


def test_a_bright_tumor_away_from_the_cava_stays(scene) -> None:
    best, volume, liver = scene
    assert not blood_in(best, CLASSES, volume + 50 * TUMOR - 40 * BLOOD, liver).any()


def test_where_veins_are_dark_nothing_is_judged(scene) -> None:
    best, volume, liver = scene
    assert not blood_in(best, CLASSES, 200 - volume - 50 * BLOOD, liver).any()


def test_without_veins_or_cava_nothing_is_judged(scene) -> None:
    best, volume, liver = scene
    for gone in (2, 6):
        assert not blood_in(np.where(best == gone, 0, best), CLASSES, volume + 50 * BLOOD, liver).any()


def test_strips_of_a_cava_that_passes_beside_the_liver_are_slivers_and_a_tube_is_none():
    strip = np.zeros(SHAPE, bool)
    strip[2:28, 10, 30:36] = True  # one voxel of 2 mm thick
    assert np.array_equal(slivers_of(CAVA | strip, [2.0, 2.0, 2.0]), strip)
    assert not slivers_of(np.zeros(SHAPE, bool), [2.0, 2.0, 2.0]).any()
