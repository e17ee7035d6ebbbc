"""How radiomic features are computed: the settings of the papers' kind of image, and those for CT."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from PreopReviewLib.errors import InputError


@dataclass(frozen=True)
class RadiomicsSettings:
    """How features are computed; written beside every result.

    Attributes:
        name: of the preset.
        normalize: z-score of the whole image (as pyradiomics does), or the intensities as they are.
        scale, shift: after the z-score, intensity = scale·z + shift; the shift keeps energies meaningful.
        bin_width: of the gray levels, in the unit of the intensities.
        bins: "multiples": edges at multiples of the bin width, so that two masks share them (as pyradiomics);
            "minimum": edges from the least intensity in the mask (IBSI's fixed bin size).
        spacing_mm: edge of the cubic voxels; images by B-spline of order 3, masks by nearest neighbor.
    """

    name: str = "gross2024"
    normalize: bool = True
    scale: float = 100.0
    shift: float = 300.0
    bin_width: float = 5.0
    bins: Literal["multiples", "minimum"] = "multiples"
    spacing_mm: float = 2.0

    def __post_init__(self) -> None:
        for field in ("scale", "bin_width", "spacing_mm"):
            if not (math.isfinite(getattr(self, field)) and getattr(self, field) > 0):
                raise InputError(f"{field.replace('_', ' ')} must be positive, got {getattr(self, field)}", "Give > 0")


MR = RadiomicsSettings()
"""The default of the papers' kind of image: z-score × 100 + 300, bins of 5, 2 mm."""
CT = replace(MR, name="ct", normalize=False, scale=1.0, shift=0.0, bin_width=25.0)
"""Hounsfield units have a scale of their own: no z-score, bins of 25 HU (the usual width for CT), 2 mm."""


def units_of(normalize: bool, scale: float, shift: float) -> str:
    """The units of features, a sentence: their names say none."""
    intensities = f"of the z-score × {scale:g} + {shift:g}" if normalize else "in HU"
    return f"Lengths are in mm, areas in mm², volumes in mm³, intensities {intensities}."


def settings_for(modality: str) -> RadiomicsSettings:
    """`CT` for "CT", `MR` (Gross 2024) for "MR".

    Raises:
        InputError: another modality.
    """
    known = {"CT": CT, "MR": MR}
    if modality.upper() not in known:
        raise InputError(f"There are no radiomics settings for {modality}", "Choose CT or MR")
    return known[modality.upper()]
