"""A real MRML scene without the Slicer application, from the wheel `slicer-core`.

In the application `slicer.mrmlScene`, `slicer.app` and `slicer.modules` exist already, and nothing here touches
them. Elsewhere `start` makes them: the scene, the application logic and the modules' own C++ logics, in the order
in which Slicer creates them. Code that takes a scene, or asks `slicer.modules.segmentations.logic()`, is then
the same in both places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from PreopReviewLib.errors import PreopError
from PreopReviewLib.output import temporary_folder

# slicer.modules.<key>: (name under which the logic is registered, class). The order matters: the later ones
# look up the earlier ones when they get the scene.
_LOGICS = {
    "colors": ("Colors", "vtkSlicerColorLogic"),
    "units": ("Units", "vtkSlicerUnitsLogic"),
    "terminologies": ("Terminologies", "vtkSlicerTerminologiesModuleLogic"),
    "subjecthierarchy": ("SubjectHierarchy", "vtkSlicerSubjectHierarchyModuleLogic"),
    "cameras": ("Cameras", "vtkSlicerCamerasModuleLogic"),
    "volumes": ("Volumes", "vtkSlicerVolumesLogic"),
    "models": ("Models", "vtkSlicerModelsLogic"),
    "markups": ("Markups", "vtkSlicerMarkupsLogic"),
    "tables": ("Tables", "vtkSlicerTablesLogic"),
    "texts": ("Texts", "vtkSlicerTextsLogic"),
    "plots": ("Plots", "vtkSlicerPlotsLogic"),
    "transforms": ("Transforms", "vtkSlicerTransformLogic"),
    "cropvolume": ("CropVolume", "vtkSlicerCropVolumeLogic"),
    "volumerendering": ("VolumeRendering", "vtkSlicerVolumeRenderingLogic"),
    "segmentations": ("Segmentations", "vtkSlicerSegmentationsModuleLogic"),
    "sequences": ("Sequences", "vtkSlicerSequencesLogic"),
    "sceneviews": ("SceneViews", "vtkSlicerSceneViewsModuleLogic"),
    "viewcontrollers": ("ViewControllers", "vtkSlicerViewControllersLogic"),
    "reformat": ("Reformat", "vtkSlicerReformatLogic"),
    "data": ("Data", "vtkSlicerDataModuleLogic"),
}


class SceneUnavailable(PreopError):
    """Neither the Slicer application nor the wheel `slicer-core` is there."""

    exit_code = 50


@dataclass(frozen=True)
class HostModule:
    """What `slicer.modules.<name>` is without the application: a name and the real logic."""

    name: str
    _logic: Any

    def logic(self) -> Any:
        return self._logic


class HostApp:
    """What `slicer.app` is without the application; anything that it lacks is an AttributeError."""

    applicationName = "PreopReview"  # Slicer's spelling

    def __init__(self, scene: Any, logic: Any, temporary: str) -> None:
        self._scene, self._logic, self.temporaryPath = scene, logic, temporary

    def applicationLogic(self) -> Any:
        return self._logic

    def mrmlScene(self) -> Any:
        return self._scene

    def processEvents(self) -> None:
        """There is no event loop, so there is nothing to process."""


class Host:
    """One scene with its logics. Several may exist; the one installed last is what `slicer.*` shows."""

    def __init__(self) -> None:
        import slicer
        import vtk

        self._folder = temporary_folder()
        self.scene = slicer.vtkMRMLScene()
        self.logic = slicer.vtkSlicerApplicationLogic()
        self.logic.SetTemporaryPath(self._folder.name)
        self.app = HostApp(self.scene, self.logic, self._folder.name)
        self._observed: list[tuple[Any, int]] = []
        self._add_singletons()
        self.logic.SetMRMLScene(self.scene)
        self.logic.SetSliceLogics(vtk.vtkCollection())
        self.logic.SetViewLogics(vtk.vtkCollection())
        self.logic.GetColorLogic().SetMRMLScene(self.scene)
        self.modules = SimpleNamespace()
        for key, (name, class_name) in _LOGICS.items():
            logic = getattr(slicer, class_name)()
            logic.SetMRMLApplicationLogic(self.logic)
            self.logic.SetModuleLogic(name, logic)
            logic.SetMRMLScene(self.scene)
            setattr(self.modules, key, HostModule(name, logic))
        # Without a graphics card the ray caster of the CPU is about eight times faster than OpenGL in software.
        self.modules.volumerendering.logic().SetDefaultRenderingMethod("vtkMRMLCPURayCastVolumeRenderingDisplayNode")
        self._remote = self._make_cache()

    def _add_singletons(self) -> None:
        """Nodes that the application makes at its start."""
        import slicer

        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)

    def _make_cache(self) -> tuple[Any, Any]:
        """Reading a .mrb asks the remote cache for a folder to unpack in. The two logics must be kept."""
        import slicer

        remote = slicer.vtkMRMLRemoteIOLogic()
        remote.SetMRMLScene(self.scene)
        remote.SetMRMLApplicationLogic(self.logic)
        remote.GetCacheManager().SetRemoteCacheDirectory(self._folder.name)
        data = slicer.vtkDataIOManagerLogic()
        data.SetMRMLApplicationLogic(self.logic)
        data.SetMRMLScene(self.scene)
        data.SetAndObserveDataIOManager(remote.GetDataIOManager())
        remote.AddDataIOToScene()
        return remote, data

    def install(self) -> None:
        """Makes this the scene that `slicer.mrmlScene`, `slicer.app` and `slicer.modules` show."""
        import slicer

        slicer.mrmlScene, slicer.app, slicer.modules = self.scene, self.app, self.modules

    def close(self) -> None:
        """Empties the scene and removes its temporary folder."""
        self.scene.Clear(True)
        self._folder.cleanup()


_hosts: list[Host] = []


def in_application() -> bool:
    """Whether `slicer.app` is the Slicer application itself, or another host's, rather than ours."""
    try:
        import slicer
    except ImportError:
        return False
    app = getattr(slicer, "app", None)
    return app is not None and not isinstance(app, HostApp)


def start() -> Any:
    """The scene to work in: the application's, or one made here at the first call.

    Returns:
        vtkMRMLScene, the same at every call until `fresh_scene` puts another in its place.

    Raises:
        SceneUnavailable: there is no Slicer and no `slicer-core`.
    """
    try:
        import slicer
    except ImportError as error:
        raise SceneUnavailable(
            f"A Slicer scene needs 3D Slicer or the package slicer-core ({error})",
            "Install it: pip install 'preopreview[scene]'",
        ) from error
    if in_application():
        return slicer.mrmlScene
    if not _hosts:
        _push()
    return _hosts[-1].scene


def _push() -> Host:
    from PreopReviewLib.scene import vtk_messages

    vtk_messages.install()
    host = Host()
    host.install()
    _hosts.append(host)
    return host


@contextmanager
def fresh_scene() -> Iterator[Any]:
    """An empty scene for one piece of work, closed afterwards; the scene before it is then back in its place.

    Inside the application this is the application's own scene, untouched: what is in it is the user's.
    """
    start()
    if in_application():
        import slicer

        yield slicer.mrmlScene
        return
    host = _push()
    try:
        yield host.scene
    finally:
        _hosts.remove(host)
        host.close()
        if _hosts:
            _hosts[-1].install()
