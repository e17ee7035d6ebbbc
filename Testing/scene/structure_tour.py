"""One tour of every structure, in a process of its own: labels, scene, .mrb, .seg.nrrd, DICOM SEG, report.

    python structure_tour.py FOLDER          the table as it is
    python structure_tour.py FOLDER extra    with one structure more, which nothing but the table knows

Prints, by stage, the voxels of each structure as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

import LiverPlannerLib.structures as table

SIZE, SPACING = 48, (1.5, 1.5, 2.0)


def add_structure() -> None:
    """A lymph node of the liver, before anything else has read the table."""
    extra = table.Structure(
        "hilar_node", "Hilar lymph node", 200, (0.2, 0.7, 0.3), table.ANATOMY,
        table.Code("SCT", "279795007", "Hepatic lymph node"), parent="liver", kind="organ", paint=90, opacity=0.8,
        smoothing=table.THIN,
    )  # fmt: skip
    table.STRUCTURES += (extra,)
    table._BY_KEY[extra.key], table._BY_LABEL[extra.label] = extra, extra


def make_labels() -> sitk.Image:
    """A box of liver with a cube of every other structure in it."""
    array = np.zeros((SIZE, SIZE, SIZE), np.uint8)
    array[4:44, 4:44, 4:44] = table.structure("liver").label
    inner = [s for s in table.STRUCTURES if s.key != "liver"]
    for n, s in enumerate(inner):
        k, j, i = 7 + 12 * (n // 9), 7 + 12 * (n // 3 % 3), 7 + 12 * (n % 3)
        array[k : k + 6, j : j + 6, i : i + 6] = s.label
    labels = sitk.GetImageFromArray(array)
    labels.SetSpacing(SPACING)
    labels.SetOrigin((-30.0, 20.0, -40.0))
    return labels


def counts(labels: sitk.Image) -> dict[str, int]:
    """Voxels by the key of the structure."""
    values = np.bincount(sitk.GetArrayViewFromImage(labels).ravel(), minlength=256)
    return {s.key: int(values[s.label]) for s in table.STRUCTURES}


def write_series(folder: Path, image: sitk.Image) -> None:
    """The image as a DICOM series."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir()
    array, study, uid, frame = sitk.GetArrayFromImage(image), generate_uid(), generate_uid(), generate_uid()
    for k, pixels in enumerate(array):
        ds = pydicom.Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, uid, frame
        ds.PatientName, ds.PatientID, ds.Modality, ds.SeriesNumber = "Tour^Grand", "1", "CT", 1
        ds.ImagePositionPatient = list(image.TransformIndexToPhysicalPoint((0, 0, k)))
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        ds.Rows, ds.Columns = pixels.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, 1
        ds.RescaleIntercept, ds.RescaleSlope = 0, 1
        ds.PixelData = pixels.astype(np.int16).tobytes()
        ds.save_as(folder / f"{k}.dcm", enforce_file_format=True)


def tour(folder: Path) -> dict[str, Any]:
    """The voxels (in the report: ml) of every structure at each stage."""
    from LiverPlannerLib.commands.plan_case import coded_masks
    from LiverPlannerLib.labels import read_labels
    from LiverPlannerLib.plan.measures import measure_volumes
    from LiverPlannerLib.report import tables
    from LiverPlannerLib.report.page import MeasureOptions, measure_all
    from LiverPlannerLib.scene.results import build_scene
    from LiverPlannerLib.scene.segments import SegmentVoxels
    from PreopReviewLib import images
    from PreopReviewLib.scene import files, host

    labels = make_labels()
    stages = {"labels": counts(labels)}
    hu = np.array([60] * 256)
    image = images.image_like(hu[images.array_of(labels)].astype(np.int16), labels)
    image[0, 0, 0] = -1000
    with host.fresh_scene() as scene:
        handle = build_scene(image, labels, {"modality": "CT", "volumes_ml": measure_volumes(labels)}, "Tour")
        stages["scene"] = counts(SegmentVoxels(handle.segmentation).labels(None))
        stages["legend"] = {entry.name: entry.value for entry in handle.legend}
        files.write_segmentation(handle.segmentation, folder / "tour.seg.nrrd")
        files.write_bundle(scene, folder / "tour.mrb")
    with host.fresh_scene() as scene:
        files.read_bundle(scene, folder / "tour.mrb")
        stages["mrb"] = counts(SegmentVoxels(scene.GetFirstNodeByName("Tour liver plan")).labels(None))
    current = read_labels(folder / "tour.seg.nrrd")
    stages["seg.nrrd"] = counts(current.labels)
    write_series(folder / "series", image)
    source = images.list_series(folder / "series")[0]
    masks = coded_masks(labels, {s.key: 1.0 for s in table.STRUCTURES}, {})
    images.write_dicom_segmentation(masks, source, folder / "tour.dcm")
    read = read_labels(folder / "tour.dcm")
    stages["SEG"], stages["unknown"] = counts(images.onto_grid(read.labels, image).labels), read.unknown
    measures = measure_all(image, images.onto_grid(read.labels, image).labels, MeasureOptions("CT", segments=False))
    unit = images.voxel_ml(image)
    stages["report"] = {key: round(ml / unit) for key, ml in measures.volumes_ml.items()}
    stages["rows"] = [row[0] for row in tables.volumes(measures, {}).rows]
    return stages


if __name__ == "__main__":
    if "extra" in sys.argv[2:]:
        add_structure()
    print(json.dumps(tour(Path(sys.argv[1]))))
