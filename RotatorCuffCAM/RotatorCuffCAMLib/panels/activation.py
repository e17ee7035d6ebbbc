"""Activation map: whose map, how it is made and shown, and its measures."""

from __future__ import annotations

from html import escape
from typing import Any

from slicer.i18n import tr as _

from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section, enable
from RotatorCuffCAMLib.panels.classify import start
from RotatorCuffCAMLib.panels.input import disabled_reason
from RotatorCuffCAMLib.rendering.looks import PRESETS
from RotatorCuffCAMLib.scene import answer as scene_answer
from RotatorCuffCAMLib.scene import nodes as cuff_scene
from RotatorCuffCAMLib.scene import shoulder
from RotatorCuffCAMLib.tears import TEAR_CLASSES, tear_class

CLASSES = ("predicted", *(c.key for c in TEAR_CLASSES))
METHODS = ("exact", "contrast", "gradcam", "hirescam")
NO_MAP = _("Classify a shoulder first.")


class ActivationSection(Section):
    """Sliders act at once; another class or method needs the network again."""

    title = _("Activation map")
    ui_file = "CuffActivation.ui"
    collapsed = False

    def connect(self) -> None:
        """Fills the combo boxes and connects what acts at once."""
        ui = self.ui
        for key in CLASSES:
            ui.classComboBox.addItem(_("The predicted class") if key == "predicted" else tear_class(key).name, key)
        for key, words in zip(METHODS, (_("Exact"), _("Minus that of no tear"), "Grad-CAM", "HiResCAM"), strict=True):
            ui.methodComboBox.addItem(words, key)
        ui.classComboBox.connect("activated(int)", lambda i: self.parameters.setValue("mapClass", CLASSES[i]))
        ui.methodComboBox.connect("activated(int)", lambda i: self.parameters.setValue("method", METHODS[i]))
        self.run = RunButton(
            self.context, ui.updateButton, ui.mapProgressBar, ui.mapProgressLabel, lambda: start(self.context)
        )
        ui.thresholdSlider.connect("valueChanged(double)", self._on_threshold)
        ui.opacitySlider.connect("valueChanged(double)", self._on_opacity)
        for key, preset in PRESETS.items():
            ui.presetComboBox.addItem(_(preset.name), key)
        ui.presetComboBox.connect("activated(int)", self._on_preset)
        ui.tissueSlider.connect("valueChanged(double)", lambda value: self._change(opacity=value))
        ui.cutCheckBox.connect("toggled(bool)", lambda on: self._change(cut=bool(on)))
        ui.renderingCheckBox.connect("toggled(bool)", self._on_rendering)
        ui.lookButton.connect("clicked(bool)", lambda *_args: self._look())
        ui.hotCheckBox.connect("toggled(bool)", self._on_hot)

    def refresh(self) -> None:
        """Shows how the map is shown."""
        parameters, ui = self.parameters, self.ui
        if parameters is None:
            self.run.refresh(_("The scene is being closed."))
            return
        ui.classComboBox.setCurrentIndex(CLASSES.index(parameters.mapClass))
        ui.methodComboBox.setCurrentIndex(METHODS.index(parameters.method))
        activation, hot = parameters.activation, parameters.hotRegion
        why = "" if activation is not None else NO_MAP
        self.run.refresh(why or disabled_reason(parameters))
        for slider in (ui.thresholdSlider, ui.opacitySlider, ui.tissueSlider, ui.presetComboBox, ui.cutCheckBox):
            slider.enabled = not why
        ui.presetComboBox.setCurrentIndex(list(PRESETS).index(parameters.preset))
        enable(ui.renderingCheckBox, why, _("The MRI with the map inside it as a volume rendering."))
        enable(ui.lookButton, why, _("Turns the camera to the side where the map lies."))
        no_outline = why or ("" if hot is not None else _("The map of the class None has no location to outline."))
        enable(ui.hotCheckBox, no_outline, _("Outline of the region above half the map's maximum."))
        self._check(ui.renderingCheckBox, self._rendering_shown(activation))
        self._check(ui.hotCheckBox, hot is not None and bool(hot.GetDisplayVisibility()))
        text = "" if activation is None else self._measures(activation, hot)
        ui.measuresLabel.text = text
        ui.measuresLabel.visible = bool(text)

    @staticmethod
    def _check(box: Any, checked: bool) -> None:
        blocked = box.blockSignals(True)
        box.checked = checked
        box.blockSignals(blocked)

    @staticmethod
    def _rendering_shown(activation: Any | None) -> bool:
        display = shoulder.rendering_of(activation)
        return display is not None and bool(display.GetVisibility())

    def _measures(self, activation: Any, hot: Any | None) -> str:
        record = scene_answer.record_of(activation)
        if not record:
            return ""
        made = record["activation"]
        lines = [
            _("Map of <b>{name}</b>; a voxel of the map is {mm:.1f} mm wide: nothing finer can be seen in it.").format(
                name=escape(tear_class(made["class"]).name), mm=made["voxel_mm"]
            )
        ]
        if hot is not None and hot.GetSegmentation().GetNumberOfSegments():
            segmentation = hot.GetSegmentation()
            lines.append(escape(segmentation.GetSegment(segmentation.GetNthSegmentID(0)).GetName()) + ".")
        top = float(activation.GetAttribute(cuff_scene.MAXIMUM))
        lines.append(_("Maximum of the raw map: {top:.3g}.").format(top=top))
        return "<br>".join(lines)

    # ---- what acts at once ----

    def _on_threshold(self, percent: float) -> None:
        if self.parameters is not None and self.parameters.activation is not None:
            cuff_scene.set_threshold(self.parameters.activation, percent)

    def _on_opacity(self, opacity: float) -> None:
        if self.parameters is not None and self.parameters.activation is not None:
            scene_answer.set_opacity(self.parameters.activation, opacity)

    def _change(self, **look: Any) -> None:
        if self.parameters is not None and self.parameters.activation is not None:
            shoulder.change_look(self.parameters.activation, **look)

    def _on_preset(self, index: int) -> None:
        self.parameters.preset = list(PRESETS)[index]
        self._change(preset=self.parameters.preset)

    def _on_rendering(self, on: bool) -> None:
        display = shoulder.rendering_of(self.parameters.activation)
        if display is not None:
            display.SetVisibility(on)

    def _look(self) -> None:
        scene_answer.look_at(self.parameters.activation, again=True)

    def _on_hot(self, on: bool) -> None:
        if self.parameters.hotRegion is not None:
            self.parameters.hotRegion.SetDisplayVisibility(on)
