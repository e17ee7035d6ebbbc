"""The tissues of a phantom, and how they map to the table of structures and to the network's classes."""

from __future__ import annotations

from enum import IntEnum


class Tissue(IntEnum):
    """Codes of a phantom's tissue map (uint8). Vessels are kept as voxel fractions beside it, not as codes."""

    AIR = 0
    LIVER = 1
    TUMOR = 2
    CYST = 3
    TUMOR_CORE = 4
    FISSURE = 5
    GALLBLADDER = 6
    FAT = 7
    MUSCLE = 8
    BONE = 9
    MARROW = 10
    LUNG = 11
    HEART = 12
    SPLEEN = 13
    KIDNEY = 14
    STOMACH = 15
    BOWEL = 16
    GAS = 17
    AORTA = 18
    SOFT = 19
    TUMOR_RIM = 20
    STEATOSIS = 21


TISSUES = 22

CLASSES = (
    "background",
    "portal_vein",
    "hepatic_vein",
    "bile_duct",
    "tumor",
    "cyst",
    "inferior_vena_cava",
)
"""Classes of the five-structure network, in the order of its output channels."""

UNSCORED = 255
"""Target value of voxels that are neither rewarded nor punished, such as vessels thinner than a voxel."""

VESSELS = ("portal_vein", "hepatic_vein", "bile_duct", "inferior_vena_cava")
"""Order of the vessel fractions of an anatomy."""

STRUCTURE_LABELS = {
    "liver": 1,
    "tumor": 2,
    "cyst": 3,
    "hepatic_vein": 4,
    "portal_vein": 5,
    "bile_duct": 6,
    "inferior_vena_cava": 7,
    "gallbladder": 8,
}
"""Label values of the table of structures (a test holds the two together; this layer may not import it)."""
