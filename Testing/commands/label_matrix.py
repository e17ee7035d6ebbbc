"""One small liver, written in every form in which labels reach us: format, orientation, extent, numbering, lesions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import structure
from PreopReviewLib import images

SPACING = (2.0, 2.5, 3.0)
SHAPE = (26, 36, 44)  # K, J, I
NEIGHBOR = "heart"
"""Beside the liver, and no structure of the table."""
OTHERS = {"liver": 5, "portal_vein": 64, "hepatic_vein": 7, "cyst": 2, NEIGHBOR: 1}
"""Numbers of somebody else; values that our table has, but for other structures."""
LESIONS = ("Tumor 1", "HCC S8", "Metastasis 3")


@dataclass(frozen=True)
class Form:
    """How the labels are written.

    Attributes:
        kind: ``nifti``, ``nrrd``, ``seg.nrrd`` or ``dicom``.
        order: axes I, J, K of the file as axes of the phantom.
        flips: which of the file's axes run the other way.
        extent: ``whole``, ``cropped`` or ``padded``.
        numbering: ``ours``, or by what somebody else's numbers are named: ``header``, ``dataset``, ``itksnap``,
            ``colors``, ``option``; segmentations name their segments or code them.
        apart: each tumor as a segment or value of its own.
    """

    kind: str = "nifti"
    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)
    extent: str = "whole"
    numbering: str = "ours"
    apart: bool = False

    def __str__(self) -> str:
        order = "".join("ijk"[a].upper() if f else "ijk"[a] for a, f in zip(self.order, self.flips, strict=True))
        return f"{self.kind}-{order}-{self.extent}-{self.numbering}-{'apart' if self.apart else 'together'}"


@dataclass(frozen=True)
class Written:
    """A label file, the option --labels that it needs, and its folder."""

    path: Path
    option: tuple[str, ...] = ()


@cache
def phantom() -> dict[str, np.ndarray]:
    """Masks (K, J, I) by name: nested as people draw them, tumors 1 and 2 side by side, the portal trunk beyond."""
    k, j, i = np.indices(SHAPE)
    masks = {"liver": ((k - 13) / 9) ** 2 + ((j - 17) / 12) ** 2 + ((i - 20) / 15) ** 2 < 1}
    ball = lambda ck, cj, ci, r: ((k - ck) * 3) ** 2 + ((j - cj) * 2.5) ** 2 + ((i - ci) * 2) ** 2 < r * r  # noqa: E731
    masks["Tumor 1"] = ball(13, 15, 12, 9) & (i < 13)
    masks["HCC S8"] = ball(13, 15, 14, 9) & (i >= 13)
    masks["Metastasis 3"] = ball(8, 22, 24, 5)
    masks["cyst"] = ball(17, 12, 25, 7)
    masks["portal_vein"] = (abs(j - 18) <= 1) & (abs(k - 12) <= 1) & (i >= 18) & (i < 40)
    masks["hepatic_vein"] = (abs(j - 22) <= 1) & (abs(i - 17) <= 1) & (k >= 14) & (k <= 20) & masks["liver"]
    masks[NEIGHBOR] = ((k - 13) / 5) ** 2 + ((j - 29) / 4) ** 2 + ((i - 38) / 4) ** 2 < 1
    for name in (NEIGHBOR,):
        masks[name] &= ~masks["liver"] & ~masks["portal_vein"]
    return masks


def scan() -> np.ndarray:
    """A portal-venous CT of it (K, J, I), HU."""
    masks = phantom()
    values = {"liver": 110, NEIGHBOR: 120, "portal_vein": 180, "hepatic_vein": 170, "cyst": 8}
    values |= {"Tumor 1": 65, "HCC S8": 75, "Metastasis 3": 60}
    _, j, i = np.indices(SHAPE)
    array = np.where(((j - 18) / 17) ** 2 + ((i - 22) / 21) ** 2 < 1, 30.0, -1000.0)
    for name, value in values.items():
        array[masks[name]] = value
    array += np.random.default_rng(5).normal(0, 6, SHAPE)
    return np.round(array).astype(np.int16)


def write_series(folder: Path) -> Path:
    """The CT as a DICOM series, whose grid is the phantom's."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir()
    study, uid, frame = (generate_uid(entropy_srcs=[f"matrix {n}"]) for n in range(3))
    for n, pixels in enumerate(scan()):
        ds = pydicom.Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
        instance = generate_uid(entropy_srcs=[f"matrix slice {n}"])
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = instance
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, uid, frame
        ds.PatientName, ds.PatientID, ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "Doe^Jane", "17", "CT", 3, n + 1
        ds.PatientBirthDate = ds.PatientSex = ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.StudyID = ""
        ds.ReferringPhysicianName = ds.Manufacturer = ""
        ds.ImagePositionPatient = [-45.0, -40.0, 30.0 + n * SPACING[2]]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        ds.Rows, ds.Columns = SHAPE[1:]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, 1
        ds.RescaleIntercept, ds.RescaleSlope = 0, 1
        ds.PixelData = pixels.tobytes()
        ds.save_as(folder / f"{n:03d}.dcm", enforce_file_format=True)
    return folder


def write(form: Form, folder: Path, series: Path, stem: str = "labels") -> Written:
    """The labels of the phantom in a form; `folder` must be empty, since names may lie beside the file."""
    folder.mkdir(parents=True, exist_ok=True)
    if form.kind == "dicom":
        return Written(_dicom(form, folder / f"{stem}.dcm", series))
    if form.kind == "seg.nrrd":
        return Written(_segmentation(form, folder / f"{stem}.seg.nrrd", series))
    array, names = _numbered(form)
    path = folder / f"{stem}{'.nii.gz' if form.kind == 'nifti' else '.nrrd'}"
    image = _formed(array, form, series)
    if form.kind == "nifti":
        _write_nifti(image, path, names if form.numbering == "header" else {})
    else:
        sitk.WriteImage(image, str(path), True)
    if form.numbering == "dataset":
        text = json.dumps({"labels": {"background": 0, **{n: v for v, n in names.items()}}})
        (folder / "dataset.json").write_text(text)
    if form.numbering == "itksnap":
        lines = [f'{v} 255 0 0 1 1 1 "{n}"' for v, n in names.items()]
        (folder / f"{stem}.label").write_text("# ITK-SNAP\n" + "\n".join(lines))
    if form.numbering == "colors":
        lines = [f"{v} {n.replace(' ', '_')} 255 0 0 255" for v, n in names.items()]
        (folder / f"{stem}_ColorTable.ctbl").write_text("\n".join(lines))
    if form.numbering == "option":
        known = {v: n for v, n in names.items() if n != NEIGHBOR}
        return Written(path, ("--labels", ",".join(f"{n}={v}" for v, n in known.items())))
    return Written(path)


def _numbered(form: Form) -> tuple[np.ndarray, dict[int, str]]:
    masks = phantom()
    if form.numbering == "ours":
        numbers = {n: structure(n).label for n in masks if n in {"liver", "portal_vein", "hepatic_vein", "cyst"}}
        numbers |= dict.fromkeys(LESIONS, structure("tumor").label)
        names: dict[int, str] = {}
    else:
        numbers = {**OTHERS, **{n: 11 + (k if form.apart else 0) for k, n in enumerate(LESIONS)}}
        names = {v: "portal vein and splenic vein" if n == "portal_vein" else n for n, v in numbers.items()}
        if not form.apart:
            names[11] = "liver_tumor"
    array = np.zeros(SHAPE, np.uint8)
    for name in (NEIGHBOR, "liver", "hepatic_vein", "portal_vein", "cyst", *LESIONS):
        if name in numbers:
            array[masks[name]] = numbers[name]
    return array, names


@cache
def _grid(series: Path) -> sitk.Image:
    return images.read_image(series)


def _formed(array: np.ndarray, form: Form, series: Path) -> sitk.Image:
    """The array on the series' grid, cut and turned as the form asks."""
    image = images.image_like(array, _grid(series))
    if form.extent == "padded":
        image = sitk.ConstantPad(image, (3, 2, 1), (1, 2, 3), 0)
    if form.extent == "cropped":
        box = images.bounding_box(image != 0)
        image = images.crop(image, box)
    image = sitk.PermuteAxes(image, form.order)
    return sitk.Flip(image, form.flips, False) if any(form.flips) else image


def _write_nifti(image: sitk.Image, path: Path, names: dict[int, str]) -> None:
    sitk.WriteImage(image, str(path), True)
    if not names:
        return
    import nibabel as nib

    labels = "".join(f'<Label Key="{v}" Red="1" Green="0" Blue="0" Alpha="1">{n}</Label>' for v, n in names.items())
    xml = f'<CaretExtension><VolumeInformation Index="0"><LabelTable>{labels}</LabelTable></VolumeInformation>'
    nifti = nib.load(path)
    nifti.header.extensions.append(nib.nifti1.Nifti1Extension(0, f"{xml}</CaretExtension>".encode()))
    nib.save(nib.Nifti1Image(np.asarray(nifti.dataobj), nifti.affine, nifti.header), path)


def _segments(form: Form) -> list[tuple[str, np.ndarray]]:
    masks = phantom()
    if not form.apart:
        masks = {n: m for n, m in masks.items() if n not in LESIONS} | {
            "Liver tumor": np.logical_or.reduce([masks[n] for n in LESIONS])
        }
    return list(masks.items())


def _segmentation(form: Form, path: Path, series: Path) -> Path:
    """As Slicer writes it: overlapping segments in layers."""
    layers: list[np.ndarray] = []
    header: dict[str, str] = {}
    for n, (name, mask) in enumerate(_segments(form)):
        place = next((p for p, layer in enumerate(layers) if not layer[mask].any()), len(layers))
        if place == len(layers):
            layers.append(np.zeros(SHAPE, np.uint8))
        layers[place][mask] = n + 1
        said = {"ID": f"Segment_{n}", "Name": name.replace("_", " "), "Layer": str(place), "LabelValue": str(n + 1)}
        header |= {f"Segment{n}_{key}": word for key, word in said.items()}
    turned = [_formed(layer, Form(order=form.order, flips=form.flips), series) for layer in layers]
    if form.extent == "padded":
        turned = [sitk.ConstantPad(t, (3, 2, 1), (1, 2, 3), 0) for t in turned]
    image = sitk.Compose(turned)
    if form.extent == "cropped":
        any_ = images.image_like(np.max([images.array_of(t) for t in turned], 0), turned[0])
        box = images.bounding_box(any_)
        image = sitk.RegionOfInterest(image, box.shape[::-1], box.start[::-1])
    for key, word in header.items():
        image.SetMetaData(key, word)
    sitk.WriteImage(image, str(path), True)
    return path


def _dicom(form: Form, path: Path, series: Path) -> Path:
    """As we and others write it: one segment a structure or lesion, empty frames left out, codes from the table."""
    grid, masks = _grid(series), []
    for name, mask in _segments(form):
        key = name if name in ("liver", "portal_vein", "hepatic_vein", "cyst") else "tumor"
        s = structure(key)
        codes = [(c.scheme, c.value, c.meaning) for c in (s.category, s.type)]
        if name == NEIGHBOR:
            codes[1] = ("SCT", "80891009", "Heart")
        masks.append(images.CodedMask(name, images.image_like(mask.astype(np.uint8), grid), *codes))
    return images.write_dicom_segmentation(masks, images.list_series(series)[0], path)
