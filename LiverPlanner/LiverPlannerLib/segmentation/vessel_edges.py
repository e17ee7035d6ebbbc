"""Where vessels end, by the image: a network that works at 2 mm draws them a voxel too thick, or stops too early."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import structure
from LiverPlannerLib.vessels.cleanup import half_contrast, regrown, vessel_contrast
from PreopReviewLib import images

PARENCHYMA_MM, EDGE_MM = 15.0, 0.8
OPPOSITE = 0.5
"""Of the veins' contrast, the least with which bile is bright where veins are dark."""


def local_parenchyma(volume: sitk.Image, mask: sitk.Image, probabilities: np.ndarray) -> sitk.Image:
    """Mean of the parenchyma within about 15 mm of each voxel, on the grid of the probabilities (C, K, J, I)."""
    from scipy import ndimage

    values = images.array_of(volume).astype(np.float32)
    own = ((images.array_of(mask) > 0) & (probabilities.argmax(0) == 0)).astype(np.float32)
    width = PARENCHYMA_MM / volume.GetSpacing()[0]
    middle = float(np.median(values[own > 0])) if own.any() else 0.0
    weight = ndimage.gaussian_filter(own, width, truncate=2.5)
    mean = ndimage.gaussian_filter((values - middle) * own, width, truncate=2.5) / (weight + 1e-3) + middle
    return images.image_like(mean, volume)


def fit_edges(labels: sitk.Image, image: sitk.Image, liver_mask: sitk.Image, parenchyma: sitk.Image) -> sitk.Image:
    """Trees cut back to where the image shows them, and veins grown to where it does, on the source grid.

    Where veins are dark, what was called vein and is as bright against the liver as veins are dark is bile duct: so it
    is 20 minutes after gadoxetate, and a network that knows bright veins, too, mistakes thick ducts for them.
    """
    box = images.box_of_grid(parenchyma, labels)
    small = sitk.Cast(images.crop(image, box), sitk.sitkFloat32)
    if min(small.GetSize()) > 4:
        small = sitk.SmoothingRecursiveGaussian(small, [EDGE_MM] * 3)
    beside = images.array_of(sitk.Resample(parenchyma, small, sitk.Transform(), sitk.sitkLinear, 0.0))
    seen, spacing = images.array_of(small), images.spacing_kji(small)
    out = images.array_of(labels).copy()
    part, inside = out[box.slices], images.array_of(liver_mask)[box.slices] > 0
    liver = structure("liver").label
    for key in ("portal_vein", "hepatic_vein", "bile_duct"):
        own = part == structure(key).label
        contrast = vessel_contrast(own, seen, beside)
        kept = half_contrast(own, seen, beside, contrast)
        part[own & ~kept] = np.where(inside[own & ~kept], liver, 0)
        if contrast < 0 and key != "bile_duct":
            part[own & half_contrast(own, seen, beside, -contrast, OPPOSITE)] = structure("bile_duct").label
        if key != "bile_duct":
            # (Ducts are too thin: what goes on from them is as often noise.)
            part[regrown(kept, seen, beside, contrast, inside & (part == liver), spacing)] = structure(key).label
    return images.image_like(out, labels)
