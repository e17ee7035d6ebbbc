"""Which volumes can be planned on, why others cannot, and their voxels in patient space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.errors import GeometryError, InputError, UnsupportedImage

if TYPE_CHECKING:
    from PreopReviewLib.worker_io import Unsaved

SHEAR_LIMIT = 1e-3
MIN_SLICES = 4


def volume_problem(volume: Any | None) -> str:
    """Why a node cannot be planned on, as one or two sentences; empty if it can. Looks at no voxel."""
    try:
        require_volume(volume)
    except InputError as error:
        return str(error)
    return ""


def require_volume(volume: Any | None) -> None:
    """Raises where a node is no 3-D scalar volume in a place that can be used.

    Raises:
        InputError, UnsupportedImage, GeometryError: in a sentence for the user.
    """
    if volume is None:
        raise InputError("No volume is chosen", "Choose the CT or MRI")
    name = volume.GetName()
    if volume.GetScene() is None:  # Slicer names a node that is being deleted until the last moment
        raise InputError(f"{name} is not in the scene any more", "Choose the CT or MRI")
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        raise UnsupportedImage(f"{name} is a label map, not an image", "Choose the CT or MRI it was drawn on")
    if not volume.IsA("vtkMRMLScalarVolumeNode"):
        raise UnsupportedImage(f"{name} is not a volume", "Choose the CT or MRI")
    data = volume.GetImageData()
    if data is None or data.GetNumberOfPoints() == 0:
        raise InputError(f"{name} holds no image", "Load it again")
    if _is_sequence(volume):
        raise UnsupportedImage(
            f"{name} is a 4D sequence of several time points or phases",
            "In the Data module, go to the phase you want, clone the volume, and choose the clone",
        )
    if data.GetNumberOfScalarComponents() > 1:
        raise UnsupportedImage(f"{name} is a color image or holds vectors", "Choose the original gray-scale image")
    if min(data.GetDimensions()) < MIN_SLICES:
        sides = " × ".join(map(str, data.GetDimensions()))
        raise UnsupportedImage(f"{name} has only {sides} voxels", "Choose the whole series, not single slices")
    _require_linear(volume)


def _is_sequence(volume: Any) -> bool:
    """Whether the volume shows one item of a sequence (Slicer's form of a 4D image), or is a multi-volume."""
    import slicer

    if volume.IsA("vtkMRMLMultiVolumeNode"):
        return True
    browsers = slicer.mrmlScene.GetNodesByClass("vtkMRMLSequenceBrowserNode")
    browsers.UnRegister(None)
    return any(
        browsers.GetItemAsObject(i).IsProxyNodeID(volume.GetID()) and browsers.GetItemAsObject(i).GetNumberOfItems() > 1
        for i in range(browsers.GetNumberOfItems())
    )


def _require_linear(volume: Any) -> None:
    transform = volume.GetParentTransformNode()
    if transform is None:
        return
    if not transform.IsTransformToWorldLinear():
        raise GeometryError(
            f"{volume.GetName()} lies under the non-linear transform {transform.GetName()}, which bends its voxels",
            "In the Transforms module, harden it on a clone of the volume, and choose the clone",
        )
    axes = ijk_to_world(volume)[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0)
    if np.abs(axes.T @ axes - np.eye(3)).max() > SHEAR_LIMIT:
        raise GeometryError(
            f"The transform {transform.GetName()} shears {volume.GetName()}",
            "In the Transforms module, harden it on a clone of the volume, and choose the clone",
        )


def ijk_to_world(volume: Any) -> np.ndarray:
    """(4, 4) from voxel indices to RAS mm, with the linear transforms above the volume."""
    import vtk

    from PreopReviewLib.images.vtk_images import array_of_matrix

    own = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(own)
    return to_world(volume) @ array_of_matrix(own)


def to_world(node: Any) -> np.ndarray:
    """(4, 4) from a node's own space to RAS mm: the linear transforms above it."""
    import vtk

    from PreopReviewLib.images.vtk_images import array_of_matrix

    above = vtk.vtkMatrix4x4()
    transform = node.GetParentTransformNode()
    if transform is not None:
        transform.GetMatrixTransformToWorld(above)
    return array_of_matrix(above)


def world_geometry(volume: Any) -> dict[str, list[float]]:
    """Spacing, direction and origin (LPS) of a volume where it is seen, as `worker_io` writes them.

    A transform that mirrors keeps its mirror image: the direction is then left-handed, which all of ours handle.
    """
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijk_to_world(volume)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # Where a linear transform is a trifle from orthogonal, SimpleITK wants the nearest that is.
    left, _values, right = np.linalg.svd(affine[:3, :3] / spacing)
    return {
        "spacing": spacing.tolist(),
        "direction": (left @ right).ravel().tolist(),
        "origin": affine[:3, 3].tolist(),
    }


def unsaved(volume: Any, name: str = "image") -> Unsaved:
    """The voxels of a volume in world space, for a request to the worker. Nothing is copied.

    Raises:
        InputError: as `require_volume`.
    """
    from PreopReviewLib.images.vtk_images import array_of_vtk
    from PreopReviewLib.worker_io import Unsaved

    require_volume(volume)
    voxels = array_of_vtk(volume.GetImageData())
    return Unsaved(voxels, world_geometry(volume), name, metadata=dicom_words(volume))


def grid_image(volume: Any) -> Any:
    """A sitk.Image (uint8) of zeros on the grid of a volume in world space."""
    import SimpleITK as sitk

    return _placed(sitk.Image(volume.GetImageData().GetDimensions(), sitk.sitkUInt8), volume)


def image_of(volume: Any) -> Any:
    """The sitk.Image of a volume in world space.

    Raises:
        InputError: as `require_volume`.
    """
    import SimpleITK as sitk

    from PreopReviewLib.images.vtk_images import array_of_vtk

    require_volume(volume)
    return _placed(sitk.GetImageFromArray(array_of_vtk(volume.GetImageData())), volume)


def _placed(image: Any, volume: Any) -> Any:
    geometry = world_geometry(volume)
    image.SetSpacing(geometry["spacing"])
    image.SetDirection(geometry["direction"])
    image.SetOrigin(geometry["origin"])
    return image


def dicom_modality(volume: Any) -> str:
    """The Modality of the DICOM series that a volume was loaded from, upper case; empty if it was not.

    Looks into the volume's own attribute first, then at its item in the subject hierarchy.
    """
    scene = volume.GetScene()
    hierarchy = scene.GetSubjectHierarchyNode() if scene is not None else None
    item = hierarchy.GetItemByDataNode(volume) if hierarchy else 0
    modality = volume.GetAttribute("DICOM.Modality") or (
        hierarchy.GetItemAttribute(item, "DICOM.Modality") if item else ""
    )
    return (modality or "").upper()


def dicom_words(volume: Any) -> dict[str, str]:
    """What DICOM says of the volume's series, as `worker_io.METADATA_KEYS` names it: modality and side of the body."""
    values = {"0008|0060": dicom_modality(volume)}
    database = _dicom_database()
    first = (volume.GetAttribute("DICOM.instanceUIDs") or "").split()[:1]
    if database is not None and first:
        file = database.fileForInstance(first[0])
        values |= {key: database.fileValue(file, key.replace("|", ",")) for key in ("0020|0060", "0020|0062")}
    return {key: words.strip() for key, words in values.items() if words and words.strip()}


def _dicom_database() -> Any | None:
    """Slicer's DICOM database, where there is one and it is open."""
    import slicer

    database = getattr(slicer, "dicomDatabase", None)
    return database if database is not None and database.isOpen else None


def guess_modality(volume: Any) -> str:
    """``CT`` or ``MR``, from DICOM where it says so, else from the intensities.

    Raises:
        InputError: the volume cannot be used.
    """
    from PreopReviewLib import images

    modality = dicom_modality(volume)
    return modality if modality in ("CT", "MR") else images.guess_modality(_thinned(volume))


def _thinned(volume: Any) -> Any:
    """Every n-th voxel of a large volume: enough to tell CT from MR, and cheap while a panel waits."""
    import SimpleITK as sitk

    from PreopReviewLib.images.vtk_images import array_of_vtk

    require_volume(volume)
    array = array_of_vtk(volume.GetImageData())
    return sitk.GetImageFromArray(
        np.ascontiguousarray(array[tuple(slice(None, None, max(1, n // 96)) for n in array.shape)])
    )
