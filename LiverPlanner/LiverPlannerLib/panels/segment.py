"""Segment: from a volume to a plan in one click."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels import modality
from LiverPlannerLib.panels.plan_choice import PlanChoice
from LiverPlannerLib.panels.plan_summary import summary_html
from LiverPlannerLib.panels.segment_meanings import SegmentMeanings
from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.scene import plan_nodes
from LiverPlannerLib.scene import views as scene_views
from LiverPlannerLib.segmentation import model_choices
from PreopReviewLib.errors import InputError
from PreopReviewLib.models.overview import card
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.resting_views import with_resting_views
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section
from PreopReviewLib.scene import inputs
from PreopReviewLib.worker_io import save_steps

MODALITIES = ("auto", "CT", "MR")
DEVICES = ("auto", "cuda", "mps", "cpu")


class SegmentSection(Section):
    """Volume, modality, what to look for, Apply; below, results and warnings."""

    title = _("Segment")
    ui_file = "Segment.ui"
    collapsed = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._error = ""
        self._error_of: tuple[str, str] = ("", "")  # volume and plan that were chosen then
        self._card: Any | None = None
        self._watched: tuple[Any, int] | None = None  # the volume and the observer's tag
        self.choice = PlanChoice(lambda: self.parameters, self._on_moved)
        self._seen: set[str] = set()  # segmentations of other programs that the views were turned to

    def connect(self) -> None:
        """Fills the combo boxes and connects the buttons."""
        ui = self.ui
        fill(ui.modalityComboBox, MODALITIES, (_("Automatic"), _("CT"), _("MRI")))
        devices = (_("Automatic"), _("NVIDIA graphics card"), _("Apple graphics"), _("Processor"))
        fill(ui.deviceComboBox, DEVICES, devices)
        self._fill_models()
        self.run_button = RunButton(self.context, ui.applyButton, ui.progressBar, ui.progressLabel, self.apply)
        ui.modalityComboBox.connect("activated(int)", lambda i: self._set("modality", MODALITIES[i]))
        ui.deviceComboBox.connect("activated(int)", lambda i: self._set("device", DEVICES[i]))
        ui.modelComboBox.connect("activated(int)", self._on_model)
        ui.cardButton.connect("clicked(bool)", lambda *_args: self.show_card())
        ui.planSelector.connect("nodeAboutToBeRemoved(vtkMRMLNode*)", self._on_removed)
        ui.messageLabel.visible = False
        self.meanings = SegmentMeanings(self.context, ui.meaningTable)

    def bind(self, node: Any | None) -> None:
        """Follows another parameter node; an error of a closed scene does not concern the next."""
        if node is None:
            self._error = ""
            self._watch(None)
        self.choice.forget()
        super().bind(node)

    def _on_removed(self, node: Any) -> None:
        """A plan that is deleted leaves none: the selector itself would go on with another segmentation of its list."""
        plan = self.parameters.segmentation if self.parameters is not None else None
        if plan is not None and node.GetID() == plan.GetID():
            self.choice.let_go(plan)
            self.parameters.segmentation = None

    def _watch(self, volume: Any | None) -> None:
        """Follows the transforms of the chosen volume: some cannot be planned under."""
        if self._watched is not None and self._watched[0] is volume:
            return
        if self._watched is not None:
            self._watched[0].RemoveObserver(self._watched[1])
        self._watched = None
        if volume is not None:
            moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
            self._watched = (volume, volume.AddObserver(moved, lambda *_args: self._on_moved()))

    def _on_moved(self) -> None:
        if self.parameters is not None:
            self.run_button.refresh(self.disabled_reason())
            self._show_message()

    def refresh(self) -> None:
        """Shows the parameters, and why Apply is off where it is."""
        parameters = self.parameters
        if parameters is None:
            self._seen.clear()
            self.run_button.refresh(_("The scene is being closed."))
            return
        if self.choice.refresh() and not self.context.busy:  # a job shows its result itself
            self._look_at_plan()
            from LiverPlannerLib.panels.live_plan import live_plan_of

            live_plan_of(self.context).refresh()  # a plan that was loaded gets its surfaces again
        volume = parameters.inputVolume
        self._watch(volume)
        self._show_modality(volume)
        self.ui.deviceComboBox.setCurrentIndex(DEVICES.index(parameters.device))
        chosen = self.ui.modelComboBox.findData(parameters.model or model_choices.DEFAULT)
        self.ui.modelComboBox.setCurrentIndex(max(chosen, 0))
        self.run_button.refresh(self.disabled_reason())
        self.meanings.show_in(self.ui.meaningButton, parameters.segmentation)
        self._show_message()

    def disabled_reason(self) -> str:
        """Why Apply is off, a sentence for the surgeon; empty if it is on."""
        volume = self.parameters.inputVolume
        if volume is None:
            return _("Load a CT or MRI, or choose it above, first.")
        wanted = self.parameters.model
        chosen = next((c for c in model_choices.plan_models() if c.name == wanted), None) if wanted else None
        if chosen is not None and chosen.lacks:
            return _("{name} needs {what}, which is not installed.").format(name=chosen.name, what=chosen.lacks)
        if chosen is not None and chosen.channels:
            words = _("{name} needs {count} images of the scan ({channels}): use it with preop liver plan.")
            return words.format(name=chosen.name, count=len(chosen.channels), channels=", ".join(chosen.channels))
        return inputs.volume_problem(volume)

    def enter(self) -> None:
        """The module is opened: settings may have been changed, and models installed, meanwhile."""
        from PreopReviewLib.panels import settings

        settings.apply()
        self._fill_models()
        self.refresh()

    # ---- modality ----

    def _show_modality(self, volume: Any | None) -> None:
        box = self.ui.modalityComboBox
        box.setCurrentIndex(MODALITIES.index(self.parameters.modality))
        words = _("Automatic")
        if volume is not None and not inputs.volume_problem(volume):
            guess = modality.known(volume)
            if guess:
                words = _("Automatic: {modality}").format(modality={"CT": "CT", "MR": "MRI"}[guess])
            else:
                qt.QTimer.singleShot(0, self._guess_later)  # looks at the voxels: not while the panel is being drawn
        box.setItemText(0, words)

    def _guess_later(self) -> None:
        volume = self.parameters.inputVolume if self.parameters is not None else None
        if volume is not None and not inputs.volume_problem(volume):
            modality.guess(volume)
            self.context.notify("modality")

    # ---- models ----

    def _fill_models(self) -> None:
        choices = model_choices.plan_models()
        names = [c.name for c in choices]
        box = self.ui.modelComboBox
        if [box.itemData(i) for i in range(box.count)] != names:
            fill(box, names, names)
        for i, choice in enumerate(choices):
            box.setItemData(i, choice.words, qt.Qt.ToolTipRole)

    def _on_model(self, index: int) -> None:
        name = self.ui.modelComboBox.itemData(index)
        self._set("model", "" if name == model_choices.DEFAULT else name)

    def show_card(self, name: str | None = None) -> Any:
        """Shows the card of a model, by default of the chosen one, in a window of its own."""
        name = name or self.parameters.model or model_choices.DEFAULT
        others = "\n\n---\n\n".join(card(n) for n in (name, *model_choices.OTHERS))
        if self._card is None:
            self._card = qt.QTextBrowser()
            self._card.setWindowTitle(_("Model cards"))
            self._card.setOpenExternalLinks(True)
            self._card.resize(720, 640)
        self._card.setMarkdown(others)
        self._card.show()
        self._card.raise_()
        return self._card

    # ---- running ----

    def apply(self) -> None:
        """Starts the segmentation; called by the button.

        Raises:
            PreopError: why it cannot be started. The scene is then as it was.
        """
        from PreopReviewLib.panels import dependencies, settings

        self._error = ""
        parameters = self.parameters
        volume = parameters.inputVolume
        inputs.require_volume(volume)
        dependencies.ensure()
        options = {
            "modality": modality.chosen(parameters),
            "models": [parameters.model] if parameters.model else [],
            "lesions": parameters.lesions,
            "structures": parameters.structures,
            "segments": parameters.couinaud,
            "device": settings.device(parameters.device),
        }
        folder = self.context.new_folder()
        request = {"image": inputs.unsaved(volume), "source": volume.GetName(), "options": options}
        if parameters.liverSource is not None:
            request["liver"] = scene_plan.unsaved_liver(parameters.liverSource, volume)
        identifier, to_world = volume.GetID(), inputs.to_world(volume)
        self.context.run_job(
            "LiverPlannerLib.tasks:plan",
            save_steps(request, folder),
            folder,
            on_finished=lambda result: with_resting_views(self._show_result(identifier, folder, result, to_world)),
            title=_("Liver segmentation"),
            on_failed=self._on_failed,
        )

    def _show_result(
        self, volume_id: str, folder: Path, result: dict[str, Any], to_world: Any
    ) -> Generator[None, None, None]:
        from vtkmodules import vtkIOXML  # noqa: F401  the first import takes longer than reading a part

        from LiverPlannerLib.plan.parts import load_parts

        yield
        volume = slicer.mrmlScene.GetNodeByID(volume_id)
        if volume is None:
            raise InputError(
                _("The volume was removed while it was being segmented"), _("Load it again, then press Apply")
            )
        inputs.require_volume(volume)  # it may have been put under a transform that bends it
        parts = load_parts(result["parts"], folder)
        previous = self._previous(volume)
        nodes = yield from scene_plan.add_plan_steps(volume, parts, result["plan"], previous, to_world)
        with slicer.util.NodeModify(self.parameters):
            self.parameters.segmentation = nodes.segmentation
            self.parameters.modelOutput = nodes.model_output
        self.context.notify("segmentation")
        yield from self._look_at(nodes)
        yield from plan_nodes.remove_steps(nodes.replaced)

    def _previous(self, volume: Any) -> scene_plan.PlanNodes | None:
        """The plan that the panel shows, if it is one of this volume."""
        plan, output = self.parameters.segmentation, self.parameters.modelOutput
        if plan is None or not scene_plan.plan_record(plan) or _same(plan, self.parameters.liverSource):
            return None
        if not _same(scene_plan.volume_of(plan), volume):
            return None
        return replace(scene_plan.nodes_of(plan), model_output=output)

    def _look_at_plan(self) -> None:
        """Turns the views to a plan of another volume than they show, as in a command's scene, which says nothing of
        views; and to a segmentation of another program when it is chosen first."""
        plan = self.parameters.segmentation
        volume = scene_plan.volume_of(plan) or self.parameters.inputVolume
        ours = bool(scene_plan.plan_record(plan))
        if volume is None or (_in_slices() == volume.GetID() if ours else plan.GetID() in self._seen):
            return
        self._seen.add(plan.GetID())
        for _step in self._look_at(replace(scene_plan.nodes_of(plan), volume=volume)):
            pass

    def _look_at(self, nodes: scene_plan.PlanNodes) -> Iterator[None]:
        """Shows the volume in the slices, at the largest lesion or the liver's center, and all of the liver in 3D."""
        yield
        record = scene_plan.plan_record(nodes.segmentation)
        _abdominal_window(nodes.volume, record.get("modality") or modality.known(nodes.volume))
        yield
        if _in_slices() != nodes.volume.GetID():
            slicer.util.setSliceViewerLayers(background=nodes.volume, fit=True)
            yield
        place = scene_plan.place_to_look(nodes.segmentation)
        if place is None:  # nothing is drawn yet
            return
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *place)
        yield
        scene_views.frame(nodes.segmentation)

    def _on_failed(self, error: Exception) -> None:
        self._error, self._error_of = str(error), self._chosen()
        self.refresh()
        if isinstance(error, InputError) or getattr(error, "problem", ""):
            slicer.util.errorDisplay(self._error, windowTitle=_("Liver segmentation"))
        else:
            self.context.show_error(_("Liver segmentation"), error)

    # ---- words ----

    def _chosen(self) -> tuple[str, str]:
        """Volume and plan by their identifiers, empty where none is chosen."""
        if self.parameters is None:
            return "", ""
        volume, plan = self.parameters.inputVolume, self.parameters.segmentation
        return volume.GetID() or "" if volume is not None else "", plan.GetID() or "" if plan is not None else ""

    def _show_message(self) -> None:
        if self._error and self._error_of != self._chosen():
            self._error = ""
        text = f"<p><b>{escape(self._error)}</b></p>" if self._error else ""
        plan, volume = self.parameters.segmentation, self.parameters.inputVolume
        record = scene_plan.plan_record(plan)
        if record and not self._error:
            text = self._of_another() + summary_html(record)
        elif plan is None and volume is not None and not text and self._other_plans():
            text = _("There is no plan of {volume} yet.").format(volume=escape(volume.GetName()))
        self.ui.messageLabel.text = text
        self.ui.messageLabel.visible = bool(text)

    def _other_plans(self) -> bool:
        """Whether the scene holds plans of other volumes."""
        nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        return any(node.GetAttribute(scene_plan.RECORD) for node in nodes)

    def _of_another(self) -> str:
        """That the plan does not belong to the chosen volume, or not where it is, as rich text; empty where it does."""
        if self.parameters.inputVolume is None:
            return ""
        plan, volume = self.parameters.segmentation, self.parameters.inputVolume
        problem = scene_plan.mismatch_problem(plan, volume) or scene_plan.apart_problem(plan, volume)
        return f"<p style='margin: 2px;'><b>{escape(problem)}</b></p>" if problem else ""

    def _set(self, name: str, value: Any) -> None:
        if self.parameters is not None:
            self.parameters.setValue(name, value)

    def cleanup(self) -> None:
        """Closes the window of the cards, and releases the volume."""
        self._watch(None)
        self.choice.cleanup()
        if self._card is not None:
            self._card.close()
            self._card = None


def fill(box: Any, values: tuple | list, words: tuple | list) -> None:
    """The items of a combo box: the words shown, the values as their data."""
    box.clear()
    for value, word in zip(values, words, strict=True):
        box.addItem(word, value)


def _same(a: Any | None, b: Any | None) -> bool:
    return a is not None and b is not None and a.GetID() == b.GetID()


def _in_slices() -> str | None:
    """Identifier of the volume in the background of the first slice view."""
    red = slicer.app.applicationLogic().GetSliceLogics().GetItemAsObject(0)
    return red.GetSliceCompositeNode().GetBackgroundVolumeID() if red is not None else None


def _abdominal_window(volume: Any, kind: str) -> None:
    """Grays in which a liver is read, where no one has chosen any: Slicer's own of a CT reach from air to bone."""
    from PreopReviewLib.images.windows import CT_WINDOW

    display = volume.GetDisplayNode()
    if kind == "CT" and display is not None and display.GetAutoWindowLevel():
        display.AutoWindowLevelOff()
        display.SetWindowLevel(*CT_WINDOW)
