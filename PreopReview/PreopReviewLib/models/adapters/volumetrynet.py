"""Volumetry-Net: the whole liver in portal-venous MRI (Gross et al. 2024), as a Lightning checkpoint of MONAI 0.3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelCorrupt
from PreopReviewLib.models import networks
from PreopReviewLib.models.adapter import Adapter
from PreopReviewLib.models.foreign import card_of_foreign, read_weights
from PreopReviewLib.models.package import ModelPackage, write_package

if TYPE_CHECKING:
    from torch import Tensor

    from PreopReviewLib.models.importing import ImportOptions

ADAPTER = Adapter(f"{__name__}:import_volumetry_net")
VOLUMETRY_NET = {
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 2,
    "channels": [16, 32, 64, 128],
    "strides": [2, 2, 2],
    "num_res_units": 2,
    "norm": "BATCH",
    "dropout": 0.3,
}


def import_volumetry_net(
    checkpoint: Path, folder: Path, options: ImportOptions | None = None, overwrite: bool = False
) -> ModelPackage:
    """Convert a Lightning checkpoint of Volumetry-Net (MONAI 0.3 names) to a package.

    Raises:
        FileMissing: no such file.
        ModelCorrupt: damaged, code-carrying, or not of that network.
    """
    state = read_weights(checkpoint)
    state = state.get("state_dict", state)
    renamed = volumetry_net_names(state)
    network = networks.build("UNet", VOLUMETRY_NET)
    try:
        network.load_state_dict(renamed, strict=True)
    except RuntimeError as error:
        raise ModelCorrupt(
            f"{checkpoint} does not hold the weights of Volumetry-Net ({str(error).splitlines()[0]})",
            "Give the published last.ckpt",
        ) from error
    metadata = {
        "name": (options.name if options else None) or "volumetry-net",
        "version": "imported",
        "task": "liver",
        "description": "Whole liver in portal-venous MRI (Gross et al. 2024), imported from a Lightning checkpoint",
        "license": "GPL-3.0",
        "intended_use": "Research, as its authors state",
        "network": {"name": "UNet", "arguments": VOLUMETRY_NET},
        "inference": {
            "spacing_mm": 2.0,
            "classes": ["background", "liver"],
            "divisor": 8,
            "intensity": {"kind": "quartiles"},
            "window": [128, 224, 224],
            "post": "largest component of 26 neighbors",
        },
    }
    terms = "GPL-3.0 (volumetry-net)"
    return write_package(
        folder, metadata, network.state_dict(), card_of_foreign(metadata, checkpoint), terms, overwrite
    )


def volumetry_net_names(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Keys of MONAI 0.3 under `_model.` to those of today's MONAI; other keys (loss weights) are dropped."""
    out = {}
    for key, value in state.items():
        if not key.startswith("_model."):
            continue
        key = key.removeprefix("_model.")
        key = re.sub(r"\.norm\.(weight|bias|running_mean|running_var|num_batches_tracked)$", r".adn.N.\1", key)
        out[re.sub(r"\.act\.weight$", ".adn.A.weight", key)] = value
    return out
