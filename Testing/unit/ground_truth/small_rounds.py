"""A list of small cases whose first ones are finished, and a small model that can be trained on them.

python small_rounds.py FOLDER makes FOLDER/list and FOLDER/models/start.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.ground_truth.annotation import Annotation
from LiverPlannerLib.ground_truth.work_list import Case, create_list
from PreopReviewLib.models import networks
from PreopReviewLib.models.package import write_package

SHAPE = (20, 20, 20)
NETWORK = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2], "norm": "BATCH"}


def scan(seed, liver=100.0):
    """A ball in noise, brighter or darker than what lies round it, and its labels."""
    rng = np.random.default_rng(seed)
    k, j, i = np.indices(SHAPE)
    ball = (k - 10) ** 2 + (j - 10 + seed % 3) ** 2 + (i - 9) ** 2 < 30
    image = sitk.GetImageFromArray((rng.normal(0, 10, SHAPE) + liver * ball).astype(np.float32))
    labels = sitk.GetImageFromArray(ball.astype(np.uint8))
    for each in (image, labels):
        each.SetSpacing((6.0, 6.0, 6.0))
    return image, labels


def work_list(folder, count=10, finished=8):
    """A list whose first cases "ab" has finished."""
    cases = []
    (folder / "scans").mkdir(parents=True)
    for number in range(count):
        sitk.WriteImage(scan(number)[0], str(folder / "scans" / f"c{number}.nii.gz"))
        cases.append(Case(f"c{number}", f"../scans/c{number}.nii.gz", patient=f"p{number // 2}"))
    work = create_list(folder / "list", cases, ["liver"])
    with Annotation(work, "ab") as mine:
        for number in range(finished):
            mine.save_labels(f"c{number}", scan(number)[1])
            mine.set_status(f"c{number}", "liver", "done")
    return work


def package(folder, **inference):
    """An untrained network that says how it wants its images, and by which recipe it is trained."""
    import torch

    from PreopReviewLib.training.recipe import load_recipe

    torch.manual_seed(0)
    recipe = load_recipe("oh2023").changed(
        data__patch=[16, 16, 16], data__batch=2, data__augmentation={}, optimizer__learning_rate=0.02
    )
    said = {"spacing_mm": 6.0, "classes": ["background", "liver"], "divisor": 2, "window": [16, 16, 16]}
    metadata = {
        "name": "start",
        "version": "1",
        "task": "segmentation",
        "description": "d",
        "license": "l",
        "intended_use": "u",
        "network": {"name": "UNet", "arguments": NETWORK},
        "inference": {**said, "intensity": {"kind": "zscore"}, **inference},
        "training": {"data": "none", "recipe": recipe.as_dict()},
    }
    return write_package(folder, metadata, networks.build("UNet", NETWORK).state_dict(), "card", "terms").folder


if __name__ == "__main__":
    work_list(Path(sys.argv[1]))
    (Path(sys.argv[1]) / "models").mkdir()
    package(Path(sys.argv[1]) / "models" / "start")
