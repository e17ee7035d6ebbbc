"""The scene of one case with its four views, its structures, and the brush; over trame-slicer, with no interface."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from PreopReviewLib.archives import open_archive, unpack_member
from PreopReviewLib.errors import UnreadableImage
from PreopReviewLib.output import private_folder

MAX_SCENE_BYTES = 4 << 30
ENCLOSING_FILL, FILL = 0.08, 0.5
"""Opacity in slices."""


@dataclass
class StructureRow:
    """One segment as the page lists it; color as #rrggbb, ml now and as loaded."""

    id: str
    name: str
    color: str
    visible: bool
    opacity: float
    ml: float
    loaded_ml: float


class SceneView:
    """A MRML scene in which one case is shown at a time.

    Attributes:
        app: trame-slicer's application: scene, views, segment editor.
        volume, segmentation: nodes of the case that is shown.
        edited: a stroke has changed a structure since the case was shown.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.volume: Any = None
        self.segmentation: Any = None
        self.edited = False
        self._loaded: list[Any] = []
        self._loaded_ml: dict[str, float] = {}

    def show(self, scene: Path) -> None:
        """Puts a scene in the place of the one that is shown.

        Raises:
            UnreadableImage: it is no scene, damaged, or holds no image with a segmentation.
        """
        self.close()
        before = self._nodes()
        with open_archive(scene) as archive, private_folder() as place:
            mrml = _unpack(archive, place, scene)
            self.app.scene.SetURL(mrml.as_posix())
            self.app.scene.SetRootDirectory(mrml.parent.as_posix())
            read = self.app.scene.Import(None)
        self._loaded = [node for key, node in self._nodes().items() if key not in before]
        self.volume = self._first("vtkMRMLScalarVolumeNode")
        self.segmentation = self._first("vtkMRMLSegmentationNode")
        if not read or self.volume is None or self.segmentation is None or self.volume.GetImageData() is None:
            self.close()
            raise UnreadableImage(
                f"{scene} holds no image with a segmentation",
                "Give a scene that PreopReview or 3D Slicer saved with both",
            )
        self._dress()

    def correct(self, path: Path) -> None:
        """Shows the structures as a .seg.nrrd of a reader has them; changes are still counted from the scene's.

        Raises:
            FileMissing, UnreadableImage: the file is not there, or damaged; the scene's structures stay.
        """
        from PreopReviewLib.scene.files import replace_segments

        replace_segments(self.segmentation, path)

    def keep(self, node: Any) -> None:
        """Lets a node that was added go with the case."""
        self._loaded.append(node)

    def close(self) -> None:
        """Takes the case away that is shown."""
        editor = self.app.segmentation_editor
        editor.deactivate_effect()
        for node in self._loaded:
            if self.app.scene.IsNodePresent(node) and not node.GetSingletonTag():
                self.app.scene.RemoveNode(node)
        self._loaded, self.volume, self.segmentation, self.edited = [], None, None, False

    def _dress(self) -> None:
        from trame_slicer.segmentation import SegmentationOverwriteMode

        self.app.display_manager.show_volume_in_slice_background(self.volume)
        self.app.segmentation_editor.set_active_segmentation(self.segmentation, self.volume)
        self.app.segmentation_editor.set_surface_representation_enabled(True)
        self.app.segmentation_editor.set_overwrite_mode(SegmentationOverwriteMode.ALLOW_OVERLAP)
        self.app.segmentation_editor.deactivate_effect()
        display = self.segmentation.GetDisplayNode()
        display.SetVisibility(True)
        for key in self.segment_ids():  # what is seen through in 3D is around the others, and the image must be seen
            enclosing = display.GetSegmentOpacity3D(key) < 0.6
            display.SetSegmentOpacity2DFill(key, ENCLOSING_FILL if enclosing else FILL)
        for view in self.app.view_manager.get_threed_views():
            view.renderer().SetUseDepthPeeling(False)  # slow on a processor; with multisampling it draws nothing
        self.app.display_manager.reset_views()
        self.edited = False
        self._loaded_ml = {key: self.milliliters(key) for key in self.segment_ids()}

    def _nodes(self) -> dict[str, Any]:
        found = self.app.scene.GetNodes()
        return {n.GetID(): n for n in (found.GetItemAsObject(i) for i in range(found.GetNumberOfItems()))}

    def _first(self, kind: str) -> Any:
        found = [n for n in self._loaded if n.IsA(kind) and not n.IsA("vtkMRMLLabelMapVolumeNode")]
        shown = [n for n in found if n.GetDisplayNode() is not None and n.GetDisplayNode().GetVisibility()]
        return next(iter([*shown, *found]), None)

    # ---- structures ----

    def segment_ids(self) -> list[str]:
        """The segments, in their order."""
        return list(self.segmentation.GetSegmentation().GetSegmentIDs())

    def structures(self) -> list[StructureRow]:
        """All segments as they are now."""
        display = self.segmentation.GetDisplayNode()
        rows = []
        for key in self.segment_ids():
            segment = self.segmentation.GetSegmentation().GetSegment(key)
            color = "#" + "".join(f"{round(255 * c):02x}" for c in segment.GetColor())
            opacity = display.GetSegmentOpacity3D(key)
            visible = bool(display.GetSegmentVisibility(key))
            ml = self.milliliters(key)
            rows.append(
                StructureRow(key, segment.GetName(), color, visible, opacity, ml, self._loaded_ml.get(key, 0.0))
            )
        return rows

    def milliliters(self, key: str) -> float:
        """The volume of a segment, counted in voxels."""
        labelmap = self.app.segmentation_editor.get_segment_labelmap(key)
        if labelmap is None or labelmap.GetPointData().GetScalars() is None:
            return 0.0
        from vtkmodules.util.numpy_support import vtk_to_numpy

        voxels = int(np.count_nonzero(vtk_to_numpy(labelmap.GetPointData().GetScalars())))
        return voxels * float(np.prod(labelmap.GetSpacing())) / 1000

    def set_visible(self, key: str, visible: bool) -> None:
        """Shows or hides a segment in all views."""
        self.segmentation.GetDisplayNode().SetSegmentVisibility(key, visible)

    def set_opacity(self, key: str, opacity: float) -> None:
        """Of a segment, 0 to 1: its surface and its fill in slices."""
        display = self.segmentation.GetDisplayNode()
        display.SetSegmentOpacity3D(key, opacity)
        display.SetSegmentOpacity2DFill(key, opacity)

    # ---- gray values and places ----

    def window_level(self) -> tuple[float, float]:
        """Of the image."""
        display = self.volume.GetDisplayNode()
        return display.GetWindow(), display.GetLevel()

    def gray_range(self) -> tuple[float, float]:
        """Lowest and highest value of the image."""
        return tuple(self.volume.GetImageData().GetScalarRange())  # type: ignore[return-value]

    def set_window_level(self, window: float, level: float) -> None:
        """Of the image, in all slices."""
        display = self.volume.GetDisplayNode()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(max(window, 1e-6), level)

    def jump(self, ras: tuple[float, float, float]) -> None:
        """Brings all slices to a point, mm."""
        for view in self.app.view_manager.get_slice_views():
            view.get_view_node().JumpSlice(*ras)

    # ---- the brush ----

    def set_tool(self, tool: str, key: str, diameter_mm: float) -> None:
        """Paints or erases a segment with a brush of so many mm; another word puts the brush away."""
        from trame_slicer.segmentation import (
            BrushDiameterMode,
            SegmentationEffectErase,
            SegmentationEffectPaint,
        )

        editor = self.app.segmentation_editor
        kinds = {"paint": SegmentationEffectPaint, "erase": SegmentationEffectErase}
        if tool not in kinds:
            editor.deactivate_effect()
            return
        editor.set_active_segment_id(key)
        effect = editor.set_active_effect_type(kinds[tool])
        effect.set_brush_diameter(diameter_mm, BrushDiameterMode.Absolute)
        effect.set_use_sphere_brush(False)


def _unpack(archive: Any, place: Path, scene: Path) -> Path:
    """All files of a bundle below one folder; returns its .mrml."""
    found = None
    for name in archive.namelist():
        parts = PurePosixPath(name).parts
        if name.endswith("/"):
            continue
        if PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or ":" in name:
            raise UnreadableImage(f"{scene} holds the path {name}", "Pack it again with 3D Slicer")
        target = place.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        unpack_member(archive, name, target, MAX_SCENE_BYTES)
        if target.suffix == ".mrml":
            found = target
    if found is None:
        raise UnreadableImage(f"{scene} is not a scene bundle: it holds no .mrml", "Give a .mrb of 3D Slicer")
    return found
