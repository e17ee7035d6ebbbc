"""A parameter node with a parameter of every type that our modules use."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import pytest


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


@pytest.fixture
def node(host: Any) -> Any:
    return host.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "parameters")


@pytest.fixture
def kind(host: Any) -> type:
    from slicer import vtkMRMLModelNode, vtkMRMLScalarVolumeNode
    from slicer.parameterNodeWrapper import Choice, Default, Minimum, WithinRange, parameterNodeWrapper

    class Parameters:
        count: int
        factor: float = 0.5
        name: str = "liver"
        on: bool = True
        folder: Path = Path("a") / "b"
        side: Side = Side.RIGHT
        first: Side
        device: Annotated[str, Choice(["auto", "cpu"])] = "auto"
        bounded: Annotated[float, WithinRange(0, 10)] = 5.0
        positive: Annotated[int, Minimum(1)] = 1
        height: Annotated[float, Default(170.0)]
        volume: vtkMRMLScalarVolumeNode
        models: list[vtkMRMLModelNode]
        marks: list[float]
        words: list[str]

    # The annotations are texts here; they are what this function knows.
    scope = {**globals(), **locals()}
    Parameters.__annotations__ = {n: eval(a, scope) for n, a in Parameters.__annotations__.items()}
    return parameterNodeWrapper(Parameters)


@pytest.fixture
def parameters(kind: type, node: Any) -> Any:
    return kind(node)
