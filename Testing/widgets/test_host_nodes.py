"""The stand-in for qMRMLNodeComboBox offers and chooses nodes as Slicer's does."""

from __future__ import annotations

from typing import Any

import pytest


def selector(host: Any, **properties: Any) -> Any:
    import slicer

    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    for name, value in properties.items():
        setattr(box, name, value)
    box.setMRMLScene(host.scene)
    return box


def test_a_selector_takes_the_first_node_of_the_scene_unless_none_is_a_choice(host: Any) -> None:
    before = selector(host)
    volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    assert before.currentNode() is None  # as measured in Slicer 5.12.3
    assert selector(host).currentNode() is volume
    assert selector(host, noneEnabled=True).currentNode() is None


def test_a_node_that_does_not_fit_leaves_the_selector_empty(host: Any) -> None:
    volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    box = selector(host)
    assert box.currentNode() is volume
    box.setCurrentNode(host.scene.AddNewNodeByClass("vtkMRMLModelNode", "surface"))
    assert box.currentNode() is None


def test_a_selector_offers_child_classes_only_when_asked(host: Any) -> None:
    labels = host.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    assert selector(host).currentNode() is labels
    assert selector(host, showChildNodeTypes=False).currentNode() is None


def test_a_selector_offers_nodes_with_an_attribute(host: Any) -> None:
    box = selector(host)
    box.addAttribute("vtkMRMLScalarVolumeNode", "kind", "cam")
    plain = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    box.setCurrentNode(plain)
    assert box.currentNode() is None
    added = box.addNode()
    assert added.GetAttribute("kind") == "cam"
    assert box.currentNode() is added


def test_a_selector_without_scene_cannot_add_nodes(host: Any) -> None:
    import slicer

    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    with pytest.raises(RuntimeError, match="no scene"):
        box.addNode()


def test_a_selector_lets_go_of_a_removed_node(host: Any) -> None:
    box, told = selector(host, noneEnabled=True), []
    box.connect("currentNodeChanged(vtkMRMLNode*)", told.append)
    volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    box.setCurrentNode(volume)
    host.scene.RemoveNode(volume)
    assert told == [volume, None]


def test_only_what_is_offered_can_be_chosen(host: Any) -> None:
    box = selector(host, noneEnabled=True)
    model = host.scene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    with pytest.raises(AssertionError, match="does not offer"):
        host.choose(box, model)
