"""The scene of one case with its four views, its structures, and the brush; over trame-slicer, with no interface."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from PreopReviewLib import images
from PreopReviewLib.archives import open_archive
from PreopReviewLib.errors import UnreadableImage
from PreopReviewLib.images.vtk_images import array_of_vtk
from PreopReviewLib.output import private_folder
from PreopReviewLib.review.bundle import unpack_scene
from PreopReviewLib.scene.nodes import LABELMAP, SURFACE

UNDO_LIMIT = 50
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
        undo_stack: the strokes since it is shown.
        on_stroke: told the segment, after a stroke was done or taken back.
    """

    def __init__(self, app: Any) -> None:
        from undo_stack import UndoStack

        self.app = app
        self.volume: Any = None
        self.segmentation: Any = None
        self.undo_stack = UndoStack(undo_limit=UNDO_LIMIT)
        self.on_stroke: Callable[[str], None] = lambda _key: None
        self._place = Path()
        self._loaded: list[Any] = []
        self._ml: dict[str, float] = {}
        self._loaded_ml: dict[str, float] = {}
        app.segmentation_editor.segmentation_modified.disconnect_all()  # it would make all surfaces at once

    def show(self, scene: Path) -> None:
        """Puts a scene in the place of the one that is shown.

        Raises:
            UnreadableImage: it is not a scene, damaged, or holds no image with a segmentation.
        """
        another = self.volume is not None
        self.close()
        self._place = scene.parent
        before = self._nodes()
        with open_archive(scene) as archive, private_folder() as place:
            mrml = unpack_scene(archive, place, scene)
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
        if another:
            gc.collect()  # the editor's observers hold the former nodes in circles: 150 MB a case

    def correct(self, path: Path) -> None:
        """Shows the structures as a .seg.nrrd of a reader has them; changes are still counted from the scene's.

        Raises:
            FileMissing, UnreadableImage: the file is not there, or damaged; the scene's structures stay.
        """
        from PreopReviewLib.scene.files import replace_segments

        replace_segments(self.segmentation, path)
        self._on_the_images_lattice()
        self._count()

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
        self._loaded, self.volume, self.segmentation = [], None, None
        self.undo_stack.clear()

    def _dress(self) -> None:
        from trame_slicer.segmentation import SegmentationOverwriteMode

        for node in (self.volume, self.segmentation):
            if node.GetParentTransformNode() is not None:
                node.HardenTransform()
        self.app.display_manager.show_volume_in_slice_background(self.volume)
        self.app.segmentation_editor.set_active_segmentation(self.segmentation, self.volume)
        self.app.segmentation_editor.set_overwrite_mode(SegmentationOverwriteMode.ALLOW_OVERLAP)
        self.app.segmentation_editor.deactivate_effect()
        self._on_the_images_lattice()
        display = self.segmentation.GetDisplayNode()
        display.SetVisibility(True)
        display.SetPreferredDisplayRepresentationName2D(LABELMAP)
        display.SetPreferredDisplayRepresentationName3D(SURFACE)
        for key in self.segment_ids():  # what is seen through in 3D is around the others, and the image must be seen
            enclosing = display.GetSegmentOpacity3D(key) < 0.6
            display.SetSegmentOpacity2DFill(key, ENCLOSING_FILL if enclosing else FILL)
        self.app.display_manager.reset_views()
        self._without_slices_in_3d()
        self._to_the_segments()
        self._count()
        self._loaded_ml = dict(self._ml)

    def _to_the_segments(self) -> None:
        """Slices through the middle of what is drawn, not of the image: a CT of the abdomen begins in the pelvis."""
        low_high = [0.0] * 6
        self.segmentation.GetRASBounds(low_high)
        if low_high[0] <= low_high[1]:
            self.jump(tuple(sum(low_high[2 * n : 2 * n + 2]) / 2 for n in range(3)))  # type: ignore[arg-type]

    def frame_3d(self) -> None:
        """Lets 3D show all surfaces from in front."""
        for view in self.app.view_manager.get_threed_views():
            view.fit_view_to_content()
            view.schedule_render()

    def _without_slices_in_3d(self) -> None:
        """Takes the hidden models of the slices away: whenever one moves, all slices are drawn anew."""
        logics = self.app.app_logic.GetSliceLogics()
        for n in range(logics.GetNumberOfItems()):
            logics.GetItemAsObject(n).DeleteSliceModel()

    def _on_the_images_lattice(self) -> None:
        """Segments on other voxels than the image's are brought onto its, once, so that strokes can change them."""
        from PreopReviewLib.scene.labelmaps import on_voxels_of, replace_labelmap

        segmentation = self.segmentation.GetSegmentation()
        for key in self.segment_ids():
            labelmap = segmentation.GetSegment(key).GetRepresentation(LABELMAP)
            if labelmap is None or not on_voxels_of(labelmap, self.volume):
                replace_labelmap(self.segmentation, key, self.app.segmentation_editor.get_segment_labelmap(key))

    def _count(self) -> None:
        segmentation, counts, voxels = self.segmentation.GetSegmentation(), {}, {}
        for key in self.segment_ids():
            segment = segmentation.GetSegment(key)
            image = segment.GetRepresentation(LABELMAP)
            layer = segmentation.GetLayerIndex(key)
            if layer not in counts:
                empty = image is None or image.GetPointData().GetScalars() is None
                counts[layer] = np.zeros(256) if empty else images.label_counts(array_of_vtk(image))
            value = segment.GetLabelValue()
            voxels[key] = int(counts[layer][value]) if value < len(counts[layer]) else 0
        self._ml = {key: n * self._voxel_ml() for key, n in voxels.items()}

    def _voxel_ml(self) -> float:
        return float(np.prod(self.volume.GetSpacing())) / 1000

    def _nodes(self) -> dict[str, Any]:
        collection = self.app.scene.GetNodes()
        return {n.GetID(): n for n in (collection.GetItemAsObject(i) for i in range(collection.GetNumberOfItems()))}

    def _first(self, kind: str) -> Any:
        nodes = [n for n in self._loaded if n.IsA(kind) and not n.IsA("vtkMRMLLabelMapVolumeNode")]
        shown = [n for n in nodes if n.GetDisplayNode() is not None and n.GetDisplayNode().GetVisibility()]
        return next(iter([*shown, *nodes]), None)

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
        return self._ml.get(key, 0.0)

    def make_surface(self, key: str) -> None:
        """Shows a segment in 3D as it is now."""
        from PreopReviewLib.scene.labelmaps import make_surface

        if self.segmentation is not None and key in self.segment_ids():
            segmentation = self.segmentation.GetSegmentation()
            if not self._take_surface_of_plan(key):
                make_surface(segmentation, key)

    def _take_surface_of_plan(self, key: str) -> bool:
        """Shows the surface that lies beside the scene, which is smoother, where it fits the voxels as they are now."""
        from PreopReviewLib.scene.files import read_surface
        from PreopReviewLib.scene.labelmaps import fits, put_surface

        path = self._place / f"{key}.stl"
        if path.name != f"{key}.stl" or not path.is_file():
            return False
        try:
            surface = read_surface(path)
        except UnreadableImage:
            return False
        segmentation = self.segmentation.GetSegmentation()
        if not fits(surface, segmentation.GetSegment(key), self._ml[key]):
            return False
        put_surface(segmentation, key, surface)
        return True

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
        array = array_of_vtk(self.volume.GetImageData())
        return float(array.min()), float(array.max())

    def set_window_level(self, window: float, level: float) -> None:
        """Of the image, in all slices."""
        display = self.volume.GetDisplayNode()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(max(window, 1e-6), level)
        self._draw_slices()

    def _draw_slices(self) -> None:
        """What asks for it in Slicer are models of the slices in 3D, which are not there."""
        for view in self.app.view_manager.get_slice_views():
            view.schedule_render()

    def jump(self, ras: tuple[float, float, float]) -> None:
        """Brings all slices to a point, mm."""
        for view in self.app.view_manager.get_slice_views():
            view.get_view_node().JumpSlice(*ras)

    # ---- the brush ----

    def set_tool(self, tool: str, key: str, diameter_mm: float) -> None:
        """Paints or erases a segment with a brush of so many mm; another word puts the brush away."""
        from trame_slicer.segmentation import BrushDiameterMode

        from PreopReviewLib.review.strokes import Erase, Paint

        editor = self.app.segmentation_editor
        kinds = {"paint": Paint, "erase": Erase}
        if tool not in kinds:
            editor.deactivate_effect()
            return
        editor.set_active_segment_id(key)
        effect = editor.set_active_effect_type(kinds[tool])
        effect.on_mark = lambda mark: self._stroke(key, mark, tool == "paint")
        effect.set_brush_diameter(diameter_mm, BrushDiameterMode.Absolute)
        effect.set_use_sphere_brush(False)

    def _stroke(self, key: str, mark: Any, add: bool) -> None:
        from PreopReviewLib.review.strokes import Stroke

        stroke = Stroke(self.segmentation.GetSegmentation(), key, mark, add, self._on_voxels)
        if stroke.voxels:
            self.undo_stack.push(stroke)
            self.on_stroke(key)

    def undo(self) -> None:
        """Takes the last stroke back."""
        if self.undo_stack.can_undo():
            key = self.undo_stack.undo_text()
            self.undo_stack.undo()
            self.on_stroke(key)

    def _on_voxels(self, key: str, gained: int) -> None:
        self._ml[key] = self._ml.get(key, 0.0) + gained * self._voxel_ml()
        self._draw_slices()
