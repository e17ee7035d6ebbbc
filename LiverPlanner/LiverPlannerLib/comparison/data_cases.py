"""Predictions of a data folder's cases against their labels: a cohort, a picture of each case, radiomics of all.

Named by `preop evaluate`, which knows no anatomy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from LiverPlannerLib.comparison.cohort import Pair, compare_pairs
from LiverPlannerLib.structures import STRUCTURES
from PreopReviewLib import images
from PreopReviewLib.datasets.layout import Case
from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.evaluation.cohort import Cohort
from PreopReviewLib.evaluation.tables import Table
from PreopReviewLib.progress import Progress, silent

if TYPE_CHECKING:
    import SimpleITK as sitk


def pairs_of(cases: Sequence[Case], predicted: Path) -> list[Pair]:
    """Each case's labels and its prediction (CASE.seg.nrrd, or another label file of that name).

    Raises:
        InputError: cases with classes in place of labels. FileMissing: no prediction of any of the cases.
    """
    pairs = []
    for case in cases:
        if case.labels is None:
            raise InputError(f"{case.name} has a class but no labels", "Its predictions belong to shim2020")
        predictions = [p for s in (".seg.nrrd", *images.SUFFIXES) if (p := predicted / f"{case.name}{s}").is_file()]
        pairs.append(
            Pair(case.name, "", {"manual": case.labels, **({"predicted": predictions[0]} if predictions else {})})
        )
    if not any("predicted" in p.files for p in pairs):
        raise FileMissing(f"{predicted} holds no prediction of {pairs[0].case}", "Predict the cases into it first")
    return pairs


def cohort_of(pairs: Sequence[Pair], source: str, progress: Progress = silent) -> Cohort:
    """The measures of every case; a case without prediction is kept as failed."""
    return compare_pairs(list(pairs), source, progress)


def figures_of(cohort: Cohort) -> dict[str, dict[str, float]]:
    """By structure, mean and SD of the Dice over the cases that have it, and how many these are: for a model's card."""
    figures = {}
    for s in STRUCTURES:
        column = f"{s.key}_dsc"
        if column not in cohort.columns:
            continue
        values = cohort.numbers(column)
        values = values[np.isfinite(values)]
        if len(values):
            sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
            figures[s.key] = {"mean": float(values.mean()), "sd": sd, "cases": len(values)}
    return figures


def labels_of(pair: Pair) -> dict[str, sitk.Image]:
    """The label images of a case by role, in the numbers of the table of structures."""
    from LiverPlannerLib.labels import read_labels

    return {role: read_labels(path).labels for role, path in pair.files.items()}


def write_case_figures(pairs: Sequence[Pair], cases: Sequence[Case], folder: Path, progress: Progress = silent) -> None:
    """CASE.png of each case: where every structure is right, false and missed, over the image."""
    from LiverPlannerLib.comparison.figure import comparison_figure
    from LiverPlannerLib.comparison.pair import compare

    folder.mkdir(exist_ok=True)
    for number, (pair, case) in enumerate(zip(pairs, cases, strict=True)):
        progress(number / len(pairs), f"Drawing case {pair.case}")
        if "predicted" not in pair.files:
            continue
        both = labels_of(pair)
        compared = compare(both["predicted"], both["manual"], branches=False)
        figure = comparison_figure(compared, images.read_image(case.image), pair.case)
        figure.savefig(folder / f"{pair.case}.png")


def radiomics_table(pairs: Sequence[Pair], cases: Sequence[Case], progress: Progress = silent) -> Table:
    """ICC(2,1) of the liver's features between manual and automatic masks of all cases, means by class (Gross 2024).

    Raises:
        InputError: fewer than two cases with both masks, or the library for features is not installed.
    """
    from LiverPlannerLib.radiomics.agreement import feature_agreement
    from LiverPlannerLib.radiomics.features import extract
    from LiverPlannerLib.radiomics.settings import settings_for

    features: dict[str, list[Mapping[str, float]]] = {"manual": [], "predicted": []}
    for number, (pair, case) in enumerate(zip(pairs, cases, strict=True)):
        if set(pair.files) < {"manual", "predicted"}:
            continue
        image = images.read_image(case.image)
        settings = settings_for(images.guess_modality(image))
        for role, labels in labels_of(pair).items():
            progress(number / len(pairs), f"Features of case {pair.case}")
            mask = images.onto_grid(labels, image).labels
            liver = next(iter(extract(image, mask, settings, structures=["liver"]).structures))
            features[role].append(liver.features)
    agreement = feature_agreement(features["manual"], features["predicted"])
    table = Table(
        "gross2024_radiomics",
        "Agreement of the liver's radiomic features, manual and automatic",
        ["Class", "features", f"{agreement.form}, mean ± SD", "above 0.9"],
    )
    by_class: dict[str, list[float]] = {}
    for name, value in agreement.values.items():
        if math.isfinite(value.value):
            by_class.setdefault(_family(name), []).append(value.value)
    for name, values in [*by_class.items(), ("all", [v for vs in by_class.values() for v in vs])]:
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        spread = "" if math.isnan(sd) else f" ± {sd:.2f}"
        cells = (
            (f"{np.mean(values):.2f}{spread}", f"{np.mean(np.array(values) > 0.9):.0%}") if values else ("n/a", "n/a")
        )
        table.add(name, len(values), *cells)
    table.notes.append(f"{agreement.cases} cases; {len(agreement.left_out)} features are not defined in every case")
    return table


def _family(name: str) -> str:
    from LiverPlannerLib.radiomics.names import family_of

    return family_of(name)
