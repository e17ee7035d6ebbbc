"""What of the masks that models give a plan keeps: the liver, what reaches into it, lesions large enough."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import LESIONS, structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.images.geometry import box_of

MIN_LESION_ML = 0.05
LESION_MARGIN_MM = 3.0


def plausible_liver(mask: sitk.Image) -> sitk.Image:
    """The component of a mask that is most plausibly the liver, with its holes filled.

    The largest, unless it lies left of another that is at least half as large: the liver is on the right.
    """
    import cc3d

    array = np.ascontiguousarray(images.array_of(mask) > 0)
    components, count = cc3d.connected_components(array, connectivity=26, return_N=True)
    if count == 0:
        return images.image_like(array, mask)
    statistics = cc3d.statistics(components)
    sizes = statistics["voxel_counts"][1:].astype(float)
    rivals = np.flatnonzero(sizes >= 0.5 * sizes.max())
    right = images.kji_to_ras(statistics["centroids"][1:][rivals], mask)[:, 0]
    chosen = int(rivals[right.argmax()]) + 1
    return sitk.BinaryFillhole(images.image_like(components == chosen, mask), fullyConnected=False)


def drawn_part(mask: sitk.Image, key: str, liver: sitk.Image) -> sitk.Image:
    """What of a model's structure a plan draws: of what is counted in the liver, the pieces that reach into it.

    Cava and gallbladder lie beside the liver and are drawn whole.
    """
    return pieces_in(mask, liver) if structure(key).parent == "liver" else mask


def pieces_in(mask: sitk.Image, liver: sitk.Image) -> sitk.Image:
    """The 26-connected pieces of a mask that reach into the liver; both on one grid."""
    import cc3d

    pieces = cc3d.connected_components(np.require(images.array_of(mask) > 0, requirements="CW"), connectivity=26)
    inside = np.unique(pieces[images.array_of(liver) > 0])
    return images.image_like(np.isin(pieces, inside[inside > 0]).astype(np.uint8), mask)


def lesions_inside(
    lesions: sitk.Image, liver: sitk.Image, margin_mm: float = LESION_MARGIN_MM, min_ml: float = MIN_LESION_ML
) -> sitk.Image:
    """Lesion voxels in the liver grown by a margin (a lesion at the surface bulges out), without tiny regions.

    Args:
        lesions, liver: masks on one grid.
        margin_mm: how far outside the liver a lesion may reach.
        min_ml: regions (26-connected) below this volume are dropped.
    """
    import cc3d

    inside = images.array_of(lesions) > 0
    if not inside.any():
        return images.image_like(inside, lesions)
    near = sitk.SignedMaurerDistanceMap(liver > 0, squaredDistance=False, useImageSpacing=True) <= margin_mm
    inside = np.ascontiguousarray(inside & (images.array_of(near) > 0))
    threshold = int(np.ceil(min_ml / images.voxel_ml(lesions)))
    return images.image_like(cc3d.dust(inside, threshold=threshold, connectivity=26), lesions)


def without_tiny_lesions(labels: sitk.Image, min_ml: float = MIN_LESION_ML) -> sitk.Image:
    """The labels with regions of tumor or cyst below a volume given back to the liver.

    Where two networks are put together, single voxels of one are left beside the other's.
    """
    import cc3d

    array = images.array_of(labels)
    threshold = int(np.ceil(min_ml / images.voxel_ml(labels)))
    edited = array
    for key in LESIONS:
        mask = array == structure(key).label
        if (box := box_of(mask)) is None:
            continue
        near = np.ascontiguousarray(mask[box])
        kept = cc3d.dust(near, threshold=threshold, connectivity=26).astype(bool)
        edited = edited.copy() if edited is array else edited
        edited[box][near & ~kept] = structure("liver").label
    return labels if edited is array else images.image_like(edited, labels)


def labels_from_mask(mask: sitk.Image) -> sitk.Image:
    """A label image with the liver alone, from a binary mask.

    Raises:
        InputError: the mask is empty.
    """
    array = images.array_of(mask) > 0
    if not array.any():
        raise InputError("The liver mask is empty", "Draw the liver first, or leave the mask out")
    assert structure("liver").label == 1
    return images.image_like(array.view(np.uint8), mask)
