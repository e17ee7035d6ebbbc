"""What stands beside a type in `Annotated[...]`: the default and the validators."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any


class Default:
    """The default of a parameter, a value or what a function gives each time it is asked for."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        return self._generator() if self._generator else self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Default) and (self._value, self._generator) == (other._value, other._generator)

    def __hash__(self) -> int:
        return hash(repr(self._value))

    def __repr__(self) -> str:
        return f"Default(value={self._value!r}, generator={self._generator!r})"


class Validator:
    """Refuses values of a parameter by raising."""

    def validate(self, value: Any) -> None:
        raise NotImplementedError


class NotNone(Validator):
    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    def __init__(self, kind: type | tuple[type, ...]) -> None:
        self.kind = kind

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.kind):
            raise TypeError(f"Value must be of type {self.kind}, is {value!r} of type {type(value)}")


class WithinRange(Validator):
    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be from {self.minimum} to {self.maximum}, is {value}")


class Minimum(Validator):
    def __init__(self, minimum: float) -> None:
        self.minimum = minimum

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


class Maximum(Validator):
    def __init__(self, maximum: float) -> None:
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


class Choice(Validator):
    def __init__(self, choices: Sequence[Any]) -> None:
        self.choices = choices

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value!r}")


def split(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A possibly annotated type as the type and its annotations."""
    arguments = typing.get_args(Annotated[kind, None])
    return arguments[0], arguments[1:-1]


def first(annotations: Sequence[Any], kind: type) -> Any:
    """The first annotation of a class, or None."""
    return next((a for a in annotations if isinstance(a, kind)), None)
