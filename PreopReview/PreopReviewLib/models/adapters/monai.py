"""MONAI bundles as packages: network, transforms and inferer by name from lists; nothing in a bundle is executed.

Of `configs/metadata.json` and `configs/inference.json` (or .yaml) only plain values count. A reference to one
(``@key``) is followed; an expression (``$…``) where a value is needed is refused, and `scripts` are not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import FileMissing, ModelCorrupt, ModelError
from PreopReviewLib.models import networks
from PreopReviewLib.models.adapter import Adapter
from PreopReviewLib.models.foreign import card_of_foreign, checked_preparation, read_weights
from PreopReviewLib.models.package import ModelPackage, write_package
from PreopReviewLib.structured import read_json, read_yaml

if TYPE_CHECKING:
    from PreopReviewLib.models.importing import ImportOptions

ADAPTER = Adapter(f"{__name__}:import_bundle")
_AGAIN = "Download the whole bundle again"
_PLAIN = "Only plain values are accepted"
_WITHOUT_EFFECT = ("LoadImaged", "EnsureChannelFirstd", "EnsureTyped", "ToTensord", "AsChannelFirstd", "AddChanneld")
_WITHOUT_EFFECT += ("CastToTyped", "ToDeviced", "CropForegroundd", "SelectItemsd")
"""Transforms that change no value that a whole scan in windows would be given (a crop only saves time)."""
_AFTERWARDS = ("Activationsd", "Invertd", "AsDiscreted", "SaveImaged", "CopyItemsd", "EnsureTyped", "ToTensord")
_NAMES = {
    "LoadImage": "LoadImaged",
    "LoadImageDict": "LoadImaged",
    "LoadImageD": "LoadImaged",
}


def import_bundle(
    bundle: str | Path, folder: str | Path, options: ImportOptions | None = None, overwrite: bool = False
) -> ModelPackage:
    """Convert a MONAI bundle to a package.

    Args:
        options: structures where the bundle's names do not say them, and settings (``window`` and the like) that
            override the bundle's.

    Raises:
        FileMissing: files of a bundle are missing.
        ModelError: a network or transform that is not listed, or a value that is an expression; named.
        ModelCorrupt: weights that cannot be read or do not fit.
    """
    from PreopReviewLib.models.importing import ImportOptions

    options = options or ImportOptions()
    bundle = Path(bundle).expanduser()
    source = _object(bundle / "configs" / "metadata.json")
    config = _config(bundle)
    name, arguments = _network(bundle, config)
    networks.check(name, arguments)
    classes = _classes(bundle, source, options)
    preparation = _preparation(bundle, config, name, arguments) | dict(options.settings)
    prepared = checked_preparation(preparation, str(bundle))
    metadata = {
        "name": options.name or str(source.get("name", bundle.name)),
        "version": str(source.get("version", "imported")),
        "task": "segmentation",
        "description": str(source.get("description", "MONAI bundle")).rstrip("."),
        "license": options.license_words or str(source.get("license") or source.get("copyright") or "not stated"),
        "intended_use": str(
            source.get("intended_use", "What the bundle's authors say of it holds; not validated here")
        ),
        "network": {"name": name, "arguments": arguments},
        "inference": {"classes": classes, **prepared},
        "training": {"data": str(source.get("data_source", "not stated"))},
        "notes": _notes(config),
    }
    network = networks.build(name, arguments)
    weights = next(
        (p for p in sorted((bundle / "models").glob("model.*")) if p.suffix in (".safetensors", ".pt")), None
    )
    if weights is None:
        raise FileMissing(f"{bundle} holds no models/model.pt or model.safetensors", _AGAIN)
    state = read_weights(weights)
    try:
        network.load_state_dict(state.get("model", state), strict=True)
    except RuntimeError as error:
        raise ModelCorrupt(f"The weights of {bundle} do not fit its network", _AGAIN) from error
    own = bundle / "LICENSE"
    terms = own.read_text(encoding="utf-8") if own.is_file() else f"{metadata['license']}\n"
    return write_package(folder, metadata, network.state_dict(), card_of_foreign(metadata, bundle), terms, overwrite)


def _object(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise FileMissing(f"There is no {file}", "Give the folder of a whole bundle")
    read = read_json if file.suffix == ".json" else read_yaml
    content = read(file, ModelCorrupt, _AGAIN)
    if not isinstance(content, dict):
        raise ModelCorrupt(f"{file} is not an object", _AGAIN)
    return content


def _config(bundle: Path) -> dict[str, Any]:
    files = [bundle / "configs" / f"inference.{ending}" for ending in ("json", "yaml", "yml")]
    return _object(next((f for f in files if f.is_file()), files[0]))


def _plain(config: Mapping[str, Any], value: Any, where: str, depth: int = 8) -> Any:
    """A value with the references in it followed; raises for an expression."""
    if isinstance(value, str) and value[:1] == "@" and depth:
        target: Any = config
        for part in value[1:].replace("::", "#").split("#"):
            try:
                target = target[int(part)] if isinstance(target, list) else target[part]
            except (KeyError, IndexError, ValueError, TypeError):
                raise ModelError(f"{where} refers to {value}, which is not there", _PLAIN) from None
        return _plain(config, target, where, depth - 1)
    if isinstance(value, str) and value[:1] in ("$", "@", "%"):
        raise ModelError(f"{where} is an expression ({value[:60]})", _PLAIN)
    if isinstance(value, Mapping):
        return {k: _plain(config, v, f"{where}, {k}", depth) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(config, v, where, depth) for v in value]
    return value


def _network(bundle: Path, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    definition = config.get("network_def") or config.get("network")
    if not isinstance(definition, Mapping) or "_target_" not in definition:
        raise ModelError(f"{bundle} does not define its network by name", "Export it with network_def._target_")
    name = _name(definition)
    given = {k: v for k, v in definition.items() if not k.startswith("_")}
    return name, {k: _plain(config, v, f"{bundle}: the argument {k}") for k, v in given.items()}


def _name(definition: Mapping[str, Any]) -> str:
    name = str(definition.get("_target_")).rsplit(".", 1)[-1]
    return _NAMES.get(name, name)


def _classes(bundle: Path, source: Mapping[str, Any], options: ImportOptions) -> list[str]:
    try:
        named = source["network_data_format"]["outputs"]["pred"]["channel_def"]
        labels = {int(k): str(v) for k, v in named.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        labels = {}
    labels = labels or {0: "background", **(options.structures or {})}
    foreground = {n: words for n, words in labels.items() if n}
    if not foreground or sorted(labels) != list(range(len(labels))):
        raise ModelError(f"{bundle} does not say what its output channels mean", "Name them, e.g. liver=1,tumor=2")
    keys = options.named(foreground)
    if len(set(keys.values())) < len(keys):
        raise ModelError(f"{bundle} names two channels alike ({', '.join(foreground.values())})", "Name them yourself")
    return ["background", *(keys[n] for n in sorted(keys))]


def _transforms(config: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    compose = config.get(key)
    listed = compose.get("transforms") if isinstance(compose, Mapping) else None
    if isinstance(listed, str):
        listed = _plain(config, listed, key)
    if not isinstance(listed, list):
        return []
    transforms = [_follow(config, t) for t in listed]
    return [t for t in transforms if isinstance(t, Mapping) and t.get("_disabled_") is not True]


def _follow(config: Mapping[str, Any], value: Any) -> Any:
    return config.get(value[1:]) if isinstance(value, str) and value[:1] == "@" else value


def _preparation(bundle: Path, config: Mapping[str, Any], network: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What `WholeScan` must know, from the transforms before the network and from the inferer."""
    preparation: dict[str, Any] = {"orientation": "", "array_order": "IJK", "divisor": divisor(network, arguments)}
    for transform in _transforms(config, "preprocessing"):
        name = _name(transform)
        if name in _WITHOUT_EFFECT:
            continue
        where = f"{bundle}: the transform {name}"
        used = {k: v for k, v in transform.items() if k not in ("keys", "_target_", "_desc_")}
        rule = _TRANSFORMS.get(name)
        if rule is None:
            known = ", ".join(_TRANSFORMS)
            raise ModelError(
                f"{where} is not one of {known}", "Give a bundle that uses these, or its weights otherwise"
            )
        preparation |= rule(
            {k: _plain(config, v, f"{where}, {k}") for k, v in used.items() if k not in _IGNORED}, where
        )
    inferer = config.get("inferer")
    if isinstance(inferer, Mapping):
        if _name(inferer) not in ("SlidingWindowInferer", "SlidingWindowInfererAdapt", "SimpleInferer"):
            raise ModelError(f"{bundle}: the inferer {_name(inferer)} is not known", "Use SlidingWindowInferer")
        if "roi_size" in inferer:
            preparation["window"] = _plain(config, inferer["roi_size"], f"{bundle}: roi_size")
        if "overlap" in inferer:
            preparation["overlap"] = _plain(config, inferer["overlap"], f"{bundle}: overlap")
    for t in _transforms(config, "postprocessing"):
        if _name(t) == "Activationsd" and t.get("sigmoid"):
            raise ModelError(
                f"{bundle}: its output channels overlap (sigmoid)", "Only channels that exclude each other are accepted"
            )
    return preparation


_IGNORED = (
    "mode",
    "align_corners",
    "padding_mode",
    "dtype",
    "diagonal",
    "labels",
    "allow_missing_keys",
    "channel_wise",
)


def _orientation(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    axes = str(given.get("axcodes", "")).upper()
    if len(axes) != 3:
        raise ModelError(f"{where} names no axes", "Use axcodes such as RAS")
    return {"orientation": axes}


def _spacing(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    pixdim = given.get("pixdim")
    if (
        not isinstance(pixdim, Sequence)
        or len(pixdim) != 3
        or not all(isinstance(v, int | float) and v > 0 for v in pixdim)
    ):
        raise ModelError(f"{where} has no three positive spacings", "Give pixdim for all three axes")
    return {"spacing_mm": [float(v) for v in pixdim]}


def _range(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    low, high = float(given["a_min"]), float(given["a_max"])
    to_low, to_high = float(given.get("b_min", 0.0)), float(given.get("b_max", 1.0))
    if not high > low or to_high == to_low:
        raise ModelError(f"{where} has an empty range", "Correct it")
    width = (high - low) / (to_high - to_low)
    clip = [low, high] if given.get("clip") else [-1e9, 1e9]
    return {"intensity": {"kind": "fixed", "clip": clip, "mean": low - to_low * width, "deviation": width}}


def _zscore(given: Mapping[str, Any], _where: str) -> dict[str, Any]:
    if given.get("subtrahend") is not None:
        mean, deviation = float(given["subtrahend"]), float(given.get("divisor") or 1.0)
        return {"intensity": {"kind": "fixed", "clip": [-1e9, 1e9], "mean": mean, "deviation": deviation}}
    return {"intensity": {"kind": "zscore_nonzero" if given.get("nonzero") else "zscore"}}


def _scale(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    if given.get("factor") is not None:
        raise ModelError(f"{where} scales by a factor", "Only minv and maxv are accepted")
    return {"intensity": {"kind": "minmax", "to": [float(given.get("minv", 0.0)), float(given.get("maxv", 1.0))]}}


def _percentiles(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    if given.get("relative"):
        raise ModelError(f"{where} scales relatively", "Only absolute percentiles are accepted")
    rule = {
        "kind": "percentiles",
        "percent": [float(given["lower"]), float(given["upper"])],
        "to": [float(given.get("b_min", 0.0)), float(given.get("b_max", 1.0))],
        "clip": bool(given.get("clip", False)),
    }
    return {"intensity": rule}


_TRANSFORMS = {
    "Orientationd": _orientation,
    "Spacingd": _spacing,
    "ScaleIntensityRanged": _range,
    "NormalizeIntensityd": _zscore,
    "ScaleIntensityd": _scale,
    "ScaleIntensityRangePercentilesd": _percentiles,
}


def _notes(config: Mapping[str, Any]) -> list[str]:
    left = [_name(t) for t in _transforms(config, "postprocessing") if _name(t) not in _AFTERWARDS]
    return [f"Its post-processing {', '.join(left)} is not applied."] if left else []


def divisor(network: str, arguments: Mapping[str, Any]) -> int:
    """What each side of a window must be a multiple of."""
    if "strides" in arguments:
        strides = arguments["strides"]
        return math.prod(max(s) if isinstance(s, list) else int(s) for s in strides)
    if network == "SegResNet":
        return 2 ** (len(arguments.get("blocks_down", [1, 2, 2, 4])) - 1)
    return {"SwinUNETR": 32, "UNETR": 16, "BasicUNet": 16, "VNet": 16}.get(network, 16)
