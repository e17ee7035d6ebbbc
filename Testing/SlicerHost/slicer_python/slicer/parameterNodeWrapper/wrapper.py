"""The class decorator `parameterNodeWrapper`: typed attributes over a parameter node, and widgets bound to them."""

from __future__ import annotations

import typing
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer.util
import vtk

from . import serializers
from .annotations import Default
from .connectors import GuiConnector, createGuiConnector

SlicerParameterNamePropertyName = "SlicerParameterName"


class _Stored:
    """One parameter of one node, with the value that was read last."""

    def __init__(self, serializer: serializers.Serializer, default: Default, node: Any, name: str) -> None:
        self.serializer, self.default, self.node, self.name = serializer, default, node, name
        self._writing = False
        if not serializer.is_in(node, name):
            serializer.write(node, name, default.value)
        self._value = serializer.read(node, name)
        this = weakref.ref(self)  # the node must not keep this alive
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: this() and this()._reread())

    def __del__(self) -> None:
        if hasattr(self, "_tag"):
            self.node.RemoveObserver(self._tag)

    def _reread(self) -> None:
        if self._writing:
            return
        if not self.serializer.is_in(self.node, self.name):
            self.serializer.write(self.node, self.name, self.default.value)
        self._value = self.serializer.read(self.node, self.name)

    def read(self) -> Any:
        return self._value

    def write(self, value: Any) -> None:
        self._writing = True
        try:
            with slicer.util.NodeModify(self.node):  # observers are told when the value can be read
                self.serializer.write(self.node, self.name, value)
                self._value = self.serializer.read(self.node, self.name)
        finally:
            self._writing = False


class _Wrapper:
    """What every decorated class gets."""

    allParameters: dict[str, tuple[serializers.Serializer, Default, Any]]
    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int, tuple[dict[str, GuiConnector], int]] = {}
        self._next_tag = 0
        self._updating = False
        self._stored = {
            name: _Stored(serializer, default, parameterNode, f"{prefix or ''}{name}")
            for name, (serializer, default, _) in self.allParameters.items()
        }

    @classmethod
    def _check(cls, name: str) -> None:
        if name not in cls.allParameters:
            raise ValueError(f"There is no parameter {name!r}, only {', '.join(cls.allParameters)}")

    def getValue(self, name: str) -> Any:
        self._check(name)
        return self._stored[name].read()

    def setValue(self, name: str, value: Any) -> None:
        self._check(name)
        self._stored[name].write(value)

    def default(self, name: str) -> Default:
        self._check(name)
        return self._stored[name].default

    def isCached(self, name: str) -> bool:
        self._check(name)
        return True

    @classmethod
    def dataType(cls, name: str) -> Any:
        cls._check(name)
        return cls.allParameters[name][2]

    # ---- the node itself ----

    def StartModify(self) -> Any:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified: Any) -> Any:
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event: Any, callback: Callable, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    # ---- widgets ----

    def connectGui(self, gui: Any) -> int:
        """Binds every widget with the property SlicerParameterName: of a widget's children, or of `self.ui`."""
        is_widget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = gui.findChildren(qt.QWidget) if is_widget else gui.__dict__.values()
        named = ((w.property(SlicerParameterNamePropertyName), w) for w in widgets)
        return self.connectParametersToGui({name: widget for name, widget in named if name})

    def connectParametersToGui(self, mapping: Mapping[str, Any]) -> int:
        """Binds parameters to widgets both ways; the tag that is returned is for `disconnectGui`."""
        for name in mapping:
            self._check(name)
        connectors = {
            name: widget if isinstance(widget, GuiConnector) else createGuiConnector(widget, self.dataType(name))
            for name, widget in mapping.items()
        }
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._to_parameter(name, connector))
        tag, self._next_tag = self._next_tag, self._next_tag + 1
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update_guis())
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Undoes a binding; an unknown tag is ignored."""
        connectors, observer = self._guis.pop(tag, ({}, None))
        for connector in connectors.values():
            connector.onChanged(None)
        if observer is not None:
            self.RemoveObserver(observer)

    def _to_parameter(self, name: str, connector: GuiConnector) -> Callable[[], None]:
        def changed() -> None:
            with slicer.util.NodeModify(self):
                if not self._updating:
                    self.setValue(name, connector.read())

        return changed

    def _update_guis(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self):
                for connectors, _ in list(self._guis.values()):
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._updating = False


def isParameterNodeWrapper(kind: Any) -> bool:
    return getattr(kind, "_is_parameter_node_wrapper", False)


def parameterNodeWrapper(classtype: type | None = None) -> Any:
    """Class decorator: each annotated name becomes an attribute that is kept in the parameter node."""
    return _wrap if classtype is None else _wrap(classtype)


def _wrap(class_: type) -> type:
    parameters = {}
    for name, kind in typing.get_type_hints(class_, include_extras=True).items():
        serializer, default = serializers.create(kind)
        if name in class_.__dict__:
            default = Default(class_.__dict__[name])
        if hasattr(_Wrapper, name):
            raise ValueError(f"{name!r} is a reserved name in a parameterNodeWrapper")
        parameters[name] = (serializer, default, kind)
    for name, member in vars(_Wrapper).items():
        if name in class_.__dict__ and not name.startswith("__"):
            raise ValueError(f"{name!r} is a reserved name in a parameterNodeWrapper")
        if name not in ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__"):
            setattr(class_, name, member)
    class_.allParameters = parameters
    for name in parameters:
        setattr(class_, name, _attribute(name))
    return class_


def _attribute(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))
