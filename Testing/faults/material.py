"""Sound inputs, made once, which the generators damage, and what the commands say of them undamaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SIZE = (14, 20, 22)
SPACING = (3.0, 3.0, 4.0)
TINY_RECIPE = {
    "data.kind": "images",
    "data.spacing_mm": 3.0,
    "data.patch": [16, 16, 16],
    "data.batch": 1,
    "data.classes": ["background", "liver"],
    "network.name": "UNet",
    "network.arguments": {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 2,
        "channels": [4, 8],
        "strides": [2],
        "num_res_units": 1,
        "dropout": 0.0,
    },
    "loss.name": "dice",
    "loss.arguments": {"background": False},
    "optimizer.name": "Adam",
    "optimizer.learning_rate": 0.001,
    "optimizer.arguments": {},
    "schedule.iterations": 2,
    "schedule.warmup": 0,
    "schedule.decay_from": 1.0,
    "training.ema": 0.5,
    "training.clip": 5.0,
    "training.precision": "fp32",
    "training.seed": 1,
    "validation.every": 1000,
    "validation.cases": 1,
}


@dataclass
class Material:
    """The folder of sound inputs and the results of undamaged runs; both are made when they are first asked for.

    Attributes:
        results: by name, of a run of `campaign.references`: the JSON that it printed.
        prepare: makes one of `PREPARED`.
    """

    folder: Path
    results: dict[str, Any]
    prepare: Callable[[str], None]

    def put(self, name: str, folder: Path) -> Path:
        """Copies a sound input into a trial's folder."""
        target, source = folder / name, self.folder / name
        if not source.exists():
            self.prepare(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
        return target


def make(folder: Path) -> None:
    """Writes all sound inputs; in a process of its own, because ITK starts threads."""
    folder.mkdir(parents=True)
    _images(folder)
    _dicom(folder / "dicom")
    _surfaces(folder)
    _tables(folder)
    _data_set(folder / "data")
    for name in "ab":
        place = folder / "cohort" / name
        place.mkdir(parents=True)
        for file in ("manual", "predicted"):
            shutil.copyfile(folder / "labels.nii.gz", place / f"{file}.nii.gz")
    (folder / "recipe.yaml").write_text(recipe_text(TINY_RECIPE))
    (folder / "list.txt").write_text("images/a.nii.gz\nimages/b.nii.gz\n")


def recipe_text(fields: dict[str, Any]) -> str:
    """A recipe of those fields; JSON is YAML."""
    held = {name: {"value": value, "from": "default"} for name, value in fields.items()}
    return f"name: tiny\ntitle: tiny\npaper: none\nfields: {json.dumps(held)}\n"


def _images(folder: Path) -> None:
    import SimpleITK as sitk

    labels = np.zeros(SIZE, np.uint8)
    labels[2:12, 2:18, 3:19] = 1
    labels[6:8, 4:16, 9:11] = 5
    labels[4:7, 5:9, 5:9] = 2
    rng = np.random.default_rng(1)
    ct = np.where(labels > 0, rng.normal(100, 10, SIZE), rng.normal(-1000, 5, SIZE)).astype(np.int16)
    for name, array in (("labels", labels), ("ct", ct)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(SPACING)
        image.SetOrigin((-20.0, 10.0, 5.0))
        for suffix in (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".nhdr"):
            sitk.WriteImage(image, str(folder / f"{name}{suffix}"))
    (folder / "images").mkdir()
    for name in "ab":
        shutil.copyfile(folder / "ct.nii.gz", folder / "images" / f"{name}.nii.gz")


def _dicom(folder: Path) -> None:
    import warnings

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir()
    study, series, frame = (generate_uid(entropy_srcs=[n]) for n in ("study", "series", "frame"))
    rng = np.random.default_rng(2)
    for k in range(8):
        pixels = rng.integers(0, 1500, (16, 18)).astype("<i2")
        file = Dataset()
        file.file_meta = FileMetaDataset()
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = CTImageStorage
        identifier = generate_uid(entropy_srcs=["slice", str(k)])
        file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = identifier
        file.StudyInstanceUID, file.SeriesInstanceUID, file.FrameOfReferenceUID = study, series, frame
        file.Modality, file.SeriesNumber, file.InstanceNumber = "CT", 1, k + 1
        file.PatientName, file.PatientID, file.SeriesDescription = "Doe^Jane", "1", "portal venous"
        file.ImagePositionPatient, file.ImageOrientationPatient = [-10, 5, 4 * k], [1, 0, 0, 0, 1, 0]
        file.PixelSpacing, file.SliceThickness, file.SpacingBetweenSlices = [3, 3], 4, 4
        file.Rows, file.Columns, file.SamplesPerPixel = 16, 18, 1
        file.PhotometricInterpretation, file.PixelRepresentation = "MONOCHROME2", 1
        file.BitsAllocated = file.BitsStored = 16
        file.HighBit, file.RescaleSlope, file.RescaleIntercept = 15, 1, -1024
        file.AcquisitionDate, file.AcquisitionTime = "20250101", "120000"
        file.PixelData = pixels.tobytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file.save_as(folder / f"{k:02d}.dcm", enforce_file_format=True)


def _surfaces(folder: Path) -> None:
    """A box around half of the liver, as PLY, STL, OBJ and legacy VTK."""
    low, high = np.array([-25.0, 0.0, 0.0]), np.array([15.0, 80.0, 70.0])
    points = np.array(
        [[(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    )
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    vertices = [" ".join(f"{v:g}" for v in p) for p in points]
    head = ["ply", "format ascii 1.0", f"element vertex {len(points)}"]
    head += [f"property float {axis}" for axis in "xyz"]
    head += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    indices = [" ".join(map(str, f)) for f in faces]
    (folder / "box.ply").write_text("\n".join([*head, *vertices, *(f"3 {i}" for i in indices)]) + "\n")
    obj = [*(f"v {v}" for v in vertices), *("f " + " ".join(str(i + 1) for i in f) for f in faces)]
    (folder / "box.obj").write_text("\n".join(obj) + "\n")
    stl = ["solid box"]
    for face in faces:
        stl += ["facet normal 0 0 0", "outer loop", *(f"vertex {vertices[i]}" for i in face), "endloop", "endfacet"]
    (folder / "box.stl").write_text("\n".join([*stl, "endsolid box"]) + "\n")
    binary = bytearray(b"box".ljust(80, b"\0") + len(faces).to_bytes(4, "little"))
    for face in faces:
        binary += np.concatenate([np.zeros(3), *(points[i] for i in face)]).astype("<f4").tobytes() + b"\0\0"
    (folder / "binary.stl").write_bytes(binary)
    vtk = ["# vtk DataFile Version 3.0", "box", "ASCII", "DATASET POLYDATA", f"POINTS {len(points)} float", *vertices]
    vtk += [f"POLYGONS {len(faces)} {4 * len(faces)}", *(f"3 {i}" for i in indices)]
    (folder / "box.vtk").write_text("\n".join(vtk) + "\n")
    raw = ("\n".join(vtk[:5]).replace("ASCII", "BINARY") + "\n").encode() + points.astype(">f4").tobytes() + b"\n"
    cells = np.array([(3, *f) for f in faces], ">i4").tobytes()
    (folder / "binary.vtk").write_bytes(raw + f"POLYGONS {len(faces)} {4 * len(faces)}\n".encode() + cells + b"\n")


def _tables(folder: Path) -> None:
    rng = np.random.default_rng(3)
    columns = ["case", "parenchyma", "tumour", "portal_vein", "hepatic_vein", "bile_duct"]
    columns += [f"{v}_{p}" for v in ("portal_vein", "hepatic_vein", "bile_duct") for p in ("main", "peripheral")]
    rows = [[str(n + 1), *(f"{v:.3f}" for v in rng.uniform(0.3, 0.95, len(columns) - 1))] for n in range(8)]
    _write(folder / "evaluate.csv", [columns, *rows])
    classes = ("none", "partial", "small", "medium", "large")
    _write(folder / "truth.csv", [["case", "class"], *([f"k{n}", classes[n % 5]] for n in range(15))])
    readings = [["reader", "group", "case", "class", "seconds"]]
    for reader in ("Ärztin", "Ben"):
        for n in range(15):
            given = classes[min(4, max(0, n % 5 + int(rng.integers(-1, 2))))]
            readings.append([reader, "specialist", f"k{n}", given, f"{rng.uniform(5, 50):.1f}"])
    _write(folder / "readers.csv", readings)
    _write(folder / "cases.csv", [["case", "image"], ["a", "images/a.nii.gz"], ["b", "images/b.nii.gz"]])
    _write(folder / "study.csv", [["case", "image"], *([f"k{n}", "images/a.nii.gz"] for n in range(15))])
    for name in ("first/a", "first/b", "first/c", "second/a", "second/b", "second/c"):
        features = ("morph_volume", "stat_mean", "stat_energy")
        values = [[s, f, f"{rng.uniform(0, 9):.4f}"] for s in ("liver", "tumor") for f in features]
        (folder / name).mkdir(parents=True)
        _write(folder / name / "features.csv", [["structure", "feature", "value"], *values])


def _write(path: Path, rows: list[list[str]]) -> None:
    path.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8", newline="")


def _data_set(folder: Path) -> None:
    import SimpleITK as sitk

    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for n in range(3):
        labels = np.zeros((20, 20, 20), np.uint8)
        labels[5:15, 5:15, 5:15] = 1
        image = (labels * 100 + np.random.default_rng(n).normal(0, 20, labels.shape)).astype(np.int16)
        for array, name in ((labels, f"labelsTr/c{n}.nii.gz"), (image, f"imagesTr/c{n}_0000.nii.gz")):
            image_of_array = sitk.GetImageFromArray(array)
            image_of_array.SetSpacing((3, 3, 3))
            sitk.WriteImage(image_of_array, str(folder / name))
    about = {"labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(about))


_TRAIN = ["train", "--recipe", "recipe.yaml", "--data", "data", "-o", "run", "--workers", "0"]
PREPARED: dict[str, list[list[str]]] = {
    "list": [
        ["liver", "truth", "new", "images", "-o", "list"],
        ["liver", "truth", "add", "list", "a", "labels.nii.gz", "--annotator", "ann", "--seconds", "60"],
    ],
    "study": [["cuff", "study", "study.csv", "-o", "study"]],
    "run": [_TRAIN],
    "package": [["models", "pack", "run", "-o", "package", "--checkpoint", "last", "--name", "tiny"]],
}
"""Runs of the command that make the rest of the sound inputs."""


def answer_study(folder: Path) -> None:
    """A reader's answers to all cases of the study."""
    from RotatorCuffCAMLib.readers.session import Session
    from RotatorCuffCAMLib.readers.study import load_study

    session = Session(load_study(folder / "study"), "Ben", "specialist", clock=iter(range(10**6)).__next__)
    number = 0
    while session.current:
        session.show()
        session.answer(number % 5, 3)
        number += 1
    session.close()
