"""What makes a kind of foreign model usable here: an `Adapter`, declared by one module in the folder `adapters`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

from PreopReviewLib.models import adapters as folder


@dataclass(frozen=True)
class Adapter:
    """What a module in `adapters` declares as ``ADAPTER``; its kind is the module's name.

    Everything is named as ``package.module:attribute``, mostly ``f"{__name__}:attribute"``, and loaded when it is
    used. The module itself is imported whenever models are listed: its imports of torch and the like belong inside
    its functions.

    Attributes:
        importer: function of a file or folder, the package to make, `importing.ImportOptions` and whether to replace
            an older package; it returns the `ModelPackage`.
        networks: networks of its own that a package may name, beside those of `networks`.
        segmenters: by network, its own class behind the seam for models (`seam.Segmenter`), made of a `ModelPackage`;
            a network without one sees whole scans, prepared as its package says.
    """

    importer: str
    networks: Mapping[str, str] = field(default_factory=dict)
    segmenters: Mapping[str, str] = field(default_factory=dict)


def adapters() -> dict[str, Adapter]:
    """Every adapter in the folder by its kind, in alphabetical order."""
    names = sorted(module.name for module in iter_modules(folder.__path__))
    return {name: import_module(f"{folder.__name__}.{name}").ADAPTER for name in names}
