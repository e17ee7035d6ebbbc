"""Things to drag in the scene of a review with figures that follow, offered by the libraries that know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Tool(Protocol):
    """One thing in the scene.

    Attributes:
        node: a MRML node that the reader drags; it is taken away with the case.
    """

    node: Any

    def rows(self) -> list[tuple[str, str]]:
        """What it means now: names and figures with units."""


ToolMaker = Callable[[Any, Any], Tool]
"""Makes a tool for a scene and its segmentation; raises PreopError where it has nothing to work on."""
_makers: dict[str, ToolMaker] = {}


def offer_tool(name: str, maker: ToolMaker) -> None:
    """Lets reviews have a tool; offered again, it takes the place of the former."""
    _makers[name] = maker


def tool_names() -> list[str]:
    """Names of all tools."""
    return sorted(_makers)


def make_tool(name: str, scene: Any, segmentation: Any) -> Tool:
    """A tool of that name in a scene."""
    return _makers[name](scene, segmentation)
