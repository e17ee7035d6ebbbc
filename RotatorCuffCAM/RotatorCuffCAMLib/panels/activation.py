"""Activation map: whose map, how it is made and shown, and its measures."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from PreopReviewLib.panels import timers
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.resting_views import resting_views
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section, enable
from RotatorCuffCAMLib.panels.classify import MOVED, start
from RotatorCuffCAMLib.panels.input import disabled_reason
from RotatorCuffCAMLib.panels.pictures import MovieMaker, leave_all_classes, save_picture, start_all_classes
from RotatorCuffCAMLib.rendering.looks import PRESETS
from RotatorCuffCAMLib.scene import answer as scene_answer
from RotatorCuffCAMLib.scene import classes, shoulder
from RotatorCuffCAMLib.scene import nodes as cuff_scene
from RotatorCuffCAMLib.tears import TEAR_CLASSES, tear_class

CLASSES = ("predicted", *(c.key for c in TEAR_CLASSES))
METHODS = ("exact", "contrast", "gradcam", "hirescam")
NO_MAP = _("Classify a shoulder first.")


class ActivationSection(Section):
    """Sliders act at once; another class or method needs the network again."""

    title = _("Activation map")
    ui_file = "CuffActivation.ui"
    collapsed = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._due: dict[str, Callable[[Any], None]] = {}
        self._timer = timers.single_shot(0, self.show_now)

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
        self.classes = RunButton(
            self.context, ui.classesButton, ui.mapProgressBar, ui.mapProgressLabel, self.show_or_leave_classes
        )
        self.movie = MovieMaker(self._show_movie, lambda error: self.context.show_error(_("Movie"), error))
        ui.pictureButton.connect("clicked(bool)", lambda *_args: self._guarded(_("Picture"), self.save_picture))
        ui.movieButton.connect("clicked(bool)", lambda *_args: self._guarded(_("Movie"), self.save_movie))
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
        reason = "" if activation is not None else NO_MAP
        self.run.refresh(reason or disabled_reason(parameters))
        for slider in (ui.thresholdSlider, ui.opacitySlider, ui.tissueSlider, ui.presetComboBox, ui.cutCheckBox):
            slider.enabled = not reason
        ui.presetComboBox.setCurrentIndex(list(PRESETS).index(parameters.preset))
        enable(ui.renderingCheckBox, reason, _("The MRI with the map inside it as a volume rendering."))
        beside = bool(classes.class_maps(activation))
        self.classes.refresh("" if beside else reason or disabled_reason(parameters))
        if not self.context.busy:
            ui.classesButton.text = _("One map") if beside else _("All classes")
        enable(ui.pictureButton, reason, _("The 3D view beside the slice views with the legend, as PNG."))
        enable(ui.movieButton, reason, _("A full turn of the 3D view as an animation: GIF, WebP or animated PNG."))
        enable(ui.lookButton, reason, _("Turns the camera to the side where the map lies."))
        no_outline = reason or ("" if hot is not None else _("The map of the class None has no location to outline."))
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
        recorded = record["activation"]
        lines = [f"<b>{MOVED}</b>"] if scene_answer.moved_since(activation) else []
        lines += [
            _("Map of <b>{name}</b>; a voxel of the map is {mm:.1f} mm wide: nothing finer can be seen in it.").format(
                name=escape(tear_class(recorded["class"]).name), mm=recorded["voxel_mm"]
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
        self._soon("threshold", lambda node: cuff_scene.set_threshold(node, percent))

    def _on_opacity(self, opacity: float) -> None:
        self._soon("opacity", lambda node: scene_answer.set_opacity(node, opacity))

    def _change(self, **look: Any) -> None:
        self._soon(" ".join(look), lambda node: shoulder.change_look(node, **look))

    def _soon(self, what: str, change: Callable[[Any], None]) -> None:
        """Changes how all maps look when the events that wait are done: a dragged slider sends one for each pixel, and
        five volume renderings take a second or more to draw where there is no graphics card."""
        self._due[what] = change
        self._timer.start()

    def show_now(self) -> None:
        """Changes what is still to be changed."""
        self._timer.stop()
        due, self._due = self._due, {}
        if due and self.parameters is not None and self.parameters.activation is not None:
            with resting_views():
                for node in self._all_maps():
                    for change in due.values():
                        change(node)

    def _all_maps(self) -> list[Any]:
        activation = self.parameters.activation
        return [activation, *classes.class_maps(activation)]

    def _on_preset(self, index: int) -> None:
        self.parameters.preset = list(PRESETS)[index]
        self._change(preset=self.parameters.preset)

    def _on_rendering(self, on: bool) -> None:
        display = shoulder.rendering_of(self.parameters.activation)
        if display is not None:
            display.SetVisibility(on)

    def _look(self) -> None:
        scene_answer.look_at(self.parameters.activation, again=True)

    # ---- to keep and to compare ----

    def show_or_leave_classes(self) -> None:
        """The maps of all classes side by side, or back to one.

        Raises:
            PreopError: why they cannot be computed.
        """
        activation = self.parameters.activation
        if classes.class_maps(activation):
            leave_all_classes(activation)
            self.refresh()
        else:
            start_all_classes(self.context)

    def save_picture(self, path: str | None = None) -> None:
        """Asks where, and writes the views as they are."""
        path = path or qt.QFileDialog.getSaveFileName(
            self.widget, _("Save the picture"), "activation.png", _("Pictures (*.png)")
        )
        if path:
            self.show_now()
            save_picture(self.parameters.activation, path)
            slicer.util.showStatusMessage(_("The picture is saved."), 5000)

    def save_movie(self, path: str | None = None) -> None:
        """Asks where, and begins a turn; pressed again, it stops."""
        if self.movie.running:
            self.movie.stop()
            return
        path = path or qt.QFileDialog.getSaveFileName(
            self.widget, _("Save the movie"), "activation.gif", _("Movies (*.gif *.webp *.png)")
        )
        if path:
            self.show_now()
            self.movie.start(path)

    def _show_movie(self, part: float | None) -> None:
        ui = self.ui
        ui.mapProgressBar.visible = ui.mapProgressLabel.visible = part is not None
        ui.movieButton.text = _("Stop the movie") if part is not None else _("Save movie...")
        if part is not None:
            ui.mapProgressBar.setValue(round(100 * part))
            ui.mapProgressLabel.text = _("Drawing the movie")

    def _guarded(self, title: str, action: Any) -> None:
        try:
            action()
        except Exception as error:
            self.context.show_error(title, error)

    def cleanup(self) -> None:
        """Stops a movie."""
        self._timer.stop()
        self.movie.stop()

    def _on_hot(self, on: bool) -> None:
        if self.parameters.hotRegion is not None:
            self.parameters.hotRegion.SetDisplayVisibility(on)
