"""Cases with a liver drawn by hand, in the layouts in which they are published. You give the data.

| layout | what is read |
|---|---|
| CHAOS | `CT/N/DICOM_anon` + `CT/N/Ground/*.png`; `MR/N/T2SPIR` likewise; `MR/N/T1DUAL/DICOM_anon/*Phase` + `Ground` |
| 3D-IRCADb-01 | `PATIENT_DICOM` + `MASKS_DICOM/liver` |
| LiTS | `volume-N.nii[.gz]` + `segmentation-N.nii[.gz]`, every label above 0 |
| this project's data | `*_t2spir.nii.gz` + `*_labels.nii.gz`, the label 1 |
| `IMAGE:LABELS:VALUES` | any two files; the values (`5`, `1-8`) are the liver's |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.training.painted_data import value_range

CHAOS_MR_LIVER = (55, 70)
"""Gray values of the liver in the PNG files of CHAOS MR; those of CT are 0 and 255."""


@dataclass(frozen=True)
class LabeledLiver:
    """One case.

    Attributes:
        name: short, unique within a run.
        modality: CT or MR.
        read: gives the image and its liver (uint8, 0 or 1) on one grid.
    """

    name: str
    modality: str
    read: Callable[[], tuple[sitk.Image, sitk.Image]]


def labeled_livers(given: str) -> list[LabeledLiver]:
    """The cases of a folder in one of the layouts, or of `IMAGE:LABELS:VALUES`.

    Raises:
        InputError: there is no such folder, or nothing in it is known.
    """
    if given.count(":") >= 2:
        return [_pair(given)]
    folder = Path(given)
    if not folder.is_dir():
        raise InputError(f"There is no folder {given}", "Give a folder, or IMAGE:LABELS:VALUES")
    livers = [*_chaos(folder), *_ircad(folder), *_lits(folder), *_spir(folder)]
    if not livers:
        raise InputError(f"{given} holds no labeled livers in a known layout", f"Known are:\n{__doc__}")
    return livers


def _pair(given: str) -> LabeledLiver:
    image, labels, values = given.rsplit(":", 2)
    low, high = value_range(values)

    def read() -> tuple[sitk.Image, sitk.Image]:
        scan, drawn = images.read_image(image), images.read_labels(labels)
        liver = sitk.BinaryThreshold(drawn, low, high)
        return scan, liver if images.same_grid(scan, liver) else images.resample_to(liver, scan, "label")

    name = Path(image).name.split(".")[0]
    return LabeledLiver(name, images.guess_modality(images.read_image(image)), read)


def _chaos(folder: Path) -> Iterator[LabeledLiver]:
    grounds = sorted(folder.rglob("Ground"), key=lambda p: [int(n) if n.isdigit() else n for n in p.parts])
    for ground in grounds:
        case = ground.parent
        scans = [case / "DICOM_anon"]
        if case.name == "T1DUAL":
            scans = [scans[0] / "InPhase", scans[0] / "OutPhase"]
        for scan in scans:
            if not scan.is_dir():
                continue
            mr = case.name in ("T1DUAL", "T2SPIR")
            number = case.parent.name if mr else case.name
            kind = f"{case.name}-{scan.name}" if case.name == "T1DUAL" else (case.name if mr else "CT")

            def read(scan: Path = scan, ground: Path = ground, mr: bool = mr) -> tuple[sitk.Image, sitk.Image]:
                return _with_pngs(scan, ground, CHAOS_MR_LIVER if mr else (1, 255))

            yield LabeledLiver(f"chaos-{kind}-{number}", "MR" if mr else "CT", read)


def _with_pngs(scan: Path, ground: Path, limits: tuple[int, int]) -> tuple[sitk.Image, sitk.Image]:
    """A DICOM series and its PNG masks: one for each slice, in the order of the names of the DICOM files."""
    import pydicom

    files = sorted(p for p in scan.iterdir() if p.suffix.lower() in (".dcm", ""))
    pictures = sorted(ground.glob("*.png"))
    if len(files) != len(pictures):
        raise InputError(f"{scan} has {len(files)} slices, {ground} {len(pictures)} masks", "Fetch the case again")
    image = images.read_image(scan)
    if image.GetSize()[2] != len(files):
        raise InputError(f"{scan} was read as {image.GetSize()[2]} of {len(files)} slices", "Look at the series")
    liver = np.zeros(image.GetSize()[::-1], np.uint8)
    for file, picture in zip(files, pictures, strict=True):
        header = pydicom.dcmread(file, stop_before_pixels=True)
        point = [float(v) for v in header.ImagePositionPatient]
        index = round(image.TransformPhysicalPointToContinuousIndex(point)[2])
        values = sitk.GetArrayFromImage(sitk.ReadImage(str(picture)))
        values = values if values.ndim == 2 else values[..., 0]
        liver[index] = (values >= limits[0]) & (values <= limits[1])
    return image, images.image_like(liver, image)


def _ircad(folder: Path) -> Iterator[LabeledLiver]:
    for masks in sorted(folder.rglob("MASKS_DICOM")):
        case = masks.parent

        def read(case: Path = case) -> tuple[sitk.Image, sitk.Image]:
            image = images.read_image(case / "PATIENT_DICOM")
            liver = images.read_image(case / "MASKS_DICOM" / "liver") > 0
            return image, liver if images.same_grid(image, liver) else images.resample_to(liver, image, "label")

        if (masks / "liver").is_dir() and (case / "PATIENT_DICOM").is_dir():
            yield LabeledLiver(f"ircad-{case.name}", "CT", read)


def _lits(folder: Path) -> Iterator[LabeledLiver]:
    for volume in sorted(folder.rglob("volume-*.nii*")):
        labels = volume.with_name(volume.name.replace("volume-", "segmentation-"))
        if labels.is_file():
            number = volume.name.split(".")[0].removeprefix("volume-")

            def read(volume: Path = volume, labels: Path = labels) -> tuple[sitk.Image, sitk.Image]:
                return images.read_image(volume), images.read_labels(labels) > 0

            yield LabeledLiver(f"lits-{number}", "CT", read)


def _spir(folder: Path) -> Iterator[LabeledLiver]:
    for volume in sorted(folder.glob("*_t2spir.nii.gz")):

        def read(volume: Path = volume) -> tuple[sitk.Image, sitk.Image]:
            labels = images.read_labels(volume.with_name(volume.name.replace("_t2spir", "_labels")))
            return images.read_image(volume), labels == 1

        yield LabeledLiver(volume.name.removesuffix(".nii.gz"), "MR", read)
