"""Which folder of nnU-Net a user means, and what of it can be used. No heavy imports; no checkpoint is opened."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import FileMissing, ModelCorrupt, ModelError
from PreopReviewLib.structured import read_json

PLANS, DATASET = "plans.json", "dataset.json"
FINAL, BEST, LATEST = "checkpoint_final.pth", "checkpoint_best.pth", "checkpoint_latest.pth"
ALL = "all"
_V1 = ("plans.pkl", "*.model", "*.model.pkl", "fold_*/*.model", "fold_*/*.model.pkl", "all/*.model")
_WHOLE = "Give the folder that holds plans.json, dataset.json and the fold folders, TRAINER__PLANS__CONFIGURATION"


@dataclass(frozen=True)
class ResultFolder:
    """A trained nnU-Net on disk.

    Attributes:
        folder: holds plans.json, dataset.json and the folds.
        checkpoints: the file of each fold that can be used, by the fold's name (``0`` to ``4``, or ``all``).
        notes: what was chosen, left out, or is missing, in sentences.
    """

    folder: Path
    plans: dict[str, Any] = field(repr=False)
    dataset: dict[str, Any] = field(repr=False)
    checkpoints: dict[str, Path]
    notes: list[str]


def find_result_folder(given: str | Path, folds: Sequence[str] = ()) -> ResultFolder:
    """The trained model that a path means: its folder, one of its folds, a checkpoint, or the one in a Dataset folder.

    Args:
        folds: names of those wanted; by default all that are there (``all`` only where there are no others).

    Raises:
        FileMissing: no such path, or a part is missing.
        ModelError: it is something else of nnU-Net's, or there are several models in it.
        ModelCorrupt: its JSON cannot be read.
    """
    path = Path(given).expanduser().absolute()
    if not path.exists():
        raise FileMissing(f"There is no file or folder {given}", "Check the path")
    notes: list[str] = []
    start = path if path.is_dir() else path.parent
    _refuse_other_kinds(path, start)
    wanted = list(folds)
    if (start / PLANS).is_file():
        folder = start
    elif start.name.startswith("fold_"):
        folder = start.parent
        if not (folder / PLANS).is_file():
            raise FileMissing(
                f"{start} is one fold of an nnU-Net, but {PLANS} and {DATASET} are not in the folder above it",
                "Copy the whole folder TRAINER__PLANS__CONFIGURATION, not the fold alone",
            )
        if not wanted:
            wanted = [start.name.removeprefix("fold_")]
            notes.append(f"Only fold {wanted[0]} is used, because its folder was chosen.")
    else:
        folder = _model_below(path, start)
        notes.append(f"The model in {folder.name} is used.")
    if not (folder / DATASET).is_file():
        raise FileMissing(
            f"{folder} has no {DATASET}, which names the labels",
            f"Copy {DATASET} from nnUNet_raw/DATASET or nnUNet_preprocessed/DATASET into it",
        )
    plans, dataset = (_object(folder / name) for name in (PLANS, DATASET))
    return ResultFolder(folder, plans, dataset, _checkpoints(folder, wanted, notes), notes)


def _refuse_other_kinds(path: Path, start: Path) -> None:
    for place in (start, start.parent):
        old_plans = next((f for pattern in _V1 for f in sorted(place.glob(pattern)) if f.is_file()), None)
        if old_plans and not (place / PLANS).is_file():
            raise ModelError(
                f"{path} was made by nnU-Net v1 ({old_plans.name}), whose files hold code and cannot be read safely",
                "Train the data with nnU-Net v2, or use labels predicted by v1 (preop liver measure)",
            )
    if path.is_file() and path.suffix.lower() == ".zip":
        raise ModelError(f"{path} is a packed model", "Unpack it and give the folder that holds plans.json")
    if (start / "imagesTr").is_dir():
        raise ModelError(f"{path} is a data set of nnU-Net, not a trained model", _WHOLE)
    preprocessed = (start / "gt_segmentations").is_dir() or (start / "dataset_fingerprint.json").is_file()
    if preprocessed and not (start / PLANS).is_file():
        raise ModelError(f"{path} is preprocessed data of nnU-Net, not a trained model", _WHOLE)


def _model_below(path: Path, start: Path) -> Path:
    models = sorted(f.parent for pattern in (f"*/{PLANS}", f"*/*/{PLANS}") for f in start.glob(pattern))
    if not models:
        raise FileMissing(f"{path} holds no trained nnU-Net: there is no {PLANS} in it or in its folders", _WHOLE)
    if len(models) > 1:
        names = ", ".join(str(m.relative_to(start)) for m in models[:12])
        raise ModelError(f"{path} holds {len(models)} trained nnU-Nets: {names}", "Give one of them")
    return models[0]


def _checkpoints(folder: Path, wanted: Sequence[str], notes: list[str]) -> dict[str, Path]:
    there = {f.name.removeprefix("fold_"): f for f in sorted(folder.glob("fold_*")) if f.is_dir()}
    for name in wanted:
        if name not in there:
            raise FileMissing(
                f"{folder} has no fold_{name}; there {_are(list(there))}", "Name folds that are there, or none for all"
            )
    chosen = list(wanted) or [n for n in there if n != ALL] or list(there)
    if not wanted and ALL in there and ALL not in chosen:
        notes.append("fold_all was left out: it has seen the data of the other folds, so they are not averaged.")
    checkpoints: dict[str, Path] = {}
    unfinished = []
    for name in chosen:
        files = [there[name] / f for f in (FINAL, BEST)]
        file = next((f for f in files if f.is_file()), None)
        if file is None:
            unfinished.append(name)
            continue
        checkpoints[name] = file
        if file.name == BEST:
            notes.append(f"Fold {name} has no {FINAL}; {BEST} is used.")
    for name in unfinished:
        contents = f"only {LATEST}: its training has not ended" if (there[name] / LATEST).is_file() else "no checkpoint"
        if wanted or not checkpoints:
            raise FileMissing(f"{there[name]} holds {contents}", f"Train it to its end ({FINAL} or {BEST})")
        notes.append(f"Fold {name} was left out; it holds {contents}.")
    if not checkpoints:
        raise FileMissing(f"{folder} has no fold folder (fold_0, …, or fold_all)", _WHOLE)
    numbers = [int(n) for n in checkpoints if re.fullmatch(r"\d+", n)]
    missing = sorted(set(range(max(5, *(n + 1 for n in numbers)))) - set(numbers)) if len(numbers) > 1 else []
    if missing and not wanted:
        notes.append(f"Missing: fold {', '.join(map(str, missing))}; the other {len(numbers)} are averaged.")
    return checkpoints


def _are(names: list[str]) -> str:
    if not names:
        return "is none"
    return f"{'is' if len(names) == 1 else 'are'} {', '.join('fold_' + n for n in names)}"


def _object(file: Path) -> dict[str, Any]:
    content = read_json(file, ModelCorrupt, "Copy it again from where the model was trained")
    if not isinstance(content, dict):
        raise ModelCorrupt(f"{file} is not a JSON object", "Copy it again from where the model was trained")
    return content
