"""What random walkers over an MRI's intensities say of a liver that a network has cut short, or that leaks."""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.segmentation.liver_core import liver_core
from LiverPlannerLib.segmentation.liver_walk import with_walks
from PreopReviewLib.evaluation.overlap import dice

SHAPE, MM = (40, 50, 44), 3.0


def block(low: tuple[int, int, int], high: tuple[int, int, int]) -> np.ndarray:
    out = np.zeros(SHAPE, bool)
    out[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return out


BODY, LIVER = block((2, 3, 2), (38, 47, 42)), block((8, 12, 8), (26, 34, 30))


def scan(liver: float, around: float, others: tuple[tuple[np.ndarray, float], ...] = ()) -> np.ndarray:
    """A body with its liver, brighter toward the back as a surface coil makes it, and with noise."""
    values = np.where(LIVER, liver, around) * BODY
    for where, value in others:
        values = np.where(where, value, values)
    field = 1 + np.linspace(0, 0.15, SHAPE[1])[None, :, None]
    return (values * field + np.random.default_rng(1).normal(0, 12, SHAPE)).astype(np.float32)


def outline(values: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The network's liver, and the one with the walkers."""
    core, threshold = liver_core(probability, MM**3 / 1000)
    both = with_walks(values, core, probability, threshold, MM)
    assert both.shape == SHAPE
    assert both.dtype == np.float32
    assert both.min() >= 0
    assert both.max() <= 1
    return core, both > 0.5


def said(where: np.ndarray, doubtful: np.ndarray, share: float) -> np.ndarray:
    return np.where(doubtful, share, np.where(where, 0.95, 0.02)).astype(np.float32)


def test_a_part_of_which_the_network_is_unsure_comes_back_where_it_looks_like_the_rest_dark_or_bright() -> None:
    left_out = block((8, 12, 22), (26, 34, 30))
    probability = said(LIVER, left_out, 0.4)
    for liver, around in ((60.0, 120.0), (120.0, 60.0)):
        core, both = outline(scan(liver, around), probability)
        assert dice(core, LIVER) < 0.8
        assert dice(both, LIVER) > 0.93


def test_a_doubtful_part_that_looks_otherwise_goes_and_a_lesion_of_which_the_network_is_sure_stays() -> None:
    beside, lesion = block((10, 34, 10), (24, 40, 26)), block((12, 18, 12), (17, 23, 17))
    probability = said(LIVER, beside, 0.55)
    values = scan(100.0, 60.0, ((beside, 170.0), (lesion, 170.0)))
    core, both = outline(values, probability)
    assert core[beside].all()
    assert both[beside].mean() < 0.2
    assert both[lesion].all()


def test_an_image_that_shows_nothing_hardly_changes_what_the_network_says() -> None:
    probability = said(LIVER, block((8, 12, 26), (26, 34, 30)), 0.4)
    core, both = outline(np.full(SHAPE, 80.0, np.float32), probability)
    assert dice(both, core) > 0.96


def test_slabs_of_a_slice_or_two_and_parts_without_any_signal_keep_their_liver() -> None:
    for depth in (1, 2, 3):
        where = np.zeros((40, 50, depth), bool)
        where[10:30, 12:37] = True
        probability = np.where(where, 0.9, 0.0).astype(np.float32)
        noise = np.random.default_rng(0).normal(100, 10, where.shape).astype(np.float32)
        for values in (noise, np.zeros_like(noise), np.where(where, 200, 0).astype(np.float32)):
            assert np.array_equal(with_walks(values, where, probability, 0.5, MM) > 0.5, where)


def test_a_liver_at_the_borders_of_the_image_is_taken() -> None:
    everything = np.ones((12, 14, 16), bool)
    probability = np.full(everything.shape, 0.9, np.float32)
    both = with_walks(np.full(everything.shape, 50.0, np.float32), everything, probability, 0.5, MM)
    assert (both > 0.5).all()
