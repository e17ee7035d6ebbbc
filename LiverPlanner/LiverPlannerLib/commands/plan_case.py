"""A plan from a file to a folder: what `preop liver plan` and `preopreview.plan_liver` do."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import SimpleITK as sitk

from LiverPlannerLib.labels import name_our_values, read_mask, write_segments
from LiverPlannerLib.liver_extent import counted_mask
from LiverPlannerLib.plan.files import RECORD, SEGMENTS_FILE, record, record_for_scene, summary, write_volumes
from LiverPlannerLib.plan.pipeline import LiverPlan, PlanOptions, make_plan
from LiverPlannerLib.structures import SEGMENTS, Structure, structure
from PreopReviewLib import images
from PreopReviewLib.errors import PreopError
from PreopReviewLib.output import output_folder
from PreopReviewLib.progress import CancelToken, Progress, silent, within
from PreopReviewLib.structured import json_text


def plan_liver(
    path: str | Path,
    out: str | Path,
    options: PlanOptions | None = None,
    *,
    series: str | None = None,
    liver: str | Path | None = None,
    others: Sequence[str | Path] = (),
    overwrite: bool = False,
    title: str | None = None,
    origin: str = "",
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> LiverPlan:
    """Reads an image, makes the plan, and writes all of its results into a folder.

    Args:
        path: image file or DICOM folder.
        out: folder to make: labels.nii.gz, segments.nii.gz (Couinaud, 1 to 8), volumes.csv, summary.txt, plan.json
            (the same for programs) and, where slicer-core is installed, scene.mrb, segmentation.seg.nrrd,
            reconstruction.png, slices.png and an STL file per structure; of a DICOM series also segmentation.dcm and
            segments.dcm (SEG), which carry its patient data.
        liver: a label image or mask whose liver replaces the network's.
        others: further images of the scan for a model that needs several, in its order; they are brought
            to the first one's grid.
        title: what scene, pictures and summary call the case; the file's name by default.
        origin: where the image comes from, for the summary.

    Raises:
        PreopError: as reading, computing and writing raise it; the folder is then as it was before.
    """
    began = time.perf_counter()
    path = Path(path)
    with output_folder(out, overwrite, "liver plan", [path, *others, *filter(None, [liver])]) as folder:
        progress(0.0, "Reading")
        image = images.read_image(path, series)
        plan = make_plan(
            image,
            options,
            liver_mask=_liver_mask(liver, image),
            source=str(path),
            others=[images.resample_to(images.read_image(each), image) for each in others],
            progress=within(progress, 0.02, 0.85),
            cancel=cancel,
        )
        progress(0.86, "Writing the results")
        write_plan(plan, folder, title or _stem(path), within(progress, 0.86, 1.0))
        total = time.perf_counter() - began
        _write_dicom(plan, path, series, folder)
        (folder / "summary.txt").write_text(
            summary(plan, f"{path}, {origin}" if origin else str(path), total), encoding="utf-8"
        )
        plan_record = record(plan, path, origin)
        (folder / RECORD).write_text(json_text(plan_record) + "\n", encoding="utf-8")
    progress(1.0, "Done")
    return plan


def _liver_mask(path: str | Path | None, image: sitk.Image) -> sitk.Image | None:
    if path is None:
        return None
    return images.onto_grid(read_mask(path, ("liver",)), image, "liver mask").labels


def _stem(path: Path) -> str:
    name = path.name or path.resolve().name
    for suffix in images.SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def write_plan(plan: LiverPlan, folder: Path, title: str, progress: Progress = silent) -> None:
    """Writes labels, volumes and, where slicer-core is installed, scene, surfaces and pictures.

    Raises:
        OutputError: something cannot be written.
    """
    name_our_values(images.write_image(plan.labels, folder / "labels.nii.gz"))
    if plan.couinaud is not None:
        write_segments(plan.couinaud.labels, folder / SEGMENTS_FILE)
    write_volumes(plan, folder / "volumes.csv")
    if find_spec("slicer") is None:
        plan.notes.append(
            "No scene, surfaces or pictures were made: slicer-core is not installed (pip install 'preopreview[scene]')."
        )
        return
    from LiverPlannerLib.scene.results import save_results

    progress(0.2, "Building the scene")
    footnote = f"Models: {', '.join(dict.fromkeys(plan.models.values()))}"
    saved = save_results(
        plan.image,
        plan.labels,
        record_for_scene(plan),
        folder,
        title,
        footnote=footnote,
        couinaud=plan.couinaud.labels if plan.couinaud else None,
    )
    plan.notes += saved.notes


def _write_dicom(plan: LiverPlan, source: Path, uid: str | None, folder: Path) -> None:
    """The structures as a DICOM SEG of the series they were found in, or a note why there is none.

    The Couinaud segments lie over the structures and are a SEG of their own.
    """
    of_image = images.dicom_source(source, uid)
    if of_image is None:
        return  # an image file of another format
    masks = {"segmentation.dcm": coded_masks(plan.labels, plan.volumes_ml, plan.models)}
    if plan.couinaud is not None:
        masks["segments.dcm"] = [coded_mask(s, plan.couinaud.labels == s.label, plan.couinaud.model) for s in SEGMENTS]
    for name, coded in masks.items():
        try:
            images.write_dicom_segmentation(coded, of_image, folder / name)
        except PreopError as error:
            plan.notes.append(f"No {name} was made: {error}")


def coded_masks(labels: sitk.Image, keys: Iterable[str], models: Mapping[str, str]) -> list[images.CodedMask]:
    """Structures of a label image as DICOM SEG names and codes them, with the model that found each."""
    return [coded_mask(structure(key), counted_mask(labels, key), models.get(key)) for key in keys]


def coded_mask(known: Structure, mask: sitk.Image, by: str | None) -> images.CodedMask:
    category, kind, region = (
        code and (code.scheme, code.value, code.meaning) for code in (known.category, known.type, known.region)
    )
    return images.CodedMask(known.name, mask, category, kind, known.color, by, (region,) if region else ())
