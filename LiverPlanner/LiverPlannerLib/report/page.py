"""A liver plan as one page: 3D, slices, tables, figures, models, warnings.

`measure_all` (in `measures`) measures, `build_page` says it. Neither reads nor writes files. Nothing of whose
images these are is on the page unless it is given as `ReportInfo.identity`.
"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from LiverPlannerLib.report import pictures, tables
from LiverPlannerLib.report.measures import MeasureOptions, Measures, measure_all
from PreopReviewLib import NOT_FOR_CLINICAL_USE, __version__
from PreopReviewLib.errors import ModelError
from PreopReviewLib.progress import Progress, silent
from PreopReviewLib.reports import Facts, Page, Picture, Section, Words
from PreopReviewLib.reports.page import without_empty

__all__ = ["MeasureOptions", "Measures", "ReportInfo", "build_page", "measure_all"]

SIMULATED = "Simulated image"


@dataclass(frozen=True)
class ReportInfo:
    """What a report says besides what was measured.

    Attributes:
        title: of the page; give it a case number rather than a name.
        identity: names and values that identify the patient; empty unless the user asked for them.
        simulated: the image was made by a program.
        models: by structure key, which model package gave it, e.g. ``kuleuven-liver 0.3.0``; or ``drawn``.
        warnings, notes: of the run that made the segmentation.
        still: a picture of the 3D view, for print and browsers without 3D.
        corrected: structures that a person has changed since.
        made_at: when; now by default.
    """

    title: str = "Liver plan"
    identity: tuple[tuple[str, str], ...] = ()
    simulated: bool = False
    models: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    still: Picture | None = None
    corrected: frozenset[str] = frozenset()
    made_at: datetime.datetime | None = None


def build_page(measures: Measures, info: ReportInfo, progress: Progress = silent) -> Page:
    """The page of one case; pictures and meshes are made here."""
    when = (info.made_at or datetime.datetime.now()).astimezone().strftime("%Y-%m-%d %H:%M %Z")
    progress(0.0, "Making surfaces")
    three_d = _three_d(measures, info)
    progress(0.4, "Drawing slices")
    planes, stack, series = pictures.slices(measures)
    progress(0.6, "Drawing figures")
    sections = _sections(measures, info, three_d, Section("Slices", (planes, stack, series)), when)
    warnings = dict.fromkeys([*info.warnings, *measures.warnings])
    modality = "MRI" if measures.modality == "MR" else measures.modality
    progress(1.0, "Writing")
    return Page(
        title=info.title,
        banner=NOT_FOR_CLINICAL_USE,
        sections=without_empty(sections),
        subtitle=f"{modality}, made {when} with PreopReview {__version__}",
        marks=(SIMULATED,) if info.simulated else (),
        identity=info.identity,
        warnings=tuple(warnings),
        footer=(f"PreopReview {__version__}, {when}. This file is self-contained and opens without a network.",),
    )


def _sections(measures: Measures, info: ReportInfo, three_d: Section, slices: Section, when: str) -> list[Section]:
    """All that may stand on a page, in its order; some are empty."""
    sections = [
        three_d,
        slices,
        Section(
            "Volumes",
            _given(
                tables.volumes(measures, info.models, info.corrected),
                tables.lesions(measures) if measures.regions else None,
            ),
        ),
        Section("Segments", _given(tables.segments(measures))),
        Section(
            "Remnant", _given(tables.volumetry(measures), *tables.resection(measures), *tables.perfusion(measures))
        ),
        Section("Territories", tuple(tables.territories(measures)), columns=2),
        Section("Margins", _given(tables.margins(measures), tables.vessel_margins(measures))),
        Section("Vessels and bile duct", _given(tables.trees(measures), *pictures.trees(measures))),
        Section("Every branch", _given(tables.branches(measures)), folded=True),
        Section("Cysts", _given(tables.cysts(measures), *pictures.cyst_overview(measures))),
        Section("Each lesion's histogram", tuple(pictures.cyst_regions(measures)), folded=True, columns=2),
        Section("Comparison", _given(tables.comparison(measures), *pictures.comparison(measures))),
        Section("Models", tuple(_model_facts(name) for name in model_names(info.models)), columns=2),
        Section("How this was made", _given(_how(measures, info, when))),
    ]
    if measures.missing:
        reasons = tuple(f"{topic}: {reason}" for topic, reason in measures.missing.items())
        sections.append(Section("What could not be measured", (Words(reasons),)))
    return sections


def _given(*blocks: Any) -> tuple[Any, ...]:
    return tuple(b for b in blocks if b is not None)


def _three_d(measures: Measures, info: ReportInfo) -> Section:
    title = "In three dimensions"
    try:
        view = pictures.view3d(measures, info.still)
    except ImportError:
        measures.missing[title] = (
            "Surfaces are made with VTK, which is not installed: pip install 'preopreview[scene]'."
        )
        return Section(title, _given(info.still))
    return Section(title, (view,))


def _how(measures: Measures, info: ReportInfo, when: str) -> Facts:
    rows = [
        ("Image", f"{measures.modality}, {pictures.geometry_words(measures.image)}"),
        ("Made", when),
        *((f"Note {n}", words) for n, words in enumerate(dict.fromkeys([*info.notes, *measures.notes]), 1)),
        ("Volumes", "Counted in voxels on the image's own grid; the surfaces of the 3D view are for looking at."),
        ("Software", f"PreopReview {__version__}, {_versions()}"),
    ]
    return Facts(tuple(rows))


def _versions() -> str:
    versions = [f"Python {platform.python_version()}"]
    for name in ("torch", "monai", "SimpleITK", "numpy", "slicer-core"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue  # not needed for what was done here
    return ", ".join(versions)


# ---- models ----


def model_names(models: Mapping[str, str]) -> list[str]:
    """The models of a plan, once each, e.g. of ``A 1.0 and B 2.0``."""
    return list(dict.fromkeys(name for words in models.values() for name in words.split(" and ") if name))


def _model_facts(name: str) -> Facts:
    """What its card says of a model; of one that is not here, its name alone."""
    from PreopReviewLib.models.catalog import find_package

    if name in ("given", "drawn"):
        return Facts((("Source", "Drawn or corrected by a person"),), "By hand")
    try:
        package = find_package(name.rsplit(" ", 1)[0])
    except ModelError:
        return Facts((("Card", "The model is not on this computer, so its card cannot be shown."),), name)
    data = package.metadata
    training = data.get("training_data") or data.get("training", {}).get("data") or "not said"
    rows = [
        ("What it does", data["description"]),
        ("Intended use", data["intended_use"]),
        ("Training data", str(training)),
        *((f"Dice, {cases}", words) for cases, words in _accuracy(data.get("figures"))),
        ("License", data["license"]),
        *((("Reference", "; ".join(data["references"])),) if data.get("references") else ()),
    ]
    if name.rsplit(" ", 1)[-1] != package.version:
        rows.append(("Version here", f"{package.version}; the segmentation was made with another one"))
    return Facts(tuple(rows), name)


def _accuracy(figures: Any) -> list[tuple[str, str]]:
    """Measured accuracy of a card in the form that our own training writes, ``{cases: {structure: {mean, …}}}``."""
    if not isinstance(figures, Mapping):
        return []
    return [
        (cases, ", ".join(f"{key.replace('_', ' ')} {value['mean']:.2f}" for key, value in dice.items()))
        for cases, dice in figures.items()
        if isinstance(dice, Mapping) and all(isinstance(v, Mapping) and "mean" in v for v in dice.values())
    ]
