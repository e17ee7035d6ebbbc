"""Qt Designer files to widgets, with our stand-ins for the custom ones, as `slicer.util.loadUI` wants it.

The connection `mrmlSceneChanged(vtkMRMLScene*)` to `setMRMLScene(vtkMRMLScene*)` is made for exactly the receivers that
the file lists, so that a forgotten one is as scene-less here as in Slicer. A custom widget without a stand-in is an
error: Slicer would have it, and a silent plain QWidget in its place would hide every mistake in its use.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from functools import cache
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from .widgets import REGISTRY


class NoStandIn(RuntimeError):
    """A .ui file uses a widget of ctk or Slicer for which the host has no stand-in."""


class UiLoader(QtCore.QObject):
    """qt.QUiLoader."""

    def load(self, file: QtCore.QFile, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        """Loads the widget of a .ui file.

        Raises:
            NoStandIn: a custom widget is unknown.
            RuntimeError: the file is broken.
        """
        path = file.fileName()
        if file.isOpen():
            file.close()
        root = ET.parse(path).getroot()
        _check_custom_widgets(root, path)
        _check_translations(root, path)
        connections = _take_connections(root)
        _resolve_sets(root)
        for resources in root.findall("resources"):
            root.remove(resources)
        widget = _load(root, path, parent)
        for sender, signal, receiver, slot in connections:
            _connect(widget, (sender, signal), (receiver, slot), path)
        return widget


def _check_custom_widgets(root: ET.Element, path: str) -> None:
    declared = {w.findtext("class") for w in root.iter("customwidget")}
    missing = sorted(c for c in declared if c not in REGISTRY)
    if missing:
        raise NoStandIn(f"{os.path.basename(path)} uses {', '.join(missing)}, which the host has no stand-in for")
    used = {w.get("class") for w in root.iter("widget")}
    undeclared = sorted(c for c in used & set(REGISTRY) if c not in declared)
    if undeclared:
        raise NoStandIn(f"{os.path.basename(path)} does not declare its custom widgets {', '.join(undeclared)}")


def _check_translations(root: ET.Element, path: str) -> None:
    """Names of widgets must be unique, since they become attributes of `self.ui`."""
    names = [w.get("name") for w in root.iter("widget")]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise RuntimeError(f"{os.path.basename(path)} gives the name {', '.join(twice)} to more than one widget")


def _resolve_sets(root: ET.Element) -> None:
    """`ctkPathLineEdit::Dirs|ctkPathLineEdit::NoDot` as a number, which is what our stand-ins' properties take."""
    for element in root.iter("property"):
        flags = element.find("set") if element.find("set") is not None else element.find("enum")
        parts = [part.strip().split("::") for part in (flags.text or "").split("|")] if flags is not None else []
        if parts and all(len(p) == 2 and p[0] in REGISTRY for p in parts):
            value = sum(getattr(REGISTRY[class_], name) for class_, name in parts)
            element.remove(flags)
            ET.SubElement(element, "number").text = str(int(value))


def _take_connections(root: ET.Element) -> list[tuple[str, str, str, str]]:
    connections = [
        tuple(c.findtext(field) or "" for field in ("sender", "signal", "receiver", "slot"))
        for c in root.iter("connection")
    ]
    for element in root.findall("connections"):
        root.remove(element)
    return connections  # type: ignore[return-value]


@cache
def _loader() -> QtUiTools.QUiLoader:
    """One for all files: to register the stand-ins takes ten times as long as to load a file."""
    loader = QtUiTools.QUiLoader()
    for class_ in REGISTRY.values():
        loader.registerCustomWidget(class_)
    return loader


def _load(root: ET.Element, path: str, parent: QtWidgets.QWidget | None) -> QtWidgets.QWidget:
    loader = _loader()
    loader.setWorkingDirectory(QtCore.QDir(os.path.dirname(path)))
    buffer = QtCore.QBuffer()
    buffer.setData(ET.tostring(root))
    buffer.open(QtCore.QIODevice.ReadOnly)
    widget = loader.load(buffer, parent)
    if widget is None:
        raise RuntimeError(f"{os.path.basename(path)}: {loader.errorString()}")
    return widget


def _connect(widget: QtWidgets.QWidget, source: tuple[str, str], target: tuple[str, str], path: str) -> None:
    def named(name: str) -> Any:
        found = widget if widget.objectName == name else widget.findChild(QtCore.QObject, name)
        if found is None:
            raise RuntimeError(f"{os.path.basename(path)} connects {name!r}, which is not in it")
        return found

    sender, receiver = named(source[0]), named(target[0])
    slot = target[1].split("(")[0]
    if source[1].startswith("mrmlSceneChanged") and slot == "setMRMLScene":
        sender._scene_receivers.append(receiver)
    else:
        sender.connect(source[1], getattr(receiver, slot))
