"""How values of each type are kept in a parameter node, whose own parameters are texts and node references."""

from __future__ import annotations

import enum
import pathlib
import typing
from collections.abc import Callable, Sequence
from typing import Any

import slicer
import slicer.util

from .annotations import Default, IsInstance, NotNone, Validator, split
from .lists import ObservedList

_PATHS = (pathlib.Path, pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePath)


class Serializer:
    """Values of one type as one text, and the validators that a value must pass before it is written."""

    def __init__(
        self,
        validators: Sequence[Validator],
        default: Callable[[], Any],
        to_text: Callable[[Any], str] = str,
        from_text: Callable[[str], Any] = str,
    ) -> None:
        self.validators, self.default = list(validators), default
        self._to_text, self._from_text = to_text, from_text

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            validator.validate(value)

    def is_in(self, node: Any, name: str) -> bool:
        return node.HasParameter(name)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        node.SetParameter(name, self._to_text(value))

    def read(self, node: Any, name: str) -> Any:
        return self._from_text(node.GetParameter(name))

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class NodeSerializer(Serializer):
    """A MRML node, as a reference by the parameter's name; the text only says that there is a value."""

    def __init__(self, kind: type, validators: Sequence[Validator]) -> None:
        super().__init__([IsInstance(kind), *validators], lambda: None)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class ListSerializer(Serializer):
    """A list: its length as `name.len`, its elements as `name.0`, `name.1` and so on."""

    def __init__(self, element: Serializer, validators: Sequence[Validator]) -> None:
        super().__init__(validators, list)
        self._element = element

    def is_in(self, node: Any, name: str) -> bool:
        return node.HasParameter(f"{name}.len")

    def _length(self, node: Any, name: str) -> int:
        return int(node.GetParameter(f"{name}.len")) if self.is_in(node, name) else 0

    def write(self, node: Any, name: str, values: Any) -> None:
        self.validate(values)
        for value in values:  # before anything is changed, so that a refused list leaves the old one whole
            self._element.validate(value)
        with slicer.util.NodeModify(node):
            before = self._length(node, name)
            for index, value in enumerate(values):
                self._element.write(node, f"{name}.{index}", value)
            node.SetParameter(f"{name}.len", str(len(values)))
            for index in range(len(values), before):
                self._element.remove(node, f"{name}.{index}")

    def read(self, node: Any, name: str) -> ObservedList:
        values = [self._element.read(node, f"{name}.{i}") for i in range(self._length(node, name))]
        return ObservedList(values, lambda changed: self.write(node, name, changed), lambda: self.read(node, name))

    def remove(self, node: Any, name: str) -> None:
        with slicer.util.NodeModify(node):
            for index in range(self._length(node, name)):
                self._element.remove(node, f"{name}.{index}")
            node.UnsetParameter(f"{name}.len")


def create(kind: Any) -> tuple[Serializer, Default]:
    """The serializer of a possibly annotated type, and its default.

    Raises:
        TypeError: the type is outside of the part that the host knows, or an annotation is.
    """
    plain, annotations = split(kind)
    validators = [a for a in annotations if isinstance(a, Validator)]
    defaults = [a for a in annotations if isinstance(a, Default)]
    others = [a for a in annotations if a not in validators and a not in defaults]
    if others or len(defaults) > 1:
        raise TypeError(f"The host knows no annotation {others}, and takes one Default at most")
    serializer = _create_plain(plain, validators)
    return serializer, defaults[0] if defaults else Default(generator=serializer.default)


def _create_plain(kind: Any, validators: list[Validator]) -> Serializer:
    if typing.get_origin(kind) is list:
        (element,) = typing.get_args(kind)
        return ListSerializer(create(element)[0], validators)
    strict = [NotNone(), IsInstance((int, float) if kind is float else kind), *validators]
    if kind in (int, float):
        return Serializer(strict, lambda: 0, str, kind)
    if kind is str:
        return Serializer(strict, str)
    if kind is bool:
        return Serializer(strict, bool, lambda value: "True" if value else "False", lambda text: text == "True")
    if kind in _PATHS:
        return Serializer(strict, kind, str, kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return Serializer(strict, lambda: next(iter(kind)), lambda value: value.name, _enumeration(kind))
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeSerializer(kind, validators)
    raise TypeError(f"The host's parameterNodeWrapper does not know the type {kind}")


def _enumeration(kind: type[enum.Enum]) -> Callable[[str], enum.Enum]:
    def from_text(text: str) -> enum.Enum:
        try:
            return kind[text]
        except KeyError as error:
            raise ValueError(f"The parameter node holds {text!r}, which is not a name in {kind}") from error

    return from_text
