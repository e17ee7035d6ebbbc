"""What LiverPlanner remembers in the scene; saved and reloaded with it."""

from __future__ import annotations

from typing import Annotated

from slicer import (
    vtkMRMLDisplayableNode,
    vtkMRMLMarkupsPlaneNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
)
from slicer.parameterNodeWrapper import Choice, Minimum, WithinRange, parameterNodeWrapper

from LiverPlannerLib.cysts import THRESHOLD_HU, THRESHOLD_RANGE_HU


@parameterNodeWrapper
class LiverPlannerParameters:
    """The one parameter node of the module.

    Attributes:
        inputVolume: the CT or MRI.
        segmentation: the plan, to be corrected.
        modelOutput: what the models gave, untouched.
        referenceSegmentation: what the plan is compared with.
        liverSource: whose liver is kept when a plan is made; none is the model's.
        besideSegmentation: what the section 3D shows beside the plan.
        modality: auto is guessed from DICOM or the intensities.
        model: of the liver; empty is the default one.
        lesions: look for lesions with the lesion network.
        structures: find vessels and ducts with the network trained on simulated images.
        couinaud: divide the liver into Couinaud segments.
        cystThreshold: HU.
        cystRule: default, robust or lin2024; default is robust.
        heightCm, weightKg: of the patient; 0 is unknown.
        opacityPreset: of the section 3D.
        bsaFormula: of the body surface area, for the standard volumes that leave the choice.
        excludeCysts, excludeVessels: not functional liver, beside tumors.
        cutPlanes, cutSurface, cutFlipped, territoryBranches, cutPreset, cutSegments, sparingMargin, sparingLesions:
            what the remnant is cut by, for each `remnantMode`; a preset is one of `resections.presets`, or empty.
        sidesSegmentation, branchesSegmentation, differencesSegmentation: what the sections Measure and Compare show.
        resectionsSegmentation, resectionsTable: resections that were kept, and their comparison.
        reportTitle, reportIdentity, reportSimulated, reportRemnant, reportComparison: what the page of a report says.
        comparedWith: the reference segmentation, or the model output (what a human has corrected).
        hd95Convention, nsdTolerance, compareBranches: as for `comparison.compare`.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    modelOutput: vtkMRMLSegmentationNode
    referenceSegmentation: vtkMRMLSegmentationNode
    liverSource: vtkMRMLSegmentationNode
    besideSegmentation: vtkMRMLSegmentationNode
    modality: Annotated[str, Choice(["auto", "CT", "MR"])] = "auto"
    model: str = ""
    device: Annotated[str, Choice(["auto", "cuda", "mps", "cpu"])] = "auto"
    lesions: bool = True
    structures: bool = True
    couinaud: bool = True
    cystThreshold: Annotated[float, WithinRange(*THRESHOLD_RANGE_HU)] = THRESHOLD_HU
    cystRule: Annotated[str, Choice(["default", "robust", "lin2024"])] = "default"
    heightCm: Annotated[float, Minimum(0)] = 0.0
    weightKg: Annotated[float, Minimum(0)] = 0.0
    remnantMode: Annotated[str, Choice(["planes", "surface", "territory", "segments", "sparing"])] = "planes"
    opacityPreset: Annotated[str, Choice(["solid", "glass", "vessels", "lesions"])] = "glass"
    volumesTable: vtkMRMLTableNode
    segmentsTable: vtkMRMLTableNode
    cystsTable: vtkMRMLTableNode
    marginsTable: vtkMRMLTableNode
    branchesTable: vtkMRMLTableNode
    comparisonTable: vtkMRMLTableNode
    bsaFormula: Annotated[str, Choice(["mosteller", "dubois"])] = "mosteller"
    excludeCysts: bool = True
    excludeVessels: bool = False
    cutPlanes: list[vtkMRMLMarkupsPlaneNode]
    cutSurface: vtkMRMLDisplayableNode
    cutFlipped: bool = False
    territoryBranches: list[int]
    cutPreset: str = ""
    cutSegments: list[int]
    sparingMargin: Annotated[float, WithinRange(0, 50)] = 10.0
    sparingLesions: list[int]
    sidesSegmentation: vtkMRMLSegmentationNode
    resectionsSegmentation: vtkMRMLSegmentationNode
    resectionsTable: vtkMRMLTableNode
    branchesSegmentation: vtkMRMLSegmentationNode
    radiomicsTable: vtkMRMLTableNode
    changesTable: vtkMRMLTableNode
    remnantTable: vtkMRMLTableNode
    comparedWith: Annotated[str, Choice(["reference", "model"])] = "reference"
    hd95Convention: Annotated[str, Choice(["max-of-two", "pooled", "area-weighted"])] = "max-of-two"
    nsdTolerance: Annotated[float, Minimum(0)] = 2.0
    compareBranches: bool = True
    differencesSegmentation: vtkMRMLSegmentationNode
    reportTitle: str = ""
    reportIdentity: bool = False
    reportSimulated: bool = False
    reportRemnant: bool = True
    reportComparison: bool = True
