"""Where vessels end by the image, and bright ducts that were taken for dark veins."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.segmentation.vessel_edges import fit_edges, local_parenchyma
from LiverPlannerLib.structures import structure
from PreopReviewLib import images

SHAPE = (30, 40, 60)
LIVER, HEPATIC, PORTAL, DUCT = (structure(k).label for k in ("liver", "hepatic_vein", "portal_vein", "bile_duct"))


def tube(k: int, j: int, radius: float) -> np.ndarray:
    """Along I, from voxel 6 to 54."""
    grid = np.indices(SHAPE)
    return ((grid[0] - k) ** 2 + (grid[1] - j) ** 2 <= radius**2) & (abs(grid[2] - 30) < 24)


VEIN, BILE = tube(10, 12, 3), tube(20, 28, 3)


def fitted(vein: float, bile: float, called: np.ndarray) -> np.ndarray:
    """Labels after the fit; the liver is 100, the whole image is liver."""
    noise = np.random.default_rng(4).normal(0, 3, SHAPE)
    values = np.select([VEIN, BILE], [vein, bile], 100.0) + noise
    image = sitk.GetImageFromArray(values.astype(np.float32))
    mask = images.image_like(np.ones(SHAPE, np.uint8), image)
    shares = np.stack([called == LIVER, called != LIVER]).astype(np.float32)
    beside = local_parenchyma(image, mask, shares)
    return images.array_of(fit_edges(images.image_like(called.astype(np.uint8), image), image, mask, beside))


@pytest.mark.parametrize("vein", [50.0, 160.0])
def test_a_vein_drawn_too_thick_and_too_short_is_fitted(vein):
    called = np.where(tube(10, 12, 5) & (np.indices(SHAPE)[2] < 52), PORTAL, LIVER)
    vein_found = fitted(vein, 100.0, called) == PORTAL
    dice = 2 * (vein_found & VEIN).sum() / (vein_found.sum() + VEIN.sum())
    assert dice > 0.85, "drawn with a radius of 5 for 3 it was below .6"


def test_bright_ducts_among_dark_veins_are_ducts_whatever_they_were_called():
    across = np.indices(SHAPE)[2]
    called = np.select([VEIN & (across < 20), VEIN, BILE & (across < 20), BILE], [HEPATIC, PORTAL, PORTAL, DUCT], LIVER)
    labels = fitted(50.0, 180.0, called)
    assert (labels[BILE] == DUCT).mean() > 0.9
    assert (labels[VEIN] != DUCT).all()


def test_dark_places_in_bright_veins_are_no_ducts():
    called = np.select([VEIN, BILE], [PORTAL, PORTAL], LIVER)
    labels = fitted(160.0, 50.0, called)
    assert not (labels == DUCT).any()
