"""A ground truth list as a data set to train on: nnU-Net raw, or a MONAI datalist.

The labels exclude each other, as in every label image here: the liver is its parenchyma, and what is nested in it has
a value of its own, which the header of each file and dataset.json name. `preop train` and nnU-Net put them together by
name; a structure that the list does not ask for counts as what it is nested in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.ground_truth.annotation import SENT_BACK, is_finished, read_progress
from LiverPlannerLib.ground_truth.consensus import undecided_path
from LiverPlannerLib.ground_truth.work_list import CONSENSUS, WorkList
from LiverPlannerLib.structures import STRUCTURES, members, structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.output import output_folder
from PreopReviewLib.progress import CancelToken, Progress, silent

Form = Literal["nnunet", "monai"]
FORMS: tuple[Form, ...] = ("nnunet", "monai")
IGNORE = "ignore"


@dataclass
class Export:
    """What was exported.

    Attributes:
        folder: with dataset.json.
        cases: names of the cases in it.
        left_out: by name, why a case is not in it.
        labels: name to value, as in dataset.json.
        notes: sentences for the reader.
    """

    folder: Path
    cases: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def label_values(structures: Sequence[str], ignore: bool = False) -> dict[str, int]:
    """Names and values for training: consecutive, in the order of the table; "ignore" is the last, as nnU-Net asks."""
    keys = [s.key for s in STRUCTURES if s.key in structures]
    values = {"background": 0, **{key: n for n, key in enumerate(keys, 1)}}
    return {**values, IGNORE: len(values)} if ignore else values


def training_labels(labels: sitk.Image, values: dict[str, int], undecided: sitk.Image | None = None) -> sitk.Image:
    """A label image with the values of a data set.

    Args:
        undecided: voxels that get the value of "ignore".
    """
    nested = {m.key for m in members("liver")}
    table = np.zeros(256, np.uint8)
    for s in STRUCTURES:
        table[s.label] = values.get(s.key, values.get("liver", 0) if s.key in nested else 0)
    values_on_grid = table[images.array_of(labels)]
    if undecided is not None:
        values_on_grid = np.where(images.array_of(undecided) > 0, values[IGNORE], values_on_grid)
    return images.image_like(values_on_grid.astype(np.uint8), labels)


def export_list(
    work: WorkList,
    source: str,
    out: str | Path,
    form: Form = "nnunet",
    *,
    ignore_undecided: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Export:
    """Writes every finished case of one annotator, or of the consensus, as a data set; images without any metadata.

    Args:
        source: an annotator, or "consensus".
        out: folder to make; nnU-Net wants it called ``Dataset123_Name``.
        ignore_undecided: undecided voxels of the consensus get the label "ignore" rather than what the votes have
            in common. For networks that work inside a liver mask they would be holes in it.

    Raises:
        InputError: an unknown form or annotator.
        NothingFound: no case can be exported; the reasons are named.
        OutputError, OutputExists: the folder cannot be written, or is there.
    """
    if form not in FORMS:
        raise InputError(f"Unknown form: {form!r}", f"Use {' or '.join(FORMS)}")
    if source != CONSENSUS and source not in work.annotators:
        known = ", ".join(work.annotators) or "no one yet"
        raise InputError(f"There is no annotator {source!r}", f"There are {known}; and consensus, once it is made")
    cancel = cancel or CancelToken()
    ignore = ignore_undecided and source == CONSENSUS
    exported = Export(Path(out).absolute(), labels=label_values(work.structures, ignore))
    modalities: set[str] = set()
    with output_folder(out, overwrite, "liver truth export") as folder:
        images_folder, labels_folder = _folders(folder, form)
        for number, case in enumerate(work.cases):
            cancel.raise_if_cancelled()
            progress(number / len(work.cases), case.name)
            try:
                image, labels = _case(work, case.name, source, exported.labels, ignore)
            except InputError as problem:
                exported.left_out[case.name] = str(problem)
                continue
            modalities.add(images.guess_modality(image))
            ending = "_0000.nii.gz" if form == "nnunet" else ".nii.gz"
            images.write_image(plain(image), images_folder / f"{case.name}{ending}")
            file = images.write_image(plain(labels), labels_folder / f"{case.name}.nii.gz")
            images.name_nifti_values(file, {value: name for name, value in exported.labels.items() if value})
            exported.cases.append(case.name)
        if not exported.cases:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in list(exported.left_out.items())[:3])
            raise NothingFound(f"No case of {source} can be exported", reasons or "The list is empty")
        _describe(exported, form, folder, modalities)
    progress(1.0, "Done")
    return exported


def _folders(folder: Path, form: Form) -> tuple[Path, Path]:
    names = ("imagesTr", "labelsTr") if form == "nnunet" else ("images", "labels")
    for name in names:
        (folder / name).mkdir()
    return folder / names[0], folder / names[1]


def _case(
    work: WorkList, name: str, source: str, values: dict[str, int], ignore: bool
) -> tuple[sitk.Image, sitk.Image]:
    """Image and training labels of one case.

    Raises:
        InputError: why it cannot be exported.
    """
    state = read_progress(work, source)[1][name]
    if state.unusable:
        raise InputError(f"The image cannot be used: {state.unusable}")
    if state.review == SENT_BACK:
        raise InputError(f"Sent back by {state.reviewer}: {state.review_comment}")
    if not is_finished(state):
        open_ones = [structure(k).name.lower() for k, s in state.status.items() if s not in ("done", "absent")]
        raise InputError(f"Not finished: {', '.join(open_ones)}")
    labels = work.labels(name, source)
    image = work.image(name)
    moved = images.onto_grid(labels, image)
    if not moved.exact or moved.outside_ml:
        raise InputError("The labels are not on the grid of the image")
    labels = moved.labels
    undecided = None
    if ignore and undecided_path(work, name).is_file():
        undecided = images.read_labels(undecided_path(work, name))
    return image, training_labels(labels, values, undecided)


def plain(image: sitk.Image) -> sitk.Image:
    """The image without metadata: a DICOM header names the patient."""
    bare = sitk.Image(image)
    for key in bare.GetMetaDataKeys():
        bare.EraseMetaData(key)
    return bare


def _describe(exported: Export, form: Form, folder: Path, modalities: set[str]) -> None:
    channel = "CT" if modalities == {"CT"} else "MRI"
    if len(modalities) > 1:
        exported.notes.append(
            "The list holds CT and MRI: the channel is called MRI, so that each image is scaled by itself."
        )
    if len(exported.cases) < 2:
        exported.notes.append("Training needs at least two cases.")
    about = {"labels": exported.labels, "description": "Drawn with PreopReview; the labels exclude each other."}
    if form == "nnunet":
        about |= {"channel_names": {"0": channel}, "numTraining": len(exported.cases), "file_ending": ".nii.gz"}
    else:
        pairs = [{"image": f"images/{n}.nii.gz", "label": f"labels/{n}.nii.gz"} for n in exported.cases]
        about |= {"modality": {"0": channel}, "numTraining": len(exported.cases), "training": pairs}
    (folder / "dataset.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
