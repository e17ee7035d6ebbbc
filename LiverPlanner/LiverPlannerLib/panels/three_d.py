"""3D: how the structures look, two segmentations side by side, and surfaces out of Slicer."""

from __future__ import annotations

from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from LiverPlannerLib.panels.live_plan import live_plan_of
from LiverPlannerLib.scene import export as scene_export
from LiverPlannerLib.scene import models as scene_models
from LiverPlannerLib.scene import views as scene_views
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.section import Section, enable

TABLE_HEIGHT = 190  # six rows
PRESETS = ("glass", "vessels", "lesions", "solid")


class ThreeDSection(Section):
    """Presets, a table of structures, side by side, export."""

    title = _("3D")
    ui_file = "ThreeD.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.live = live_plan_of(context)
        self._side_by_side: scene_views.SideBySide | None = None
        self._layout_before: int | None = None

    def connect(self) -> None:
        """Connects the buttons."""
        ui = self.ui
        self._presets = dict(
            zip(PRESETS, (ui.glassButton, ui.vesselsButton, ui.lesionsButton, ui.solidButton), strict=True)
        )
        for name, button in self._presets.items():
            button.connect("clicked(bool)", lambda _checked=False, name=name: self.apply_preset(name))
        ui.besideButton.connect("toggled(bool)", self._on_side_by_side)
        ui.exportButton.connect("clicked(bool)", lambda *_args: self.export())
        ui.modelsButton.connect("clicked(bool)", lambda *_args: self.make_models())
        for box in (ui.stlCheckBox, ui.objCheckBox, ui.gltfCheckBox):
            box.connect("toggled(bool)", lambda *_args: self.refresh())
        ui.folderButton.directory = qt.QDir.homePath()
        self._tooltips = {name: button.toolTip for name, button in self._presets.items()}
        ui.exportedLabel.visible = False
        scene = slicer.mrmlScene
        self._observer = (scene, scene.AddObserver(scene.NodeAboutToBeRemovedEvent, self._on_removed))
        self.segments_table = slicer.qMRMLSegmentsTableView()
        self.segments_table.setMRMLScene(slicer.mrmlScene)
        self.segments_table.setMinimumHeight(TABLE_HEIGHT)
        self.segments_table.toolTip = _("Show, hide, color and opacity of each structure.")
        ui.segmentsTablePlace.layout().addWidget(self.segments_table)

    def refresh(self) -> None:
        """Shows the segmentation's structures, and why a button is off where it is."""
        parameters, ui = self.parameters, self.ui
        segmentation = parameters.segmentation if parameters is not None else None
        shown = self.segments_table.segmentationNode()
        if (shown.GetID() if shown is not None else None) != (
            segmentation.GetID() if segmentation is not None else None
        ):
            self.segments_table.setSegmentationNode(segmentation)
        none = "" if segmentation is not None else _("There is no segmentation yet: segment the liver first.")
        for name, button in self._presets.items():
            enable(button, none, self._tooltips[name])
            button.checked = not none and parameters.opacityPreset == name
        self.segments_table.visible = not none
        enable(ui.besideButton, none or self._beside_problem(), _("Show both in 3D with linked cameras; off puts the "
                                                                  "views back."))  # fmt: skip
        formats = "" if self.formats() else _("Tick a file format.")
        enable(ui.exportButton, none or formats, _("Write the surfaces of all structures."))
        enable(ui.modelsButton, none, _("Make a model node of every structure, for other modules."))
        if self._side_by_side is not None and not self._still_side_by_side():
            ui.besideButton.setChecked(False)

    # ---- looks ----

    def apply_preset(self, name: str) -> None:
        """Applies a preset to the plan, and to what is beside it."""
        self.parameters.opacityPreset = name
        nodes = [self.parameters.segmentation]
        if self._side_by_side is not None:
            nodes.append(self._side_by_side.right)
        for node in nodes:
            if node is not None:
                scene_views.apply_preset(node, name)
                scene_models.follow_look(node)
        self.refresh()

    # ---- side by side ----

    def _beside_problem(self) -> str:
        other = self.parameters.besideSegmentation
        if self._side_by_side is not None:
            return ""
        if other is None:
            return _("Choose a second segmentation first.")
        if other.GetID() == self.parameters.segmentation.GetID():
            return _("This is the same segmentation twice: choose another one.")
        if other.GetSegmentation().GetNumberOfSegments() == 0:
            return _("The second segmentation has no segments.")
        return "" if slicer.app.layoutManager() is not None else _("There are no views.")

    def _still_side_by_side(self) -> bool:
        both, parameters = self._side_by_side, self.parameters
        if parameters is None or parameters.segmentation is None or parameters.besideSegmentation is None:
            return False
        ids = (parameters.segmentation.GetID(), parameters.besideSegmentation.GetID())
        return ids == (both.left.GetID(), both.right.GetID())

    def _on_side_by_side(self, on: bool) -> None:
        if not on:
            self._end_side_by_side()
            return
        manager = slicer.app.layoutManager()
        self._layout_before = manager.layout
        manager.setLayout(scene_views.add_layout(manager.layoutLogic().GetLayoutNode()))
        # By name: Slicer does not count its 3D views from left to right.
        views = tuple(slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLViewNode") for tag in ("1", "2"))
        both = scene_views.SideBySide(self.parameters.segmentation, self.parameters.besideSegmentation)
        both.begin(views)
        self._side_by_side = both
        scene_views.apply_preset(both.right, self.parameters.opacityPreset)
        scene_views.frame(both.left)
        self.refresh()

    def _end_side_by_side(self) -> None:
        if self._side_by_side is None:
            return
        self._side_by_side.end()
        self._side_by_side = None
        manager = slicer.app.layoutManager()
        if manager is not None and self._layout_before is not None:
            manager.setLayout(self._layout_before)
        self.refresh()

    def bind(self, node: Any | None) -> None:
        """Follows another parameter node; side by side ends with the scene."""
        if node is None and self._side_by_side is not None:
            self.ui.besideButton.setChecked(False)
        super().bind(node)

    def exit(self) -> None:
        """The module is left: the views of before come back."""
        self.ui.besideButton.setChecked(False)

    def cleanup(self) -> None:
        """The module is unloaded."""
        self.ui.besideButton.setChecked(False)
        self.segments_table.setSegmentationNode(None)
        scene, tag = self._observer
        scene.RemoveObserver(tag)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, scene: Any, _event: Any, node: Any) -> None:
        """When its last model is deleted, the segmentation is drawn in 3D again."""
        made_of = node.GetNodeReferenceID(scene_models.SURFACE_OF) if node.IsA("vtkMRMLModelNode") else None
        segmentation = scene.GetNodeByID(made_of) if made_of and not scene.IsClosing() else None
        if segmentation is not None and not [m for m in scene_models.models_of(segmentation) if m is not node]:
            segmentation.GetDisplayNode().SetVisibility3D(True)

    # ---- out ----

    def formats(self) -> list[str]:
        """The formats ticked."""
        boxes = (self.ui.stlCheckBox, self.ui.objCheckBox, self.ui.gltfCheckBox)
        return [name for name, box in zip(scene_export.FORMATS, boxes, strict=True) if box.checked]

    def export(self) -> None:
        """Writes the files, or reports the reason."""
        ui = self.ui
        try:
            self.live.finish_surfaces()
            written = scene_export.export_surfaces(
                self.parameters.segmentation, ui.folderButton.directory, self.formats()
            )
        except Exception as error:  # a button's slot: nothing above catches it
            self.context.show_error(_("Export"), error)
            return
        spaces = ", ".join(f"{name} {scene_export.SPACES[name]}" for name in self.formats())
        words = _("{count} files written to {folder} (coordinates: {spaces}).")
        self._say(words.format(count=len(written), folder=ui.folderButton.directory, spaces=spaces))

    def make_models(self) -> None:
        """Makes model nodes, or reports the reason."""
        try:
            self.live.finish_surfaces()
            count = scene_models.make_models(self.parameters.segmentation)
        except Exception as error:  # as in `export`
            self.context.show_error(_("Models"), error)
            return
        self._say(_("{count} models are in the Data module; the segmentation is hidden in 3D.").format(count=count))

    def _say(self, words: str) -> None:
        self.ui.exportedLabel.text = words
        self.ui.exportedLabel.visible = True
