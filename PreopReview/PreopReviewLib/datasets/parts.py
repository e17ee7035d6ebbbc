"""The cases of a part of a split data folder, for prediction and evaluation."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.datasets.layout import Case, DataSet, find_data_set, nested_in_liver
from PreopReviewLib.datasets.splitting import PARTS, read_split
from PreopReviewLib.errors import InputError, NothingFound

ALL = "all"


def part_of(folder: Path, part: str, fold: int | None = None) -> tuple[DataSet, list[Case]]:
    """A data folder and the cases of one of its parts; "all" needs no split.

    Raises:
        InputError: no such part or fold. NothingFound: no case is in it. What finding and splitting raise.
    """
    data = find_data_set(folder, least=1)
    if part == ALL:
        return data, data.cases
    if part not in PARTS:
        raise InputError(f"There is no part {part!r}", f"Use {', '.join((*PARTS, ALL))}")
    cases = data.named(read_split(folder).part(part, fold))
    if not cases:
        raise NothingFound(f"The split of {folder} has no {part} case", "Choose another part, or split it again")
    return data, cases


def liver_of(case: Case, data: DataSet) -> sitk.Image:
    """The liver in a case's labels, with all that is nested in it, as a mask.

    Raises:
        InputError: the labels of the data set have no liver.
    """
    values = [v for k, v in data.values.items() if k == "liver" or k in nested_in_liver()]
    if "liver" not in data.values or case.labels is None:
        raise InputError(f"{case.name} has no label named liver", "Networks inside a liver need its mask")
    labels = images.read_labels(case.labels)
    return sitk.ChangeLabel(labels, {v: int(v in values) for v in data.values.values()})
