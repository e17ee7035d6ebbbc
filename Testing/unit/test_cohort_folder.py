"""Folders of predicted and manual cases: both layouts, failed cases, empty structures, the papers from it."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.comparison.cohort import case_columns, find_pairs, read_folder
from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.paper_tables import evaluate


def labels(shift: int = 0, tumor: bool = True, size: int = 32) -> sitk.Image:
    """A cube of liver with a cube of tumor and a rod of portal vein; the tumor is shifted along i."""
    array = np.zeros((size, size, size), np.uint8)
    array[4:28, 4:28, 4:28] = 1
    if tumor:
        array[8:14, 8:14, 8 + shift : 14 + shift] = 2
    array[20:23, 6:26, 20:23] = 5
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2.0, 2.0, 2.0))
    return image


def write(image: sitk.Image, path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "cases"
    for case, shift in (("c1", 0), ("c2", 2), ("c3", 3)):
        write(labels(), root / case / "manual.nii.gz")
        write(labels(shift), root / case / "predicted.nii.gz")
    return root


def test_a_folder_for_each_case_is_compared(folder):
    cohort = read_folder(folder)
    assert [c.case for c in cohort.cases] == ["c1", "c2", "c3"]
    # Two 6-voxel cubes shifted by 2 share 4/6 of their length, by 3 half of it.
    assert cohort.numbers("tumor_dsc") == pytest.approx([1, 4 / 6, 1 / 2])
    assert cohort.numbers("tumor_hd95_mm")[0] == 0
    assert cohort.numbers("liver_manual_ml") == pytest.approx([24**3 * 8 / 1000] * 3)
    assert set(cohort.columns) == set(case_columns())


def test_structures_that_neither_mask_has_are_missing_and_not_perfect(folder):
    cohort = read_folder(folder)
    assert np.isnan(cohort.numbers("bile_duct_dsc")).all()
    table = next(t for t in evaluate("oh2023", cohort).tables if t.name == "oh2023_table2")
    assert table.rows[-1][5] == "n/a"
    assert any("BD 3" in note for note in table.notes)


def test_a_missed_tumor_has_dsc_zero_and_no_distance(folder):
    write(labels(tumor=False), folder / "c2" / "predicted.nii.gz")
    cohort = read_folder(folder)
    assert cohort.numbers("tumor_dsc")[1] == 0
    assert np.isnan(cohort.numbers("tumor_hd95_mm")[1])


def test_folders_of_predicted_manual_and_filtered_files_are_compared(tmp_path):
    for case in ("a", "b"):
        write(labels(), tmp_path / "manual" / f"{case}.nii.gz")
        write(labels(2), tmp_path / "predicted" / f"{case}.nrrd")
        write(labels(1 if case == "a" else 0), tmp_path / "filtered" / f"{case}.nii.gz")
    cohort = read_folder(tmp_path)
    assert cohort.numbers("tumor_filtered_dsc") == pytest.approx([5 / 6, 1])
    table = next(t for t in evaluate("lin2024", cohort).tables if t.name == "lin2024_table2")
    assert table.rows[0][:4] == ["DSC", "0.67 ± 0.00", "0.92 ± 0.12", "2"]


def test_parts_of_a_study_are_folders_of_cases(tmp_path):
    for part, case in (("internal", "1"), ("external", "1")):
        for role in ("auto", "reference"):
            write(labels(), tmp_path / part / case / f"{role}.nii.gz")
    assert [(p.part, p.case) for p in find_pairs(tmp_path)] == [("external", "1"), ("internal", "1")]
    assert read_folder(tmp_path).parts == ["external", "internal"]


def test_cases_that_lack_a_file_or_do_not_fit_are_failed_and_named(folder):
    (folder / "c1" / "predicted.nii.gz").unlink()
    far = labels()
    far.SetOrigin((5000.0, 0.0, 0.0))
    write(far, folder / "c2" / "predicted.nii.gz")
    (folder / "c3" / "predicted.nii.gz").write_bytes(b"no image")
    cohort = read_folder(folder)
    reasons = {c.case: c.failure for c in cohort.failed}
    assert reasons["c1"] == "no predicted labels"
    assert "overlap" in reasons["c2"]
    assert "predicted.nii.gz" in reasons["c3"]
    assert cohort.usable == []


def test_two_predictions_of_one_case_are_an_error(folder):
    write(labels(), folder / "c1" / "auto.nii.gz")
    with pytest.raises(InputError, match="Case c1 has two predicted files"):
        find_pairs(folder)


def test_a_folder_of_something_else_is_an_error_with_the_layouts(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="no predicted and manual cases.*CASE/predicted"):
        find_pairs(tmp_path)


def test_a_structure_that_no_manual_mask_has_is_not_annotated_and_has_no_dsc(folder):
    for case in ("c1", "c2", "c3"):
        manual = sitk.GetArrayFromImage(labels())
        manual[manual == 5] = 1
        image = sitk.GetImageFromArray(manual)
        image.CopyInformation(labels())
        write(image, folder / case / "manual.nii.gz")
    cohort = read_folder(folder)
    assert np.isnan(cohort.numbers("portal_vein_dsc")).all()
    assert np.isnan(cohort.numbers("portal_vein_manual_ml")).all()
    assert (cohort.numbers("portal_vein_automated_ml") > 0).all()
    assert (cohort.numbers("liver_dsc") > 0.9).all()
    assert any("portal vein" in note and "not annotated" in note for note in cohort.notes)


def test_a_structure_that_some_manual_masks_have_counts_in_all_cases(folder):
    write(labels(tumor=False), folder / "c1" / "manual.nii.gz")
    assert read_folder(folder).numbers("tumor_dsc")[0] == 0


def test_manual_masks_of_tumors_only_say_nothing_about_the_liver(folder):
    for case in ("c1", "c2", "c3"):
        manual = np.where(sitk.GetArrayFromImage(labels()) == 2, 2, 0).astype(np.uint8)
        image = sitk.GetImageFromArray(manual)
        image.CopyInformation(labels())
        write(image, folder / case / "manual.nii.gz")
    cohort = read_folder(folder)
    assert np.isnan(cohort.numbers("liver_dsc")).all()
    assert cohort.numbers("tumor_dsc")[0] == 1


def test_each_part_of_a_study_has_its_own_annotation(tmp_path):
    for part, vein in (("full", True), ("lits", False)):
        manual = sitk.GetArrayFromImage(labels())
        manual[manual == 5] = 5 if vein else 1
        image = sitk.GetImageFromArray(manual)
        image.CopyInformation(labels())
        write(image, tmp_path / "study" / part / "c1" / "manual.nii.gz")
        write(labels(), tmp_path / "study" / part / "c1" / "predicted.nii.gz")
    cohort = read_folder(tmp_path / "study")
    assert cohort.part("full").numbers("portal_vein_dsc") == pytest.approx([1])
    assert np.isnan(cohort.part("lits").numbers("portal_vein_dsc")).all()
