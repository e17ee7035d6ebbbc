"""The case that is open: status, comment and time; what is drawn is saved along the way."""

from __future__ import annotations

from time import monotonic
from typing import Any, Protocol

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from LiverPlannerLib.ground_truth.annotation import STATUSES
from LiverPlannerLib.ground_truth.tasks import version_of
from LiverPlannerLib.ground_truth.training import suggestion
from LiverPlannerLib.panels.plan_editor import plan_editor_of
from LiverPlannerLib.scene import ground_truth as in_scene
from LiverPlannerLib.structures import structure
from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.module_widget import scroll_soon
from PreopReviewLib.worker_io import load_image

FLUSH_SECONDS = 30
"""So much time is lost at most, should the computer fail."""
IDLE_SECONDS = 120
"""A pause longer than this, without drawing or scrolling, does not count as time spent on the case."""
SAVE_SECONDS = 20
"""After the last stroke of an edit so long, the labels are saved."""
_EVENTS = ("SourceRepresentationModified", "SegmentAdded", "SegmentRemoved")


class CasesSection(Protocol):
    """What the parts of the section Ground truth know of it: the work list, this annotator's part, the open case."""

    ui: Any
    widget: Any
    context: Context
    work: Any
    mine: Any
    open_case: Any

    @property
    def parameters(self) -> Any:
        """The parameter node, or None."""

    def refresh(self) -> None:
        """Shows what the scene and the folder hold now."""


class OpenCase:
    """At most one case at a time; its nodes say in the scene which one they are.

    Attributes:
        name: of the case; empty if none is open.
        dirty: whether something was drawn since it was saved.

    What was drawn may be on its way to the worker (`_sent`): until that has saved it, it is not safe.
    """

    def __init__(self, section: CasesSection) -> None:
        self.section, self.ui, self.context = section, section.ui, section.context
        self.name = ""
        self.dirty = False
        self._sent = False
        self._nodes: in_scene.CaseNodes | None = None
        self._boxes: dict[str, Any] = {}
        self._observed: list[tuple[Any, int]] = []
        self._active_until = self._counted_to = 0.0
        self._seconds = 0.0
        self._save_timer = timers.single_shot(SAVE_SECONDS * 1000, self._autosave)
        self._clock = timers.repeating(1000, self._tick)

    def connect(self) -> None:
        """Connects the widgets of the case."""
        ui = self.ui
        ui.caseWidget.visible = False
        ui.commentEdit.connect("editingFinished()", lambda: self._change(self._comment))
        ui.unusableCheckBox.connect("toggled(bool)", lambda on: self._change(lambda: self._unusable(on)))
        ui.saveButton.connect("clicked(bool)", lambda *_args: self._change(self.save))
        ui.nextHereButton.connect("clicked(bool)", lambda *_args: ui.nextCaseButton.click())

    @property
    def nodes(self) -> in_scene.CaseNodes | None:
        """The nodes of the case; None if none is open, or someone has removed one."""
        nodes = self._nodes
        if not self.name or nodes is None:
            return None
        there = all(slicer.mrmlScene.IsNodePresent(node) for node in (nodes.volume, nodes.segmentation))
        return nodes if there else None

    @property
    def unsaved_seconds(self) -> float:
        """Time spent on the case since it was written down last."""
        return self._seconds

    # ---- showing ----

    def refresh(self) -> None:
        """Shows the case, or nothing."""
        ui, mine = self.ui, self.section.mine
        nodes = self.nodes if mine is not None else None
        ui.caseWidget.visible = nodes is not None
        if nodes is None:
            self._forget()
            return
        if self._sent and not self.context.busy:  # the job was cancelled, or has failed
            self._sent, self.dirty = False, True
            self._save_timer.start()
        state = mine.state(self.name)
        self._make_boxes()
        for key, box in self._boxes.items():
            box.setCurrentIndex(STATUSES.index(state.status[key]))
        ui.caseLabel.text = f"<b>{self.name}</b>"
        if not ui.commentEdit.hasFocus():
            ui.commentEdit.text = state.unusable or state.comment
        blocked = ui.unusableCheckBox.blockSignals(True)
        ui.unusableCheckBox.checked = bool(state.unusable)
        ui.unusableCheckBox.blockSignals(blocked)
        ui.nextHereButton.enabled, ui.nextHereButton.toolTip = ui.nextCaseButton.enabled, ui.nextCaseButton.toolTip
        ui.saveButton.enabled = self.dirty
        ui.saveButton.toolTip = (
            _("Saves what was drawn now; it is also saved automatically.") if self.dirty else _("Everything is saved.")
        )
        self._show_time()

    def _make_boxes(self) -> None:
        """One combo box for each structure of the list."""
        keys = self.section.work.structures
        if tuple(self._boxes) == tuple(keys):
            return
        form = self.ui.statusWidget.layout()
        while form.count():
            form.takeAt(0).widget().deleteLater()
        self._boxes = {}
        words = (_("to do"), _("in progress"), _("done"), _("not in the image"))
        for number, key in enumerate(keys):
            box = qt.QComboBox()
            for word, status in zip(words, STATUSES, strict=True):
                box.addItem(word, status)
            box.toolTip = _("Done, or found not to be in the image: then it is finished.")
            box.connect("activated(int)", lambda i, key=key: self._change(lambda: self._status(key, STATUSES[i])))
            row, column = divmod(number, 2)
            form.addWidget(qt.QLabel(f"{structure(key).name}:"), row, 2 * column)
            form.addWidget(box, row, 2 * column + 1)
            self._boxes[key] = box

    def _show_time(self) -> None:
        seconds = round(self.section.mine.state(self.name).seconds + self.unsaved_seconds)
        self.ui.timeLabel.text = _("{minutes}:{seconds:02d} min").format(minutes=seconds // 60, seconds=seconds % 60)

    # ---- changing; every change is on disk at once ----

    def _change(self, action: Any) -> None:
        if not self.name or self.section.mine is None:
            return
        self._mark_active()
        try:
            action()
        except Exception as error:  # nothing above a slot catches it
            self.context.show_error(_("Ground truth"), error)
        self.section.refresh()

    def _status(self, key: str, status: Any) -> None:
        if status == "absent" and key in self._drawn_keys():
            problem = _("{name} is drawn in this case").format(name=structure(key).name)
            raise InputError(problem, _("Erase it, or choose “done”"))
        self.save(anyway=status in ("done", "absent"))
        self.section.mine.set_status(self.name, key, status)

    def _comment(self) -> None:
        text = self.ui.commentEdit.text.strip()
        if self.ui.unusableCheckBox.checked:
            self.section.mine.set_unusable(self.name, text or _("no reason given"))
        else:
            self.section.mine.set_comment(self.name, text)

    def _unusable(self, on: bool) -> None:
        reason = self.ui.commentEdit.text.strip() or _("no reason given")
        self.section.mine.set_unusable(self.name, reason if on else "")

    # ---- saving ----

    def save(self, anyway: bool = False) -> None:
        """Saves what was drawn and the time, now.

        Args:
            anyway: also where nothing was drawn and no labels are on disk yet: what a model has drawn, or nothing, is
                what the annotator has found to be right.

        Raises:
            PreopError: it cannot be saved; it stays in the scene.
        """
        self._save_timer.stop()
        nodes, mine = self.nodes, self.section.mine
        if mine is None or nodes is None:
            return
        if self.dirty or self._sent or (anyway and not mine.label_path(self.name).is_file()):
            mine.save_labels(self.name, in_scene.labels_on(nodes))
            self.dirty = self._sent = False
        self._flush_time()

    def _autosave(self) -> None:
        if self.context.busy:
            self._save_timer.start()  # later: the worker has one job at a time
        elif self.dirty and self.nodes is not None:
            mine, name, folder = self.section.mine, self.name, self.context.new_folder()
            request = {"save": self._save_request(folder)}
            self._run(request, folder, lambda _result: self._on_saved(mine, name))

    def _save_request(self, folder: Any) -> dict[str, Any] | None:
        nodes = self.nodes
        if nodes is None or not self.dirty:
            return None
        path = self.section.mine.label_path(self.name)
        request = {
            "labels": in_scene.save_drawn(nodes, folder),
            "grid": nodes.grid,
            "path": str(path),
            "version": version_of(path),
        }
        self.dirty, self._sent = False, True  # what is drawn while it is being saved makes it dirty again
        return request

    def _on_saved(self, mine: Any, name: str) -> None:
        if self.section.mine is not mine or self.name != name:
            return  # it was left, and saved, meanwhile
        self._sent = False
        mine.note_labels(name, self._drawn_keys())
        self._flush_time()
        self.section.refresh()

    def _drawn_keys(self) -> list[str]:
        from LiverPlannerLib.scene.segments import SegmentVoxels

        voxels = SegmentVoxels(self.nodes.segmentation) if self.nodes is not None else None
        return [key for key in voxels.keys if voxels.mask(key).count] if voxels is not None else []

    def _run(self, request: dict[str, Any], folder: Any, on_finished: Any) -> None:
        def failed(error: Exception) -> None:
            self.context.show_error(_("Ground truth"), error)
            self.section.refresh()

        task = "LiverPlannerLib.ground_truth.tasks:switch"
        self.context.run_job(task, request, folder, on_finished, _("Ground truth"), failed)

    # ---- opening ----

    def open(self, name: str) -> None:
        """Saves the case that is open, then reads another one in the worker process.

        Raises:
            PreopError: its image is not there, or something is drawn in the open case that cannot be saved.
        """
        from PreopReviewLib.panels import dependencies

        work, mine = self.section.work, self.section.mine
        self._require_all_on_list(work.structures)
        case, path = work.case(name), work.image_path(name)
        dependencies.ensure()
        folder = self.context.new_folder()
        left, save = self.name, self._save_request(folder)
        load = {"path": str(path), "series": case.series, "labels": str(mine.label_path(name))}
        load["suggested"] = str(suggestion(mine.work, name) or "")

        def show(result: dict[str, Any]) -> None:
            if self.section.mine is not mine:
                raise InputError(_("The annotator was changed while the case was read"), _("Open the case again"))
            self._sent = False
            if save:
                mine.note_labels(left, self._drawn_keys())
            self.save()  # what was drawn while the next one was read
            self._flush_time()
            labels = load_image(folder, result["labels"]) if result["labels"] else None
            self._show(name, load_image(folder, result["image"]), labels, result["modality"])

        self._run({"save": save, "load": load}, folder, show)

    def _require_all_on_list(self, structures: Any) -> None:
        nodes = self.nodes
        others = in_scene.not_on_list(nodes, structures) if nodes is not None else []
        if others:
            problem = _("{name} is drawn in this case, and is not on the list").format(name=", ".join(others))
            names = ", ".join(structure(key).name for key in structures)
            raise InputError(
                problem,
                _("Give it a name of the list ({names}) in the section Correct, or remove it").format(names=names),
            )

    def _show(self, name: str, image: Any, labels: Any | None, modality: str) -> None:
        parameters = self.section.parameters
        if parameters is None:
            raise InputError(_("The scene was closed while the case was read"), _("Open the case again"))
        tool = plan_editor_of(self.context).tool
        nodes = in_scene.add_case(name, image, labels, self.section.work.structures, modality)
        self._forget()
        # Its widgets stay in sight: Qt would scroll to the next that has the focus.
        self.name, self._nodes = name, nodes
        with slicer.util.NodeModify(parameters):
            parameters.inputVolume, parameters.segmentation = nodes.volume, nodes.segmentation
            parameters.modelOutput = None
            parameters.modality = modality
        for node in (n for kind in ("Segmentation", "ScalarVolume") for n in _nodes(kind)):
            mine = node in (nodes.volume, nodes.segmentation)
            if in_scene.case_of(node) and not mine:
                slicer.mrmlScene.RemoveNode(node)
        self._follow(nodes)
        slicer.util.setSliceViewerLayers(background=nodes.volume, fit=True)
        self.enter()
        self._stand_by_the_editor()
        self.context.notify("segmentation")
        plan_editor_of(self.context).take_up(tool)

    def _stand_by_the_editor(self) -> None:
        """The case is ticked where it is drawn: above the editor."""
        correct = self.context.open_section("CorrectSection")
        if self.ui.caseWidget.parent() is not correct.widget:
            correct.widget.layout().insertWidget(0, self.ui.caseWidget)
        scroll_soon(self.ui.caseWidget)

    def _follow(self, nodes: in_scene.CaseNodes) -> None:
        content = nodes.segmentation.GetSegmentation()
        for event in _EVENTS:
            tag = content.AddObserver(getattr(slicer.vtkSegmentation, event), self._on_edited)
            self._observed.append((content, tag))
        for node in _nodes("Slice"):
            self._observed.append((node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._mark_active)))

    def _forget(self) -> None:
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed.clear()
        self._clock.stop()
        self._save_timer.stop()
        self.name, self._seconds, self._nodes = "", 0.0, None
        self.dirty = self._sent = False

    def _on_edited(self, *_args: Any) -> None:
        self._mark_active()
        self._save_timer.start()
        if not self.dirty:
            self.dirty = True
            self.ui.saveButton.enabled = True

    # ---- time ----

    def enter(self) -> None:
        """Time counts from now on."""
        if self.name:
            self._counted_to = monotonic()
            self._mark_active()
            self._clock.start()

    def leave(self) -> None:
        """Saves everything, and stops the clock; what cannot be saved is reported, and stays in the scene."""
        self._tick()
        self._clock.stop()
        try:
            self.save()
        except PreopError as error:
            self.context.show_error(_("Ground truth"), error)

    def _mark_active(self, *_args: Any) -> None:
        self._active_until = monotonic() + IDLE_SECONDS

    def _tick(self) -> None:
        """Adds the time since the last tick, as far as someone was working."""
        now = monotonic()
        if self._clock.isActive():
            self._seconds += max(0.0, min(now, self._active_until) - self._counted_to)
        self._counted_to = now
        if self._seconds >= FLUSH_SECONDS:
            self._write_time()
        if self.name and self.section.mine is not None and self.section.parameters is not None:
            self._show_time()

    def _flush_time(self) -> None:
        self._tick()
        self._write_time()

    def _write_time(self) -> None:
        if not self.name or self.section.mine is None or self._seconds < 1:
            return
        seconds, self._seconds = self._seconds, 0.0
        try:
            self.section.mine.add_seconds(self.name, seconds)
        except PreopError as error:
            self._seconds += seconds
            self._clock.stop()  # once is enough
            self.context.show_error(_("Ground truth"), error)


def _nodes(kind: str) -> list[Any]:
    return list(slicer.util.getNodesByClass(f"vtkMRML{kind}Node"))
