"""The list that a parameter node gives: a change of it is a change of the parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableSequence
from typing import Any


class ObservedList(MutableSequence):
    """Saves itself after each change, once; takes no `+` and `*`, which would give a list that nobody observes."""

    def __init__(self, values: list, save: Callable[[list], None], reload: Callable[[], ObservedList]) -> None:
        self._values, self._save, self._reload = values, save, reload

    def _change(self, change: Callable[[list], Any]) -> Any:
        try:
            result = change(self._values)
            self._save(self._values)
        finally:  # what was refused is not kept here either
            self._values = self._reload()._values
        return result

    def __repr__(self) -> str:
        return f"ObservedList({self._values})"

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, ObservedList) else other)

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._change(lambda values: values.__setitem__(index, value))

    def __delitem__(self, index: Any) -> None:
        self._change(lambda values: values.__delitem__(index))

    def __iadd__(self, other: Iterable) -> ObservedList:
        self.extend(other)
        return self

    def __imul__(self, times: int) -> ObservedList:
        self._change(lambda values: values.__imul__(times))
        return self

    def __add__(self, other: Any) -> Any:
        raise NotImplementedError("+ would give a list that is not observed; += changes this one")

    __radd__ = __mul__ = __rmul__ = __add__

    def insert(self, index: int, value: Any) -> None:
        self._change(lambda values: values.insert(index, value))

    def append(self, value: Any) -> None:
        self._change(lambda values: values.append(value))

    def extend(self, other: Iterable) -> None:
        added = list(other)
        self._change(lambda values: values.extend(added))

    def pop(self, index: int = -1) -> Any:
        return self._change(lambda values: values.pop(index))

    def remove(self, value: Any) -> None:
        self._change(lambda values: values.remove(value))

    def clear(self) -> None:
        self._change(lambda values: values.clear())

    def sort(self, **options: Any) -> None:
        self._change(lambda values: values.sort(**options))

    def reverse(self) -> None:
        self._change(lambda values: values.reverse())
