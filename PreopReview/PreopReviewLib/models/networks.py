"""The allow-list of networks: a package names one of these and its arguments; nothing else can be built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import ModelError
from PreopReviewLib.memory_errors import is_out_of_memory
from PreopReviewLib.models.adapter import adapters

if TYPE_CHECKING:
    from torch import nn

_ALLOWED: dict[str, str] = {
    "KuLeuvenLiverUNet": "PreopReviewLib.models.kuleuven_networks:KuLeuvenLiverUNet",
    "KuLeuvenLesionUNet": "PreopReviewLib.models.kuleuven_networks:KuLeuvenLesionUNet",
    "ResidualUNet3D": "PreopReviewLib.models.residual_unet:ResidualUNet3D",
    "Ensemble": "PreopReviewLib.models.ensemble:Ensemble",
    "UNet": "monai.networks.nets:UNet",
    "DynUNet": "monai.networks.nets:DynUNet",
    "SegResNet": "monai.networks.nets:SegResNet",
    "AttentionUnet": "monai.networks.nets:AttentionUnet",
    "BasicUNet": "monai.networks.nets:BasicUNet",
    "SwinUNETR": "monai.networks.nets:SwinUNETR",
    "UNETR": "monai.networks.nets:UNETR",
    "VNet": "monai.networks.nets:VNet",
    "VRN": "RotatorCuffCAMLib.network.vrn:VRN",
}


def _allowed() -> dict[str, str]:
    """Each network that may be built and where it is, with those of the adapters."""
    return {name: where for adapter in adapters().values() for name, where in adapter.networks.items()} | _ALLOWED


def check(name: str, arguments: Mapping[str, Any]) -> None:
    """Raises ModelError for a name that is not on the list, or arguments that are not plain values (no torch)."""
    if name not in _allowed():
        raise ModelError(
            f"The network {name!r} is not one of {', '.join(_allowed())}", "Use a package made for PreopReview"
        )
    if not isinstance(arguments, Mapping) or not all(isinstance(k, str) and _plain(v) for k, v in arguments.items()):
        raise ModelError(
            f"The arguments of {name} are not plain numbers, words and lists", "Check configs/metadata.json"
        )


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network, with random weights, in evaluation mode.

    Raises:
        ModelError: the name is not on the list, or the network does not take these arguments.
    """
    check(name, arguments)
    try:
        factory: Callable[..., nn.Module] = resolve_name(_allowed()[name])
    except ImportError as error:
        raise ModelError(
            f"The network {name} cannot be loaded ({error})", "Install the package with its dependencies"
        ) from error
    unknown = set(arguments) - set(inspect.signature(factory).parameters)
    if unknown:
        raise ModelError(f"{name} has no argument {', '.join(sorted(unknown))}", "Check configs/metadata.json")
    try:
        return factory(**arguments).eval()
    except (TypeError, ValueError, KeyError, IndexError, AssertionError, RuntimeError, ArithmeticError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelError(
            f"{name} cannot be built with these arguments ({error})", "Check configs/metadata.json"
        ) from error


def _plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, bool | int | float | str)
