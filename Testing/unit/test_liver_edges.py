"""The liver's surface on the image's own grid."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.segmentation.liver_edges import refined_mask
from LiverPlannerLib.segmentation.liver_intensity import CT_MAP
from PreopReviewLib import images


def ball(shape: tuple[int, ...], spacing: float, radius: float, shift: float = 0.0) -> np.ndarray:
    """A ball (K, J, I) whose center is moved along I, mm."""
    grid = [(np.arange(n) - (n - 1) / 2) * spacing for n in shape]
    k, j, i = np.meshgrid(*grid, indexing="ij")
    return k**2 + j**2 + (i - shift) ** 2 < radius**2


def image_of(array: np.ndarray, spacing: float) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([spacing] * 3)
    image.SetOrigin([-(n - 1) / 2 * spacing for n in array.shape[::-1]])
    return image


def refined(noise: float, shift: float, contrast: float = 120.0) -> tuple[float, float]:
    """Dice of the refined and of the unrefined outline of a ball, when the network is off by `shift` mm."""
    truth = ball((80, 80, 80), 1.5, 42)
    rng = np.random.default_rng(4)
    scan = image_of((np.where(truth, 100, 100 - contrast) + rng.normal(0, noise, truth.shape)).astype(np.float32), 1.5)
    grid = image_of(np.zeros((40, 40, 40), np.uint8), 3.0)
    share = ball((40, 40, 40), 3.0, 42, shift).astype(np.float32)
    from scipy import ndimage

    share = ndimage.gaussian_filter(share, 0.8).transpose(2, 1, 0)
    shown = sitk.GetArrayFromImage(sitk.Resample(scan, grid)).transpose(2, 1, 0)
    mask = refined_mask(scan, grid, share > 0.5, share, 0.5, CT_MAP(shown).astype(np.float32), CT_MAP)
    assert images.same_grid(mask, scan)
    plain = ball((80, 80, 80), 1.5, 42, shift)
    return tuple(2 * (m & truth).sum() / (m.sum() + truth.sum()) for m in (images.array_of(mask) > 0, plain))


def test_an_outline_that_is_off_by_a_voxel_of_the_network_goes_to_the_edge() -> None:
    better, plain = refined(noise=10, shift=3.0)
    assert plain < 0.95
    assert better > plain + 0.02


def test_noise_and_an_edge_that_cannot_be_seen_do_not_make_a_right_outline_wrong() -> None:
    assert refined(noise=60, shift=0.0)[0] > 0.97
    assert refined(noise=10, shift=0.0, contrast=0.0)[0] > 0.97


def test_thick_slices_and_an_image_that_ends_in_the_liver_keep_their_grid_and_their_last_slice() -> None:
    truth = ball((30, 80, 80), 1.5, 42)
    scan = image_of(np.where(truth, 100, 0).astype(np.float32), 1.5)
    scan.SetSpacing((1.5, 1.5, 5.0))
    scan.SetOrigin((-59.25, -59.25, -72.5))
    grid = image_of(np.zeros((48, 40, 40), np.uint8), 3.0)
    shown = sitk.GetArrayFromImage(sitk.Resample(scan, grid)).transpose(2, 1, 0)
    share = (shown > 50).astype(np.float32)
    mask = images.array_of(refined_mask(scan, grid, share > 0.5, share, 0.5, CT_MAP(shown), CT_MAP)) > 0
    assert mask[-1].sum() > 0.9 * truth[-1].sum()
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.97


def test_a_vessel_at_the_surface_of_an_mri_goes_back_into_the_liver() -> None:
    from LiverPlannerLib.segmentation.liver import without_notches

    whole = ball((60, 60, 60), 1.5, 30)
    cut = whole.copy()
    cut[28:31, 28:31, :] = False  # a vessel of 4.5 mm through all of it
    back = images.array_of(without_notches(image_of(cut.astype(np.uint8), 1.5))) > 0
    assert 2 * (back & whole).sum() / (back.sum() + whole.sum()) > 0.999
