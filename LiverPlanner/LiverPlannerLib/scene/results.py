"""A liver plan as a Slicer scene: nodes, files and pictures.

The segment of the liver is the union of the parenchyma and of everything counted in it, so it overlaps the
segments inside it; they are kept in a second layer of the segmentation. The values of ``labels.nii.gz`` exclude
each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import SEGMENTS, STRUCTURES, Structure, mask_of, members, structure
from LiverPlannerLib.terminology_files import terminology_entry
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.scene import files, host, nodes, pictures

LIVER_OPACITY = 0.25
SMOOTHING, VESSEL_SMOOTHING = 0.5, 0.3  # more makes vessels of two voxels disappear
NOT_FOR_CLINICAL_USE = "Not for clinical use."


@dataclass(frozen=True)
class SceneHandle:
    """The nodes of one plan.

    Attributes:
        scene: vtkMRMLScene.
        volume: vtkMRMLScalarVolumeNode.
        segmentation: vtkMRMLSegmentationNode; segment identifiers are structure keys.
        legend: names, colors and volumes of the structures that are there.
        center_ras: center of the largest lesion, or of the liver, mm.
        title: of the case.
    """

    scene: Any
    volume: Any
    segmentation: Any
    legend: tuple[pictures.LegendEntry, ...]
    center_ras: tuple[float, float, float]
    title: str


@dataclass
class SavedResults:
    """What `save_results` wrote, and what it could not, in sentences."""

    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def segment_specs() -> list[nodes.SegmentSpec]:
    """How each structure of the table becomes a segment."""
    return [
        nodes.SegmentSpec(
            s.key,
            s.name,
            s.color,
            tuple(m.label for m in members(s.key)),
            terminology_entry(s),
            LIVER_OPACITY if s.key == "liver" else 1.0,
        )
        for s in STRUCTURES
    ]


def build_scene(
    image: sitk.Image,
    labels: sitk.Image,
    volumes_ml: Mapping[str, float],
    title: str,
    *,
    modality: str | None = None,
    scene: Any | None = None,
) -> SceneHandle:
    """Volume, segmentation with surfaces, and one study in the subject hierarchy.

    Args:
        image, labels: on one grid; values of `structures.STRUCTURES`.
        volumes_ml: by structure key, for the legend.
        title: what patient, study and pictures are called.
        modality: ``CT`` or ``MR``, for the gray window; guessed if not given.
        scene: where to put the nodes; by default the application's, or the one of `host.start`.

    Raises:
        GeometryError: the labels are not on the image's grid.
        InputError: no structure has a voxel.
        SceneUnavailable: there is neither Slicer nor slicer-core.
    """
    scene = scene or host.start()
    window = pictures.gray_window(image, modality or images.guess_modality(image))
    center = center_of_interest(labels)
    volume = nodes.add_volume(scene, image, title, window)
    segmentation = nodes.add_segmentation(scene, labels, segment_specs(), f"{title} liver plan", volume)
    nodes.make_surfaces(segmentation, {s.key: VESSEL_SMOOTHING for s in STRUCTURES if s.vascular}, SMOOTHING)
    nodes.put_in_study(scene, [volume, segmentation], title, "Liver plan")
    present = [structure(key) for key in nodes.segment_keys(segmentation)]
    legend = tuple(pictures.LegendEntry(s.name, s.color, _ml(volumes_ml, s)) for s in present)
    return SceneHandle(scene, volume, segmentation, legend, center, title)


def add_couinaud(handle: SceneHandle, couinaud: sitk.Image) -> Any:
    """The Couinaud segments beside a plan, hidden until they are wanted; vtkMRMLSegmentationNode.

    Args:
        couinaud: 1 to 8, on the grid of the plan's image.
    """
    specs = [nodes.SegmentSpec(s.key, s.name, s.color, (s.label,), terminology_entry(s), 1.0) for s in SEGMENTS]
    name = f"{handle.title} Couinaud segments"
    node = nodes.add_segmentation(handle.scene, couinaud, specs, name, handle.volume)
    node.GetDisplayNode().SetVisibility(False)
    hierarchy = handle.scene.GetSubjectHierarchyNode()
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(handle.segmentation))
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(study, node), study)
    return node


def _ml(volumes_ml: Mapping[str, float], s: Structure) -> str:
    if s.key not in volumes_ml:
        return ""
    value = volumes_ml[s.key]
    return f"{value:.0f} ml" if value >= 10 else f"{value:.1f} ml"


def center_of_interest(labels: sitk.Image) -> tuple[float, float, float]:
    """The point to look at, RAS mm: in the largest region of tumor, else of cyst, else in the liver.

    It is the voxel of that region that is nearest to the region's centroid, so it never lies outside.

    Raises:
        InputError: the label image is empty.
    """
    import cc3d

    for key in ("tumor", "cyst", "liver"):
        mask = images.array_of(mask_of(labels, key)) > 0
        if not mask.any():
            continue
        points = np.argwhere(cc3d.largest_k(mask, k=1, connectivity=26))
        world = images.kji_to_ras(points, labels)
        nearest = world[np.linalg.norm(world - world.mean(axis=0), axis=1).argmin()]
        return tuple(round(float(v), 3) for v in nearest)  # type: ignore[return-value]
    raise InputError("There is no liver in the label image", "Segment it first")


def save_results(
    image: sitk.Image,
    labels: sitk.Image,
    volumes_ml: Mapping[str, float],
    folder: str | Path,
    title: str,
    *,
    modality: str | None = None,
    footnote: str = "",
    couinaud: sitk.Image | None = None,
) -> SavedResults:
    """Writes scene.mrb, segmentation.seg.nrrd, an STL file per structure, and the two pictures.

    The scene is made for this and closed again; inside the Slicer application it is the user's own, and the
    nodes stay in it.

    Args:
        image, labels, volumes_ml, title, modality: as for `build_scene`.
        folder: exists already.
        couinaud: Couinaud segments, 1 to 8, on the image's grid: a second, hidden segmentation of the scene, and
            segments.seg.nrrd.
        footnote: small print of the pictures; "Not for clinical use." is added.

    Returns:
        the files, and a note for pictures that cannot be drawn on this machine.

    Raises:
        OutputError: a file cannot be written.
    """
    folder = Path(folder)
    saved = SavedResults()
    with host.fresh_scene() as scene:
        handle = build_scene(image, labels, volumes_ml, title, modality=modality, scene=scene)
        saved.files.append(files.write_segmentation(handle.segmentation, folder / "segmentation.seg.nrrd"))
        saved.files += files.write_surfaces(handle.segmentation, folder)
        if couinaud is not None:
            node = add_couinaud(handle, couinaud)
            saved.files.append(files.write_segmentation(node, folder / "segments.seg.nrrd"))
        saved.files += draw_pictures(handle, folder, footnote, saved.notes)
        thumbnail = next((f for f in saved.files if f.name == "reconstruction.png"), None)
        saved.files.append(files.write_bundle(scene, folder / "scene.mrb", thumbnail))
    return saved


def draw_pictures(handle: SceneHandle, folder: Path, footnote: str, notes: list[str]) -> list[Path]:
    """reconstruction.png and slices.png; where no picture can be drawn, a note instead."""
    from PreopReviewLib.scene.views import NoRendering

    try:
        reconstruction = pictures.reconstruction_picture(
            handle.scene,
            folder / "reconstruction.png",
            handle.legend,
            title=handle.title,
            footnote=f"{footnote}\n{NOT_FOR_CLINICAL_USE}".strip(),
        )
        slices = pictures.slices_picture(
            handle.volume,
            handle.segmentation,
            folder / "slices.png",
            handle.center_ras,
            handle.legend,
            title=handle.title,
            footnote=NOT_FOR_CLINICAL_USE,
        )
    except NoRendering as problem:
        notes.append(f"No pictures were made. {problem}")
        return []
    return [reconstruction, slices]
