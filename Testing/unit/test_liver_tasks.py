"""What the liver's panel has computed in the worker, on a small phantom with a given liver."""

from __future__ import annotations

import numpy as np
import pytest

from LiverPlannerLib import tasks
from LiverPlannerLib.plan import parts as plan_parts
from PreopReviewLib import images, jobs, worker_io
from PreopReviewLib.errors import Cancelled
from PreopReviewLib.phantoms.liver import make_liver_phantom
from PreopReviewLib.progress import CancelToken


@pytest.fixture(scope="module")
def phantom():
    return make_liver_phantom(21, "ct", (80, 72, 64), 3.2)


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """One worker for all, as a panel has it."""
    made = jobs.JobRunner(logs=tmp_path_factory.mktemp("logs"))
    yield made
    made.close()


@pytest.fixture
def parameters(phantom, folder):
    """Of a plan with a given liver, whose image and mask are in the job's folder."""
    liver = images.image_like(phantom.anatomy.liver.astype(np.uint8), phantom.image)
    return {
        "image": worker_io.save_image(phantom.image, folder, "image"),
        "liver": worker_io.save_image(liver, folder, "liver"),
        "source": "the phantom",
        "options": {"modality": "CT", "lesions": False, "structures": True, "device": "cpu"},
    }


def test_a_plan_made_in_the_worker_is_all_the_panel_needs(runner, folder, parameters, phantom):
    seen = []
    job = runner.start("LiverPlannerLib.tasks:plan", parameters, folder, on_progress=lambda f, w: seen.append(f))
    runner.wait(job, 120)
    assert job.state == "finished", job.error
    plan_record = job.result["plan"]
    expected = phantom.anatomy.liver.sum() * images.voxel_ml(phantom.image)
    assert plan_record["modality"] == "CT"
    # The portal trunk beyond the surface is not liver.
    assert expected * 0.999 < plan_record["volumes_ml"]["liver"] < expected + 5
    assert {"hepatic_vein", "portal_vein", "bile_duct"} <= set(plan_record["volumes_ml"])
    assert plan_record["models"]["liver"] == "given"
    assert "five-structures-synthetic" in plan_record["models"]["portal_vein"]
    assert plan_record["device"] == "cpu"
    assert {"structures", "measuring"} <= set(plan_record["seconds"])
    assert all(isinstance(w, str) for w in plan_record["warnings"] + plan_record["notes"])
    assert seen == sorted(seen)


@pytest.mark.slow
def test_the_parts_of_a_plan_hold_its_volumes(runner, folder, parameters, phantom):
    pytest.importorskip("vtk")
    job = runner.wait(runner.start("LiverPlannerLib.tasks:plan", parameters, folder), 120)
    assert job.state == "finished", job.error
    unit = images.voxel_ml(phantom.image)
    volumes = job.result["plan"]["volumes_ml"]
    parts = [part for part in plan_parts.load_parts(job.result["parts"], folder) if part is not None]
    by_name = {part.key: part.voxels.sum() * unit for part in parts}
    assert {k: v for k, v in by_name.items() if k in volumes} == pytest.approx(
        {k: v for k, v in volumes.items() if v > 0}, abs=2e-3
    )
    assert all(part.surface.GetNumberOfPoints() > 0 for part in parts)


def test_a_plan_can_be_cancelled(folder, parameters):
    token = CancelToken()
    with pytest.raises(Cancelled):
        tasks.plan(parameters, folder, lambda fraction, words: token.cancel(), token)


def test_a_plan_without_a_liver_says_whose_image_it_was(runner, folder, parameters, phantom):
    empty = images.image_like(np.zeros_like(images.array_of(phantom.labels)), phantom.image)
    parameters["liver"] = worker_io.save_image(empty, folder, "liver")
    job = runner.wait(runner.start("LiverPlannerLib.tasks:plan", parameters, folder), 120)
    assert job.error.kind == "NothingFound"
    assert "the phantom" in job.error.problem
