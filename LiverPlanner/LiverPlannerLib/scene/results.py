"""A liver plan as a Slicer scene in files: the scene as `scene.plan` builds it, its surfaces, and pictures of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from LiverPlannerLib.plan.measures import center_of_interest
from LiverPlannerLib.plan.parts import parts_of, segment_parts_of
from LiverPlannerLib.scene.plan import PlanNodes, add_plan
from LiverPlannerLib.structures import Structure, structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError
from PreopReviewLib.images.windows import gray_window
from PreopReviewLib.scene import files, host, nodes, pictures

NOT_FOR_CLINICAL_USE = "Not for clinical use."


@dataclass(frozen=True)
class SceneHandle:
    """The nodes of one plan.

    Attributes:
        scene: vtkMRMLScene.
        plan: its nodes; segment identifiers are structure keys.
        legend: names, colors and volumes of the structures that are there.
        center_ras: center of the largest lesion, or of the liver, mm.
        title: of the case.
    """

    scene: Any
    plan: PlanNodes
    legend: tuple[pictures.LegendEntry, ...]
    center_ras: tuple[float, float, float]
    title: str

    @property
    def volume(self) -> Any:
        """vtkMRMLScalarVolumeNode."""
        return self.plan.volume

    @property
    def segmentation(self) -> Any:
        """vtkMRMLSegmentationNode."""
        return self.plan.segmentation


@dataclass
class SavedResults:
    """What `save_results` wrote, and what it could not, in sentences."""

    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def build_scene(
    image: sitk.Image,
    labels: sitk.Image,
    record: Mapping[str, Any],
    title: str,
    *,
    couinaud: sitk.Image | None = None,
    shared: bool = False,
) -> SceneHandle:
    """Volume and plan as the panel's Apply leaves them, in one study of the subject hierarchy.

    The nodes go into the application's scene, or the one of `host.start`.

    Args:
        image, labels: on one grid; values of `structures.STRUCTURES`.
        record: see `plan.files.record_for_scene`; its ``volumes_ml`` are the legend's, its ``modality`` chooses the
            gray window and is guessed where it is not given.
        title: what patient, study and pictures are called.
        couinaud: Couinaud segments, 1 to 8, on the image's grid.
        shared: as for `nodes.add_volume`.

    Raises:
        GeometryError: the labels are not on the image's grid.
        InputError: no structure has a voxel.
        SceneUnavailable: there is neither Slicer nor slicer-core.
    """
    scene = host.start()
    if not images.same_grid(image, labels):
        raise GeometryError("The labels are not on the grid of the image", "Resample them to the image first")
    center = center_of_interest(labels)
    window = gray_window(image, record.get("modality") or images.guess_modality(image))
    volume = nodes.add_volume(scene, image, title, window, shared)
    nodes.put_in_study(scene, [volume], title, "Liver plan")
    parts = [*parts_of(labels), *(segment_parts_of(couinaud) if couinaud is not None else ())]
    plan_nodes = add_plan(volume, parts, dict(record))
    present = [structure(key) for key in nodes.segment_keys(plan_nodes.segmentation)]
    volumes_ml = record.get("volumes_ml", {})
    legend = tuple(pictures.LegendEntry(s.name, s.color, _ml(volumes_ml, s)) for s in present)
    return SceneHandle(scene, plan_nodes, legend, center, title)


def _ml(volumes_ml: Mapping[str, float], s: Structure) -> str:
    if s.key not in volumes_ml:
        return ""
    value = volumes_ml[s.key]
    return f"{value:.0f} ml" if value >= 10 else f"{value:.1f} ml"


def save_results(
    image: sitk.Image,
    labels: sitk.Image,
    record: Mapping[str, Any],
    folder: str | Path,
    title: str,
    *,
    footnote: str = "",
    couinaud: sitk.Image | None = None,
) -> SavedResults:
    """Writes scene.mrb, segmentation.seg.nrrd, an STL file per structure, and the two pictures.

    The scene is made for this and closed again; inside the Slicer application it is the user's own, and the
    nodes stay in it.

    Args:
        image, labels, record, title: as for `build_scene`.
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
        # A whole scan is not held twice for a scene that is closed again.
        handle = build_scene(image, labels, record, title, couinaud=couinaud, shared=not host.in_application())
        saved.files.append(files.write_segmentation(handle.segmentation, folder / "segmentation.seg.nrrd"))
        saved.files += files.write_surfaces(handle.segmentation, folder)
        if handle.plan.couinaud is not None:
            saved.files.append(files.write_segmentation(handle.plan.couinaud, folder / "segments.seg.nrrd"))
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
