"""How much memory there is, and how much a window of a network needs."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, malloc.h
_KEPT = 2**31 - 1  # bytes
_USUAL = {_MMAP_THRESHOLD: 32 * 2**20, _TRIM_THRESHOLD: 64 * 2**20}
"""Where the C library's own thresholds, which grow with what is freed, end; once set they grow no more."""
_lock, _inside = Lock(), []
SAFETY = 1.3
"""On top of the estimate: allocator overhead and library work space."""
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available_bytes(device: str = "cpu") -> int:
    """Memory that can still be taken, in bytes, the limit of a container included."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    free = [_system_available()]
    for limit, used in _CGROUPS:
        try:
            free.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return max(min(free), 0)


def _system_available() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # Windows
        return 4 * 1024**3


@contextmanager
def kept_memory() -> Iterator[None]:
    """Within it, memory that a layer frees serves the next one instead of going back to the system.

    The C library gives every large block back and takes a new one, which the system fills with zeros page by page: a
    quarter of the time of a network on whole scans. Only where it is the GNU one (Linux); nothing happens elsewhere.
    """
    library = _gnu_c_library()
    if library is None:
        yield
        return
    with _lock:
        _inside.append(None)
        library.mallopt(_MMAP_THRESHOLD, _KEPT)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:  # the outermost one of all threads
                for which, threshold in _USUAL.items():
                    library.mallopt(which, threshold)
                library.malloc_trim(0)


@cache
def _gnu_c_library() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    needed = ("gnu_get_libc_version", "mallopt", "malloc_trim")
    return library if all(hasattr(library, name) for name in needed) else None


def widest_layer(network: nn.Module) -> int:
    """The largest sum of input and output channels of a convolution at full resolution, from its modules."""
    from torch import nn

    layers = [m for m in network.modules() if isinstance(m, nn.Conv3d | nn.ConvTranspose3d)]
    if not layers:
        return 2
    narrow = min(max(layers[0].out_channels, 1), 64)
    near_full = [m for m in layers if min(m.in_channels, m.out_channels) <= narrow]
    return max(m.in_channels + m.out_channels for m in near_full or layers)


def peak_bytes(network: nn.Module, window: Sequence[int], bytes_per_value: int = 4, classes: int = 1) -> int:
    """An estimate, from above, of what one window takes at its peak: the widest layer's input and output, one more
    copy for the normalization, a skip connection, and the result."""
    voxels = float(np.prod(window))
    return int(SAFETY * voxels * bytes_per_value * (2 * widest_layer(network) + classes))


def fitting_window(
    network: nn.Module,
    wanted: Sequence[int],
    available: int,
    multiple: int = 16,
    bytes_per_value: int = 4,
    classes: int = 1,
) -> tuple[int, ...] | None:
    """The largest window, by halving its longest side, that fits into `available` bytes; None if none does."""
    window = [max(-(-int(n) // multiple) * multiple, multiple) for n in wanted]
    while peak_bytes(network, window, bytes_per_value, classes) > available:
        longest = int(np.argmax(window))
        if window[longest] <= multiple:
            return None
        window[longest] = max(-(-window[longest] // 2 // multiple) * multiple, multiple)
    return tuple(window)
