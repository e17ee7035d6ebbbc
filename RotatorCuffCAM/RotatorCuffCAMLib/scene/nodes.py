"""An answer in the scene: MRI, activation map as a volume with its colors, shoulder in 3D, hot region, box.

The map is kept in percent of its maximum, in the MRI's frame and on a right-handed grid; the maximum itself is an
attribute of its node, so that raw values are not lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.images.windows import gray_window
from PreopReviewLib.scene import host, nodes
from PreopReviewLib.terminology import Term, TerminologyEntry, serialize
from RotatorCuffCAMLib.cuff import CuffResult
from RotatorCuffCAMLib.localization import DrawnBox
from RotatorCuffCAMLib.network.activation import ActivationMap
from RotatorCuffCAMLib.network.hot_region import HotRegion, hot_region, percent_map
from RotatorCuffCAMLib.rendering.fused import Field, make_field
from RotatorCuffCAMLib.rendering.looks import HEAT
from RotatorCuffCAMLib.rendering.viewpoint import viewpoint_of
from RotatorCuffCAMLib.scene import shoulder
from RotatorCuffCAMLib.scene.boxes import add_box
from RotatorCuffCAMLib.tears import TEAR_CLASSES

MAXIMUM, CLASS, METHOD, RECORD = (f"RotatorCuffCAM.{n}" for n in ("Maximum", "Class", "Method", "Record"))
NO_PLACE = 0.04
"""Opacity of the heat of the class None."""

THRESHOLD = 30.0
"""Percent of the maximum below which nothing is shown at first."""


@dataclass(frozen=True)
class CuffScene:
    """The nodes of one answer.

    Attributes:
        volume: the MRI.
        activation: vtkMRMLScalarVolumeNode, percent of the maximum.
        shoulder: vtkMRMLVectorVolumeNode, MRI and map in 3D.
        hot: vtkMRMLSegmentationNode with the hot region; None for the class "none" and where nothing is positive.
        region: its measures.
        box: vtkMRMLMarkupsROINode, or None.
        peak_ras: the middle of what is looked at, mm.
        head_ras: the middle of the cube, mm.
    """

    volume: Any
    activation: Any
    shoulder: Any
    hot: Any | None
    region: HotRegion | None
    box: Any | None
    peak_ras: tuple[float, float, float]
    head_ras: tuple[float, float, float]


def build_scene(
    image: sitk.Image,
    result: CuffResult,
    title: str,
    *,
    volume: Any | None = None,
    box: DrawnBox | None = None,
    scene: Any | None = None,
    on_cpu: bool | None = True,
    field: Field | None = None,
    look: shoulder.Look | None = None,
) -> CuffScene:
    """Adds an answer to a scene.

    Args:
        image: the MRI.
        result: of `cuff.examine`.
        volume: its node, where it is in the scene already.
        box: around the tear, as a specialist drew it.
        on_cpu: cast rays on the CPU, or not; None: as is set in the application.
        field: of `make_field`, where that has been made already.
        look: how the shoulder is drawn.

    Raises:
        SceneUnavailable: there is neither Slicer nor slicer-core.
    """
    scene = scene or host.start()
    if volume is None:
        volume = nodes.add_volume(scene, image, title, gray_window(image, "MR"))
    activation, percent = add_activation(scene, result.activation)
    # Evidence for "no tear" lies all over the shoulder: there is nothing to outline.
    region = hot_region(percent) if result.activation.class_index > 0 else None
    hot = add_hot_region(scene, region, volume) if region else None
    activation.SetNodeReferenceID(shoulder.VOLUME, volume.GetID())
    view = viewpoint_of(image, result.cube, region)
    name = f"Shoulder with map: {TEAR_CLASSES[result.activation.class_index].name}"
    rendered_field = field or make_field(image, percent, view)
    drawn = look or shoulder.Look(threshold=THRESHOLD)
    drawn = look_of_class(drawn, result.activation.class_index)
    in_3d = shoulder.add_shoulder(activation, rendered_field, view, drawn, name, on_cpu)
    roi = add_box(scene, box) if box else None
    add_legend(activation)
    set_threshold(activation, look.threshold if look else THRESHOLD)
    kept = [n for n in (volume, activation, in_3d, hot, roi) if n is not None]
    nodes.put_in_study(scene, kept, title, "Rotator cuff")
    return CuffScene(volume, activation, in_3d, hot, region, roi, _ras(view.cut_lps), _ras(view.head_lps))


def _ras(lps: tuple[float, float, float]) -> tuple[float, float, float]:
    return -lps[0], -lps[1], lps[2]


def look_of_class(look: shoulder.Look, class_index: int) -> shoulder.Look:
    """The look, with a veil of heat for the class None: evidence for no tear lies all over the cube."""
    return replace(look, heat=NO_PLACE if class_index == 0 else 1.0)


def color_table(scene: Any) -> Any:
    """The table of our colors, 0 to 100; one for each scene."""
    import vtk

    existing = scene.GetFirstNodeByName("RotatorCuffCAM activation")
    if existing is not None:
        return existing
    node = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "RotatorCuffCAM activation")
    node.SetTypeToUser()
    node.SetNumberOfColors(256)
    places, rgb = np.array([p for p, _ in HEAT]), np.array([c for _, c in HEAT])
    for n in range(256):
        percent = n / 255 * 100
        color = [float(np.interp(percent, places, rgb[:, a])) for a in range(3)]
        node.SetColor(n, f"{percent:.0f} %", *color, 1.0)
        node.SetColorDefined(n, True)
    table = node.GetLookupTable()
    assert isinstance(table, vtk.vtkLookupTable)
    table.SetRange(0, 100)
    node.SetSaveWithScene(True)
    storage = node.GetStorageNode() or scene.AddNewNodeByClass("vtkMRMLColorTableStorageNode")
    node.SetAndObserveStorageNodeID(storage.GetID())
    return node


def add_activation(scene: Any, activation: ActivationMap) -> tuple[Any, sitk.Image]:
    """A map's node, with what it is of, its unit and its colors; and its image in percent of its maximum."""
    import slicer

    percent, top = percent_map(activation.image)
    tear = TEAR_CLASSES[activation.class_index]
    node = nodes.add_volume(scene, percent, f"Activation map: {tear.name}", (100.0, 50.0))
    quantity, unit = slicer.vtkCodedEntry(), slicer.vtkCodedEntry()
    quantity.SetValueSchemeMeaning("ACTIVATION", "99PREOP", "Class activation relative to its maximum")
    unit.SetValueSchemeMeaning("%", "UCUM", "percent")
    node.SetVoxelValueQuantity(quantity)
    node.SetVoxelValueUnits(unit)
    node.SetAttribute(MAXIMUM, f"{top:.9g}")
    node.SetAttribute(CLASS, tear.key)
    node.SetAttribute(METHOD, activation.method)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(color_table(scene).GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevel(100.0, 50.0)
    display.SetInterpolate(1)
    return node, percent


def set_threshold(activation: Any, percent: float) -> None:
    """Shows only what reaches so much of the maximum, in slices and in 3D.

    Args:
        percent: 0 to 100.
    """
    percent = float(np.clip(percent, 0.5, 99.5))
    display = activation.GetDisplayNode()
    display.AutoThresholdOff()
    display.SetThreshold(percent, 100.0)
    display.ApplyThresholdOn()
    shoulder.change_look(activation, threshold=percent)


def threshold_of(activation: Any) -> float:
    """Percent of the maximum from which on a map is shown."""
    display = activation.GetDisplayNode()
    return float(display.GetLowerThreshold()) if display.GetApplyThreshold() else 0.0


def add_hot_region(scene: Any, region: HotRegion, volume: Any) -> Any:
    """A segmentation with the hot region, named with its measures."""
    width = " × ".join(f"{v:.0f}" for v in region.extent_mm)
    name = f"Activation ≥ {region.share:.0%} of maximum: {region.ml:.1f} ml, {width} mm"
    spec = nodes.SegmentSpec("hot-region", name, (0.95, 0.35, 0.10), (1,), _terminology(), 0.35)
    node = nodes.add_segmentation(scene, region.mask, [spec], "Hot region")
    nodes.make_surfaces(node, default=0.3)
    display = node.GetDisplayNode()
    display.SetVisibility3D(False)  # the volume rendering shows the same place, with its shades
    display.SetPreferredDisplayRepresentationName2D(nodes.SURFACE)  # the map's voxels would be steps
    display.SetOpacity2DFill(0.0)
    display.SetSliceIntersectionThickness(2)
    node.SetNodeReferenceID("RotatorCuffCAM.Volume", volume.GetID())
    return node


def _terminology() -> str:
    finding = Term("SCT", "85756007", "Tissue")
    region = Term("SCT", "16982005", "Shoulder region structure")
    entry = TerminologyEntry("PreopReview", Term("SCT", "85756007", "Tissue"), finding, region=region)
    return serialize(entry)


def add_legend(activation: Any) -> Any:
    """A color legend in percent."""
    import slicer

    logic = slicer.modules.colors.logic()
    legend = logic.AddDefaultColorLegendDisplayNode(activation)
    legend.SetTitleText("Activation\n(% of maximum)")
    legend.SetLabelFormat("%.0f")
    legend.SetNumberOfLabels(5)
    legend.SetSize(0.055, 0.30)  # Slicer fits the text to the box, whatever its font size
    legend.SetPosition(0.99, 0.5)
    for words, size in ((legend.GetTitleTextProperty(), 13), (legend.GetLabelTextProperty(), 12)):
        words.SetFontFamilyToArial()
        words.SetFontSize(size)
        words.SetBold(False)
    return legend


def activation_image(activation: Any) -> sitk.Image:
    """The raw map of a node: percent times the maximum that it keeps."""
    image = nodes.image_of_volume(activation)
    top = float(activation.GetAttribute(MAXIMUM) or 100.0)
    return images.image_like(images.array_of(image).astype(np.float32) * np.float32(top / 100), image)
