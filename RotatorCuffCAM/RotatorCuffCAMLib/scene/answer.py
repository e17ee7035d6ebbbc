"""An answer in the application: built from what the worker sent, shown in the views, replaced by the next one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.progress import at_once
from PreopReviewLib.scene import inputs
from PreopReviewLib.scene.finding import fit_boxes, nodes_of_class
from RotatorCuffCAMLib.cuff import CuffResult
from RotatorCuffCAMLib.head import HeadGuess
from RotatorCuffCAMLib.network.activation import ActivationMap
from RotatorCuffCAMLib.network.classifier import Answer
from RotatorCuffCAMLib.region import Cube
from RotatorCuffCAMLib.rendering.fused import FIELD_MM, Field
from RotatorCuffCAMLib.scene import nodes as cuff_scene
from RotatorCuffCAMLib.scene import shoulder
from RotatorCuffCAMLib.scene.classes import remove_class_maps
from RotatorCuffCAMLib.scene.shoulder import VOLUME
from RotatorCuffCAMLib.tears import KEYS, tear_class

TURNED = "RotatorCuffCAM.Turned"
"""Attribute of an MRI to whose map the cameras have been turned."""
PLACE = "RotatorCuffCAM.Place"
"""Attribute of a map: where its MRI was, as the 4×4 of `inputs.ijk_to_world`."""


def result_of(summary: dict[str, Any], activation: sitk.Image, cube: sitk.Image) -> CuffResult:
    """The result of `cuff.examine`, from `cuff.as_dict` and the two images (the map on the MRI's grid is left out)."""
    probabilities = tuple(summary["probabilities"][k] for k in KEYS)
    spread = tuple(summary["spread"][k] for k in KEYS) if summary["spread"] else None
    answer = Answer(
        probabilities,
        summary["class_index"],
        summary["tear_score"],
        tuple(summary["logits"]),
        spread,
        summary["repetitions"],
    )
    recorded = summary["activation"]
    shown = ActivationMap(
        activation, tear_class(recorded["class"]).index, recorded["method"], recorded["bias"], recorded["voxel_mm"]
    )
    r, a, s = summary["cube"]["center_ras"]
    center = (-r, -a, s)
    edge, inside = summary["cube"]["edge_mm"], summary["cube"]["inside"]
    cut = Cube(cube, center, edge, summary["side"], summary["plane"], inside, ())
    sure = summary["head_confidence"]
    guess = HeadGuess(center, summary["head_radius_mm"], sure) if sure is not None else None
    return CuffResult(answer, shown, sitk.Image(), cut, guess, tuple(summary["warnings"]), summary["seconds"])


def add_answer(volume: Any, image: sitk.Image, result: CuffResult, summary: dict[str, Any]) -> Any:
    """Puts an answer beside its volume, in the place of the one before, and shows it. See `add_answer_steps`."""
    return at_once(add_answer_steps(volume, image, result, summary))


def add_answer_steps(
    volume: Any,
    image: sitk.Image,
    result: CuffResult,
    summary: dict[str, Any],
    field: Field | None = None,
    look: shoulder.Look | None = None,
) -> Iterator[None]:
    """The same in steps, so that the panel can answer between them.

    Args:
        field, look: see `nodes.build_scene`.

    Returns:
        (of the generator) `scene.CuffScene`.
    """
    remove_answer(volume)
    yield
    cuff_nodes = cuff_scene.build_scene(
        image, result, volume.GetName(), volume=volume, scene=volume.GetScene(), on_cpu=None, field=field, look=look
    )
    cuff_nodes.activation.SetAttribute(cuff_scene.RECORD, json.dumps(summary, ensure_ascii=False, allow_nan=False))
    for node in (cuff_nodes.activation, cuff_nodes.hot):
        if node is not None:
            node.SetNodeReferenceID(VOLUME, volume.GetID())
    cuff_nodes.activation.SetAttribute(PLACE, json.dumps(inputs.ijk_to_world(volume).tolist()))
    yield
    show(cuff_nodes)
    look_at(cuff_nodes.activation)
    return cuff_nodes


def record_of(activation: Any | None) -> dict[str, Any]:
    """What the worker said of a map's case; empty for other nodes."""
    text = activation.GetAttribute(cuff_scene.RECORD) if activation is not None else None
    return json.loads(text) if text else {}


def moved_since(activation: Any | None) -> bool:
    """Whether the MRI of a map was put elsewhere, by a transform or its origin, since it was classified."""
    place = activation.GetAttribute(PLACE) if activation is not None else None
    volume = activation.GetNodeReference(VOLUME) if place else None
    return volume is not None and not np.allclose(inputs.ijk_to_world(volume), json.loads(place), atol=1e-3)


def remove_answer(volume: Any) -> None:
    """Takes the answer of a volume out of the scene: a new one is coming."""
    import slicer

    scene = volume.GetScene()
    for class_name in ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"):
        for node in nodes_of_class(scene, class_name):
            if node.GetScene() is None or node.GetNodeReferenceID(VOLUME) != volume.GetID():
                continue
            if class_name == "vtkMRMLScalarVolumeNode":
                remove_class_maps(node)
                shoulder.remove_shoulder(node)
                legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(node)
                if legend is not None:
                    scene.RemoveNode(legend)
            scene.RemoveNode(node)


def show(cuff_nodes: Any, opacity: float = 0.55) -> None:
    """MRI and map in all slice views, linked, through the middle of the hot region."""
    import slicer

    show_in_slices(cuff_nodes.volume, cuff_nodes.activation, opacity)
    for node in nodes_of_class(cuff_nodes.volume.GetScene(), "vtkMRMLSliceNode"):
        node.JumpSliceByCentering(*cuff_nodes.peak_ras)
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(cuff_nodes.activation)
    if legend is not None:
        legend.Modified()  # it was made before its map was in the views, and does not look again by itself


def show_in_slices(volume: Any, activation: Any | None, opacity: float) -> None:
    """MRI, and its map where it has one, in all slice views, linked."""
    for composite in nodes_of_class(volume.GetScene(), "vtkMRMLSliceCompositeNode"):
        composite.SetLinkedControl(True)
        composite.SetBackgroundVolumeID(volume.GetID())
        composite.SetForegroundVolumeID(activation.GetID() if activation is not None else None)
        composite.SetForegroundOpacity(opacity if activation is not None else 0.0)


def look_at(activation: Any, again: bool = False) -> None:
    """Turns the cameras of all 3D views to the map: once for each MRI, so that a user's own view stays.

    Args:
        activation: the map.
        again: turn them though they have been turned before.
    """
    import slicer

    volume, view = activation.GetNodeReference(VOLUME), shoulder.view_of(activation)
    if volume is None or view is None or (volume.GetAttribute(TURNED) and not again):
        return
    volume.SetAttribute(TURNED, "1")
    towards, middle = (np.array([-v[0], -v[1], v[2]]) for v in (view.towards_lps, view.head_lps))
    logic = slicer.modules.cameras.logic()
    fit_boxes(volume.GetScene())
    for node in nodes_of_class(volume.GetScene(), "vtkMRMLViewNode"):
        camera = logic.GetViewActiveCameraNode(node)
        if camera is None:
            continue
        distance = 0.75 * FIELD_MM / np.tan(np.radians(camera.GetViewAngle() / 2))
        camera.SetFocalPoint(*middle)
        camera.SetPosition(*(middle + distance * towards))
        camera.SetViewUp(0.0, 0.0, 1.0)
        camera.ResetClippingRange()


def set_opacity(activation: Any, opacity: float) -> None:
    """Of the map over the slices, 0 to 1."""
    for composite in nodes_of_class(activation.GetScene(), "vtkMRMLSliceCompositeNode"):
        if composite.GetForegroundVolumeID() == activation.GetID():
            composite.SetForegroundOpacity(opacity)
