"""Models that others trained, through the interface of our model packages.

- Volumetry-Net's Lightning checkpoints (Gross 2024): weights only, two renames, strict;
- MONAI bundles whose network is on the allow-list: `configs/metadata.json` and `inference.json` are read as data,
  nothing in them is executed;
- TorchScript files: they carry their own (TorchScript) code and are therefore loaded only when asked for by name.

No pickle is loaded but with `weights_only=True`, which refuses anything that is not tensors and plain values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import FileMissing, ModelCorrupt, ModelError
from PreopReviewLib.models import networks
from PreopReviewLib.models.package import ModelPackage, write_package
from PreopReviewLib.structured import read_json

if TYPE_CHECKING:
    from torch import Tensor, nn

    from PreopReviewLib.models.importing import Wishes

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
    checkpoint: Path, folder: Path, wishes: Wishes | None = None, overwrite: bool = False
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
        "name": (wishes.name if wishes else None) or "volumetry-net",
        "version": "imported",
        "task": "liver",
        "description": "Whole liver in portal-venous MRI (Gross et al. 2024), imported from a Lightning checkpoint",
        "license": "GPL-3.0",
        "intended_use": "Research; what its authors say of it holds",
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
    return write_package(folder, metadata, network.state_dict(), _foreign_card(metadata, checkpoint), terms, overwrite)


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


def import_bundle(bundle: Path, folder: Path) -> ModelPackage:
    """Convert a MONAI bundle whose network is on the allow-list to a package.

    Raises:
        FileMissing: files of a bundle are missing.
        ModelError: a network that is not allowed, or arguments that are expressions.
        ModelCorrupt: weights that cannot be read or do not fit.
    """
    source = _json(bundle / "configs" / "metadata.json")
    config = _json(bundle / "configs" / "inference.json")
    definition = config.get("network_def") or config.get("network")
    if not isinstance(definition, Mapping) or "_target_" not in definition:
        raise ModelError(f"{bundle} does not define its network by name", "Export it with network_def._target_")
    name = str(definition["_target_"]).rsplit(".", 1)[-1]
    arguments = {k: v for k, v in definition.items() if not k.startswith("_")}
    for key, value in arguments.items():
        if isinstance(value, str) and value[:1] in ("$", "@", "%"):
            raise ModelError(f"{bundle}: the argument {key} is an expression", "Only plain values are accepted")
    network = networks.build(name, arguments)
    weights = next((p for p in (bundle / "models").glob("model.*") if p.suffix in (".safetensors", ".pt")), None)
    if weights is None:
        raise FileMissing(f"{bundle} holds no models/model.pt or model.safetensors", "Download the whole bundle")
    state = read_weights(weights)
    try:
        network.load_state_dict(state.get("model", state), strict=True)
    except RuntimeError as error:
        raise ModelCorrupt(f"The weights of {bundle} do not fit its network", "Download it again") from error
    metadata = {
        "name": str(source.get("name", bundle.name)),
        "version": str(source.get("version", "imported")),
        "task": str(source.get("task", "segmentation")),
        "description": str(source.get("description", "MONAI bundle")),
        "license": str(source.get("license", "see the bundle")),
        "intended_use": str(source.get("intended_use", "What the bundle's authors say of it holds")),
        "network": {"name": name, "arguments": arguments},
        "network_data_format": source.get("network_data_format", {}),
    }
    text = (bundle / "LICENSE").read_text(encoding="utf-8") if (bundle / "LICENSE").is_file() else metadata["license"]
    return write_package(folder, metadata, network.state_dict(), _foreign_card(metadata, bundle), text)


@dataclass(frozen=True)
class ScriptedModel:
    """A TorchScript file with the interface of a package.

    Attributes:
        file: the file.
        metadata: what the user says of it (spacing, classes); it says nothing itself.
    """

    file: Path
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.metadata.get("name", self.file.stem))

    @property
    def version(self) -> str:
        return str(self.metadata.get("version", "TorchScript"))

    def load_network(self) -> nn.Module:
        """The scripted network, on the CPU, in evaluation mode.

        Raises:
            FileMissing: no such file.
            ModelCorrupt: not a TorchScript file.
        """
        import torch

        if not self.file.is_file():
            raise FileMissing(f"There is no file {self.file}", "Check the path")
        try:
            return torch.jit.load(str(self.file), map_location="cpu").eval()
        except (RuntimeError, ValueError) as error:
            raise ModelCorrupt(f"{self.file} is not a TorchScript file", "Export it with torch.jit.save") from error


def read_weights(file: Path) -> dict[str, Any]:
    """Tensors of a safetensors file or of a pickle that holds nothing else.

    Raises:
        FileMissing: no such file.
        ModelCorrupt: damaged, or carrying code (which is not run).
    """
    import pickle

    if not file.is_file():
        raise FileMissing(f"There is no file {file}", "Check the path")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        import torch

        state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelCorrupt(
            f"{file} holds more than weights, or is damaged; nothing in it was run", "Ask for a file of tensors only"
        ) from error
    except Exception as error:
        # safetensors and torch raise types of their own for each kind of damage
        raise ModelCorrupt(f"{file} cannot be read ({str(error).splitlines()[0]})", "Download it again") from error
    if not isinstance(state, dict):
        raise ModelCorrupt(f"{file} does not contain a dictionary of weights", "Save a state_dict")
    return state


def _json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise FileMissing(f"There is no {file}", "Give the folder of a whole bundle")
    content = read_json(file, ModelCorrupt, "Download the bundle again")
    if not isinstance(content, dict):
        raise ModelCorrupt(f"{file} is not a JSON object", "Download the bundle again")
    return content


def _foreign_card(metadata: Mapping[str, Any], source: Path) -> str:
    return (
        f"# {metadata['name']} {metadata['version']}\n\n{metadata['description']}.\n\nImported from `{source.name}`; "
        f"not trained or validated here. License: {metadata['license']}.\n"
    )
