"""Finding and checking the cases of a labeled data set: nnU-Net raw form or a MONAI datalist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import FileMissing, TrainingError
from PreopReviewLib.structured import read_json


@dataclass(frozen=True)
class Case:
    """One labeled image."""

    name: str
    image: Path
    labels: Path


@dataclass(frozen=True)
class DataSet:
    """The cases of a data set and what its label values mean.

    Attributes:
        cases: at least two, in the order of their names.
        values: name of each label, lower case with underscores, to its value.
    """

    cases: list[Case]
    values: Mapping[str, int]


def find_data_set(path: Path) -> DataSet:
    """Read `dataset.json` of an nnU-Net raw folder, or a MONAI datalist (JSON with "training" and "labels").

    Raises:
        FileMissing: no such folder, or files that the list names are not there.
        TrainingError: no readable list, no label names, or fewer than two cases.
    """
    file = path / "dataset.json" if path.is_dir() else path
    if not file.is_file():
        raise FileMissing(f"There is no {file}", "Give an nnU-Net raw folder with dataset.json, or a MONAI datalist")
    content = read_json(file, TrainingError, "Check the file")
    if not isinstance(content, Mapping) or not isinstance(content.get("labels"), Mapping):
        raise TrainingError(f"{file} does not name its labels", 'Add "labels": {"background": 0, "liver": 1, …}')
    listed = content.get("training")
    if isinstance(listed, list):
        cases = [_listed(entry, file) for entry in listed]
    else:
        cases = _raw_cases(file.parent, str(content.get("file_ending", ".nii.gz")))
    missing = [str(p) for case in cases for p in (case.image, case.labels) if not p.is_file()]
    if missing:
        raise FileMissing(
            f"{len(missing)} files of the data set are missing, the first is {missing[0]}", "Complete the data set"
        )
    if len(cases) < 2:
        raise TrainingError(
            f"{file} has {len(cases)} labeled cases", "At least two are needed: one to train on and one to check with"
        )
    return DataSet(sorted(cases, key=lambda c: c.name), _values(content["labels"], file))


def _listed(entry: Any, file: Path) -> Case:
    if not isinstance(entry, Mapping) or not {"image", "label"} <= set(entry):
        raise TrainingError(f"{file}: an entry of training has no image or label", "Complete the list")
    image = entry["image"][0] if isinstance(entry["image"], list) and entry["image"] else entry["image"]
    if not isinstance(image, str) or not isinstance(entry["label"], str):
        raise TrainingError(f"{file}: image and label of an entry of training must be paths", "Correct the list")
    base = file.parent
    return Case(Path(image).name.split(".")[0], base / image, base / entry["label"])


def _raw_cases(folder: Path, ending: str) -> list[Case]:
    cases = []
    for labels in sorted((folder / "labelsTr").glob(f"*{ending}")):
        name = labels.name.removesuffix(ending)
        cases.append(Case(name, folder / "imagesTr" / f"{name}_0000{ending}", labels))
    return cases


def _values(labels: Mapping[str, Any], file: Path) -> dict[str, int]:
    values = {}
    for name, value in labels.items():
        if str(name).isdigit() and isinstance(value, str):  # the form of older lists: {"1": "liver"}
            name, value = value, int(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 65536:
            raise TrainingError(f"{file}: label {name!r} has no single value", "Regions are named in the recipe")
        values[str(name).strip().lower().replace(" ", "_").replace("-", "_")] = value
    return values
