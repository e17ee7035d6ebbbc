"""Loaded networks kept from one run to the next, in processes that want it (`PreopReviewLib.jobs.worker`)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from PreopReviewLib.models.package import ModelPackage


class Loaded(Protocol):
    """A loaded network; `notes` are those of its last run."""

    notes: list[str]


Predictor = TypeVar("Predictor", bound=Loaded)

_limit = 0
_kept: OrderedDict[tuple, Any] = OrderedDict()


def keep(limit: int) -> None:
    """Keeps the so many networks used last from now on; 0, the default, keeps none and releases all."""
    global _limit
    _limit = limit
    while len(_kept) > limit:
        _kept.popitem(last=False)


def predictor(package: ModelPackage, device: str, load: Callable[[], Predictor]) -> Predictor:
    """The kept predictor of a package on a device, without the notes of its earlier runs; else a loaded one.

    A package that was installed anew since is loaded anew.
    """
    if not _limit:
        return load()
    weights = package.weights.stat()
    key = (str(package.folder), device, package.version, weights.st_mtime_ns, weights.st_size)
    kept = _kept.pop(key, None)
    if kept is None:
        kept = load()
    else:
        kept.notes = []
    _kept[key] = kept
    keep(_limit)
    return kept


def forget(used: Loaded) -> None:
    """Does not keep this one: it was moved to where it was not meant to be."""
    for key in [k for k, kept in _kept.items() if kept is used]:
        del _kept[key]
