"""Finding and checking the cases of a labeled data set: a data folder, nnU-Net raw form, or a MONAI datalist."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import FileMissing, InputError, TrainingError
from PreopReviewLib.models.kinds import label_reader
from PreopReviewLib.structured import read_json
from PreopReviewLib.tables import point_in, read_table

LIST, CASES, LEFT_OUT = "dataset.json", "cases.csv", "left_out.csv"


def nested_in_liver() -> tuple[str, ...]:
    """Names of labels that lie in the liver and count as liver for a network that draws the liver alone."""
    return label_reader().structures_in_liver()


def beside_liver() -> tuple[str, ...]:
    """Names of labels that are background for a network of the liver; nothing else is told from a name."""
    return label_reader().structures_beside_liver()


@dataclass(frozen=True)
class Case:
    """One image with its labels or its class.

    Attributes:
        patient: who it is of, by a pseudonym; cases of one patient are never divided between training and test.
        labels: None where the image has a class instead.
        label_class: as the list of cases says it.
        center_ras: middle of the humeral head in mm, where the list of cases says it.
        structures: what the labels hold, where the list of cases says it.
    """

    name: str
    image: Path
    labels: Path | None = None
    patient: str = ""
    label_class: str = ""
    center_ras: tuple[float, float, float] | None = None
    structures: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSet:
    """The cases of a data set and what its label values mean.

    Attributes:
        cases: in the order of their names.
        values: name of each label, lower case with underscores, to its value; empty where the images have classes.
        classes: of the images, in the order of their list; empty where they have labels.
        simulated: whether the images are; None where the data set does not say.
        modality: CT, MR or "" where it does not say.
    """

    cases: list[Case]
    values: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    simulated: bool | None = None
    modality: str = ""

    def named(self, names: list[str]) -> list[Case]:
        """The cases of these names, in the order of the names.

        Raises:
            InputError: a name that no case has.
        """
        by_name = {c.name: c for c in self.cases}
        missing = [n for n in names if n not in by_name]
        if missing:
            raise InputError(
                f"The data set has no case called {', '.join(missing[:5])}",
                "It was changed after it was split: split it again",
            )
        return [by_name[n] for n in names]


def find_data_set(path: Path, least: int = 2) -> DataSet:
    """Read a data folder, an nnU-Net raw folder, or a MONAI datalist (JSON with "training" and "labels").

    Args:
        least: how many cases there must be.

    Raises:
        FileMissing: no such folder, or files that the list names are not there.
        TrainingError: no readable list, neither label names nor classes, or fewer cases.
    """
    file = path / LIST if path.is_dir() else path
    if not file.is_file():
        raise FileMissing(
            f"There is no {file}", "Give a folder of preop data import, an nnU-Net raw folder, or a MONAI datalist"
        )
    content = read_json(file, TrainingError, "Check the file")
    classes = content.get("classes") if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not (isinstance(content.get("labels"), Mapping) or classes):
        raise TrainingError(f"{file} does not name its labels", 'Add "labels": {"background": 0, "liver": 1, …}')
    listed = content.get("training")
    if isinstance(listed, list):
        cases = [_listed(entry, file) for entry in listed]
    elif (file.parent / CASES).is_file():
        cases = _table_cases(file.parent / CASES)
    else:
        cases = _raw_cases(file.parent, str(content.get("file_ending", ".nii.gz")))
    missing = [str(p) for case in cases for p in (case.image, case.labels) if p is not None and not os.path.exists(p)]
    if missing:
        raise FileMissing(
            f"{len(missing)} files of the data set are missing, the first is {missing[0]}", "Complete the data set"
        )
    if len(cases) < least:
        raise TrainingError(
            f"{file} has {len(cases)} labeled case{'s' * (len(cases) != 1)}",
            "At least two are needed: one to train on and one to check with",
        )
    simulated = content.get("simulated")
    return DataSet(
        [replace(c, patient=c.patient or c.name) for c in sorted(cases, key=lambda c: c.name)],
        {} if classes else _values(content["labels"], file),
        tuple(str(c) for c in classes) if classes else (),
        simulated if isinstance(simulated, bool) else None,
        _modality(content),
    )


def _modality(content: Mapping[str, Any]) -> str:
    channels = content.get("channel_names", content.get("modality"))
    first = str(next(iter(channels.values()), "")) if isinstance(channels, Mapping) else ""
    return {"CT": "CT", "MR": "MR", "MRI": "MR"}.get(first.upper(), "")


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


def _table_cases(path: Path) -> list[Case]:
    table = read_table(path, ("case", "patient", "image"))
    cases: dict[str, Case] = {}
    for row in table.rows:
        name = row.get("case")
        if not name or name in cases:
            raise InputError(
                f"{table.where(row)}: the case {name!r} is listed twice or has no name", "Correct the list"
            )
        labels = row.get("labels")
        cases[name] = Case(
            name,
            table.file(row, "image"),
            table.file(row, "labels") if labels else None,
            row.get("patient"),
            row.get("class"),
            point_in(table, row),
            tuple(row.get("structures").split()),
        )
    return list(cases.values())


def _values(labels: Mapping[str, Any], file: Path) -> dict[str, int]:
    values = {}
    for name, value in labels.items():
        if str(name).isdigit() and isinstance(value, str):  # the form of older lists: {"1": "liver"}
            name, value = value, int(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 65536:
            raise TrainingError(f"{file}: label {name!r} has no single value", "Regions are named in the recipe")
        values[str(name).strip().lower().replace(" ", "_").replace("-", "_")] = value
    return values
