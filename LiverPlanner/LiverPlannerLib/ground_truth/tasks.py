"""What the section Ground truth has the worker process do; see `PreopReviewLib.jobs`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from LiverPlannerLib.ground_truth.cases import on_whole_grid
from PreopReviewLib import images
from PreopReviewLib.progress import CancelToken, Progress
from PreopReviewLib.worker_io import load_image, save_image


def new_list(parameters: dict[str, Any], _folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Finds the images of a folder and makes a list of them.

    Args:
        parameters: ``source``: folder, or text file; ``list``: folder of the list; ``structures``: keys.

    Returns:
        ``cases``: names.
    """
    from LiverPlannerLib.ground_truth.cases import find_cases, read_case_file
    from LiverPlannerLib.ground_truth.work_list import create_list

    progress(0.1, "Looking for images")
    source, target = Path(parameters["source"]), parameters["list"]
    cases = find_cases(source, target) if source.is_dir() else read_case_file(source, target)
    cancel.raise_if_cancelled()
    return {"cases": [c.name for c in create_list(target, cases, parameters["structures"]).cases]}


def switch(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Saves the labels of one case, then reads another.

    Args:
        parameters: ``save`` (or None): ``labels`` (a record, of a part of the image), ``grid`` (size, spacing,
            direction, origin of the image), ``path``, and ``version`` (`version_of` the file when the labels were
            taken; one that was written since holds later strokes and stays). ``load`` (or None): ``path``,
            ``series``, ``labels``, and ``suggested`` (labels that a model has drawn, to start from where there are no
            others; or None).

    Returns:
        ``saved``; ``image``, ``labels`` (records; the labels None if there are none yet); ``modality``.
    """
    saved = parameters.get("save")
    if saved:
        progress(0.1, "Saving")
        _save(saved, folder)
    wanted = parameters.get("load")
    if not wanted:
        return {"saved": bool(saved)}
    cancel.raise_if_cancelled()
    progress(0.3, "Reading the image")
    image = images.read_image(wanted["path"], wanted["series"])
    result: dict[str, Any] = {"saved": bool(saved), "image": save_image(image, folder, "case"), "labels": None}
    result["modality"] = images.guess_modality(image)
    drawn = next((p for p in (wanted["labels"], wanted.get("suggested")) if p and Path(p).is_file()), None)
    if drawn:
        progress(0.8, "Reading the labels")
        result["labels"] = save_image(images.read_labels(drawn), folder, "case_labels")
    return result


class _Newer(Exception):
    """The file was written since."""


def version_of(path: str | Path) -> int | None:
    """Changes whenever a file is written; None where there is none."""
    try:
        return Path(path).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _save(saved: dict[str, Any], folder: Path) -> None:
    def check() -> None:
        if version_of(saved["path"]) != saved["version"]:
            raise _Newer

    with suppress(_Newer):
        labels = on_whole_grid(load_image(folder, saved["labels"]), saved["grid"])
        images.write_image(labels, saved["path"], check=check)


def disagreement(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Where two annotators differ, and by how much.

    Args:
        parameters: ``list``, ``case``, ``first``, ``second``.

    Returns:
        ``mask``: a record; ``ml``: volume; ``rows``: `comparison.columns.StructureComparison.as_row` of each structure.
    """
    from LiverPlannerLib.ground_truth.consensus import compare_annotators
    from LiverPlannerLib.ground_truth.consensus import disagreement as differences
    from LiverPlannerLib.ground_truth.work_list import open_list

    work = open_list(parameters["list"])
    names = (parameters["first"], parameters["second"])
    progress(0.1, "Comparing")
    compared = compare_annotators(work, parameters["case"], *names)
    cancel.raise_if_cancelled()
    mask = differences([work.labels(parameters["case"], name) for name in names])
    ml = float(images.array_of(mask).sum()) * images.voxel_ml(mask)
    return {"mask": save_image(mask, folder, "mask"), "ml": ml, "rows": [row.as_row() for row in compared.rows]}


def consensus(parameters: dict[str, Any], _folder: Path, progress: Progress, _cancel: CancelToken) -> dict[str, Any]:
    """The consensus of every case that two have finished.

    Args:
        parameters: ``list``, ``method``.

    Returns:
        `ground_truth_consensus.Outcome` as plain values.
    """
    from LiverPlannerLib.ground_truth.consensus import consensus_of_list
    from LiverPlannerLib.ground_truth.work_list import open_list

    return asdict(consensus_of_list(open_list(parameters["list"]), parameters["method"], progress=progress))


def export(parameters: dict[str, Any], _folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Writes the finished cases as a data set.

    Args:
        parameters: ``list``, ``source``, ``out``, ``form``.

    Returns:
        ``cases``, ``left_out``, ``notes``.
    """
    from LiverPlannerLib.ground_truth.export import export_list
    from LiverPlannerLib.ground_truth.work_list import open_list

    work = open_list(parameters["list"])
    exported = export_list(
        work, parameters["source"], parameters["out"], parameters["form"], progress=progress, cancel=cancel
    )
    return {"cases": exported.cases, "left_out": exported.left_out, "notes": exported.notes}
