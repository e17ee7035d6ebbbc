"""Model packages: data only, checked, installed whole; networks from an allow-list.

Importing this does not import torch.
"""

from PreopReviewLib.models.catalog import (
    Entry,
    find_package,
    install,
    list_models,
    models_folder,
    remove,
    require_package,
)
from PreopReviewLib.models.package import ModelPackage, load_package, write_package

__all__ = [
    "Entry",
    "ModelPackage",
    "find_package",
    "install",
    "list_models",
    "load_package",
    "models_folder",
    "remove",
    "require_package",
    "write_package",
]
