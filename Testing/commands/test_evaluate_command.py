"""`preop evaluate` and `preop liver cohort`: files, JSON, exit codes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

CASES = """case,cohort,dice,manual_ml,automated_ml,failed
1,here,0.97,1500,1520,
2,here,0.96,1200,1230,
3,here,0.95,1800,1790,
4,there,0.94,1600,1500,
5,there,0.96,1400,1450,
6,there,,,,no liver found
"""


@pytest.fixture
def cases(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text(CASES, encoding="utf-8")
    return path


def test_tables_figures_summary_and_numbers_are_written(preop, cases, tmp_path):
    out = tmp_path / "out"
    ran = preop("evaluate", "--paper", "gross2024", "--cases", cases, "-o", out)
    assert ran.code == 0, ran.err
    names = {p.name for p in out.iterdir()}
    assert {
        "gross2024_dice.csv",
        "gross2024_icc.md",
        "gross2024_bland_altman.png",
        "summary.md",
        "numbers.json",
    } <= names
    assert "6 cases, 1 failed (6: no liver found)" in ran.out
    summary = (out / "summary.md").read_text(encoding="utf-8")
    assert "ICC(2,k)" in summary
    assert "![gross2024_dice](gross2024_dice.png)" in summary
    rows = (out / "gross2024_dice.csv").read_text(encoding="utf-8").splitlines()
    assert rows[1].startswith("here,3,0.960 ± 0.010")


def test_json_holds_the_numbers(preop, cases, tmp_path):
    ran = preop("evaluate", "--paper", "gross2024", "--cases", cases, "-o", tmp_path / "o", "--json", "--no-figures")
    data = json.loads(ran.out)
    assert data["mann_whitney"]["cohorts"] == ["here", "there"]
    assert data["cases"]["failed"] == {"6": "no liver found"}
    assert data["icc"]["here"]["ICC(2,1)"]["value"] > 0.99
    assert not list((tmp_path / "o").glob("*.png"))


def test_columns_that_are_missing_exit_with_10_and_leave_nothing(preop, cases, tmp_path):
    ran = preop("evaluate", "--paper", "lin2024", "--cases", cases, "-o", tmp_path / "out")
    assert ran.code == 10
    assert "lacks the column" in ran.err
    assert "hd95_mm" in ran.err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_exits_with_11(preop, tmp_path):
    assert preop("evaluate", "--paper", "oh2023", "--cases", tmp_path / "no.csv", "-o", tmp_path / "out").code == 11


def test_an_output_that_exists_exits_with_21_and_is_kept(preop, cases, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert preop("evaluate", "--paper", "gross2024", "--cases", cases, "-o", tmp_path / "out").code == 21
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_options_of_another_paper_exit_with_10(preop, cases, tmp_path):
    ran = preop("evaluate", "--paper", "gross2024", "--cases", cases, "--baseline", cases, "-o", tmp_path / "out")
    assert ran.code == 10
    assert "gross2024 take no --baseline" in ran.err
    ran = preop("evaluate", "--paper", "gross2024", "--cases", cases, "--compare", "here", "-o", tmp_path / "out")
    assert "does not name two cohorts" in ran.err


def test_an_unknown_paper_is_a_usage_error(preop, cases, tmp_path):
    assert preop("evaluate", "--paper", "shim2019", "--cases", cases, "-o", tmp_path / "out").code == 2


def test_one_source_of_cases_is_needed(preop, cases, tmp_path):
    for words, said in (
        (["--paper", "shim2020", "--cases", cases], "need a data folder"),
        (["--paper", "oh2023"], "no cases, or two"),
        (["--paper", "oh2023", "--cases", cases, "--data", tmp_path, "--predicted", tmp_path], "no cases, or two"),
        (["--paper", "oh2023", "--data", tmp_path], "no cases, or two"),
        (["--paper", "gross2024", "--cases", cases, "--radiomics"], "--radiomics belongs to"),
    ):
        ran = preop("evaluate", *words, "-o", tmp_path / "out")
        assert (ran.code, ran.err.count("\n")) == (10, 1), ran.err
        assert said in ran.err
        assert not (tmp_path / "out").exists()


def test_the_baseline_becomes_table_1_of_oh(preop, tmp_path):
    cases = tmp_path / "dsc.csv"
    cases.write_text("case,parenchyma,tumor,portal_vein,hepatic_vein,bile_duct\n1,.9,.8,.6,.7,.5\n2,.8,.7,.5,.6,.4\n")
    baseline = tmp_path / "baseline.csv"
    baseline.write_text("case,group,sex\n" + "".join(f"{i},{'ab'[i % 2]},{'MF'[i % 3 == 0]}\n" for i in range(20)))
    ran = preop("evaluate", "--paper", "oh2023", "--cases", cases, "--baseline", baseline, "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "sex,F," in (tmp_path / "out" / "oh2023_table1.csv").read_text()


@pytest.fixture
def folder(tmp_path):
    for case in range(3):
        for role in ("predicted", "manual"):
            array = np.zeros((24, 24, 24), np.uint8)
            array[4:20, 4:20, 4 : 20 - (case if role == "predicted" else 0)] = 1
            array[8:12, 8:12, 8:12] = 2
            path = tmp_path / "cases" / f"case{case}" / f"{role}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return tmp_path / "cases"


def test_a_folder_of_cases_is_evaluated_and_its_table_kept(preop, folder, tmp_path):
    (folder / "case2" / "predicted.nii.gz").unlink()
    ran = preop("evaluate", "--paper", "gross2024", "--cases", folder, "-o", tmp_path / "out", "-q", "--no-figures")
    assert ran.code == 0, ran.err
    assert "3 cases, 1 failed (case2: no predicted labels)" in ran.out
    lines = (tmp_path / "out" / "cases.csv").read_text().splitlines()
    assert lines[0].startswith("case,cohort,liver_dsc")
    assert len(lines) == 4


def test_the_cohort_command_writes_a_table_that_evaluate_reads(preop, folder, tmp_path):
    table = tmp_path / "table.csv"
    assert preop("liver", "cohort", folder, "-o", table, "-q").code == 0
    assert preop("liver", "cohort", folder, "-o", table, "-q").code == 21
    ran = preop("evaluate", "--paper", "lin2024", "--cases", table, "-o", tmp_path / "out", "--json", "--no-figures")
    assert json.loads(ran.out)["table1"][""]["dsc"] == {"n": 3, "mean": 1.0, "sd": 0.0}


def test_a_folder_in_which_every_case_fails_exits_with_3(preop, folder, tmp_path):
    for path in folder.glob("*/predicted.nii.gz"):
        path.unlink()
    ran = preop("liver", "cohort", folder, "-o", tmp_path / "table.csv", "-q")
    assert ran.code == 3
    assert (tmp_path / "table.csv").exists()


@pytest.mark.parametrize("paper", ["gross2024", "oh2023", "lin2024"])
def test_a_table_without_any_number_is_refused(preop, cases, tmp_path, paper):
    head = CASES.splitlines()[0]
    cases.write_text(head + "\n" + "".join(f"{n}{',' * head.count(',')}\n" for n in range(3)), encoding="utf-8")
    ran = preop("evaluate", "--paper", paper, "--cases", cases, "-o", tmp_path / "out", "--no-figures")
    assert ran.code == 10
    assert "holds no value" in ran.err
    assert not (tmp_path / "out").exists()
