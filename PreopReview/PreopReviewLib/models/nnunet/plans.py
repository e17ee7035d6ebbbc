"""What an nnU-Net's plans.json and dataset.json say, checked before nnunetv2 is asked to act on them.

Both are data, but nnunetv2 looks up whatever class they name; so every name must be one of its own here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PreopReviewLib.errors import ModelCorrupt, ModelError

READERS = ("SimpleITKIO", "NibabelIO", "SimpleITKIOWithReorient", "NibabelIOWithReorient", "Tiff3DIO")
TURNED = ("SimpleITKIOWithReorient", "NibabelIOWithReorient")
"""Readers that turn an image to RAS; the others give the array as it lies in the file."""
PREPROCESSORS = ("DefaultPreprocessor",)
RESAMPLERS = (
    "resample_data_or_seg_to_shape",
    "resample_torch_simple",
    "resample_torch_fornnunet",
    "no_resampling_hack",
)
NORMALIZATIONS = (
    "CTNormalization",
    "ZScoreNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
)
ARCHITECTURES = {
    f"dynamic_network_architectures.architectures.{module}.{name}"
    for module, names in {
        "unet": ("PlainConvUNet", "ResidualEncoderUNet", "ResidualUNet"),
        "residual_unet": ("ResidualEncoderUNet", "ResidualUNet"),  # where they were before
    }.items()
    for name in names
}
OLD_NETWORKS = ("PlainConvUNet", "ResidualEncoderUNet")
"""What plans from before nnunetv2 2.4 may call their network."""
_LAYERS = (
    "Conv",
    "InstanceNorm",
    "BatchNorm",
    "GroupNorm",
    "LayerNorm",
    "Dropout",
    "LeakyReLU",
    "ReLU",
    "GELU",
    "SiLU",
)
_AGAIN = "Copy it again from where the model was trained"
_CUSTOM = "Its authors' own code would have to be run, which is not done; train it with a stock nnU-Net"
MOST_CHANNELS = 16


def checked_configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The configuration of that name with what it inherits.

    Raises:
        ModelCorrupt: plans without it, or without what a configuration must have.
        ModelError: a cascade, 2-D pictures, or parts that are not nnunetv2's own.
    """
    configuration = _inherited(plans, name)
    if configuration.get("previous_stage"):
        raise ModelError(
            f"{name} is the second stage of an nnU-Net cascade: it needs what {configuration['previous_stage']} found",
            "Give the folder of 3d_fullres or 3d_lowres instead",
        )
    reader = str(plans.get("image_reader_writer"))
    if reader == "NaturalImage2DIO":
        raise ModelError("This nnU-Net is for two-dimensional pictures", "Give one for volumes")
    _own("image reader", [reader], READERS)
    _own("label manager", [str(plans.get("label_manager") or "LabelManager")], ("LabelManager",))
    _own("preprocessor", [str(configuration.get("preprocessor_name"))], PREPROCESSORS)
    for part in ("data", "probabilities", "seg"):
        _own("resampling", [str(configuration.get(f"resampling_fn_{part}"))], RESAMPLERS)
    _own("normalization", configuration.get("normalization_schemes") or ["none"], NORMALIZATIONS)
    _check_network(configuration)
    for key in ("patch_size", "spacing"):
        if not isinstance(configuration.get(key), list):
            raise ModelCorrupt(f"The plans' configuration {name} has no {key}", _AGAIN)
    return configuration


def _inherited(plans: Mapping[str, Any], name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    all_of_them = plans.get("configurations")
    if not isinstance(all_of_them, Mapping) or not isinstance(all_of_them.get(name), Mapping) or name in seen:
        known = ", ".join(all_of_them) if isinstance(all_of_them, Mapping) else "none"
        raise ModelCorrupt(f"The plans do not define the configuration {name} (they have {known})", _AGAIN)
    own = dict(all_of_them[name])
    parent = own.get("inherits_from")
    return {**_inherited(plans, str(parent), (*seen, name)), **own} if parent else own


def _own(what: str, given: Any, known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise ModelError(f"The plans name a {what} of its authors' own, {name!r}", _CUSTOM)


def _check_network(configuration: Mapping[str, Any]) -> None:
    if "architecture" not in configuration:
        _own("network", [str(configuration.get("UNet_class_name"))], OLD_NETWORKS)
        return
    architecture = configuration["architecture"]
    if not isinstance(architecture, Mapping) or not isinstance(architecture.get("arch_kwargs"), Mapping):
        raise ModelCorrupt("The plans do not say what the network is built of", _AGAIN)
    _own("network", [str(architecture.get("network_class_name"))], tuple(ARCHITECTURES))
    for key in architecture.get("_kw_requires_import") or ():
        layer = architecture["arch_kwargs"].get(key)
        if layer is None:
            continue
        short = str(layer).rsplit(".", 1)[-1]
        if not str(layer).startswith("torch.nn.") or not short.rstrip("123d").startswith(_LAYERS):
            raise ModelError(f"The plans name a layer that is not torch's, {layer!r}", _CUSTOM)


def channels_of(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the images that go in, in their order.

    Raises:
        ModelCorrupt: none are named.
    """
    named = dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(named, Mapping) or not 0 < len(named) <= MOST_CHANNELS:
        raise ModelCorrupt("dataset.json names no input channels", _AGAIN)
    if sorted(named) != sorted(str(n) for n in range(len(named))):
        raise ModelCorrupt(f"dataset.json numbers its input channels {', '.join(named)}, not from 0 on", _AGAIN)
    return tuple(str(named[str(n)]) for n in range(len(named)))


def modalities_of(channels: tuple[str, ...]) -> tuple[str, ...]:
    """CT or MR where the channels' names say it; empty where they do not."""
    if all(c.upper() == "CT" for c in channels):
        return ("CT",)
    words = ("MR", "T1", "T2", "DWI", "ADC", "FLAIR", "DIXON", "VIBE", "HBP", "HASTE")
    return ("MR",) if all(any(w in c.upper() for w in words) for c in channels) else ()


def labels_of(dataset: Mapping[str, Any]) -> dict[int, str]:
    """Name by the value that nnU-Net writes, without background and ignored voxels.

    Of regions (whole liver = 1 and 2, tumor = 2) the value that is left for each after the later ones are drawn over
    it, as `regions_class_order` says.

    Raises:
        ModelCorrupt: no labels, none but background, or regions without their order.
    """
    labels = dataset.get("labels")
    if not isinstance(labels, Mapping) or not labels:
        raise ModelCorrupt("dataset.json names no labels", _AGAIN)
    if all(str(k).isdigit() and isinstance(v, str) for k, v in labels.items()):
        raise ModelCorrupt(
            "dataset.json gives names by number, as nnU-Net v1 did", 'Write them as {"background": 0, "liver": 1}'
        )
    foreground = {name: value for name, value in labels.items() if name != "ignore" and not _only_zero(value)}
    if not foreground or "background" not in labels:
        raise ModelCorrupt("dataset.json names no label beside the background, or no background", _AGAIN)
    if any(isinstance(v, list) and len(v) > 1 for v in foreground.values()):
        order = dataset.get("regions_class_order")
        if not isinstance(order, list) or len(order) != len(foreground):
            raise ModelCorrupt("dataset.json has regions, but no regions_class_order that fits them", _AGAIN)
        values = order
    else:
        values = [v[0] if isinstance(v, list) else v for v in foreground.values()]
    try:
        numbers = [int(v) for v in values]
    except (TypeError, ValueError):
        raise ModelCorrupt(f"dataset.json gives labels that are not numbers ({values})", _AGAIN) from None
    if any(not 0 < n < 256 for n in numbers) or len(set(numbers)) != len(numbers):
        raise ModelCorrupt(f"dataset.json gives labels twice, or beyond 1 to 255 ({values})", _AGAIN)
    return dict(zip(numbers, map(str, foreground), strict=True))


def _only_zero(value: Any) -> bool:
    return value == 0 or (isinstance(value, list) and all(v == 0 for v in value))
