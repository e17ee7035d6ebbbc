"""Off-screen 3D and slice views with MRML's real displayable managers: what Slicer would show, to an array.

No X server is needed: on Linux the pictures are drawn through EGL, with the graphics card or in software.
"""

from __future__ import annotations

import sys
from typing import Any, Literal

import numpy as np

from PreopReviewLib.errors import PreopError

_MANAGERS_3D = (
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
_MANAGERS_2D = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)

Plane = Literal["Axial", "Coronal", "Sagittal"]
Direction = Literal["Anterior", "Posterior", "Left", "Right", "Superior", "Inferior"]


class NoRendering(PreopError):
    """Pictures cannot be drawn on this machine."""

    exit_code = 51


def rendering_problem() -> str:
    """Why no picture can be drawn here, or nothing if pictures can be drawn."""
    import vtk

    if sys.platform.startswith("linux") and not hasattr(vtk, "vtkEGLRenderWindow"):
        return "this VTK has no EGL render window"
    window = _render_window()
    return "" if window.SupportsOpenGL() else "neither a graphics card nor Mesa's software OpenGL (libEGL) is there"


def _render_window() -> Any:
    import vtk

    # On Linux the default window asks for an X server first, and complains where there is none.
    use_egl = sys.platform.startswith("linux") and hasattr(vtk, "vtkEGLRenderWindow")
    window = vtk.vtkEGLRenderWindow() if use_egl else vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)  # depth peeling and multisampling exclude each other
    return window


class View:
    """What both kinds of view have: a window of `size` pixels (width, height), drawn `oversampling` times finer.

    A view belongs to a scene; `close` takes its nodes out of the scene again. Use it as a context manager.

    Raises:
        NoRendering: there is no OpenGL.
    """

    def __init__(self, scene: Any, size: tuple[int, int], oversampling: int, factory: Any, managers: tuple) -> None:
        import slicer
        import vtk

        problem = rendering_problem()
        if problem:
            raise NoRendering(f"No picture can be drawn: {problem}", "Install libegl1 and libgl1-mesa-dri")
        self.scene, self.size, self.oversampling = scene, size, oversampling
        self.app_logic = slicer.app.applicationLogic()
        self.renderer = vtk.vtkRenderer()
        self.window = _render_window()
        self.window.AddRenderer(self.renderer)
        self.pixels = (size[0] * oversampling, size[1] * oversampling)
        self.window.SetSize(*self.pixels)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        factory.SetMRMLApplicationLogic(self.app_logic)
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers = slicer.vtkMRMLDisplayableManagerGroup()
        self.managers.SetRenderer(self.renderer)
        self.managers.Initialize(factory, self.renderer)
        self.interactor.Initialize()

    def array(self) -> np.ndarray:
        """Draws the view: uint8 RGB of shape (height, width, 3), first row at the top."""
        import vtk
        from vtk.util.numpy_support import vtk_to_numpy

        self.window.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self.window)
        grabber.ReadFrontBufferOff()
        grabber.Update()
        image = grabber.GetOutput()
        width, height, _ = image.GetDimensions()
        full = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3]
        n = self.oversampling
        total = np.zeros((self.size[1], self.size[0], 3), np.uint16)
        for row, column in np.ndindex(n, n):
            total += full[row::n, column::n]
        return np.round(total / np.float32(n * n)).astype(np.uint8)

    def _attach(self, logic: Any, logics: Any, add: str) -> Any:
        """Gives the view its logic and its view node, noting every node that this adds to the scene."""
        before = self._node_ids()
        logic.SetMRMLApplicationLogic(self.app_logic)
        logics.AddItem(logic)
        logic.SetMRMLScene(self.scene)
        node = getattr(logic, add)(f"Picture{logics.GetNumberOfItems()}")
        self.managers.SetMRMLDisplayableNode(node)
        self.logic, self._logics = logic, logics
        self._own = self._node_ids() - before
        return node

    def _node_ids(self) -> set[str]:
        return {self.scene.GetNthNode(i).GetID() for i in range(self.scene.GetNumberOfNodes())}

    def close(self) -> None:
        """Detaches the view from the scene and removes the nodes that only the view needed."""
        self.managers.SetMRMLDisplayableNode(None)
        self._logics.RemoveItem(self.logic)
        self.logic.SetMRMLScene(None)
        for node in filter(None, map(self.scene.GetNodeByID, self._own)):
            self.scene.RemoveNode(node)
        self.window.Finalize()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ThreeDView(View):
    """A 3D view of everything in the scene that is shown in 3D: surfaces, markups, volume renderings."""

    def __init__(
        self,
        scene: Any,
        size: tuple[int, int] = (1000, 800),
        oversampling: int = 2,
        background: tuple[float, float, float] = (1, 1, 1),
        background_top: tuple[float, float, float] | None = None,
    ) -> None:
        import slicer

        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(scene, size, oversampling, factory, _MANAGERS_3D)
        self.renderer.SetUseDepthPeeling(1)
        self.renderer.SetUseDepthPeelingForVolumes(1)
        self.renderer.SetMaximumNumberOfPeels(10)
        self.renderer.SetOcclusionRatio(0.01)
        self.node = self._attach(slicer.vtkMRMLViewLogic(), self.app_logic.GetViewLogics(), "AddViewNode")
        self.camera_node = self.managers.GetDisplayableManagerByClassName(
            "vtkMRMLCameraDisplayableManager"
        ).GetCameraNode()
        self.node.SetBoxVisible(0)
        self.node.SetAxisLabelsVisible(0)
        self.node.SetBackgroundColor(background)
        self.node.SetBackgroundColor2(background_top or background)
        self._add_lights()

    def _add_lights(self) -> None:
        """Key, fill, back and head light from around the camera; a headlight alone makes surfaces look flat."""
        import vtk

        self.renderer.RemoveAllLights()
        self.renderer.AutomaticLightCreationOff()
        kit = vtk.vtkLightKit()
        kit.SetKeyLightIntensity(0.9)
        kit.SetKeyToFillRatio(2.4)
        kit.SetKeyToHeadRatio(2.8)
        kit.SetKeyToBackRatio(4.0)
        kit.SetKeyLightWarmth(0.52)
        kit.SetFillLightWarmth(0.48)
        kit.AddLightsToRenderer(self.renderer)

    def look_from(self, direction: Direction = "Anterior", azimuth: float = 0, elevation: float = 0) -> None:
        """Turns the camera to look from a side of the patient, and fits what is visible into the window.

        Args:
            azimuth, elevation: degrees to go on from there, around the patient to their left, and upwards.
        """
        self.renderer.ResetCamera()
        self.camera_node.RotateTo(getattr(self.camera_node, direction))
        camera = self.camera_node.GetCamera()
        camera.Azimuth(azimuth)
        camera.Elevation(elevation)
        camera.OrthogonalizeViewUp()
        self.fit()

    def fit(self, margin: float = 0.05) -> None:
        """Moves the camera so that everything visible fills the window up to a margin (a part of its size)."""
        self.renderer.ResetCamera()
        camera, points, aspect = self.camera_node.GetCamera(), self._visible_points(), self.size[0] / self.size[1]
        if len(points) == 0:
            return
        for _ in range(6):  # perspective: what is closer grows faster, so approach in steps
            seen = self._project(camera, points, aspect)
            low, high = seen.min(axis=0), seen.max(axis=0)
            self._pan(camera, (low + high) / 2, aspect)
            camera.Dolly(min((2 - 4 * margin) / float((high - low).max()), 1.5))
        self.renderer.ResetCameraClippingRange()

    def _visible_points(self) -> np.ndarray:
        """Points (N, 3) on what is shown: of the surfaces some, of anything else the corners of its box."""
        from vtk.util.numpy_support import vtk_to_numpy

        points_shown = [np.empty((0, 3))]
        props = self.renderer.GetViewProps()
        for prop in (props.GetItemAsObject(i) for i in range(props.GetNumberOfItems())):
            if not prop.GetVisibility() or not prop.GetUseBounds() or prop.GetBounds() is None:
                continue
            mapper = prop.GetMapper() if prop.IsA("vtkActor") else None
            data = mapper.GetDataSetInput() if mapper is not None else None
            if data is not None and data.IsA("vtkPointSet") and data.GetNumberOfPoints():
                points = vtk_to_numpy(data.GetPoints().GetData())
                points_shown.append(points[:: max(len(points) // 4000, 1)])
            elif prop.GetBounds()[0] <= prop.GetBounds()[1]:
                bounds = np.array(prop.GetBounds()).reshape(3, 2)
                points_shown.append(np.array([[bounds[i, c] for i, c in enumerate(k)] for k in np.ndindex(2, 2, 2)]))
        return np.concatenate(points_shown)

    @staticmethod
    def _project(camera: Any, points: np.ndarray, aspect: float) -> np.ndarray:
        """Points (N, 3) to the window (N, 2), where -1 to 1 is visible."""
        from PreopReviewLib.images.vtk_images import array_of_matrix

        matrix = camera.GetCompositeProjectionTransformMatrix(aspect, -1, 1)
        numbers = array_of_matrix(matrix)
        seen = np.c_[points, np.ones(len(points))] @ numbers.T
        return seen[:, :2] / seen[:, 3:]

    @staticmethod
    def _pan(camera: Any, offset: np.ndarray, aspect: float) -> None:
        """Shifts the camera sideways by a part of the half window."""
        half = camera.GetDistance() * np.tan(np.radians(camera.GetViewAngle()) / 2)
        up = np.array(camera.GetViewUp())
        right = np.cross(camera.GetDirectionOfProjection(), up)
        shift = right * offset[0] * half * aspect + up * offset[1] * half
        camera.SetPosition(*(np.array(camera.GetPosition()) + shift))
        camera.SetFocalPoint(*(np.array(camera.GetFocalPoint()) + shift))

    def show_orientation_marker(self, size: float = 0.13) -> None:
        """A cube with the letters of the six directions, in the lower right corner.

        Slicer's own cube is black, and its human is a file of the application.

        Args:
            size: part of the window's height.
        """
        import vtk

        cube = vtk.vtkAnnotatedCubeActor()
        for side, letter in zip(("XPlus", "XMinus", "YPlus", "YMinus", "ZPlus", "ZMinus"), "RLAPSI", strict=True):
            getattr(cube, f"Set{side}FaceText")(letter)
            face = getattr(cube, f"Get{side}FaceProperty")()
            face.SetColor(0.16, 0.22, 0.30)
            face.LightingOff()
        cube.SetFaceTextScale(0.62)
        cube.SetXFaceTextRotation(90)
        cube.SetYFaceTextRotation(0)
        cube.SetZFaceTextRotation(-90)
        cube.GetCubeProperty().SetColor(0.90, 0.93, 0.96)
        cube.GetTextEdgesProperty().SetColor(0.16, 0.22, 0.30)
        cube.GetTextEdgesProperty().SetLineWidth(1)
        self._marker = vtk.vtkOrientationMarkerWidget()
        self._marker.SetOrientationMarker(cube)
        self._marker.SetInteractor(self.interactor)
        self._marker.SetViewport(0.99 - size * self.size[1] / self.size[0], 0.02, 0.99, 0.02 + size)
        self._marker.SetEnabled(1)
        self._marker.InteractiveOff()


class SliceView(View):
    """A slice view: gray image, segments' fill and outlines, as in Slicer's slice viewers."""

    def __init__(
        self, scene: Any, plane: Plane = "Axial", size: tuple[int, int] = (600, 600), oversampling: int = 2
    ) -> None:
        import slicer
        import vtk

        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(scene, size, oversampling, factory, _MANAGERS_2D)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self._actor.SetVisibility(0)
        self.renderer.AddViewProp(self._actor)
        self.node = self._attach(slicer.vtkMRMLSliceLogic(), self.app_logic.GetSliceLogics(), "AddSliceNode")
        self.node.SetOrientation(plane)
        self.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update)

    def _update(self, *_: object) -> None:
        connection = self.logic.GetImageDataConnection()
        self._mapper.SetInputConnection(connection)
        self._actor.SetVisibility(connection is not None)

    def show(self, volume: Any, center_ras: tuple[float, float, float], field_mm: tuple[float, float]) -> None:
        """Shows a volume around a point.

        Args:
            center_ras: the point in the middle of the picture; the slice goes through it.
            field_mm: width and height of what is seen.
        """
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
        self.logic.ResizeSliceNode(*self.pixels)
        self.node.SetFieldOfView(*field_mm, self.node.GetFieldOfView()[2])
        self.node.JumpSliceByCentering(*center_ras)
        self.node.UpdateMatrices()
        self._update()
