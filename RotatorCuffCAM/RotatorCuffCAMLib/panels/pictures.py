"""Pictures, movies and all classes side by side, of what the views show: the buttons below the activation map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from PreopReviewLib import worker_io
from PreopReviewLib.errors import InputError
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.context import Context
from PreopReviewLib.scene.finding import nodes_of_class
from RotatorCuffCAMLib.network.activation import ActivationMap
from RotatorCuffCAMLib.panels.classify import run_on_request
from RotatorCuffCAMLib.scene import classes, movie, side_by_side
from RotatorCuffCAMLib.tears import KEYS

DRAWN_MS = 500
"""After so long views that are new have been drawn."""


def start_all_classes(context: Context) -> None:
    """Computes the maps of all classes in the worker and shows them side by side.

    Raises:
        PreopError: why it cannot be started.
    """
    activation = context.parameters.activation
    run_on_request(context, "all_maps", activation.GetID(), _show_classes, _("Maps of all classes"))


def _show_classes(context: Context, activation_id: str, folder: Path, result: dict[str, Any]) -> Iterator[None]:
    activation = slicer.mrmlScene.GetNodeByID(activation_id)
    if activation is None:
        raise InputError(_("The map was removed in the meantime"), _("Classify the MRI again"))
    maps = [
        ActivationMap(worker_io.load_image(folder, one["image"]), one["class_index"], one["method"], one["bias"],
                      one["voxel_mm"])
        for one in result["maps"]
    ]  # fmt: skip
    yield
    map_nodes = yield from classes.add_class_maps_steps(activation, maps, on_cpu=None)
    names = [_(key.capitalize()) for key in KEYS]  # a fifth of the views has no room for more; Classify has the figures
    side_by_side.show_side_by_side(activation, map_nodes, KEYS, names)
    _make_narrow()
    yield  # a view that is new gets its size now
    side_by_side.look_at_middles(map_nodes, KEYS)
    timers.single_shot(DRAWN_MS, lambda: _look_again(map_nodes), slicer.util.mainWindow()).start()
    context.notify("answer")


def _look_again(map_nodes: list[Any]) -> None:
    """Slicer moves a slice view that is new to its offset 0 after it was drawn first: the map may lie elsewhere."""
    if all(node.GetScene() is not None for node in map_nodes):
        side_by_side.look_at_middles(map_nodes, KEYS)


def _make_narrow() -> None:
    """Five slice views with their bars are wider than a screen; the names are above, in 3D."""
    for key in KEYS:
        widget = slicer.app.layoutManager().sliceWidget(side_by_side.tag_of(key))
        if widget is not None:
            widget.sliceController().setVisible(False)


def leave_all_classes(activation: Any) -> None:
    """Back to one map."""
    side_by_side.leave_side_by_side(activation)
    classes.remove_class_maps(activation)


def save_picture(activation: Any, path: str | Path) -> Path:
    """What the 3D view and the slice views show, with the legend, as PNG.

    Raises:
        OutputError: it cannot be written.
    """
    from RotatorCuffCAMLib.scene.pictures import view_picture

    manager = slicer.app.layoutManager()
    slices = {}
    for name in ("Green", "Yellow", "Red"):
        widget = manager.sliceWidget(name)
        if widget is not None:
            slices[widget.mrmlSliceNode().GetOrientation()] = pixels_of(widget.sliceView())
    return view_picture(activation, pixels_of(manager.threeDWidget(0).threeDView()), slices, path)


class Bare:
    """A 3D view without what is there to work with: its box, its letters, and the handles of boxes, which lie before
    the map."""

    def __init__(self, view: Any) -> None:
        letters = bool(view.GetBoxVisible()), bool(view.GetAxisLabelsVisible())
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
        displays = nodes_of_class(slicer.mrmlScene, "vtkMRMLMarkupsROIDisplayNode")
        seen = [d for d in displays if d.GetVisibility3D()]
        for display in seen:
            display.SetVisibility3D(False)
        self._kept = (view, letters, seen)

    def undo(self) -> None:
        """As it was."""
        view, (box, letters), seen = self._kept
        view.SetBoxVisible(box)
        view.SetAxisLabelsVisible(letters)
        for display in seen:
            display.SetVisibility3D(True)


class MovieMaker:
    """Turns the camera of the first 3D view once around, a picture at each step; the event loop goes on meanwhile.

    Args:
        shown: called with the part that is done, and with None at the end.
    """

    def __init__(self, shown: Callable[[float | None], None], failed: Callable[[Exception], None]) -> None:
        self._shown, self._failed = shown, failed
        self._frames: list[np.ndarray] = []
        self._path: Path | None = None
        self._before: tuple[Any, ...] = ()
        self._bare: Bare | None = None
        self._timer = timers.repeating(0, self._next)

    @property
    def running(self) -> bool:
        """Whether a movie is being made."""
        return self._path is not None

    def start(self, path: str | Path) -> None:
        """Begins.

        Raises:
            InputError: an unknown suffix.
        """
        movie.require_kind(path)
        self._path, self._frames = Path(path), []
        camera = camera_of(self._view())
        self._before = (camera.GetPosition(), camera.GetViewUp())
        self._bare = Bare(self._view().mrmlViewNode())
        self._timer.start()

    def stop(self) -> None:
        """Ends; the camera is where it was."""
        if self._path is None:
            return
        self._timer.stop()
        camera = camera_of(self._view())
        camera.SetPosition(*self._before[0])
        camera.SetViewUp(*self._before[1])
        self._bare.undo()
        self._path, self._frames = None, []
        self._shown(None)

    @staticmethod
    def _view() -> Any:
        return slicer.app.layoutManager().threeDWidget(0).threeDView()

    def _next(self) -> None:
        try:
            view = self._view()
            self._frames.append(pixels_of(view))
            camera_of(view).GetCamera().Azimuth(360.0 / movie.FRAMES)
            if len(self._frames) < movie.FRAMES:
                self._shown(len(self._frames) / movie.FRAMES)
                return
            movie.write_movie(self._path, self._frames)
        except Exception as error:
            self.stop()
            self._failed(error)
            return
        self.stop()


def pixels_of(view: Any) -> np.ndarray:
    """uint8 (height, width, 3) of a qMRMLSliceView or qMRMLThreeDView, drawn anew."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    view.forceRender()
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(view.renderWindow())
    grabber.ReadFrontBufferOff()
    grabber.Update()
    image = grabber.GetOutput()
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3].copy()


def camera_of(view: Any) -> Any:
    """The vtkMRMLCameraNode of a 3D view."""
    return slicer.modules.cameras.logic().GetViewActiveCameraNode(view.mrmlViewNode())
