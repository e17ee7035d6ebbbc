"""What the stand-ins share: properties with a stored value, and the setters that C++ has beside them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtCore import Property

_numbers = itertools.count()
Class = TypeVar("Class", bound=type)


def stored(kind: Any, default: Any, after: str | None = None) -> Property:
    """A Q_PROPERTY that keeps what it is given.

    Args:
        kind: its type, a Python type or the name of a Qt type.
        after: name of a method to call when the value has changed.
    """
    key = f"_stored_{next(_numbers)}"

    def get(self: Any) -> Any:
        return self.__dict__.get(key, default)

    def set_(self: Any, value: Any) -> None:
        changed = value != get(self)
        self.__dict__[key] = value
        if changed and after is not None:
            getattr(self, after)()

    return Property(kind, get, set_)


def forwarded(kind: Any, part: str, name: str) -> Property:
    """A Q_PROPERTY that is one of a part of the widget, the attribute `part`."""

    def get(self: Any) -> Any:
        return getattr(self.__dict__[part], name)

    def set_(self: Any, value: Any) -> None:
        setattr(self.__dict__[part], name, value)

    return Property(kind, get, set_)


def with_setters(class_: Class) -> Class:
    """Adds `setX` for every property `x` that has none yet, as the C++ classes have."""
    for name, attribute in list(vars(class_).items()):
        setter = f"set{name[0].upper()}{name[1:]}"
        if isinstance(attribute, Property) and setter not in class_.__dict__:
            setattr(class_, setter, _setter(name))
    return class_


def _setter(name: str) -> Callable[[Any, Any], None]:
    def set_(self: Any, value: Any) -> None:
        setattr(self, name, value)

    return set_
