"""Model nodes of a plan's structures, for other modules: they look as the plan, and stand in for it in 3D."""

from __future__ import annotations

from typing import Any

from LiverPlannerLib.scene.export import surfaces_of
from PreopReviewLib.scene.finding import nodes_of_class

SURFACE_OF = "PreopReview.SurfaceOf"
"""Role of the reference of a model to the segmentation that it was made of."""
SEGMENT = "PreopReview.Segment"
"""Attribute of a model: the segment."""


def make_models(segmentation: Any) -> int:
    """Models of all segments in a folder of the subject hierarchy, beside the segmentation; earlier ones go.

    Returns:
        how many.

    Raises:
        NothingFound: there is no surface.
    """
    import slicer

    surfaces = surfaces_of(segmentation, None)
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(segmentation)
    parent = hierarchy.GetItemParent(item) if item else hierarchy.GetSceneItemID()
    name_of_folder = f"{segmentation.GetName()} models"
    earlier = hierarchy.GetItemChildWithName(parent, name_of_folder)
    if earlier:
        hierarchy.RemoveItem(earlier, True, True)
    folder = hierarchy.CreateFolderItem(parent, name_of_folder)
    display, content = segmentation.GetDisplayNode(), segmentation.GetSegmentation()
    for name, segment, surface in surfaces:
        key = content.GetSegmentIdBySegment(segment)
        model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
        model.SetAndObservePolyData(surface)
        model.CreateDefaultDisplayNodes()
        model.SetNodeReferenceID(SURFACE_OF, segmentation.GetID())
        model.SetAttribute(SEGMENT, key)
        model.GetDisplayNode().SetColor(*segment.GetColor())
        model.GetDisplayNode().SetOpacity(display.GetSegmentOpacity3D(key))
        model.GetDisplayNode().SetVisibility(display.GetSegmentVisibility3D(key))
        own = hierarchy.GetItemByDataNode(model) or hierarchy.CreateItem(folder, model)
        hierarchy.SetItemParent(own, folder)
    display.SetVisibility3D(False)  # else both are drawn on top of each other
    return len(surfaces)


def models_of(segmentation: Any) -> list[Any]:
    """The models in the scene that were made of a segmentation."""
    models = nodes_of_class(segmentation.GetScene(), "vtkMRMLModelNode")
    return [m for m in models if m.GetNodeReferenceID(SURFACE_OF) == segmentation.GetID()]


def follow_look(segmentation: Any) -> None:
    """Gives the models opacity and visibility of their segments, as a preset has set them."""
    display = segmentation.GetDisplayNode()
    for model in models_of(segmentation):
        key = model.GetAttribute(SEGMENT)
        model.GetDisplayNode().SetOpacity(display.GetSegmentOpacity3D(key))
        model.GetDisplayNode().SetVisibility(display.GetSegmentVisibility3D(key))
