"""What the section Report has the worker process do; see `PreopReviewLib.jobs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.progress import CancelToken, Progress, within
from PreopReviewLib.worker_io import load_image

if TYPE_CHECKING:
    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.report.measures import MeasureOptions
    from LiverPlannerLib.resection.cutting import Resection


def write(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Measures a plan and writes its page.

    Args:
        parameters: as `scene.report.request` makes them, and ``out``: the page to write, which is replaced.

    Returns:
        ``files``; ``missing``: by topic, why it was not measured; ``megabytes`` of the page.

    Raises:
        PreopError: nothing is written then.
    """
    from LiverPlannerLib.report.page import ReportInfo, build_page, measure_all
    from PreopReviewLib.reports import write_report
    from PreopReviewLib.reports.page import check_path

    check_path(parameters["out"], overwrite=True)
    progress(0.0, "Reading the plan")
    image = load_image(folder, parameters["image"])
    plan = _labels(parameters, folder, "labels").onto(image, "segmentation", "volume")
    labels = sitk.Cast(plan.labels, sitk.sitkUInt8)
    record = {key: value or {} for key, value in parameters["record"].items()}
    options = _options(parameters, folder, plan, frozenset(record.get("volumes_ml", {})))
    measures = measure_all(image, labels, options, within(progress, 0.05, 0.5), cancel)
    info = ReportInfo(
        parameters.get("title") or "Liver plan",
        tuple((name, value) for name, value in parameters.get("identity", [])),
        parameters.get("simulated", False),
        record.get("models") or {},
        tuple(record.get("warnings") or ()),
        (*(record.get("notes") or ()), *_unknown(parameters.get("unknown", []))),
        corrected=_corrected(labels, parameters, folder, image),
    )
    cancel.raise_if_cancelled()
    page = build_page(measures, info, within(progress, 0.5, 0.95))
    cancel.raise_if_cancelled()
    files = write_report(page, parameters["out"], overwrite=True)
    progress(1.0, "Written")
    size = files[0].stat().st_size / 1e6
    return {"files": [str(f) for f in files], "missing": measures.missing, "megabytes": round(size, 1)}


def _options(parameters: dict[str, Any], folder: Path, plan: Labels, looked_for: frozenset[str]) -> MeasureOptions:
    """What to measure.

    Args:
        looked_for: structures that the run has looked for, whether or not it has found them.
    """
    from LiverPlannerLib.report.measures import MeasureOptions
    from LiverPlannerLib.resection.volumetry import Patient
    from LiverPlannerLib.vessels.by_hand import SetByHand

    return MeasureOptions(
        parameters["modality"],
        looked_for,
        Patient(*parameters["patient"]) if parameters.get("patient") else None,
        _labels(parameters, folder, "manual") if parameters.get("manual") else None,
        resection_of(plan, parameters["cut"], folder) if parameters.get("cut") else None,
        parameters.get("cysts", {}),
        drawn=plan.lesions,
        couinaud=plan.couinaud,
        branches_by_hand=[SetByHand(*decision) for decision in parameters.get("branches_by_hand", ())],
        cysts_by_hand=[tuple(decision) for decision in parameters.get("cysts_by_hand", ())],
    )


def write_resections(
    parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken
) -> dict[str, Any]:
    """Compares kept resections and writes the page that puts them side by side.

    Args:
        parameters: of `measure_tasks.resections`, and ``image``: CT or MRI; ``title``; ``warnings``: of the plan;
            ``out``: the page to write, which is replaced.

    Returns:
        ``rows`` and ``notes`` as `measure_tasks.resections`; ``files``.

    Raises:
        PreopError: nothing is written then.
    """
    from LiverPlannerLib.lesions import requested_lesions
    from LiverPlannerLib.measure_tasks import compared_resections
    from LiverPlannerLib.report.resections import resections_page
    from LiverPlannerLib.resection.vessel_margins import vessel_margins
    from PreopReviewLib.errors import NothingFound
    from PreopReviewLib.reports import write_report
    from PreopReviewLib.reports.page import check_path

    check_path(parameters["out"], overwrite=True)
    labels, trees, compared = compared_resections(parameters, folder, within(progress, 0.0, 0.7), cancel)
    image = load_image(folder, parameters["image"])
    image = sitk.Resample(image, labels, sitk.Transform(), sitk.sitkLinear, float(np.min(images.array_of(image))))
    try:
        margins = vessel_margins(trees, drawn=requested_lesions(parameters, folder))
    except NothingFound:
        margins = []
    cancel.raise_if_cancelled()
    progress(0.8, "Drawing the page")
    page = resections_page(
        image, labels, compared, trees, margins=margins, title=parameters["title"], notes=parameters["warnings"]
    )
    files = write_report(page, parameters["out"], overwrite=True)
    progress(1.0, "Written")
    return {"rows": compared.as_rows(), "notes": list(compared.notes), "files": [str(f) for f in files]}


def _labels(parameters: dict[str, Any], folder: Path, name: str) -> Labels:
    """What `scene.report.request` gives under a name, with the lesions that are held apart."""
    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.lesions import requested_lesions

    lesions = requested_lesions(parameters, folder, f"{name}_drawn")
    couinaud = load_image(folder, parameters["couinaud"]) if "couinaud" in parameters else None
    return Labels(load_image(folder, parameters[name]), lesions=lesions, couinaud=couinaud)


def _on(image: sitk.Image, labels: sitk.Image, what: str) -> sitk.Image:
    """The labels, which cover a part of the image, on its grid.

    Raises:
        GeometryError: they do not lie in the image.
    """
    return sitk.Cast(images.onto_grid(labels, image, what, "volume").labels, sitk.sitkUInt8)


def _corrected(labels: sitk.Image, parameters: dict[str, Any], folder: Path, image: sitk.Image) -> frozenset[str]:
    """The structures whose voxels are no longer those that the models gave."""
    from LiverPlannerLib.structures import STRUCTURES, mask_of

    if not parameters.get("model_output"):
        return frozenset()
    before = _on(image, load_image(folder, parameters["model_output"]), "model output")
    return frozenset(
        s.key
        for s in STRUCTURES
        if not np.array_equal(images.array_of(mask_of(labels, s.key)), images.array_of(mask_of(before, s.key)))
    )


def _unknown(names: list[str]) -> list[str]:
    return [f"Segments that are not liver structures were left out: {', '.join(names)}."] if names else []


def resection_of(plan: Labels, asked: dict[str, Any], folder: Path) -> Resection:
    """The resection that `scene.report.request` asks for, with the fates of lesions held apart.

    Args:
        plan: labels, lesions and Couinaud segments, on the grid of the image.

    Raises:
        InputError, NothingFound: the cut takes nothing or everything, or there is nothing to cut.
    """
    from LiverPlannerLib.resection.cutting import with_drawn_lesions

    labels = sitk.Cast(plan.labels, sitk.sitkUInt8)
    return with_drawn_lesions(_cut(labels, plan, asked, folder), labels, plan.lesions)


def _cut(labels: sitk.Image, plan: Labels, asked: dict[str, Any], folder: Path) -> Resection:
    from LiverPlannerLib.resection.curved_cut import resect_by_curve
    from LiverPlannerLib.resection.cutting import Plane, resect_by_planes, resect_by_surface
    from LiverPlannerLib.resections.plans import Liver, make_resection
    from LiverPlannerLib.territories.cutting import resect_by_territories

    kind = asked["kind"]
    if kind == "planes":
        return resect_by_planes(labels, [Plane(tuple(point), tuple(normal)) for point, normal in asked["planes"]])
    if kind == "territory":
        return resect_by_territories(labels, [str(branch) for branch in asked["branches"]], plan.couinaud)
    if kind == "described":
        return make_resection(Liver(labels, plan.couinaud, drawn=plan.lesions), asked["plan"])
    points = np.load(folder / asked["points"], allow_pickle=False)
    if kind == "curve":
        return resect_by_curve(labels, points, asked["flipped"])
    return resect_by_surface(labels, (points, np.load(folder / asked["triangles"], allow_pickle=False)))
