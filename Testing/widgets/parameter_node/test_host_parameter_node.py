"""`parameterNodeWrapper` as our modules use it: the same tests pass with the host's files and with Slicer's own.

With SLICER_PYTHON_DIR naming a folder Base/Python of Slicer this file tests Slicer's implementation, which is how it
is known that the host's behaves the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from parameter_case import Side

pytestmark = pytest.mark.usefixtures("host")


def modifications(parameters: Any) -> list[int]:
    """A list that grows with each ModifiedEvent."""
    import vtk

    seen: list[int] = []
    parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: seen.append(1))
    return seen


# ---- types, defaults and storage ----


def test_defaults_are_those_of_the_class_or_of_the_type(parameters: Any) -> None:
    assert (parameters.count, parameters.factor, parameters.name, parameters.on) == (0, 0.5, "liver", True)
    assert (parameters.folder, parameters.side, parameters.first) == (Path("a/b"), Side.RIGHT, Side.LEFT)
    assert (parameters.device, parameters.height, parameters.volume) == ("auto", 170.0, None)
    assert parameters.marks == []
    assert parameters.default("factor").value == 0.5


def test_defaults_are_written_into_the_node(parameters: Any, node: Any) -> None:
    assert node.GetParameter("name") == "liver"
    assert node.GetParameter("side") == "RIGHT"
    assert node.GetParameter("on") == "True"


def test_values_in_the_node_win_over_defaults(kind: type, node: Any) -> None:
    node.SetParameter("name", "spleen")
    node.SetParameter("side", "LEFT")
    assert kind(node).name == "spleen"
    assert kind(node).side is Side.LEFT


def test_values_come_back_from_another_wrapper(kind: type, node: Any, host: Any) -> None:
    one = kind(node)
    volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    models = [host.scene.AddNewNodeByClass("vtkMRMLModelNode", n) for n in "ab"]
    one.count, one.factor, one.on, one.folder, one.side = 7, 1.25, False, Path("/x y"), Side.LEFT
    one.volume, one.models, one.marks, one.words = volume, models, [1.5, -2.0], ["a", ""]
    other = kind(node)
    assert (other.count, other.factor, other.on, other.folder) == (7, 1.25, False, Path("/x y"))
    assert other.side is Side.LEFT
    assert other.volume is volume
    assert list(other.models) == models
    assert other.marks == [1.5, -2.0]
    assert other.words == ["a", ""]


def test_a_removed_node_is_let_go(parameters: Any, host: Any) -> None:
    volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    parameters.volume = volume
    host.scene.RemoveNode(volume)
    assert parameters.volume is None


def test_a_prefix_keeps_two_sets_apart(kind: type, node: Any) -> None:
    left, right = kind(node, "left."), kind(node, "right.")
    left.count = 3
    assert right.count == 0
    assert node.GetParameter("left.count") == "3"


def test_values_can_be_asked_for_by_name(parameters: Any) -> None:
    parameters.setValue("name", "tumor")
    assert parameters.getValue("name") == "tumor"
    assert parameters.dataType("count") is int
    assert parameters.isCached("count")
    with pytest.raises(ValueError):
        parameters.getValue("nonsense")


def test_a_wrong_enumeration_name_in_the_node_is_an_error(kind: type, node: Any) -> None:
    node.SetParameter("side", "MIDDLE")
    with pytest.raises(ValueError, match="MIDDLE"):
        kind(node)


# ---- validation ----


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("device", "tpu", ValueError),
        ("bounded", 10.5, ValueError),
        ("positive", 0, ValueError),
        ("count", None, ValueError),
        ("count", 1.5, TypeError),
        ("count", "1", TypeError),
        ("factor", "1", TypeError),
        ("name", None, ValueError),
        ("name", 3, TypeError),
        ("on", 1, TypeError),
        ("folder", "a/b", TypeError),
        ("marks", [1.0, "x"], TypeError),
    ],
)
def test_a_refused_value_raises_and_changes_nothing(parameters: Any, name: str, value: Any, error: type) -> None:
    before = parameters.getValue(name)
    before = list(before) if name == "marks" else before
    with pytest.raises(error):
        setattr(parameters, name, value)
    assert parameters.getValue(name) == before


def test_a_node_of_another_class_is_refused(parameters: Any, host: Any) -> None:
    model = host.scene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    with pytest.raises(TypeError):
        parameters.volume = model


def test_a_float_takes_an_int(parameters: Any) -> None:
    parameters.factor = 2
    assert parameters.factor == 2.0


def test_an_invalid_default_is_an_error(host: Any, node: Any) -> None:
    from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper

    class Wrong:
        device = "tpu"

    Wrong.__annotations__ = {"device": Annotated[str, Choice(["cpu"])]}
    with pytest.raises(ValueError):
        parameterNodeWrapper(Wrong)(node)


def test_a_reserved_name_is_an_error(host: Any) -> None:
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class Wrong:
        pass

    Wrong.__annotations__ = {"getValue": int}
    with pytest.raises(ValueError, match="getValue"):
        parameterNodeWrapper(Wrong)


# ---- lists ----


def test_changing_a_list_changes_the_parameter(kind: type, node: Any) -> None:
    parameters = kind(node)
    parameters.marks.append(1.0)
    parameters.marks += [2.0, 3.0]
    parameters.marks[0] = 9.0
    del parameters.marks[1]
    parameters.marks.insert(1, 4.0)
    assert kind(node).marks == [9.0, 4.0, 3.0]
    assert parameters.marks.pop() == 3.0
    parameters.marks.sort()
    assert kind(node).marks == [4.0, 9.0]
    parameters.marks.clear()
    assert len(kind(node).marks) == 0


def test_one_change_of_a_list_is_one_modification(parameters: Any) -> None:
    seen = modifications(parameters)
    parameters.marks.extend([1.0, 2.0, 3.0])
    assert len(seen) == 1


def test_a_list_refuses_wrong_values_and_plus(parameters: Any) -> None:
    parameters.marks = [1.0]
    with pytest.raises(TypeError):
        parameters.marks.append("x")
    assert parameters.marks == [1.0]
    with pytest.raises(NotImplementedError):
        parameters.marks + [2.0]


# ---- events ----


def test_a_change_is_told_when_it_can_be_read(parameters: Any) -> None:
    import vtk

    read: list[str] = []
    parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: read.append(parameters.name))
    parameters.name = "tumor"
    assert read == ["tumor"]


def test_several_changes_can_be_told_at_once(parameters: Any) -> None:
    import slicer

    seen = modifications(parameters)
    with slicer.util.NodeModify(parameters):
        parameters.count, parameters.name = 5, "x"
    assert len(seen) == 1


def test_an_observer_can_be_removed(parameters: Any) -> None:
    import vtk

    seen: list[int] = []
    tag = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: seen.append(1))
    parameters.RemoveObserver(tag)
    parameters.name = "x"
    assert not seen


# ---- both ways ----


def test_which_files_are_tested(host: Any) -> None:
    import slicer.parameterNodeWrapper as package

    wanted = os.environ.get("SLICER_PYTHON_DIR") or "SlicerHost"
    assert wanted in package.__file__


def test_the_hosts_own_files_pass_the_same_tests() -> None:
    """Run where the rest of this file tests Slicer's own files, so that one run says that both behave the same."""
    if not os.environ.get("SLICER_PYTHON_DIR"):
        pytest.skip("SLICER_PYTHON_DIR does not name Slicer's Base/Python; only the host's own files were tested")
    environment = {k: v for k, v in os.environ.items() if k != "SLICER_PYTHON_DIR"}
    files = [__file__, __file__.replace("_node.py", "_widgets.py")]
    command = [sys.executable, "-m", "pytest", *files, "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
