"""What a view of the application shows, as pixels."""

from __future__ import annotations

from typing import Any

import numpy as np


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
    import slicer

    return slicer.modules.cameras.logic().GetViewActiveCameraNode(view.mrmlViewNode())
