"""Where and how precisely to compute: chosen by a short measurement at first use, remembered in the cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PreopReviewLib.errors import InputError
from PreopReviewLib.output import whole_file
from PreopReviewLib.structured import read_json

if TYPE_CHECKING:
    import torch
    from torch import nn

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "bfloat16", "float16")
GAIN = 1.25
"""How much faster bfloat16 must be on a CPU before its rounding is worth it."""
_PATCH = 48


@dataclass(frozen=True)
class Placement:
    """A device and a precision for one network.

    Attributes:
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: one of `PRECISIONS`.
        measured: seconds of a test patch by precision, where it was measured.
    """

    device: str
    precision: str
    measured: dict[str, float] | None = None

    @property
    def dtype(self) -> torch.dtype:
        import torch

        return getattr(torch, self.precision)


def choose_device(requested: str = "auto") -> str:
    """The device to use. Raises InputError if the one asked for is not there."""
    import torch

    if requested not in DEVICES:
        raise InputError(f"Unknown device: {requested!r}", f"Choose one of {', '.join(DEVICES)}")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if requested == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[requested]:
        raise InputError(f"The device {requested} is not available to torch here", "Choose cpu or auto")
    return requested


def cache_file() -> Path:
    """Where measurements are remembered (`PREOP_CACHE` overrides the user's cache folder)."""
    if chosen := os.environ.get("PREOP_CACHE"):
        return Path(chosen).expanduser() / "precision.json"
    from platformdirs import user_cache_path

    return user_cache_path("preopreview", appauthor=False) / "precision.json"


def place(network: nn.Module, model: str, requested: str = "auto") -> Placement:
    """Device and precision for a network, by the rule: float16 on CUDA, float32 on MPS, on the CPU the faster.

    Args:
        network: float32 on the CPU; one patch of 48³ voxels of one channel is run through its first block if
            nothing is remembered for this model, torch and CPU.
        model: name and version, part of the key.
    """
    device = choose_device(requested)
    if device == "cuda":
        return Placement(device, "float16")
    if device == "mps":
        return Placement(device, "float32")
    key = _key(model)
    seconds = _remembered().get(key)
    if seconds is None:
        seconds = measure(network)
        _remember(key, seconds)
    fast = seconds.get("bfloat16", float("inf")) * GAIN < seconds["float32"]
    return Placement(device, "bfloat16" if fast else "float32", seconds)


def measure(network: nn.Module, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Seconds of the network's widest 3×3×3 convolution on a small patch, by precision; best of three."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    wide = [m for m in network.modules() if isinstance(m, nn.Conv3d) and max(m.kernel_size) > 1]
    layer = max(wide, key=lambda m: m.in_channels * m.out_channels, default=None)
    inputs, outputs = (layer.in_channels, layer.out_channels) if layer else (32, 32)
    seconds = {}
    with torch.inference_mode():
        for name in ("float32", "bfloat16") if _cpu_has_bfloat16() else ("float32",):
            dtype = getattr(torch, name)
            size = min(max(int(_PATCH * (1600 / (inputs * outputs)) ** (1 / 3)), 12), 64)
            x = torch.ones(1, inputs, size, size, size, dtype=dtype)
            weight = torch.ones(outputs, inputs, 3, 3, 3, dtype=dtype)
            F.conv3d(x, weight)  # the first call chooses kernels
            best = float("inf")
            for _ in range(3):
                start = clock()
                F.conv3d(x, weight)
                best = min(best, clock() - start)
            seconds[name] = round(best, 5)
    return seconds


def _cpu_has_bfloat16() -> bool:
    """Whether oneDNN has kernels for it here; without, torch emulates it, many times slower than float32."""
    import torch

    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a build without oneDNN, e.g. on Apple silicon
        return False


def _key(model: str) -> str:
    import torch

    parts = (model, torch.__version__, _cpu_name(), str(torch.get_num_threads()))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    wanted = ("model name", "flags", "stepping")
    return "|".join(sorted({line for line in lines if line.startswith(wanted)})) or platform.machine()


def _remembered() -> dict[str, dict[str, float]]:
    try:
        data = read_json(cache_file())
    except InputError:  # absent or damaged: measure again
        return {}
    good = isinstance(data, dict) and all(isinstance(v, dict) and "float32" in v for v in data.values())
    return data if good else {}


def _remember(key: str, seconds: dict[str, float]) -> None:
    path, data = cache_file(), {**_remembered(), key: seconds}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write_text(json.dumps(data, indent=1), encoding="utf-8")
    except OSError:
        return  # a cache that cannot be written only costs the measurement next time
