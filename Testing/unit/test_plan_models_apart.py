"""Each model of a plan is asked itself: what one found is never taken for what another did."""

from __future__ import annotations

import gc

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.plan.pipeline import PlanOptions, _Run
from PreopReviewLib.models.seam import SegmenterResult
from PreopReviewLib.progress import CancelToken, silent


class Model:
    """Finds what it is called."""

    needs_region = False

    def __init__(self, name: str) -> None:
        self.name = name

    def segment(self, image: sitk.Image, *_given: object, **_how: object) -> SegmenterResult:
        return SegmenterResult(image > 0, {self.name: 1}, self.name)


def test_a_model_that_is_gone_answers_for_no_other() -> None:
    image = sitk.GetImageFromArray(np.ones((4, 4, 4), np.int16))
    run = _Run(image, "CT", PlanOptions(), silent, CancelToken(), False)
    for n in range(50):  # an object takes the place in memory, and with it the id, of one before
        assert run._run(Model(f"model {n}"), None, silent).model == f"model {n}"
        gc.collect()


def test_a_model_is_asked_once() -> None:
    image = sitk.GetImageFromArray(np.ones((4, 4, 4), np.int16))
    run, model = _Run(image, "CT", PlanOptions(), silent, CancelToken(), False), Model("one")
    assert run._run(model, None, silent) is run._run(model, None, silent)
