"""A five-structures model of one's own in a plan: what it learned from decides how its tumors count."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.plan.pipeline import LiverPlan, PlanOptions, make_plan
from PreopReviewLib import images
from PreopReviewLib.models import catalog
from PreopReviewLib.phantoms.liver import make_liver_phantom
from PreopReviewLib.resources import resource

pytest.importorskip("torch")
SHIPPED = "five-structures-synthetic"


@pytest.fixture(scope="module")
def scan() -> tuple[sitk.Image, sitk.Image]:
    phantom = make_liver_phantom(7, "ct", (80, 72, 64), 3.2)  # a tumor and cysts
    return phantom.image, images.image_like(phantom.anatomy.liver.astype(np.uint8), phantom.image)


def package(folder: Path, training: dict[str, object]) -> str:
    """A copy of the shipped package under another name, which says that it learned from something else."""
    shutil.copytree(resource("Models", SHIPPED), folder)
    file = folder / "configs" / "metadata.json"
    metadata = json.loads(file.read_text())
    file.write_text(json.dumps({**metadata, "name": folder.name, "version": "1", "training": training}))
    return str(folder)


def plan(scan: tuple[sitk.Image, sitk.Image], models: tuple[str, ...], lesions: bool = False) -> LiverPlan:
    options = PlanOptions("CT", models, lesions=lesions, segments=False, device="cpu")
    return make_plan(scan[0], options, liver_mask=scan[1])


def test_one_that_learned_from_phantoms_counts_as_the_shipped_one_does_under_its_own_name(scan, tmp_path) -> None:
    own = plan(scan, (package(tmp_path / "mine", {"simulated": True}),))
    shipped = plan(scan, ())
    assert np.array_equal(images.array_of(own.labels), images.array_of(shipped.labels))
    assert own.volumes_ml["tumor"] > 0
    assert "mine: learned from simulated images, not validated on patients." in own.notes
    (said,) = [w for w in own.warnings if "of tumor" in w]
    assert "found by mine 1 alone, which learned from simulated images" in said
    assert {r.seen_by for r in own.regions if r.structure == "tumor"} == {("mine 1",)}
    assert not any(SHIPPED in words for words in own.warnings + own.notes)


def test_of_one_that_learned_from_patients_nothing_else_is_said(scan, tmp_path) -> None:
    own = plan(scan, (package(tmp_path / "ward", {"simulated": False, "training_cases": 40}),))
    assert own.volumes_ml["tumor"] > 0
    assert not any("simulated" in words for words in own.warnings + own.notes)


def test_in_a_ct_without_contrast_its_lesions_are_left_out_if_it_learned_from_phantoms(scan, tmp_path) -> None:
    plain = sitk.ShiftScale(scan[0], -80, 1.0), scan[1]
    for training, taken in (({"data": "synthesized images only"}, False), ({"simulated": False}, True)):
        own = plan(plain, (package(tmp_path / f"taken_{taken}", training),))
        assert ("tumor" in own.volumes_ml) == taken
        assert any("not a portal-venous phase" in w for w in own.warnings) != taken


@pytest.mark.slow
def test_what_the_lesion_network_does_not_see_of_its_tumors_is_a_candidate(scan, tmp_path) -> None:
    if "kuleuven-lesion" not in {m.name for m in catalog.list_models() if m.state == "installed"}:
        pytest.skip("the model kuleuven-lesion is not installed")
    own = plan(scan, (package(tmp_path / "mine", {"simulated": True}),), lesions=True)
    shipped = plan(scan, (), lesions=True)
    assert np.array_equal(images.array_of(own.labels), images.array_of(shipped.labels))
    assert [(r.structure, r.ml) for r in own.regions] == [(r.structure, r.ml) for r in shipped.regions]
    assert own.models["tumor"].endswith("and mine 1")
    patients = plan(scan, (package(tmp_path / "ward", {"simulated": False}),), lesions=True)
    assert patients.models["tumor"] == "ward 1", "the user's model is taken at its word"
