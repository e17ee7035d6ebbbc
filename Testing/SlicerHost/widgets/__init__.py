"""Stand-ins for the widgets of ctk and Slicer that our modules use, by class name.

Each has the properties, methods and signals that the C++ class documents, as far as they matter to a module, and
nothing else: any other attribute is an AttributeError.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from types import ModuleType

from PySide6 import QtWidgets

MODULES = (
    "ctk_buttons",
    "ctk_choices",
    "ctk_dialogs",
    "ctk_numbers",
    "qmrml_basic",
    "qmrml_nodes",
    "segment_editor",
    "segment_selectors",
    "segments_table",
    "tables_plots",
)
REGISTRY: dict[str, type] = {}


def register_all() -> dict[str, type]:
    """Imports the stand-ins (after `pythonqt.dress`) and returns them by name."""
    for name in MODULES:
        module = import_module(f".{name}", __name__)
        REGISTRY.update(_widgets_of(module))
    return REGISTRY


def _widgets_of(module: ModuleType) -> dict[str, type]:
    return {
        name: class_
        for name, class_ in vars(module).items()
        if inspect.isclass(class_) and class_.__module__ == module.__name__ and issubclass(class_, QtWidgets.QWidget)
        and name.startswith(("ctk", "qMRML", "qSlicer"))
    }  # fmt: skip
