"""What the panel lets the worker process do (`PreopReviewLib.jobs`): plain values and files in, the same out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from PreopReviewLib.progress import CancelToken, Progress, within


def plan(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Segments an image; see `plan.make_plan`.

    Args:
        parameters: ``image`` (a record of `worker_io`), ``source`` (what errors call it), ``options`` (fields of
            `plan.PlanOptions`), and, to keep a liver that was drawn, ``liver`` (a record).

    Returns:
        ``parts`` (records of `plan.parts.save_part`) and ``plan`` (`plan.files.record_for_scene`).
    """
    from LiverPlannerLib.plan import parts as plan_parts
    from LiverPlannerLib.plan.files import record_for_scene
    from LiverPlannerLib.plan.pipeline import PlanOptions, make_plan
    from PreopReviewLib import worker_io

    progress(0.0, "Reading the image")
    image = worker_io.load_image(folder, parameters["image"])
    liver = worker_io.load_image(folder, parameters["liver"]) if parameters.get("liver") else None
    liver_plan = make_plan(
        image,
        PlanOptions(**parameters["options"]),
        liver_mask=liver,
        source=parameters["source"],
        progress=within(progress, 0.02, 0.9),
        cancel=cancel,
    )
    records = []
    for part in plan_parts.parts_of_plan(liver_plan):
        cancel.raise_if_cancelled()
        progress(0.9 + 0.012 * len(records), "Making surfaces")
        records.append(plan_parts.save_part(part, folder))
    return {"parts": records, "plan": record_for_scene(liver_plan)}


def cysts(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Tells cysts from tumors; see `cysts.filter_cysts`.

    Args:
        parameters: ``image`` and ``labels`` (records of `worker_io`; the labels may be a part of the image),
            ``options`` (rule, threshold, modality, reconsider_cysts) and, where the segmentation holds lesions
            apart, what `lesions.drawn_request` gives.

    Returns:
        ``regions`` (plain values of `cyst_rules.CystRegion`), ``region_labels`` (a record, on the grid of the
        labels), ``liver`` (median, mad, voxels; or None) and ``warnings``. In the folder, ``counts.npy``,
        ``smoothed.npy`` and ``core.npy``: (R, bins) histograms.
    """
    import numpy as np

    from LiverPlannerLib.cysts import fit as cyst_fit
    from LiverPlannerLib.cysts.filter import filter_cysts
    from LiverPlannerLib.lesions import requested_lesions
    from PreopReviewLib import worker_io

    progress(0.1, "Measuring the lesions")
    labels = worker_io.load_image(folder, parameters["labels"])
    image = worker_io.on_grid(worker_io.load_image(folder, parameters["image"]), labels)
    drawn = requested_lesions(parameters, folder)
    result = filter_cysts(image, labels, lesions_are="labels", drawn=drawn, **parameters["options"])
    cancel.raise_if_cancelled()
    progress(0.9, "Writing the table")
    settings = result.settings
    smoothed = cyst_fit.smooth(result.counts, settings.scale) if result.regions else result.counts
    for name, array in (("counts", result.counts), ("smoothed", smoothed), ("core", result.core_counts)):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return {
        "regions": [asdict(r) for r in result.regions],
        "region_labels": worker_io.save_image(result.region_labels, folder, "region_labels"),
        "liver": asdict(settings.liver) if settings.liver else None,
        "warnings": result.warnings,
    }


def simulate(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """A simulated liver for the Sample Data module.

    Args:
        parameters: ``seed``, ``contrast``, ``size`` (voxels I, J, K) and ``spacing`` (mm).

    Returns:
        ``image`` (a record of `worker_io`).
    """
    from PreopReviewLib import worker_io
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    progress(0.1, "Growing vessels")
    phantom = make_liver_phantom(
        parameters["seed"], parameters["contrast"], tuple(parameters["size"]), parameters["spacing"], slice_mm=0
    )
    cancel.raise_if_cancelled()
    return {"image": worker_io.save_image(phantom.image, folder, "image")}
