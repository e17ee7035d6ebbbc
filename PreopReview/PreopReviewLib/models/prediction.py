"""A model applied to many images, one label file each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.datasets.parts import liver_of, part_of
from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.models.catalog import require_package
from PreopReviewLib.models.segmenter import Segmenter, segmenter
from PreopReviewLib.output import output_folder
from PreopReviewLib.progress import Progress, silent, within

_OTHER_TASKS = {"rotator cuff tear classification": ("RotatorCuffCAMLib.prediction", "predict_classes")}
"""By the task of a package, what applies models that are not for segmentation."""

CHANNEL_ENDING = "_0000"
"""Of nnU-Net's image files; the labels go without it."""


@dataclass(frozen=True)
class _Job:
    """One image to be drawn in: its files (several where a model needs several) and what gives its region."""

    name: str
    files: Sequence[Path]
    region: Callable[[], sitk.Image] | None = None
    series: str | None = None


def predict_images(
    models: Sequence[str | Path],
    inputs: Sequence[Path],
    folder: Path,
    region: Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = silent,
    read_region: Callable[[Path], sitk.Image] = images.read_image,
    series: str | None = None,
) -> list[str]:
    """Labels of each image on its own grid, and labels.json with their names, the model and its notes.

    Args:
        models: one, or the folds whose probabilities are averaged.
        inputs: image files, DICOM folders, or folders of image files.
        region: file of the liver's mask, in the space of the only image.
        read_region: makes of that file a mask of 0 and 1; where the file may be anyone's, `labels.read_mask`.
        series: what to take of the only image, a folder with several; see `images.read_image`.

    Returns:
        names of the label files, in the order of the images.

    Raises:
        InputError: no image, two of one name, or a model that needs a region without one. ModelError, OutputError, and
        what reading an image raises; nothing is then written.
    """
    model = segmenter(list(models))
    channels = getattr(model, "channels", ())
    files_of = image_groups(inputs, channels) if len(channels) > 1 else {n: [p] for n, p in image_files(inputs).items()}
    if model.needs_region and region is None:
        raise InputError(f"The model {model.name} works inside a given liver", "Give its mask")
    alone = [what for what, given in (("A region", region), ("A series", series)) if given is not None]
    if alone and len(files_of) != 1:
        raise InputError(f"{alone[0]} applies to one image, not to {len(files_of)}", "Give one image at a time")
    mask = None if region is None else partial(read_region, region)
    jobs = [_Job(name, files, mask, series) for name, files in files_of.items()]
    with output_folder(folder, overwrite, "predict", [*inputs, *filter(None, [region])]) as work:
        return _draw(model, jobs, work, device, progress)


def predict_part(
    models: Sequence[str | Path],
    data: Path,
    part: str,
    folder: Path,
    fold: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = silent,
) -> list[str]:
    """As `predict_images`, of the cases of a part of a data folder; tear classes too, if the model is for them.

    A model that works inside a liver is given the one in a case's labels.

    Raises:
        InputError, NothingFound: as `datasets.parts.part_of`. ModelError, OutputError, and what reading raises.
    """
    held, cases = part_of(data, part, fold)
    package = require_package(models[0])
    task = package.metadata.get("task")
    if (task in _OTHER_TASKS) != bool(held.classes):
        holds = "classes of images" if held.classes else "labels of structures"
        raise InputError(f"The model {package.name} is for {task}, and {data} holds {holds}", "Choose another model")
    if task in _OTHER_TASKS:
        module, name = _OTHER_TASKS[task]
        return getattr(import_module(module), name)(models, cases, folder, device, overwrite, progress)
    model = segmenter(list(models))
    jobs = [_Job(c.name, [c.image], partial(liver_of, c, held) if model.needs_region else None) for c in cases]
    with output_folder(folder, overwrite, "predict", [data]) as work:
        return _draw(model, jobs, work, device, progress)


def _draw(model: Segmenter, jobs: Sequence[_Job], work: Path, device: str, progress: Progress) -> list[str]:
    """Writes the label files and labels.json; the names of the former."""
    records: dict[str, object] = {}
    values: dict[str, int] = {}
    for number, job in enumerate(jobs):
        path, *others = job.files
        image = images.read_image(path, job.series)
        images.require_usable(image, str(path), images.guess_modality(image))
        several = [image, *(images.resample_to(images.read_image(other), image) for other in others)]
        mask = None if job.region is None else images.onto_grid(job.region(), image, "region").labels
        part = within(progress, number / len(jobs), (number + 1) / len(jobs))
        shown = image if not others else sitk.Compose([sitk.Cast(each, sitk.sitkFloat32) for each in several])
        result = model.segment(shown, mask, device=device, progress=part)
        images.write_image(with_names(result.labels, result.values), work / f"{job.name}.seg.nrrd")
        records[f"{job.name}.seg.nrrd"] = {
            "image": path.name,
            "notes": [*images.notes_of(image), *result.notes, *result.warnings],
        }
        values = dict(result.values)
    about = {"model": model.name, "labels": {"background": 0, **values}, "images": records}
    (work / "labels.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return list(records)


def with_names(labels: sitk.Image, values: Mapping[str, int]) -> sitk.Image:
    """The labels with their values' names as Slicer's .seg.nrrd keeps them."""
    named = sitk.Image(labels)
    size = labels.GetSize()
    extent = " ".join(f"0 {n - 1}" for n in size)
    for number, (name, value) in enumerate(values.items()):
        keys = {"ID": name, "Name": name, "LabelValue": str(value), "Layer": "0", "Extent": extent}
        for key, word in keys.items():
            named.SetMetaData(f"Segment{number}_{key}", word)
    return named


def image_groups(inputs: Sequence[Path], channels: Sequence[str]) -> dict[str, list[Path]]:
    """The images of each case by its name, where a model needs several: NAME_0000, NAME_0001 and so on.

    Raises:
        FileMissing: as `image_files`, or a case lacks one; says which and what it shows.
    """
    groups: dict[str, list[Path]] = {}
    for given in inputs:
        for path in image_files([given]).values():
            parts = re.fullmatch(r"(.+)_(\d{4})(\..+)", path.name)
            if parts and parts[2] != "0000" and path.with_name(f"{parts[1]}{CHANNEL_ENDING}{parts[3]}").exists():
                continue
            if not parts or parts[2] != "0000":
                raise FileMissing(
                    f"{path.name} is one image, but the model needs {len(channels)}: {', '.join(channels)}",
                    f"Name them NAME{CHANNEL_ENDING}.nii.gz, NAME_0001.nii.gz and so on, in this order",
                )
            group = [path.with_name(f"{parts[1]}_{number:04d}{parts[3]}") for number in range(len(channels))]
            missing = [f"{p.name} ({c})" for p, c in zip(group, channels, strict=True) if not p.exists()]
            if missing:
                raise FileMissing(f"The model needs {', '.join(missing)} beside {path}", "Put them there")
            groups[parts[1]] = group
    return groups


def image_files(inputs: Sequence[Path]) -> dict[str, Path]:
    """The images that paths name, by case name; a folder without image files is one DICOM series.

    Raises:
        FileMissing: a path that does not exist.
        InputError: two images of one name.
    """
    by_name: dict[str, Path] = {}
    for given in inputs:
        if not given.exists():
            raise FileMissing(f"There is no file or folder {given}", "Check the path")
        files = sorted(p for p in given.iterdir() if p.name.lower().endswith(images.SUFFIXES)) if given.is_dir() else []
        for path in files or [given]:
            name = path.name
            for suffix in sorted(images.SUFFIXES, key=len, reverse=True):
                if name.lower().endswith(suffix):
                    name = name[: -len(suffix)]
                    break
            name = name.removesuffix(CHANNEL_ENDING)
            if name in by_name:
                raise InputError(f"Two images are called {name}: {by_name[name]} and {path}", "Rename one")
            by_name[name] = path
    return by_name
