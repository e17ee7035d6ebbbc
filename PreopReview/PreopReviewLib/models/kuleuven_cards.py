"""Metadata and model cards of the two KU Leuven packages: what is known of them and what is not."""

from __future__ import annotations

from typing import Any

_COMMON: dict[str, Any] = {
    "version": "0.3.0",
    "license": "Apache-2.0",
    "copyright": "KU Leuven, Xikai Tang and Georg Schramm; weights converted from Keras HDF5, unchanged in value",
    "authors": "Xikai Tang, Georg Schramm (KU Leuven)",
    "source": "https://pypi.org/project/pyliverlesionseg/0.3/",
    "references": ["Tang et al., Eur J Nucl Med Mol Imaging 47 (2020), doi:10.1007/s00259-020-04800-3"],
    "training_data": "Not said in the package.",
    "modalities": ["CT", "MR"],
    "intended_use": "Research and teaching. Not for clinical use.",
}

LIVER_METADATA: dict[str, Any] = {
    **_COMMON,
    "name": "kuleuven-liver",
    "task": "liver segmentation",
    "description": "Whole liver in abdominal CT and MR, at 3 mm.",
    "structures": ["liver"],
    "spacing_mm": [3.0, 3.0, 3.0],
    "orientation": "RAS",
    "intensity": {"CT": "clip -200…200 HU to -0.5…0.5", "MR": "clip to the lower 80 % of the range, to -0.5…0.5"},
    "input_shape": [189, 162, 162],
    "output_shape": [163, 136, 136],
    "network": {"name": "KuLeuvenLiverUNet", "arguments": {"features": [20, 40, 80, 160]}},
    "size_mb": 15.6,
}

LESION_METADATA: dict[str, Any] = {
    **_COMMON,
    "name": "kuleuven-lesion",
    "task": "liver lesion segmentation",
    "description": "Lesions inside a given liver in CT and MR, at 1 x 1 x 3 mm.",
    "structures": ["tumour"],
    "spacing_mm": [1.0, 1.0, 3.0],
    "orientation": "RAS",
    "intensity": {
        "CT": "clip -200…200 HU to -0.5…0.5; -0.5 outside the liver",
        "MR": "median of the liver to 0, its farther extreme to ±0.5; -0.5 outside the liver",
    },
    "input_shape": [180, 172, 86],
    "output_shape": [92, 84, 42],
    "network": {"name": "KuLeuvenLesionUNet", "arguments": {"features": [20, 40, 80, 160]}},
    "size_mb": 14.0,
}

LIVER_CARD = "# kuleuven-liver\n"
LESION_CARD = "# kuleuven-lesion\n"
