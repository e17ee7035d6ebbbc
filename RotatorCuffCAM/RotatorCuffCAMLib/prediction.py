"""Tear classes of many shoulders by one model, or by the mean of its folds: predictions.csv."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from PreopReviewLib.csv_text import csv_text
from PreopReviewLib.datasets.layout import Case
from PreopReviewLib.output import output_folder
from PreopReviewLib.progress import Progress, silent
from RotatorCuffCAMLib.tears import KEYS

FILE = "predictions.csv"
"""A line for each case: its name, the probabilities of the five classes, seconds; `preop cuff evaluate` reads it."""


def predict_classes(
    models: Sequence[str | Path],
    cases: Sequence[Case],
    folder: Path,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = silent,
) -> list[str]:
    """Writes predictions.csv into a folder of its own; the head is looked for where a case names no point.

    Raises:
        ModelError: an unknown model, or one for another task. OutputError, and what reading an image raises.
    """
    import torch

    from PreopReviewLib.inference.device import choose_device
    from RotatorCuffCAMLib.network.classifier import load_network, softmax
    from RotatorCuffCAMLib.training.data import cube_of

    networks = [load_network(m).to(choose_device(device)) for m in models]
    rows: list[list[object]] = [["case", *KEYS, "seconds"]]
    with output_folder(folder, overwrite, "predict", [c.image for c in cases]) as work:
        for number, case in enumerate(cases):
            progress(number / len(cases), f"Classifying case {number + 1} of {len(cases)}")
            cube = torch.from_numpy(cube_of(case.image, case.center_ras).astype(np.float32))[None, None]
            began = time.perf_counter()
            with torch.inference_mode():
                logits = [n(cube.to(next(n.parameters()).device))[0].float().cpu().numpy() for n in networks]
            mean = np.mean([softmax(one) for one in logits], axis=0)
            rows.append([case.name, *(f"{p:.6f}" for p in mean / mean.sum()), f"{time.perf_counter() - began:.4f}"])
        (work / FILE).write_text(csv_text(rows), encoding="utf-8", newline="")
    progress(1.0, "Done")
    return [FILE]
