"""A small plan in the host, with all that can be measured in it, as the section Segment leaves one."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

SPACING, ORIGIN = (2.0, 2.0, 3.0), (-61.0, 33.0, -112.0)


def make_labels() -> sitk.Image:
    """A liver with two tumors, a cyst, two vessels and a duct inside and a gallbladder beside it."""
    k, j, i = np.mgrid[:30, :48, :56]
    array = np.zeros(k.shape, np.uint8)
    array[((k - 15) / 11) ** 2 + ((j - 24) / 18) ** 2 + ((i - 26) / 21) ** 2 < 1] = 1
    array[((k - 15) * 1.6) ** 2 + (j - 18) ** 2 + (i - 18) ** 2 < 36] = 2
    array[((k - 14) * 1.6) ** 2 + (j - 26) ** 2 + (i - 40) ** 2 < 9] = 2
    array[((k - 18) * 1.6) ** 2 + (j - 30) ** 2 + (i - 33) ** 2 < 12] = 3
    array[8:20, 22:24, 26:29] = 4
    array[12:14, 27:30, 14:38] = 5
    array[12:22, 28:29, 22:23] = 5
    array[15:16, 32:33, 20:30] = 6
    array[4:8, 2:5, 40:46] = 8
    labels = sitk.GetImageFromArray(array)
    labels.SetSpacing(SPACING)
    labels.SetOrigin(ORIGIN)
    return labels


def make_image(labels: sitk.Image) -> sitk.Image:
    """A CT of the label image, HU."""
    values = np.array([-90, 105, 60, 10, 150, 170, 15, 140, 12])[images.array_of(labels)]
    noise = np.random.default_rng(0).normal(0, 8, values.shape)
    return images.image_like((values + noise).astype(np.int16), labels)


@cache
def _parts() -> tuple[Any, ...]:
    """The parts of `make_labels`, once for all tests: a scene copies what it takes of them."""
    from LiverPlannerLib.plan.parts import parts_of

    return tuple(parts_of(make_labels()))


def open_plan(host: Any, *sections: str) -> tuple[Any, dict[str, Any]]:
    """LiverPlanner with a plan, and only the named sections open.

    Returns:
        the module's widget, and its sections by class name.
    """
    from LiverPlannerLib.plan.measures import measure_volumes
    from LiverPlannerLib.scene import plan as scene_plan
    from PreopReviewLib.scene import nodes

    widget = host.open_module("LiverPlanner")
    labels = make_labels()
    volume = nodes.add_volume(host.scene, make_image(labels), "CT", (350, 60))
    record = {"modality": "CT", "volumes_ml": measure_volumes(labels), "warnings": [], "models": {}, "seconds": {}}
    plan_nodes = scene_plan.add_plan(volume, list(_parts()), {**record, "device": "CPU", "notes": []})
    by_name = {type(section).__name__: section for section in widget.sections}
    for name, section in by_name.items():
        section.button.collapsed = name not in sections
    parameters = widget.context.parameters
    parameters.inputVolume, parameters.segmentation = plan_nodes.volume, plan_nodes.segmentation
    parameters.modelOutput = plan_nodes.model_output
    host.process_events()
    return widget, by_name


def paint(node: Any, key: str, kji: tuple[slice, slice, slice], value: int = 1) -> None:
    """Sets voxels of a segment as the Segment Editor does; `kji` on the grid of the image."""
    import slicer
    import vtk

    from LiverPlannerLib.scene.segments import SegmentVoxels
    from LiverPlannerLib.voxel_boxes import paint as paint_box
    from PreopReviewLib.images.vtk_images import fill

    voxels = SegmentVoxels(node)
    whole = np.zeros(voxels.grid.shape, np.uint8)
    paint_box(whole, voxels.grid.start, voxels.masks[key], 1)
    whole[kji] = value
    content, matrix = fill(slicer.vtkOrientedImageData(), whole), vtk.vtkMatrix4x4()
    node.GetSegmentation().GetSegment(key).GetRepresentation("Binary labelmap").GetImageToWorldMatrix(matrix)
    content.SetGeometryFromImageToWorldMatrix(matrix)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.SetBinaryLabelmapToSegment(content, node, key, logic.MODE_REPLACE)


def cells(table: Any) -> list[list[str]]:
    """The words of a QTableWidget, row by row."""
    return [[table.item(r, c).text() for c in range(table.columnCount)] for r in range(table.rowCount)]
