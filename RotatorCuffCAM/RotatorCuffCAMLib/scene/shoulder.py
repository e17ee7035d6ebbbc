"""The shoulder with its map in 3D views: a volume of colors and opacities beside the map, painted anew by each slider.

The node is an ordinary RGBA volume with its own volume rendering; a saved scene shows it wherever it is opened. What it
is painted from is kept while the program runs and made again from MRI and map where it is not.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from PreopReviewLib.scene import inputs, nodes
from RotatorCuffCAMLib.rendering.fused import Field, make_field, paint
from RotatorCuffCAMLib.rendering.looks import table
from RotatorCuffCAMLib.rendering.viewpoint import Viewpoint

VOLUME, SHOULDER = "RotatorCuffCAM.Volume", "RotatorCuffCAM.Shoulder"
"""Node references: from an answer's nodes to the MRI, and from a map to its shoulder in 3D."""

_LOOK, _VIEW = "RotatorCuffCAM.Look", "RotatorCuffCAM.View"
_fields: dict[str, Field] = {}
"""By node ID of the shoulder. Made again where they are missing."""


@dataclass(frozen=True)
class Look:
    """How tissue and heat are drawn.

    Attributes:
        preset: key of `looks.PRESETS`.
        opacity: of the tissue, 0 to 1.
        cut: whether the tissue before the map is taken away.
        threshold: percent of the map's maximum from which on heat is shown.
        heat: opacity of the heat, 0 to 1.
    """

    preset: str = "shoulder"
    opacity: float = 0.5
    cut: bool = False
    threshold: float = 30.0
    heat: float = 1.0


def add_shoulder(activation: Any, field: Field, view: Viewpoint, look: Look, name: str, on_cpu: bool | None) -> Any:
    """Adds the volume and shows it in 3D views.

    Args:
        activation: the map's node.
        on_cpu: cast rays on the CPU, or not; None: as is set in the application.

    Returns:
        vtkMRMLVectorVolumeNode.
    """
    import slicer
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    from PreopReviewLib.images.vtk_images import ijk_to_ras

    node = activation.GetScene().AddNewNodeByClass("vtkMRMLVectorVolumeNode", name)
    node.SetIJKToRASMatrix(ijk_to_ras(field.grid))
    data = vtk.vtkImageData()
    data.SetDimensions(*field.packed.shape[::-1])
    data.GetPointData().SetScalars(numpy_to_vtk(np.zeros((field.packed.size, 4), np.uint8), deep=True))
    node.SetAndObserveImageData(data)
    node.SetVoxelVectorType(slicer.vtkMRMLVolumeNode.VoxelVectorTypeColorRGBA)
    node.SetAttribute(_VIEW, json.dumps(asdict(view)))
    activation.SetNodeReferenceID(SHOULDER, node.GetID())
    _fields[node.GetID()] = field
    set_look(activation, look)
    _render(node, on_cpu)
    return node


def _render(node: Any, on_cpu: bool | None) -> Any:
    """A volume rendering whose colors and opacities are those of the voxels."""
    import slicer
    import vtk

    scene, logic = node.GetScene(), slicer.modules.volumerendering.logic()
    kinds = {True: "vtkMRMLCPURayCastVolumeRenderingDisplayNode", False: "vtkMRMLGPURayCastVolumeRenderingDisplayNode"}
    display = logic.CreateVolumeRenderingDisplayNode(kinds[on_cpu] if on_cpu is not None else "")
    if display.GetScene() is None:
        scene.AddNode(display)
    shown = scene.AddNewNodeByClass("vtkMRMLVolumePropertyNode", "RotatorCuffCAM shoulder")
    opacity, flat = vtk.vtkPiecewiseFunction(), vtk.vtkPiecewiseFunction()
    # VTK's ray caster of the CPU leaps over wrong places of RGBA volumes where an opacity is exactly 0.
    opacity.AddPoint(0.0, 1e-4)
    opacity.AddPoint(1.0, 1.0 / 255.0)
    opacity.AddPoint(255.0, 1.0)
    flat.AddPoint(0.0, 1.0)
    flat.AddPoint(255.0, 1.0)
    shown.SetScalarOpacity(opacity)
    shown.SetGradientOpacity(flat)
    properties = shown.GetVolumeProperty()
    properties.SetIndependentComponents(False)
    properties.SetInterpolationTypeToLinear()
    properties.SetScalarOpacityUnitDistance(2.0)
    properties.ShadeOn()
    properties.SetAmbient(0.4)
    properties.SetDiffuse(0.8)
    properties.SetSpecular(0.08)
    properties.SetSpecularPower(20)
    display.SetAndObserveVolumePropertyNodeID(shown.GetID())
    node.AddAndObserveDisplayNodeID(display.GetID())
    display.SetVisibility(True)
    return display


def shoulder_of(activation: Any | None) -> Any | None:
    """The shoulder in 3D that belongs to a map, or None."""
    return activation.GetNodeReference(SHOULDER) if activation is not None else None


def rendering_of(activation: Any | None) -> Any | None:
    """Its volume rendering."""
    import slicer

    node = shoulder_of(activation)
    return slicer.modules.volumerendering.logic().GetFirstVolumeRenderingDisplayNode(node) if node is not None else None


def look_of(activation: Any) -> Look:
    """How a map's shoulder is drawn now."""
    node = shoulder_of(activation)
    text = node.GetAttribute(_LOOK) if node is not None else None
    return Look(**json.loads(text)) if text else Look()


def view_of(activation: Any) -> Viewpoint | None:
    """From where a map is looked at; None for maps without a shoulder."""
    node = shoulder_of(activation)
    text = node.GetAttribute(_VIEW) if node is not None else None
    return Viewpoint(**{k: tuple(v) for k, v in json.loads(text).items()}) if text else None


def change_look(activation: Any, **changed: Any) -> None:
    """Paints the shoulder with some fields of `Look` changed."""
    if shoulder_of(activation) is not None:
        set_look(activation, replace(look_of(activation), **changed))


def set_look(activation: Any, look: Look) -> None:
    """Paints the shoulder of a map."""
    node = shoulder_of(activation)
    text = json.dumps(asdict(look))
    if text == node.GetAttribute(_LOOK):
        return
    field = field_of(activation)
    data = node.GetImageData()
    paint(field, table(field.levels, look.preset, look.opacity, look.threshold, look.cut, look.heat), _voxels(data))
    node.SetAttribute(_LOOK, text)
    data.GetPointData().GetScalars().Modified()
    data.Modified()


def _voxels(data: Any) -> np.ndarray:
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(data.GetPointData().GetScalars()).reshape(*data.GetDimensions()[::-1], 4)


def field_of(activation: Any) -> Field:
    """What the shoulder of a map is painted from; made from MRI and map where the scene comes from a file."""
    node = shoulder_of(activation)
    cached = _fields.get(node.GetID())
    if cached is None or cached.packed.shape != tuple(node.GetImageData().GetDimensions()[::-1]):
        volume, view = activation.GetNodeReference(VOLUME), view_of(activation)
        cached = make_field(inputs.image_of(volume), nodes.image_of_volume(activation), view)
        _fields[node.GetID()] = cached
    return cached


def remove_shoulder(activation: Any) -> None:
    """Takes the shoulder of a map out of the scene, with what draws it."""
    node, display = shoulder_of(activation), rendering_of(activation)
    if node is None:
        return
    _fields.pop(node.GetID(), None)
    for part in (display.GetVolumePropertyNode() if display is not None else None, display, node):
        if part is not None:
            node.GetScene().RemoveNode(part)
