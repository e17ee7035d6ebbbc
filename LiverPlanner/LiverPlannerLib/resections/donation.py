"""Living donation: what is resected is the graft; its weight against the recipient's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.resection.cutting import Resection
from LiverPlannerLib.resection.volumetry import Volumetry
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError


@dataclass(frozen=True)
class Graft:
    """A graft.

    Attributes:
        ml: functional parenchyma of the resected part.
        grwr_percent: graft-to-recipient weight ratio at 1 g/ml.
        remnant_percent: of the donor's functional liver that stays; None where nothing is functional.
    """

    ml: float
    grwr_percent: float
    remnant_percent: float | None


def graft_of(resection: Resection, labels: sitk.Image, volumes: Volumetry, recipient_kg: float) -> Graft:
    """The resected part as a graft.

    Args:
        volumes: of the donor with this remnant.
        recipient_kg: body weight.

    Raises:
        InputError: an implausible weight.
    """
    if not 1 <= recipient_kg <= 400:
        raise InputError(
            f"recipient weight must be between 1 and 400 kg, got {recipient_kg:g}", "Give the weight in kg"
        )
    values = images.array_of(labels)[images.array_of(resection.resected) > 0]
    left_out = [structure(key).label for key in volumes.volumes.excluded]
    ml = float(np.count_nonzero(~np.isin(values, left_out))) * images.voxel_ml(labels)
    share = volumes.remnant.to_functional if volumes.remnant else None
    return Graft(ml, ml / (10 * recipient_kg), None if share is None else 100 * share)
