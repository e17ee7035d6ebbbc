"""What each field of a recipe may hold, and which kind of recipe reads it: checked before anything is built of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from PreopReviewLib.errors import InputError

Check = Callable[[Any], str]
"""What a value must be, in words for "must be …", if it is not; else an empty text."""

KINDS = ("phantoms", "painted", "images", "labeled-shoulders")
OPTIMIZERS = ("Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD")
PRECISIONS = ("auto", "fp32", "bf16")
LOSSES = ("region", "dice", "nested", "cross-entropy")


def _number(low: float, high: float, *, whole: bool = False, above: bool = False) -> Check:
    kind = "a whole number" if whole else "a number"
    words = f"{kind} {'above' if above else 'from'} {low:g} {'and at most' if above else 'to'} {high:g}"

    def check(value: Any) -> str:
        plain = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        inside = plain and math.isfinite(value) and low <= value <= high and not (above and value == low)
        return "" if inside else words

    return check


def _one_of(*known: str) -> Check:
    return lambda value: "" if isinstance(value, str) and value in known else f"one of {', '.join(known)}"


def _list(each: Check, low: int, high: int) -> Check:
    count = f"{low}" if low == high else f"{low} to {high}"

    def check(value: Any) -> str:
        if isinstance(value, list | tuple) and low <= len(value) <= high:
            words = next((w for v in value if (w := each(v))), "")
            return words and f"a list of {count} values, each {words}"
        return f"a list of {count} values"

    return check


def _either(*checks: Check) -> Check:
    return lambda value: "" if any(not c(value) for c in checks) else " or ".join(c(value) for c in checks)


def _word(value: Any) -> str:
    return "" if isinstance(value, str) and 0 < len(value) <= 200 else "a word"


def _yes_or_no(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _words(value: Any) -> str:
    good = isinstance(value, Mapping) and all(isinstance(k, str) and k for k in value)
    return "" if good else "a mapping of names to values"


def _shares(value: Any) -> str:
    words = "a mapping of contrasts (ct, hbp, pv_mr, any) to shares that are not all 0"
    if not isinstance(value, Mapping) or not value or not set(value) <= {"ct", "hbp", "pv_mr", "any"}:
        return words
    share = _number(0, 1e6)
    return "" if not any(share(v) for v in value.values()) and sum(value.values()) > 0 else words


def _with_keys(checks: Mapping[str, Check], needed: tuple[str, ...] = ()) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, Mapping) or not set(value) <= set(checks) or not set(needed) <= set(value):
            return f"a mapping with {', '.join(needed or checks)}"
        return next((f"a mapping whose {k} is {w}" for k, v in value.items() if (w := checks[k](v))), "")

    return check


def _rising(low: float, high: float) -> Check:
    pair = _list(_number(low, high), 2, 2)
    return lambda value: pair(value) or ("" if value[0] < value[1] else "a list of two values, the first one smaller")


_INTENSITIES: dict[str, Check] = {
    "zscore": _with_keys({"kind": _word, "clip_percent": _rising(0, 100), "without_air": _yes_or_no}, ("kind",)),
    "quartiles": _with_keys({"kind": _word}, ("kind",)),
    "fixed": _with_keys(
        {
            "kind": _word,
            "clip": _rising(-1e6, 1e6),
            "mean": _number(-1e6, 1e6),
            "deviation": _number(0, 1e6, above=True),
        },
        ("kind", "clip", "mean", "deviation"),
    ),
}


def _intensity(value: Any) -> str:
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str) or value["kind"] not in _INTENSITIES:
        return f"a mapping whose kind is one of {', '.join(_INTENSITIES)}"
    return _INTENSITIES[value["kind"]](value)


_SHARE = _number(0, 1)
_COUNT = _number(0, 10**9, whole=True)
FIELDS: dict[str, Check] = {
    "data.kind": _one_of(*KINDS),
    "data.patients": _list(_COUNT, 3, 3),
    "data.spacing_mm": _either(_number(0.05, 50), _list(_number(0.05, 50), 3, 3)),
    "data.patch": _list(_number(1, 1024, whole=True), 3, 3),
    "data.batch": _number(1, 4096, whole=True),
    "data.classes": _list(_word, 2, 200),
    "data.echo": _number(1, 1000, whole=True),
    "data.reuse": _number(1, 10**6, whole=True),
    "data.contrasts": _shares,
    "data.jitter_voxels": _number(0, 64, whole=True),
    "data.intensity": _intensity,
    "data.crop": _one_of("body"),
    "data.foreground": _SHARE,
    "data.negatives": _one_of("anywhere", "background"),
    "data.patches_per_case": _number(1, 1000, whole=True),
    "data.augmentation": _with_keys(
        {
            "rotate_degrees": _number(0, 180),
            "scale": _rising(0.1, 10),
            "flip": _list(_number(0, 2, whole=True), 0, 3),
            "gamma": _rising(0.01, 100),
            "noise": _number(0, 1e6),
            "probability": _SHARE,
        }
    ),
    "network.name": _word,
    "network.arguments": _words,
    "loss.name": _one_of(*LOSSES),
    "loss.arguments": _words,
    "loss.scales": _list(_number(0, 1e6), 1, 16),
    "optimizer.name": _one_of(*OPTIMIZERS),
    "optimizer.learning_rate": _number(0, 100, above=True),
    "optimizer.late_rate": _number(0, 100, above=True),
    "optimizer.arguments": _words,
    "schedule.iterations": _number(1, 10**9, whole=True),
    "schedule.epochs": _number(1, 10**6, whole=True),
    "schedule.drop_at": _COUNT,
    "schedule.warmup": _COUNT,
    "schedule.decay_from": _SHARE,
    "training.ema": _SHARE,
    "training.clip": _number(0, 1e9),
    "training.precision": _one_of(*PRECISIONS),
    "training.seed": _number(0, 2**63 - 1, whole=True),
    "validation.every": _COUNT,
    "validation.cases": _number(0, 10**6, whole=True),
    "validation.contrasts": _shares,
    "inference.window": _either(_one_of("whole"), _list(_number(1, 2048, whole=True), 3, 3)),
    "inference.overlap": _number(0, 0.9),
    "inference.blending": _one_of("gaussian", "constant"),
    "inference.post": _one_of("largest component of 26 neighbors"),
    "inference.modalities": _list(_one_of("CT", "MR"), 1, 2),
}
"""Every field that something here reads."""

_SEGMENTATION = ("data.spacing_mm", "schedule.warmup", "schedule.decay_from")
_APPLIED = tuple(key for key in FIELDS if key.startswith("inference."))
_FROM_IMAGES = ("data.foreground", "data.negatives", "data.patches_per_case", "data.augmentation", "data.crop",
                "data.intensity", "loss.scales", *_APPLIED)  # fmt: skip
_FROM_PHANTOMS = ("data.reuse", "data.contrasts", "validation.contrasts", "data.foreground", "data.augmentation",
                  "data.negatives", "loss.scales")  # fmt: skip
_SHOULDERS = ("data.jitter_voxels", "optimizer.late_rate", "schedule.drop_at")
_READ_BY: dict[str, tuple[str, ...]] = {
    "images": (*_SEGMENTATION, *_FROM_IMAGES),
    "phantoms": (*_SEGMENTATION, *_FROM_PHANTOMS),
    "painted": (*_SEGMENTATION, "data.reuse", "data.intensity", "loss.scales", *_APPLIED),
    "labeled-shoulders": _SHOULDERS,
}
"""Fields that not every kind of recipe reads; those of phantoms are read also when it goes on with labeled images."""

REQUIRED = (
    "data.kind",
    "data.patch",
    "data.batch",
    "data.classes",
    "network.name",
    "network.arguments",
    "loss.name",
    "loss.arguments",
    "optimizer.name",
    "optimizer.learning_rate",
    "optimizer.arguments",
    "training.ema",
    "training.clip",
    "training.precision",
    "training.seed",
    "validation.every",
    "validation.cases",
)


def check_fields(values: Mapping[str, Any], source: str) -> None:
    """Raises InputError, naming source and field, for a field that nothing reads or a value that it cannot have."""
    for key, value in values.items():
        if key not in FIELDS:
            raise InputError(f"{source}: nothing reads the field {key!r}", "Correct its name, or leave it out")
        if words := FIELDS[key](value):
            raise InputError(f"{source}: {key} must be {words}, got {_shown(value)}", "Correct the field")
    kind = values.get("data.kind", "images")
    special = {key for keys in _READ_BY.values() for key in keys}
    for key in values:
        if key in special and key not in _READ_BY[kind]:
            raise InputError(f"{source}: a recipe for {kind} does not read the field {key!r}", "Leave it out")
    classes = values.get("data.classes", ())
    if len(set(classes)) < len(classes):
        raise InputError(f"{source}: data.classes has a class twice", "Correct the field")
    _check_whole(values, kind, source)


def _check_whole(values: Mapping[str, Any], kind: str, source: str) -> None:
    """Raises InputError for fields that are missing, or that do not go together."""
    needed = [*REQUIRED, *(_SHOULDERS if kind == "labeled-shoulders" else _SEGMENTATION)]
    needed += ["data.contrasts"] if kind == "phantoms" else []
    missing = [key for key in needed if key not in values]
    if missing:
        raise InputError(f"{source} lacks {', '.join(missing)}", "Add the fields")
    if "schedule.epochs" not in values and "schedule.iterations" not in values:
        raise InputError(f"{source} lacks schedule.epochs or schedule.iterations", "Add one of them")
    if kind in ("phantoms", "painted") and not isinstance(values["data.spacing_mm"], int | float):
        raise InputError(f"{source}: data.spacing_mm of phantoms must be one number", "Correct the field")
    for key in ("validation.every", "validation.cases"):
        if kind != "labeled-shoulders" and values[key] < 1:
            raise InputError(f"{source}: {key} must be at least 1, got {values[key]}", "Correct the field")
    if values["training.ema"] >= 1:
        raise InputError(f"{source}: training.ema must be below 1, or nothing is learned", "Correct the field")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
