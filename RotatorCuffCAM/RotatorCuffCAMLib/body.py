"""The body in a shoulder MRI."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

GRID_MM = 3.0


def body_mask(image: sitk.Image) -> sitk.Image:
    """The body in an MRI, uint8 on a coarse isotropic grid: Otsu on the logarithm, closed, the largest part, filled."""
    import cc3d
    from scipy import ndimage

    coarse = images.resample_spacing(sitk.Cast(image, sitk.sitkFloat32), (GRID_MM,) * 3, "linear")
    smooth = sitk.DiscreteGaussian(coarse, GRID_MM**2, 16, 0.02, True)
    values = np.log1p(np.clip(sitk.GetArrayFromImage(smooth), 0, None))
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(values))
    # Otsu parts fat from muscle as readily as body from air; what is dark but bright against air is body.
    dark = float(np.percentile(values, 2))
    level = min(otsu.GetThreshold(), dark + 0.35 * (float(np.percentile(values, 60)) - dark))
    mask = ndimage.binary_closing(values > level, iterations=2, border_value=0)
    mask = cc3d.largest_k(mask, k=1, connectivity=6) > 0
    for k in range(mask.shape[0]):
        mask[k] = ndimage.binary_fill_holes(mask[k])
    return images.image_like(mask.astype(np.uint8), smooth)
