"""What RotatorCuffCAM remembers in the scene; saved and reloaded with it."""

from __future__ import annotations

from typing import Annotated

from slicer import (
    vtkMRMLMarkupsROINode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
)
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper


@parameterNodeWrapper
class RotatorCuffParameters:
    """The one parameter node of the module.

    Attributes:
        inputVolume: coronal MRI of a shoulder.
        cubeRoi: around the humeral head; none is found automatically.
        side: auto is told from DICOM or the place.
        anyPlane: go on with an axial or sagittal series.
        model: package for tears.
        repetitions: passes with a moved cube, for the spread.
        activation: the map that is shown, percent of its maximum.
        hotRegion: its hot region.
        mapClass: whose map; predicted is the likeliest class.
        method: of the map.
        threshold: percent of the maximum below which nothing is shown.
        opacity: of the map over the slices.
        preset: which tissues are drawn in 3D, key of `rendering.looks.PRESETS`.
        tissueOpacity: of the tissues in 3D.
        cutOpen: the tissue before the map is taken away.
        tearBox: around the tear, as a specialist drew it.
        studyFolder, reader, readerGroup, readingPass: of the reader study.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    cubeRoi: vtkMRMLMarkupsROINode
    side: Annotated[str, Choice(["auto", "R", "L"])] = "auto"
    anyPlane: bool = False
    model: str = "tear-synthetic"
    repetitions: Annotated[int, WithinRange(1, 60)] = 1
    activation: vtkMRMLScalarVolumeNode
    hotRegion: vtkMRMLSegmentationNode
    mapClass: Annotated[str, Choice(["predicted", "none", "partial", "small", "medium", "large"])] = "predicted"
    method: Annotated[str, Choice(["exact", "contrast", "gradcam", "hirescam"])] = "exact"
    threshold: Annotated[float, WithinRange(1, 99)] = 30.0
    opacity: Annotated[float, WithinRange(0, 1)] = 0.55
    preset: Annotated[str, Choice(["shoulder", "bone", "muscle", "fluid", "map"])] = "shoulder"
    tissueOpacity: Annotated[float, WithinRange(0, 1)] = 0.5
    cutOpen: bool = False
    tearBox: vtkMRMLMarkupsROINode
    studyFolder: str = ""
    reader: str = ""
    readerGroup: str = ""
    readingPass: Annotated[int, WithinRange(1, 9)] = 1
