"""Predicted tear classes of a data folder against its own: Tables 1 and 2 of Shim 2020, for `preop evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from PreopReviewLib.datasets.layout import Case
from PreopReviewLib.datasets.splitting import Split
from PreopReviewLib.errors import InputError
from RotatorCuffCAMLib.prediction import FILE
from RotatorCuffCAMLib.readers.evaluation import StudyEvaluation, evaluate_study
from RotatorCuffCAMLib.readers.results import ModelAnswers, Truth, read_model
from RotatorCuffCAMLib.readers.tables import gather
from RotatorCuffCAMLib.tears import tear_class


def evaluate_predictions(
    every: Sequence[Case], cases: Sequence[Case], split: Split | None, predicted: Path
) -> tuple[StudyEvaluation, dict[str, dict[str, float]]]:
    """The paper's tables, and the figures of a card: shares with the SD of a share.

    Args:
        every: all cases of the data set, for Table 1.
        cases: that are evaluated.
        predicted: folder of predictions.csv.

    Raises:
        InputError: cases with labels in place of classes, or without a prediction.
    """
    if any(not c.label_class for c in every):
        raise InputError("The data set has labels of structures, no classes", "Choose another paper")
    answers = read_model(predicted / FILE)
    wanted = [c.name for c in cases]
    lacking = [n for n in wanted if n not in answers.cases]
    if lacking:
        raise InputError(f"{predicted / FILE} lacks {', '.join(lacking[:5])}", "Predict the same part of the data")
    chosen = [answers.cases.index(n) for n in wanted]
    model = ModelAnswers(tuple(wanted), answers.probabilities[:, chosen], answers.seconds[chosen], answers.name)
    tested = set(split.test) if split else set()
    sets = {c.name: "test" if c.name in tested else "training" for c in every} if tested else {}
    truth = Truth({c.name: tear_class(c.label_class).index for c in every}, sets)
    true, predicted_classes = np.array([truth.classes[n] for n in wanted]), model.mean.argmax(1)
    shares = {
        "top-1": predicted_classes == true,
        "top-1 ± 1": abs(predicted_classes - true) <= 1,
        "tear or none": (predicted_classes > 0) == (true > 0),
    }
    figures = {
        name: {
            "mean": float(right.mean()),
            "sd": float(right.std(ddof=1)) if len(right) > 1 else 0.0,
            "cases": len(true),
        }
        for name, right in shares.items()
    }
    return evaluate_study(truth, gather(truth, [], model)), figures
