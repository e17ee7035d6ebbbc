"""A case of a ground truth list in the scene: its image, the segments to be drawn, and where annotators differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.scene.segments import SegmentVoxels, segment_specs
from LiverPlannerLib.structures import THIN, structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.images.dicom import Series
from PreopReviewLib.images.vtk_images import array_of_matrix, ijk_to_ras, matrix_of, set_geometry
from PreopReviewLib.images.windows import gray_window
from PreopReviewLib.scene import inputs, nodes
from PreopReviewLib.worker_io import save_image

CASE = "PreopReview.GroundTruthCase"
"""Attribute of the nodes of a case; its value is the case's name."""
DISAGREEMENT, DISAGREEMENT_COLOR = "disagreement", (0.95, 0.55, 0.05)


@dataclass(frozen=True)
class CaseNodes:
    """The nodes of one case.

    Attributes:
        grid: size, spacing, direction and origin (LPS) of the image in its file, as plain values: labels are saved on
            it, wherever the volume is moved to meanwhile.
    """

    volume: Any
    segmentation: Any
    grid: dict[str, Any]


def add_case(
    name: str, image: sitk.Image, labels: sitk.Image | None, structures: Sequence[str], modality: str
) -> CaseNodes:
    """Adds a case to the scene: its image, and a segment for every structure, empty or as it was saved.

    Raises:
        GeometryError: the labels are not on the grid of the image; the scene is then as it was.
    """
    import slicer

    scene = slicer.mrmlScene
    volume = nodes.add_volume(scene, image, name, gray_window(image, modality))
    empty = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    empty.CopyInformation(image)
    try:
        specs = [s for s in segment_specs() if s.key in structures]
        drawn = nodes.add_segmentation(scene, labels if labels is not None else empty, specs, f"{name} truth", volume)
    except Exception:
        scene.RemoveNode(volume)
        raise
    content, display = drawn.GetSegmentation(), drawn.GetDisplayNode()
    content.SetConversionParameter("Smoothing factor", str(THIN))  # of Show 3D; more thins vessels
    for number, spec in enumerate(specs):
        if content.GetSegment(spec.key) is None:
            content.AddSegment(_empty_segment(spec), spec.key)
        content.SetSegmentIndex(spec.key, number)
        display.SetSegmentOpacity3D(spec.key, spec.opacity)
        display.SetSegmentOpacity2DFill(spec.key, structure(spec.key).fill)
    for node in (volume, drawn):
        node.SetAttribute(CASE, name)
    return CaseNodes(volume, drawn, _grid_of(image))


def _empty_segment(spec: nodes.SegmentSpec) -> Any:
    import slicer
    import vtk

    nothing = slicer.vtkOrientedImageData()
    nothing.SetExtent(0, -1, 0, -1, 0, -1)
    nothing.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)  # without a type, Slicer cannot make a surface and complains
    segment = slicer.vtkSegment()
    segment.SetName(spec.name)
    segment.SetColor(*spec.color)
    segment.SetTerminology(spec.terminology)
    segment.AddRepresentation(nodes.LABELMAP, nothing)
    return segment


def case_of(node: Any | None) -> str:
    """The name of the case that a node belongs to; empty if it belongs to none."""
    return (node.GetAttribute(CASE) or "") if node is not None else ""


def remove_cases(except_for: str = "") -> None:
    """Removes the nodes of cases from the scene; nothing else."""
    import slicer

    for kind in ("vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode"):
        for node in slicer.util.getNodesByClass(kind):
            if case_of(node) and case_of(node) != except_for:
                slicer.mrmlScene.RemoveNode(node)


def _grid_of(image: sitk.Image) -> dict[str, Any]:
    return {
        "size": list(image.GetSize()),
        "spacing": list(image.GetSpacing()),
        "direction": list(image.GetDirection()),
        "origin": list(image.GetOrigin()),
    }


def not_on_list(case: CaseNodes, structures: Sequence[str]) -> list[str]:
    """Names of segments that hold voxels and are no structure of the list: they would not be there again."""
    import slicer

    voxels, content = SegmentVoxels(case.segmentation), case.segmentation.GetSegmentation()
    names = []
    for segment_id in nodes.segment_keys(case.segmentation):
        key, segment = voxels.structures.get(segment_id), content.GetSegment(segment_id)
        if key in structures:
            continue
        array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(case.segmentation, segment_id)
        if array is not None and (array == segment.GetLabelValue()).any():
            names.append(segment.GetName())
    return names


def save_drawn(case: CaseNodes, folder: Path) -> dict[str, Any]:
    """Writes what was drawn for the worker, and returns its record.

    Raises:
        PreopError: the segmentation cannot be read as voxels.
    """
    return save_image(_labels_of(case), folder, "drawn")


def labels_on(case: CaseNodes) -> sitk.Image:
    """What was drawn, on the grid of the case's image.

    Raises:
        PreopError: the segmentation cannot be read as voxels.
    """
    from LiverPlannerLib.ground_truth.cases import on_whole_grid

    return on_whole_grid(_labels_of(case), case.grid)


def _labels_of(case: CaseNodes) -> sitk.Image:
    """What was drawn, where it would be if the image still were where it is in its file.

    Raises:
        GeometryError: the volume has other voxels than its file.
    """
    voxels = SegmentVoxels(case.segmentation)
    if not any(voxels.mask(key).count for key in voxels.keys):
        start = voxels.grid.start
        labels = voxels.labels_in(start, [s + 1 for s in start])  # one voxel of background
    else:
        labels = voxels.labels()
    if list(case.volume.GetImageData().GetDimensions()) != case.grid["size"]:
        raise GeometryError(
            f"The image {case.volume.GetName()} was cropped or resampled, so that its labels do not fit its file",
            "Open the case again, and draw on the image as it is",
        )
    there = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    there.SetSpacing(case.grid["spacing"])
    there.SetDirection(case.grid["direction"])
    there.SetOrigin(case.grid["origin"])
    in_file, here = array_of_matrix(ijk_to_ras(there)), inputs.ijk_to_world(case.volume)
    if np.allclose(in_file, here, atol=1e-4):
        return labels
    return set_geometry(labels, matrix_of(in_file @ np.linalg.inv(here) @ array_of_matrix(ijk_to_ras(labels))))


def show_disagreement(mask: sitk.Image, volume: Any, name: str) -> Any:
    """A segmentation with one segment where annotators differ, in the place of an earlier one.

    Raises:
        InputError: no one differs.
    """
    import slicer

    if not images.array_of(mask).any():
        raise InputError("The two agree in every voxel", "There is nothing to show")
    remove_disagreement()
    entry = "Segmentation category and type - DICOM master list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~~^^~^^"
    spec = nodes.SegmentSpec(DISAGREEMENT, "Disagreement", DISAGREEMENT_COLOR, (1,), entry, 1.0)
    node = nodes.add_segmentation(slicer.mrmlScene, mask, [spec], name, volume)
    node.SetAttribute(CASE, case_of(volume))
    node.GetDisplayNode().SetSegmentOpacity2DFill(DISAGREEMENT, 0.6)
    return node


def remove_disagreement() -> None:
    """Takes what `show_disagreement` has shown out of the scene."""
    import slicer

    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if case_of(node) and node.GetSegmentation().GetSegment(DISAGREEMENT) is not None:
            slicer.mrmlScene.RemoveNode(node)


def dicom_files() -> list[list[Path]]:
    """The files of each CT and MRI series of Slicer's DICOM database; empty without one."""
    import slicer

    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return []
    series = []
    for patient in database.patients():
        for study in database.studiesForPatient(patient):
            for uid in database.seriesForStudy(study):
                files = [Path(f) for f in database.filesForSeries(uid)]
                if files and database.fileValue(str(files[0]), "0008,0060") in ("CT", "MR"):
                    series.append(files)
    return series


def dicom_series() -> list[Series]:
    """The CT and MRI volumes of Slicer's DICOM database; reads the headers of all of their files."""
    return [series for files in dicom_files() for series in images.series_of_files(files)]


def largest_region(mask: sitk.Image) -> tuple[float, float, float]:
    """A point in the largest region of a mask that is not empty, RAS mm: its voxel nearest to its middle."""
    import cc3d

    points = np.argwhere(cc3d.largest_k(np.require(images.array_of(mask) > 0, requirements="CW"), k=1, connectivity=26))
    world = images.kji_to_ras(points, mask)
    return tuple(world[np.linalg.norm(world - world.mean(axis=0), axis=1).argmin()].tolist())
