"""The case of a reader study in the views: hung the same way each time, hidden in pauses, the model's map if asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing
from PreopReviewLib.images.windows import gray_window
from PreopReviewLib.scene import inputs, nodes
from PreopReviewLib.scene.finding import nodes_of_class
from PreopReviewLib.structured import read_json
from RotatorCuffCAMLib.readers.study import Study, StudyCase
from RotatorCuffCAMLib.region import matched_axes
from RotatorCuffCAMLib.scene import nodes as cuff_scene
from RotatorCuffCAMLib.tears import TEAR_CLASSES, tear_class

PANES = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
"""Slicer's panes and what each shows of every case."""

LAYERS = ("Background", "Foreground", "Label")
"""Of a slice view."""

READING = "RotatorCuffCAM.Reading"
"""Attribute of the nodes that a reading session made."""


def show_case(case: StudyCase, number: int) -> Any:
    """Loads a case's MRI under a number instead of its name and hangs it in all slice views.

    Raises:
        PreopError: it cannot be read.
    """
    import slicer

    image = images.read_image(case.image)
    volume = nodes.add_volume(slicer.mrmlScene, image, f"Case {number}", gray_window(image, "MR"))
    volume.SetAttribute(READING, "1")
    volume.SetHideFromEditors(True)  # else the module would take it for the MRI to be classified
    hang(volume)
    return volume


def hang(volume: Any) -> None:
    """The MRI alone, each view in its own plane, turned along the series, fitted, and in its middle.

    Every series is hung alike: the coronal view is in the same pane whatever the plane and the angle of the slices.
    """
    import slicer

    scene = slicer.mrmlScene
    for composite in nodes_of_class(scene, "vtkMRMLSliceCompositeNode"):
        composite.SetLinkedControl(False)
        composite.SetForegroundVolumeID(None)
        composite.SetLabelVolumeID(None)
        composite.SetBackgroundVolumeID(volume.GetID())
    axes = _axes(volume)
    for node in nodes_of_class(scene, "vtkMRMLSliceNode"):
        _turn(node, PANES.get(node.GetLayoutName(), "Coronal"), axes)
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for i in range(logics.GetNumberOfItems() if logics is not None else 0):
        logics.GetItemAsObject(i).FitSliceToBackground()


def _axes(volume: Any) -> np.ndarray:
    """(3, 3): the series' own axes as columns, each the one nearest to right, anterior and superior (RAS)."""
    direction = np.array(inputs.world_geometry(volume)["direction"]).reshape(3, 3)
    turned = np.diag([-1.0, -1.0, 1.0])
    return turned @ matched_axes(direction, turned)


def _turn(node: Any, plane: str, axes: np.ndarray) -> None:
    """Gives a slice node a plane's orientation along the series' axes."""
    node.SetOrientation(plane)
    matrix = node.GetSliceToRAS()
    numbers = np.array([[matrix.GetElement(r, c) for c in range(3)] for r in range(3)])
    turned = axes @ numbers
    for r in range(3):
        for c in range(3):
            matrix.SetElement(r, c, turned[r, c])
    node.UpdateMatrices()


def hide(volume: Any) -> None:
    """Empties the views, for a pause."""
    import slicer

    for composite in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode"):
        if composite.GetBackgroundVolumeID() == volume.GetID():
            composite.SetBackgroundVolumeID(None)
        composite.SetForegroundVolumeID(None)


def model_answer(study: Study, case: StudyCase) -> dict[str, Any]:
    """What the model said of a case.

    Raises:
        FileMissing: there is no answer of it.
    """
    path = _answer_folder(study, case) / "probabilities.json"
    if not path.is_file():
        raise FileMissing(f"The model has no answer for case {case.case}", "Run preop cuff classify on it")
    return read_json(path, remedy="Run preop cuff classify on the case again")


def model_words(answer: dict[str, Any]) -> str:
    """Class and probabilities in two lines."""
    chances = ", ".join(f"{c.name} {answer['probabilities'][c.key]:.2f}" for c in TEAR_CLASSES)
    return f"{tear_class(answer['class']).name}\n{chances}"


def show_model_map(study: Study, case: StudyCase) -> Any | None:
    """The model's map over the slices; None where its folder holds none."""
    import slicer

    path = _answer_folder(study, case) / "activation.nii.gz"
    if not path.is_file():
        return None
    image = images.read_image(path)
    values = np.clip(images.array_of(image).astype(np.float32), 0, None)
    top = float(values.max())
    percent = images.image_like(values * np.float32(100 / top) if top > 0 else values, image)
    node = nodes.add_volume(slicer.mrmlScene, percent, "Model's activation map", (100.0, 50.0))
    node.SetAttribute(READING, "1")
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(cuff_scene.color_table(slicer.mrmlScene).GetID())
    cuff_scene.set_threshold(node, cuff_scene.THRESHOLD)
    for composite in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode"):
        composite.SetForegroundVolumeID(node.GetID())
        composite.SetForegroundOpacity(0.5)
    return node


def _answer_folder(study: Study, case: StudyCase) -> Path:
    return (study.model or study.folder) / case.case


def remove_reading() -> None:
    """Takes everything that a session put into the scene out of it again.

    Out of the views first: Slicer's slice views take another volume in the place of one that is removed, and would
    show it until the next case is there.
    """
    import slicer

    scene = slicer.mrmlScene
    for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode"):
        if not node.GetAttribute(READING):
            continue
        for composite in nodes_of_class(scene, "vtkMRMLSliceCompositeNode"):
            for layer in LAYERS:
                if getattr(composite, f"Get{layer}VolumeID")() == node.GetID():
                    getattr(composite, f"Set{layer}VolumeID")(None)
        scene.RemoveNode(node)


class Curtain:
    """Everything that the scene shows steps back while someone reads, and is as it was when the reading ends.

    Maps, boxes, outlines, surfaces, legends and other patients tell what a reader must not know.
    """

    def __init__(self) -> None:
        self._hidden: list[str] = []
        self._layers: dict[str, _Layers] = {}
        self._places: dict[str, _Place] = {}

    def close(self) -> None:
        """Hides what is shown."""
        import slicer

        scene = slicer.mrmlScene
        for node in nodes_of_class(scene, "vtkMRMLDisplayNode"):
            if node.IsA("vtkMRMLVolumeDisplayNode") and not node.IsA("vtkMRMLVolumeRenderingDisplayNode"):
                continue  # a volume is shown by the slice views' layers, not by its display node
            if node.GetVisibility():
                self._hidden.append(node.GetID())
                node.SetVisibility(False)
        self._layers = {n.GetID(): _Layers(n) for n in nodes_of_class(scene, "vtkMRMLSliceCompositeNode")}
        self._places = {n.GetID(): _Place(n) for n in nodes_of_class(scene, "vtkMRMLSliceNode")}

    def open(self) -> None:
        """Shows it again, where it is still there."""
        import slicer

        scene = slicer.mrmlScene
        for identifier, kept in (*self._layers.items(), *self._places.items()):
            node = scene.GetNodeByID(identifier)
            if node is not None:
                kept.bring_back(node)
        # After the layers: a color legend is drawn where its map is in a view when it is switched on.
        for identifier in self._hidden:
            node = scene.GetNodeByID(identifier)
            if node is not None:
                node.SetVisibility(True)
        self._hidden, self._layers, self._places = [], {}, {}


class _Layers:
    """What a slice view showed."""

    def __init__(self, composite: Any) -> None:
        self._volumes = {layer: getattr(composite, f"Get{layer}VolumeID")() for layer in LAYERS}
        self._opacity, self._linked = composite.GetForegroundOpacity(), composite.GetLinkedControl()

    def bring_back(self, composite: Any) -> None:
        """As far as it is still there."""
        scene = composite.GetScene()
        for layer, identifier in self._volumes.items():
            there = identifier and scene.GetNodeByID(identifier) is not None
            getattr(composite, f"Set{layer}VolumeID")(identifier if there else None)
        composite.SetForegroundOpacity(self._opacity)
        composite.SetLinkedControl(self._linked)


class _Place:
    """Where a slice view looked."""

    def __init__(self, node: Any) -> None:
        import vtk

        self._to_ras = vtk.vtkMatrix4x4()
        self._to_ras.DeepCopy(node.GetSliceToRAS())
        self._field, self._origin = node.GetFieldOfView(), node.GetXYZOrigin()

    def bring_back(self, node: Any) -> None:
        """There again."""
        node.GetSliceToRAS().DeepCopy(self._to_ras)
        node.SetFieldOfView(*self._field)
        node.SetXYZOrigin(*self._origin)
        node.UpdateMatrices()
