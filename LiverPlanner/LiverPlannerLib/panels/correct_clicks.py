"""Correct by a click: vessels renamed, extended, cut, joined, removed; lesions parted, merged, recoded.

A tool places points, in slices or 3D; each point is a click, and vanishes. The editor's own undo takes an edit back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels.aiming import Aiming
from LiverPlannerLib.scene.click_edits import apply_edit, show_line
from LiverPlannerLib.structures import STRUCTURES, structure
from LiverPlannerLib.vessels.aim import Sight
from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels.section import Section, enable

if TYPE_CHECKING:
    from LiverPlannerLib.vessels.edit import Edit, VesselNetwork

POINTS = "PreopReview.Clicks"
"""Singleton tag of the point list that the tools place."""


LESION_TOOLS = ("split", "merge", "none", "cyst", "tumor")
"""Keys of the tools that take lesions."""


@dataclass(frozen=True)
class Tool:
    """One thing that a click can do.

    Attributes:
        key: of the action.
        text, tip: what people read.
        shortcut: key that chooses it.
        clicks: how many it takes.
        lights: whether the branch under the mouse lights up.
    """

    key: str
    text: str
    tip: str
    shortcut: str
    clicks: int = 1
    lights: bool = True


def tools() -> list[Tool]:
    """All of them, in the order of the list."""
    rename = _("The branch under the mouse, and what lies downstream of it, becomes {name}.")
    to = {key: structure(key).name.lower() for key in ("portal_vein", "hepatic_vein", "bile_duct", "hepatic_artery")}
    extend = _("Extends the {name} to the click, along what looks like it in the image.")
    here = {key: extend.format(name=name) for key, name in to.items()}
    return [
        Tool("rename:portal_vein", _("Rename to portal vein"), rename.format(name=to["portal_vein"]), "Alt+P"),
        Tool("rename:hepatic_vein", _("Rename to hepatic vein"), rename.format(name=to["hepatic_vein"]), "Alt+H"),
        Tool("rename:bile_duct", _("Rename to bile duct"), rename.format(name=to["bile_duct"]), "Alt+B"),
        Tool("rename:hepatic_artery", _("Rename to hepatic artery"), rename.format(name=to["hepatic_artery"]), "Alt+Y"),
        Tool("extend:portal_vein", _("Extend portal vein"), here["portal_vein"], "Alt+1", 1, False),
        Tool("extend:hepatic_vein", _("Extend hepatic vein"), here["hepatic_vein"], "Alt+2", 1, False),
        Tool("extend:bile_duct", _("Extend bile duct"), here["bile_duct"], "Alt+3", 1, False),
        Tool("cut", _("Cut vessel"), _("Cuts the vessel at the click."), "Alt+X"),
        Tool("join", _("Join two ends"), _("Closes the gap between two ends: click both."), "Alt+J", 2),
        Tool("remove:piece", _("Remove piece"), _("Erases the connected piece at the click."), "Alt+D"),
        Tool("remove:branch", _("Remove branch"), _("Erases the branch and what lies downstream of it."), "Alt+E"),
        Tool("grow", _("Grow branch"), _("Widens the branch to its edge in the image."), "Alt+G"),
        Tool("shrink", _("Shrink branch"), _("Narrows the branch to its edge in the image."), "Alt+S"),
        Tool("split", _("Part lesion"), _("Splits the lesion at its waist."), "Alt+L", 1, False),
        Tool("merge", _("Merge lesions"), _("Merges two lesions: click both."), "Alt+M", 2, False),
        Tool("none", _("Not a lesion"), _("Returns the lesion to the liver."), "Alt+N", 1, False),
        Tool("cyst", _("Lesion is a cyst"), _("Makes the lesion a cyst."), "Alt+C", 1, False),
        Tool("tumor", _("Lesion is a tumor"), _("Makes the lesion a tumor."), "Alt+T", 1, False),
    ]


class ClickTools:
    """The list of tools, the button that begins placing, and the result."""

    def __init__(self, section: Section) -> None:
        self.section, self.ui = section, section.ui
        self.tools = tools()
        self._network: VesselNetwork | None = None
        self._labels: Any | None = None
        self._revision = -1
        self._points: Any | None = None
        self._tags: list[tuple[Any, int]] = []
        self._clicked: list[np.ndarray] = []
        self._light: Any | None = None
        self._lit: tuple[int, int] = (0, -1)
        self._shortcuts: list[tuple[Any, Callable[[], None]]] = []
        self._aiming = Aiming(self._on_mouse)

    def connect(self) -> None:
        """Fills the list and connects list and button."""
        for tool in self.tools:
            self.ui.clickToolBox.addItem(f"{tool.text}  ({tool.shortcut})")
        self.ui.clickToolBox.connect("currentIndexChanged(int)", lambda _row: self._on_tool())
        self.ui.clickButton.connect("clicked(bool)", self._on_button)
        self._on_tool()

    @property
    def tool(self) -> Tool:
        """The chosen one."""
        return self.tools[max(self.ui.clickToolBox.currentIndex, 0)]

    @property
    def active(self) -> bool:
        """Whether clicks are waited for."""
        return self._points is not None

    def refresh(self) -> None:
        """Shows whether there is something to click on."""
        parameters = self.section.parameters
        reason = "" if parameters is not None and parameters.segmentation is not None else _("There is no plan yet.")
        enable(self.ui.clickButton, reason or self.section.live.disabled_reason(), self.tool.tip)
        self.ui.clickButton.checked = self.active

    def _on_tool(self) -> None:
        self._clicked.clear()
        self.ui.clickToolBox.toolTip = self.tool.tip
        self._say(self.tool.tip)
        self._unlight()

    def choose(self, key: str) -> None:
        """Chooses a tool by its key, as its shortcut does, and begins."""
        self.ui.clickToolBox.setCurrentIndex([t.key for t in self.tools].index(key))
        if not self.active:
            self.start()

    # ---- placing ----

    def _on_button(self, pressed: bool) -> None:
        if pressed:
            self.start()
        else:
            self.stop()

    def start(self) -> None:
        """Finds the center lines, and waits for clicks."""
        if self.active:
            return
        self.section.release_effect()
        with slicer.util.tryWithErrorDisplay(_("There is nothing to click on."), waitCursor=True):
            self._network_now()
            self._points = self._point_list()
            self._tags = [
                (self._points, self._points.AddObserver(self._points.PointPositionDefinedEvent, self._placed))
            ]
            self._aiming.start()
            logic = slicer.modules.markups.logic()
            logic.SetActiveList(self._points)
            logic.StartPlaceMode(1)
            interaction = slicer.app.applicationLogic().GetInteractionNode()
            changed = interaction.InteractionModeChangedEvent
            self._tags.append((interaction, interaction.AddObserver(changed, self._on_mode)))
        self.refresh()

    def stop(self) -> None:
        """Releases the mouse."""
        if not self.active:
            return
        for observed, tag in self._tags:
            observed.RemoveObserver(tag)
        self._aiming.stop()
        points, self._points, self._tags = self._points, None, []
        self._unlight()
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        if interaction.GetCurrentInteractionMode() == interaction.Place:
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        if points.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(points)
        if self.section.parameters is not None:
            self.refresh()

    def forget(self) -> None:
        """The plan is another one, or the section was closed."""
        self.stop()
        self._network, self._labels, self._revision = None, None, -1

    def _point_list(self) -> Any:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", _("Click"))
        node.SetSingletonTag(POINTS)
        node.SetSaveWithScene(False)
        node.SetHideFromEditors(True)
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetPointLabelsVisibility(False)
        return node

    def _on_mode(self, interaction: Any, *_args: Any) -> None:
        """A right click, or Escape, ends placing."""
        if self.active and interaction.GetCurrentInteractionMode() != interaction.Place:
            self.stop()

    def _placed(self, *_args: Any) -> None:
        points = self._points
        last = points.GetNumberOfControlPoints() - 1
        place = np.array(points.GetNthControlPointPositionWorld(last), float)
        points.RemoveAllControlPoints()
        sight = self._aiming.sight
        if sight is not None:
            # In 3D Slicer places points on the foremost surface: what is meant lies behind it.
            meant = self._aimed_at(sight)
            if meant is None:
                self._say(_("There is nothing here that this tool works on: click a structure in 3D or in a slice."))
                return
            place = meant
        self.click(place)

    def _aimed_at(self, sight: Sight) -> np.ndarray | None:
        """The place (RAS) of the vessel or lesion that a line of sight meets first; None where the tool takes none."""
        from PreopReviewLib import images

        network = self._network
        if network is None:
            return None
        if self.tool.key in LESION_TOOLS:
            return sight.first_voxel(network.labels, [s.label for s in STRUCTURES if s.kind in ("lesion", "candidate")])
        if not self.tool.lights and self.tool.key != "join":
            return None  # what is to be drawn is seen in the image alone
        points = images.kji_to_ras(network.points, network.grid)
        met = sight.first(points, network.radius) if len(points) else None
        return points[met] if met is not None else None

    # ---- under the mouse ----

    def _on_mouse(self, aimed: np.ndarray | Sight) -> None:
        place = self._aimed_at(aimed) if isinstance(aimed, Sight) else aimed
        if place is None or self.tool.key in LESION_TOOLS:
            self._unlight()
        else:
            self.light(place)

    def light(self, place: np.ndarray) -> bool:
        """Lights up the branch at a place (RAS, mm) and what lies downstream of it, as the tool would take it."""
        network = self._network
        if network is None or not self.tool.lights:
            self._unlight()
            return False
        try:
            picked = network.pick(place)
        except PreopError:
            self._unlight()
            return False
        points = picked.downstream if self._with_downstream() else picked.branch
        if (len(points), int(points[0])) == self._lit:
            return True
        self._lit = (len(points), int(points[0]))
        from PreopReviewLib import images

        number = np.full(len(network.value), -1)
        number[points] = np.arange(len(points))
        links = number[network.links]
        links = links[(links >= 0).all(1)]
        at = images.kji_to_ras(network.points[points], network.grid)
        self._light = show_line(slicer.mrmlScene, self._light, at, network.radius[points], links)
        return True

    def _with_downstream(self) -> bool:
        return self.tool.key.startswith("rename") or self.tool.key == "remove:branch"

    def _unlight(self) -> None:
        self._lit = (0, -1)
        if self._light is not None and self._light.GetScene() is not None:
            self._light.GetDisplayNode().SetVisibility(False)

    # ---- clicks ----

    def click(self, place: np.ndarray) -> None:
        """What a click at a place (RAS, mm) does with the chosen tool; what it means nothing for is said."""
        self._clicked.append(place)
        if len(self._clicked) < self.tool.clicks:
            self._say(_("Now click the other one."))
            return
        places, self._clicked = self._clicked, []
        try:
            change = self._edit(places)
        except PreopError as error:
            self._say(str(error))
            return
        self._apply(change)

    def _edit(self, places: list[np.ndarray]) -> Edit:
        from LiverPlannerLib.vessels import edit

        network, (kind, _colon, what) = self._network_now(), self.tool.key.partition(":")
        if kind in LESION_TOOLS:
            labels = network.labels
            lesion: dict[str, Callable[[], Edit]] = {
                "split": lambda: edit.split(labels, places[0]),
                "merge": lambda: edit.merge(labels, *places),
                "none": lambda: edit.not_a_lesion(labels, places[0]),
            }
            return lesion[kind]() if kind in lesion else edit.recode(labels, places[0], kind)
        image = self._image(network) if kind in ("extend", "join", "grow", "shrink") else None
        vessel: dict[str, Callable[[], Edit]] = {
            "rename": lambda: edit.rename(network, places[0], what),
            "extend": lambda: edit.extend(network, places[0], what, image),
            "cut": lambda: edit.cut(network, places[0]),
            "join": lambda: edit.join(network, places[0], places[1], image),
            "remove": lambda: edit.remove(network, places[0], "piece" if what == "piece" else "branch"),
            "grow": lambda: edit.grow(network, places[0], image),
            "shrink": lambda: edit.shrink(network, places[0], image),
        }
        return vessel[kind]()

    def _image(self, network: VesselNetwork) -> Any | None:
        """The plan's volume on the grid of the labels; None where it cannot be used."""
        import SimpleITK as sitk

        from LiverPlannerLib.scene import plan as scene_plan
        from PreopReviewLib.scene import inputs

        volume = scene_plan.volume_of(self.section.parameters.segmentation) or self.section.parameters.inputVolume
        if volume is None or inputs.volume_problem(volume):
            return None
        whole = inputs.image_of(volume)
        return sitk.Resample(whole, network.grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)

    def _network_now(self) -> VesselNetwork:
        """The center lines of the plan as it is; found again where it was changed by other means.

        Raises:
            PreopError: there is no plan, or it is empty.
        """
        from LiverPlannerLib.vessels.edit import VesselNetwork

        live = self.section.live
        if self._network is None or self._revision != live.revision:
            self._labels = live.labels()
            self._network, self._revision = VesselNetwork(self._labels), live.revision
        return self._network

    def _apply(self, change: Edit) -> None:
        from LiverPlannerLib.vessels import edit

        live, network = self.section.live, self._network
        self.section.plan_editor.save_state(self.section.parameters.segmentation)
        with slicer.util.tryWithErrorDisplay(_("The edit failed."), waitCursor=True):
            apply_edit(live.measures.plan, change, self._labels)
            edit.apply(network, change)
            live.update()
            self._revision = live.revision  # this change is known already
        self._unlight()
        self._say(_("{what}. Undo takes it back.").format(what=change.words[:1].upper() + change.words[1:]))

    def _say(self, text: str) -> None:
        self.ui.clickLabel.text = text

    # ---- keys ----

    def install_keys(self) -> None:
        """Keys choose tools while the section is open."""
        if self._shortcuts:
            return
        for tool in self.tools:
            shortcut = qt.QShortcut(qt.QKeySequence(tool.shortcut), slicer.util.mainWindow())
            chosen = partial(self.choose, tool.key)
            shortcut.connect("activated()", chosen)
            self._shortcuts.append((shortcut, chosen))

    def remove_keys(self) -> None:
        """Releases the keys."""
        for shortcut, chosen in self._shortcuts:
            shortcut.disconnect("activated()", chosen)
            shortcut.setParent(None)
        self._shortcuts.clear()
