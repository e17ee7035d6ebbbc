"""Data sets for training from annotators' work."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_livers import LABEL, drawn, finish, write_dicom

from LiverPlannerLib.ground_truth.annotation import Annotation
from LiverPlannerLib.ground_truth.cases import find_cases
from LiverPlannerLib.ground_truth.consensus import (
    consensus_of_list,
    undecided_path,
)
from LiverPlannerLib.ground_truth.export import export_list, training_labels
from LiverPlannerLib.ground_truth.work_list import create_list
from PreopReviewLib import images
from PreopReviewLib.errors import (
    InputError,
    NothingFound,
    OutputExists,
)


def test_labels_for_training_are_consecutive_and_nested():
    values = {"background": 0, "liver": 1, "portal_vein": 2}
    voxels = images.array_of(training_labels(drawn(), values))
    was = images.array_of(drawn())
    assert (voxels[was == LABEL["tumor"]] == 1).all(), "a tumor that nobody asked for is liver"
    assert (voxels[was == LABEL["portal_vein"]] == 2).all()
    assert (voxels[was == 0] == 0).all()


@pytest.fixture
def finished(work):
    for name in ("a", "b"):
        finish(work, "ab", name, drawn())
        finish(work, "cd", name, drawn(shift=1))
    return work


@pytest.mark.parametrize("form", ["nnunet", "monai"])
def test_training_accepts_what_was_exported(finished, tmp_path, form):
    from PreopReviewLib.training.fit import RunSettings
    from PreopReviewLib.training.recipe import load_recipe
    from PreopReviewLib.training.task import Place, open_task

    exported = export_list(finished, "ab", tmp_path / "Dataset501_Liver", form)
    assert exported.cases == ["a", "b"]
    assert list(exported.left_out) == ["c"]
    assert exported.labels == {"background": 0, "liver": 1, "tumor": 2, "portal_vein": 3}
    recipe = load_recipe("five-structures")
    source = open_task(recipe, RunSettings(str(exported.folder)), Place(tmp_path)).source
    image, target = source.sample(0)
    assert image.shape[0] == 2, "intensity and distance to the liver"
    classes = source.recipe["data.classes"]
    assert {classes.index("tumor"), classes.index("portal_vein")} <= set(np.unique(target))


def test_exported_images_carry_no_metadata(tmp_path):
    write_dicom(tmp_path / "images" / "one")
    work = create_list(tmp_path / "list", find_cases(tmp_path / "images", tmp_path / "list"), ("liver",))
    (case,) = work.cases
    finish(work, "ab", case.name, images.image_like(images.array_of(drawn()), work.image(case.name)))
    exported = export_list(work, "ab", tmp_path / "out")
    assert any("at least two" in note for note in exported.notes)
    import gzip

    for file in exported.folder.rglob("*.nii.gz"):
        content = gzip.decompress(file.read_bytes())
        assert b"Doe" not in content
        assert b"4711" not in content
    assert "Doe" not in (exported.folder / "dataset.json").read_text()


def test_undecided_voxels_may_be_ignored(finished, tmp_path):
    consensus_of_list(finished, "majority")
    exported = export_list(finished, "consensus", tmp_path / "out", ignore_undecided=True)
    assert exported.labels["ignore"] == 4, "the last value, as nnU-Net wants it"
    labels = images.array_of(images.read_labels(exported.folder / "labelsTr" / "a.nii.gz"))
    undecided = images.array_of(images.read_labels(undecided_path(finished, "a")))
    assert undecided.any()
    assert (labels[undecided > 0] == 4).all()


def test_a_missing_image_leaves_its_case_out(finished, folder, tmp_path):
    (folder / "b.nii.gz").unlink()
    exported = export_list(finished, "ab", tmp_path / "out")
    assert exported.cases == ["a"]
    assert "no longer" in exported.left_out["b"]


def test_nothing_to_export_leaves_no_folder(work, tmp_path):
    with pytest.raises(InputError, match="no annotator 'zz'"):
        export_list(work, "zz", tmp_path / "out")
    with Annotation(work, "ab") as mine:
        mine.set_status("a", "liver", "done")
    with pytest.raises(NothingFound, match="No case of ab"):
        export_list(work, "ab", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_is_not_replaced_unasked(finished, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(OutputExists):
        export_list(finished, "ab", tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"
