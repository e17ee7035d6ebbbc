"""Model packages: a folder in MONAI Bundle form that holds data only, never code.

configs/metadata.json        what the model is for, its network and inputs, how good it was found to be
models/model.safetensors     the weights
docs/README.md               the model card
LICENSE
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelCorrupt, ModelError
from PreopReviewLib.memory_errors import is_out_of_memory
from PreopReviewLib.models import networks
from PreopReviewLib.output import output_folder
from PreopReviewLib.structured import read_json

if TYPE_CHECKING:
    from torch import Tensor, nn

METADATA, WEIGHTS, CARD, LICENSE = "configs/metadata.json", "models/model.safetensors", "docs/README.md", "LICENSE"
FILES = (METADATA, WEIGHTS, CARD, LICENSE)
KIND = "models"
REQUIRED: dict[str, type] = {
    "name": str,
    "version": str,
    "task": str,
    "description": str,
    "license": str,
    "intended_use": str,
    "network": dict,
}
"""Keys that `configs/metadata.json` must have; the bundle's own keys and any other are kept as they are."""


@dataclass(frozen=True)
class ModelPackage:
    """A package on disk; its weights are read when `load_network` is called.

    Attributes:
        folder: where it is.
        metadata: the whole of `configs/metadata.json`.
    """

    folder: Path
    metadata: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        return self.metadata["name"]

    @property
    def version(self) -> str:
        return self.metadata["version"]

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return (self.folder / CARD).read_text(encoding="utf-8")

    @property
    def size_bytes(self) -> int:
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())

    def build_network(self) -> nn.Module:
        """The network with random weights (see `networks.build`)."""
        network = self.metadata["network"]
        return networks.build(network["name"], network.get("arguments", {}))

    def load_network(self) -> nn.Module:
        """The network with the package's weights, float32, on the CPU, in evaluation mode, gradients off.

        Raises:
            ModelCorrupt: the weights are truncated, not finite, or do not fit the network.
        """
        network = self.build_network()
        try:
            network.load_state_dict(self._read_weights(), strict=True)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            problem = str(error).splitlines()[0].rstrip(":")
            raise ModelCorrupt(f"The weights of {self.name} do not fit its network ({problem})", _AGAIN) from error
        for key, value in network.state_dict().items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise ModelCorrupt(f"The weights of {self.name} have values in {key} that are not finite", _AGAIN)
        return network.requires_grad_(False).eval()

    def _read_weights(self) -> dict[str, Tensor]:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self.weights)
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelCorrupt(f"The weights {self.weights} cannot be read ({error})", _AGAIN) from error


_AGAIN = "Remove the model and install it again"


def load_package(path: str | Path) -> ModelPackage:
    """Reads and checks a package; the weights stay on disk.

    Raises:
        ModelError: not a package, a file or key is missing, or its network is not allowed.
        ModelCorrupt: metadata that is no JSON, or weights whose header cannot be read.
    """
    folder = Path(path).expanduser().absolute()
    missing = [part for part in (METADATA, WEIGHTS, CARD, LICENSE) if not (folder / part).is_file()]
    if missing:
        raise ModelError(f"{folder} is not a whole model package: it lacks {', '.join(missing)}", "Give its folder")
    metadata = read_json(folder / METADATA, ModelCorrupt, _AGAIN)
    check_metadata(metadata, str(folder / METADATA))
    _check_header(folder / WEIGHTS)
    return ModelPackage(folder, metadata)


def check_metadata(metadata: Any, source: str = "The metadata") -> None:
    """Raises ModelError, naming the key, if a required one is missing or of the wrong type."""
    if not isinstance(metadata, Mapping):
        raise ModelError(f"{source} is not a JSON object", "Check configs/metadata.json")
    for key, kind in REQUIRED.items():
        if not isinstance(metadata.get(key), kind) or not metadata[key]:
            raise ModelError(f"{source} has no usable {key!r}", "Check configs/metadata.json")
    network = metadata["network"]
    networks.check(str(network.get("name")), network.get("arguments", {}))


def _check_header(weights: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy") as tensors:
            if not list(tensors.keys()):
                raise ModelCorrupt(f"{weights} contains no weights", _AGAIN)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelCorrupt(f"The weights {weights} cannot be read ({error})", _AGAIN) from error


def write_package(
    folder: str | Path,
    metadata: Mapping[str, Any],
    state_dict: Mapping[str, Tensor],
    card: str,
    license_text: str,
    overwrite: bool = False,
) -> ModelPackage:
    """Writes a package whole: into a temporary folder beside it, which then takes its name.

    Args:
        overwrite: replaces an older package, but no folder that holds anything else.

    Raises:
        ModelError: the metadata lack something.
        OutputExists: something is there that must not be replaced.
        OutputError: it cannot be written.
    """
    from safetensors.torch import save_file

    check_metadata(metadata)
    with output_folder(folder, overwrite, KIND, known=FILES, public=True) as work:
        for part in (METADATA, WEIGHTS, CARD):
            (work / part).parent.mkdir(exist_ok=True)
        (work / METADATA).write_text(json.dumps(metadata, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        save_file({k: v.detach().cpu().contiguous() for k, v in state_dict.items()}, work / WEIGHTS)
        (work / CARD).write_text(card, encoding="utf-8")
        (work / LICENSE).write_text(license_text, encoding="utf-8")
        load_package(work)
    return load_package(folder)
