"""Small images, drawn livers, and finished work on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.ground_truth.annotation import Annotation
from LiverPlannerLib.structures import structure
from PreopReviewLib import images

SHAPE = (16, 24, 24)
LABEL = {key: structure(key).label for key in ("liver", "tumor", "cyst", "portal_vein", "hepatic_vein", "bile_duct")}


def gray(value: float = 60.0) -> sitk.Image:
    array = np.random.default_rng(3).normal(value, 8, SHAPE).astype(np.float32)
    array[:, :3] = -1000
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2, 2, 2))
    return image


def drawn(shift: int = 0, **boxes: tuple[slice, slice, slice]) -> sitk.Image:
    """A liver with a tumor and vessels, moved by some voxels."""
    array = np.zeros(SHAPE, np.uint8)
    array[3:13, 5:20, 4 + shift : 19 + shift] = LABEL["liver"]
    array[5:8, 8:12, 6 + shift : 10 + shift] = LABEL["tumor"]
    array[9:11, 7:18, 12 + shift : 14 + shift] = LABEL["portal_vein"]
    for key, box in boxes.items():
        array[box] = LABEL[key]
    return images.image_like(array, gray())


def finish(work, annotator: str, name: str, labels: sitk.Image) -> None:
    with Annotation(work, annotator) as mine:
        mine.save_labels(name, labels)
        for key in work.structures:
            mine.set_status(name, key, "done")


def write_dicom(
    folder: Path,
    uid: str = "1.2.3.4",
    description: str = "T1 hepatobiliary",
    patient: str = "PID-4711",
    name: str = "Doe^Jane",
) -> None:
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    volume = sitk.Cast(gray(), sitk.sitkInt16)
    for k in range(SHAPE[0]):
        one = volume[:, :, k]
        tags = {
            "0008|0060": "CT",
            "0010|0010": name,
            "0010|0020": patient,
            "0008|103e": description,
            "0020|000e": uid,
            "0008|0018": f"{uid}.{k + 1}",
            "0020|0032": "\\".join(map(str, volume.TransformIndexToPhysicalPoint((0, 0, k)))),
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(k + 1),
        }
        for tag, value in tags.items():
            one.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{k:03d}.dcm"))
        writer.Execute(one)
