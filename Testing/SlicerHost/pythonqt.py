"""PySide6 classes dressed as PythonQt shows them, which is how Slicer's Python sees Qt.

PythonQt shows every Q_PROPERTY as an attribute (`button.text`, never `button.text()`), keeps the setters
(`button.setText`), knows enumeration values as attributes of their class, calls the object name `name` as well, and
refuses attributes that a C++ object does not have. All classes are changed once, for the whole process.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

from PySide6 import QtCore, QtGui, QtNetwork, QtWidgets
from PySide6.QtCore import Property, QObject, Signal

from . import signals

MODULES = (QtCore, QtGui, QtWidgets, QtNetwork)
# Shiboken looks these up as methods that Python may override, so they must stay methods.
_STAY_METHODS = {"sizeHint", "minimumSizeHint", "objectName"}
_dressed: list[bool] = []


class QtProperty:
    """A Q_PROPERTY as PythonQt shows it: a value to read and to assign."""

    def __init__(self, name: str, getter: Any, type_name: str, static: Any = None) -> None:
        self.name, self.getter, self.type_name, self.static = name, getter, type_name, static

    def __get__(self, owner: QObject | None, _class: type | None = None) -> Any:
        if owner is None:
            return self.static or self
        return self.getter(owner) if self.getter else owner.property(self.name)

    def __set__(self, owner: QObject, value: Any) -> None:
        if self.type_name == "bool":
            value = bool(value)
        elif self.type_name == "int" and isinstance(value, float):
            value = int(value)
        elif self.type_name == "QString" and not isinstance(value, str):
            raise ValueError(f"Property '{self.name}' of type 'QString' does not accept {value!r}")
        if owner.setProperty(self.name, value):
            return
        setter = getattr(owner, f"set{self.name[0].upper()}{self.name[1:]}", None)
        if setter is None:
            raise AttributeError(f"Property '{self.name}' of {type(owner).__name__} cannot be set to {value!r}")
        setter(value)


def dress() -> None:
    """Changes the classes of PySide6; further calls do nothing."""
    if _dressed:
        return
    _dressed.append(True)
    for class_ in _classes(object):
        _flatten_enumerations(class_)
    for class_ in sorted(_classes(QObject), key=lambda c: len(c.__mro__)):
        _show_properties(class_)
        _refuse_new_attributes(class_)
    _name_objects()
    _intercept_attributes()
    _simplify_dialogs()


def _classes(base: type) -> Iterator[type]:
    """Every class of the Qt modules; `dir`, because PySide makes its types when they are first asked for."""
    seen = set()
    for module in MODULES:
        for name in dir(module):
            found = getattr(module, name, None)
            if inspect.isclass(found) and issubclass(found, base) and found not in seen:
                seen.add(found)
                yield found


def _flatten_enumerations(class_: type) -> None:
    """`QProcess.Running`, and the same from an instance."""
    if issubclass(class_, enum.Enum):
        return
    nested = [v for v in list(vars(class_).values()) if inspect.isclass(v) and issubclass(v, enum.Enum)]
    for member_name, member in ((k, v) for e in nested for k, v in e.__members__.items()):
        if member_name not in class_.__dict__:
            setattr(class_, member_name, member)


def _show_properties(class_: type) -> None:
    meta = class_.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        described = meta.property(index)
        name = described.name()
        own = class_.__dict__.get(name)
        if name in _STAY_METHODS or isinstance(own, (Signal, Property)):
            continue
        getter = own if callable(own) else _inherited_getter(class_, name)
        static = None
        if isinstance(own, staticmethod) or type(own).__name__ == "builtin_function_or_method":
            static = getattr(class_, name)  # QTimer.singleShot is both a property and a static function
            getter = getattr(class_, f"is{name[0].upper()}{name[1:]}", None)
        setattr(class_, name, QtProperty(name, getter, described.typeName(), static))


def _inherited_getter(class_: type, name: str) -> Any:
    for base in class_.__mro__[1:]:
        found = base.__dict__.get(name)
        if found is not None and callable(found) and not isinstance(found, QtProperty):
            return found
    return getattr(class_, f"is{name[0].upper()}{name[1:]}", None)


def _name_objects() -> None:
    get_name = QObject.objectName
    shown = property(lambda self: get_name(self), lambda self, value: self.setObjectName(value))
    QObject.objectName = shown
    QObject.name = shown
    QObject.className = lambda self: self.metaObject().className()
    QObject.delete = lambda self: self.deleteLater()


def _is_cpp(class_: type, name: str) -> bool:
    """Whether real Slicer implements the class in C++: PySide's own, and our stand-ins, but for their private parts."""
    if class_.__module__.startswith("PySide6"):
        return not name.startswith("__")
    return class_.__module__.startswith(("SlicerHost", "Testing.SlicerHost")) and not name.startswith("_")


def _intercept_attributes() -> None:
    """`widget.connect("clicked(bool)", f)`, and no invention of attributes on C++ objects."""
    plain_get = QObject.__getattribute__

    def get(self: QObject, name: str) -> Any:
        # PySide's getattr always gives its own `connect`, so it has to be asked before.
        if name in ("connect", "disconnect"):
            native, ours = plain_get(self, name), getattr(signals, name)

            def choose(*arguments: Any) -> Any:
                by_text = arguments and isinstance(arguments[0], str) and arguments[0][:1] not in "12"
                return ours(self, *arguments) if by_text else native(*arguments)

            return choose
        return plain_get(self, name)

    QObject.__getattribute__ = get


def _refuse_new_attributes(class_: type) -> None:
    """Each class of PySide6 has a `__setattr__` of its own, so each has to be changed."""
    if "__setattr__" in class_.__dict__:
        class_.__setattr__ = _set_attribute


@cache
def _of_class(kind: type, name: str) -> Any:
    """What a class has under a name; classes are complete before their objects are used."""
    return inspect.getattr_static(kind, name, None)


def _set_attribute(self: QObject, name: str, value: Any) -> None:
    """What Python does by default, except that C++ objects get no new attributes.

    PySide itself keeps the bound signals of an object among its attributes.
    """
    kind = type(self)
    found = _of_class(kind, name)
    if isinstance(found, Property):
        if found.fset is None:
            raise AttributeError(f"Property '{name}' of {kind.__name__} is read-only")
        found.fset(self, value)
    elif hasattr(type(found), "__set__"):
        type(found).__set__(found, self, value)
    elif _is_cpp(kind, name) and not isinstance(value, QtCore.SignalInstance):
        reason = "does not exist on" if found is None else "is a method and no property of"
        raise AttributeError(
            f"Attribute '{name}' {reason} {kind.__name__}, and creation of new attributes on C++ objects is not allowed"
        )
    else:
        self.__dict__[name] = value


def _simplify_dialogs() -> None:
    """PythonQt gives only the value where PySide6 adds whether the dialog was accepted."""
    simplified = {
        QtWidgets.QFileDialog: ("getOpenFileName", "getSaveFileName", "getOpenFileNames"),
        QtWidgets.QInputDialog: ("getText", "getItem", "getInt", "getDouble", "getMultiLineText"),
    }
    for class_, names in simplified.items():
        for name in names:
            setattr(class_, name, staticmethod(_first_of(getattr(class_, name))))


def _first_of(function: Any) -> Any:
    return lambda *arguments, **named: function(*arguments, **named)[0]
