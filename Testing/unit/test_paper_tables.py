"""Tables of the papers: printed figures from the shared tables, notes, missing and failed cases, odd input."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

from PreopReviewLib.errors import FileMissing, InputError, UnreadableImage
from PreopReviewLib.evaluation.baseline_table import baseline_table
from PreopReviewLib.evaluation.cohort import Cohort, read_cases_csv, read_cohort, write_cases_csv
from PreopReviewLib.evaluation.paper_tables import evaluate
from PreopReviewLib.evaluation.tables import Table, mean_sd, median_iqr, rounded

LIN = """case,dataset,dsc,hd95_mm,dsc_filtered,hd95_filtered_mm
1,clinic,0.75,8.0,0.81,5.0
2,clinic,0.80,7.0,0.83,6.1
3,clinic,0.82,6.0,0.87,4.0
4,clinic,0.66,9.5,0.74,6.9
5,public,0.85,4.0,0.85,4.0
6,public,0.84,,,
"""


def cohort_of(tmp_path, text: str) -> Cohort:
    path = tmp_path / "cases.csv"
    path.write_text(text, encoding="utf-8")
    return read_cases_csv(path)


def table_named(result, name: str) -> Table:
    return next(t for t in result.tables if t.name == name)


def row_named(table: Table, first: str) -> list[str]:
    return next(r for r in table.rows if r[0] == first)


@pytest.fixture(scope="module")
def oh(shared_data):
    return evaluate("oh2023", read_cases_csv(shared_data / "tables" / "oh2023_dsc_per_case.csv"))


@pytest.fixture(scope="module")
def gross(shared_data):
    return evaluate("gross2024", read_cases_csv(shared_data / "tables" / "gross2024_volumetry_per_case.csv"))


def test_means_and_deviations_of_oh_table_2_are_the_printed_ones(oh):
    printed = ["0.92 ± 0.03", "0.77 ± 0.21", "0.61 ± 0.03", "0.70 ± 0.05", "0.58 ± 0.15"]
    assert row_named(table_named(oh, "oh2023_table2"), "Mean ± SD")[1:] == printed
    assert len(table_named(oh, "oh2023_table2").rows) == 13


def test_means_of_oh_table_3_are_the_printed_ones(oh):
    printed = ["0.61", "0.74", "0.49", "0.70", "0.79", "0.45", "0.58", "0.68", "0.33"]
    assert row_named(table_named(oh, "oh2023_table3"), "Mean")[1:] == printed


def test_the_five_cells_of_oh_that_cannot_be_are_noted(oh):
    cells = {(c["structure"], c["case"]) for c in oh.numbers["cells_that_cannot_be"]}
    portal = {("portal_vein", c) for c in ("10", "11", "12")}
    assert cells == portal | {("hepatic_vein", "11"), ("hepatic_vein", "12")}
    notes = " ".join(table_named(oh, "oh2023_table3").notes)
    assert "5 cells that cannot be" in notes
    assert "periphery 0.447" in notes
    assert "periphery 0.395" in notes


def test_the_share_of_main_branches_that_oh_implies(oh):
    shares = {k: round(v, 2) for k, v in oh.numbers["implied_main_share"].items()}
    assert shares == {"portal_vein": 0.59, "hepatic_vein": 0.79, "bile_duct": 0.69}


def test_dice_of_gross_by_cohort_are_the_printed_ones(gross):
    table = table_named(gross, "gross2024_dice")
    assert row_named(table, "internal_test")[1:3] == ["71", "0.967 ± 0.013"]
    assert row_named(table, "external")[1:3] == ["20", "0.962 ± 0.032"]


def test_the_p_of_gross_is_given_with_both_sides(gross):
    test = gross.numbers["mann_whitney"]
    assert (round(test["one_sided_p"], 3), round(test["two_sided_p"], 3)) == (0.284, 0.569)
    assert any("one-sided: first > second): p = .284" in s for s in gross.statements)


def test_every_form_of_the_icc_of_gross_is_printed_under_its_name(gross):
    table = table_named(gross, "gross2024_icc")
    cells = dict(zip(table.columns, row_named(table, "external"), strict=True))
    assert cells["ICC(2,1)"].startswith("0.950 (")
    assert cells["ICC(2,k)"].startswith("0.974 (")


def test_bland_altman_of_gross_in_ml_and_percent(gross):
    rows = [r for r in table_named(gross, "gross2024_bland_altman").rows if r[0] == "internal_test"]
    assert [r[2] for r in rows] == ["ml", "%"]
    assert rows[0][3].startswith("31.8 (")
    assert rows[0][4].startswith("-30.6 (")


def test_lin_table_1_has_the_rows_of_the_paper_by_data_set(tmp_path):
    table = table_named(evaluate("lin2024", cohort_of(tmp_path, LIN)), "lin2024_table1")
    assert table.columns == ["", "clinic: DSC", "clinic: HD95 (mm)", "public: DSC", "public: HD95 (mm)"]
    names = [r[0] for r in table.rows]
    assert names == ["n", "Average value", "Standard deviation", "Min value", "Middle value", "Max value"]
    assert row_named(table, "Average value")[1] == "0.76"
    assert row_named(table, "n")[1:] == ["4", "4", "2", "1"]
    assert row_named(table, "Standard deviation")[4] == "n/a"  # one value has no SD
    assert any("public: HD95 (mm) 1" in note for note in table.notes)


def test_lin_table_2_pairs_the_cases_and_says_how_many_are_left_out(tmp_path):
    from scipy.stats import ttest_rel

    result = evaluate("lin2024", cohort_of(tmp_path, LIN))
    table = table_named(result, "lin2024_table2")
    before, after = [0.75, 0.80, 0.82, 0.66, 0.85], [0.81, 0.83, 0.87, 0.74, 0.85]
    assert row_named(table, "DSC")[1:4] == [mean_sd(before), mean_sd(after), "5"]
    assert result.numbers["table2"]["dsc"]["paired_t_p"] == pytest.approx(ttest_rel(after, before).pvalue)
    assert "DSC: 1 cases lack one of the two values and are left out" in table.notes


def test_a_cohort_without_the_filter_has_no_table_2_and_says_why(tmp_path):
    result = evaluate("lin2024", cohort_of(tmp_path, "case,dsc,hd95_mm\n1,0.8,5\n2,0.7,6\n"))
    assert [t.name for t in result.tables] == ["lin2024_table1"]
    assert "Table 2 needs the columns dsc_filtered and hd95_filtered_mm." in result.statements


def test_failed_cases_are_named_with_their_reason_and_counted_nowhere(tmp_path):
    text = "case,dsc,hd95_mm,failed\na,0.8,5,\nb,,,out of memory\nc,0.6,7,no\n"
    result = evaluate("lin2024", cohort_of(tmp_path, text))
    assert result.statements[0] == "cases.csv: 3 cases, 1 failed (b: out of memory)."
    assert row_named(result.tables[0], "n")[1] == "2"
    assert result.numbers["cases"] == {"all": 3, "failed": {"b": "out of memory"}}


def test_one_case_has_a_mean_but_no_deviation_interval_or_agreement(tmp_path):
    result = evaluate("gross2024", cohort_of(tmp_path, "case,dice,manual_ml,automated_ml\n1,0.9,1500,1520\n"))
    row = table_named(result, "gross2024_dice").rows[0]
    assert row[2:4] == ["0.900 (one case, no SD)", "n/a"]
    assert table_named(result, "gross2024_icc").rows[0][2:] == ["n/a"] * 6
    assert any("agreement needs two cases or more" in s for s in result.statements)


def test_identical_volumes_agree_perfectly_and_break_nothing(tmp_path):
    text = "case,cohort,dice,manual_ml,automated_ml\n" + "".join(
        f"{i},{'ab'[i % 2]},1,{1000 + i},{1000 + i}\n" for i in range(6)
    )
    result = evaluate("gross2024", cohort_of(tmp_path, text))
    assert row_named(table_named(result, "gross2024_icc"), "a")[2] == "1.000 (1.000 to 1.000)"
    assert result.numbers["mann_whitney"]["two_sided_p"] is None
    assert any("all values are equal" in s for s in result.statements)


def test_equal_livers_have_no_icc_and_the_cell_says_why(tmp_path):
    text = "case,dice,manual_ml,automated_ml\n1,1,1000,1000\n2,1,1000,1000\n"
    result = evaluate("gross2024", cohort_of(tmp_path, text))
    assert table_named(result, "gross2024_icc").rows[0][2] == "n/a (no variation)"


def test_missing_values_are_left_out_and_noted(tmp_path):
    head = "case,parenchyma,tumor,portal_vein,hepatic_vein,bile_duct\n"
    result = evaluate(
        "oh2023", cohort_of(tmp_path, head + "1,0.9,0.8,0.6,0.7,NA\n2,0.8,,0.5,0.6,\n3,0.7,0.6,0.4,0.5,n/a\n")
    )
    table = table_named(result, "oh2023_table2")
    assert row_named(table, "2")[2] == "n/a"
    assert row_named(table, "Mean ± SD")[2] == "0.70 ± 0.14"
    assert row_named(table, "Mean ± SD")[5] == "n/a"
    assert "Missing values, left out of means: Tumor 1, BD 3" in table.notes
    assert any(s.startswith("Table 3 needs") for s in result.statements)


def _patient(i: int) -> str:
    group, sex = "validation" if i < 12 else "training", "Female" if i % 5 == 0 else "Male"
    return f"{i},{group},{sex},{50 + i % 23},{(i % 7) ** 2 / 3:.1f},{1 + (i % 9 == 0)}"


BASELINE = "\n".join(["case,group,sex,age,size_cm,number", *(_patient(i) for i in range(60))])


def test_the_baseline_table_counts_categories_and_summarises_numbers(tmp_path):
    table = baseline_table(cohort_of(tmp_path, BASELINE))
    assert table.columns[2:4] == ["validation", "training"]
    assert row_named(table, "n")[2:4] == ["12", "48"]
    assert row_named(table, "sex")[1:4] == ["Female", "3 (25.0)", "9 (18.8)"]
    assert "Fisher" in row_named(table, "sex")[5]
    assert row_named(table, "number")[1] == "2"
    assert row_named(table, "size_cm")[1] == "median [IQR]"
    assert "Mann–Whitney" in row_named(table, "size_cm")[5]


def test_the_first_table_of_oh_comes_out_of_its_counts(tmp_path):
    counts = {
        "HCC": (80, 12),
        "HCC + CCC": (9, 0),
        "CCC": (7, 0),
        "CRLM": (8, 0),
        "GB cancer meta": (1, 0),
        "Benign": (3, 0),
    }
    lines = [
        f"{g},{kind}"
        for kind, pair in counts.items()
        for g, n in zip(("Training", "Validation"), pair, strict=True)
        for _ in range(n)
    ]
    text = "case,set,diagnosis\n" + "".join(f"{i},{line}\n" for i, line in enumerate(lines))
    table = baseline_table(cohort_of(tmp_path, text))
    assert row_named(table, "diagnosis")[1:5] == ["HCC", "80 (74.1)", "12 (100.0)", ".705"]


def test_a_baseline_of_one_group_is_an_error(tmp_path):
    with pytest.raises(InputError, match="1 group: a baseline table compares two"):
        baseline_table(cohort_of(tmp_path, "case,age\n1,50\n2,60\n"))


def test_unknown_columns_are_an_error_that_names_what_is_needed_and_what_is_there(tmp_path):
    with pytest.raises(InputError, match=r"lacks the columns .*hd95_mm.*Its columns are: overlap"):
        evaluate("lin2024", cohort_of(tmp_path, "case,overlap\n1,0.8\n2,0.9\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no case"),
        ("case,dsc\n", "holds no case"),
        ("dsc,hd95\n0.8,5\n", "no column of case names"),
        ("case,dsc\n1,0.8\n1,0.9\n", "has the case 1 twice"),
        ("case,dsc,dsc\n1,0.8,0.8\n", "column dsc twice"),
        ("case,dsc\n1,0.8,0.9\n", "Line 2 of cases.csv has 3 cells, not 2"),
        ("case,dsc\n,0.8\n", "names no case"),
    ],
)
def test_a_table_that_cannot_be_read_is_a_clear_error(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        cohort_of(tmp_path, text)


def test_a_text_among_numbers_is_an_error_that_names_the_case(tmp_path):
    cohort = cohort_of(tmp_path, 'case,dsc,hd95_mm\nx,"0,81",5\ny,0.8,4\n')
    with pytest.raises(InputError, match="dsc of case x is '0,81', which is not a number"):
        evaluate("lin2024", cohort)
    with pytest.raises(InputError, match="dsc of case x is 'inf', which is not a number"):
        evaluate("lin2024", cohort_of(tmp_path, "case,dsc,hd95_mm\nx,inf,5\ny,0.8,4\n"))


@pytest.mark.parametrize(
    ("paper", "text", "words"),
    [
        ("lin2024", "case,dsc,hd95_mm\nx,0.81,5\ny,80,4\n", "has 80 as dsc of case y, which must be between 0 and 1"),
        ("lin2024", "case,dsc,hd95_mm\nx,0.81,5\ny,0.8,-4\n", "has -4 as hd95_mm of case y, which must be 0 or more"),
        ("gross2024", "case,dice,manual_ml,automated_ml\nx,95,1,1\ny,.9,2,2\n", "95 as dice of case x.*divide perc"),
        ("gross2024", "case,dice,manual_ml,automated_ml\nx,.9,1,1\ny,.9,-2,2\n", "-2 as manual_ml of case y"),
        (
            "oh2023",
            "case,parenchyma,tumor,portal_vein,hepatic_vein,bile_duct\na,.9,.8,.7,-.7,.5\n",
            "-0.7 as hepatic_vein of case a",
        ),
    ],
    ids=["percent", "negative distance", "percent of gross", "negative volume", "negative share"],
)
def test_values_that_cannot_be_are_an_error_that_names_the_case(tmp_path, paper, text, words):
    with pytest.raises(InputError, match=words):
        evaluate(paper, cohort_of(tmp_path, text))


def test_a_cohort_in_which_every_case_failed_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no case with a result"):
        evaluate("lin2024", cohort_of(tmp_path, "case,dsc,hd95_mm,failed\n1,,,yes\n"))


def test_an_unknown_paper_or_cohort_is_an_error(tmp_path):
    cohort = cohort_of(tmp_path, "case,dice,manual_ml,automated_ml\n1,0.9,1500,1520\n2,0.9,1400,1420\n")
    with pytest.raises(InputError, match="Unknown paper: shim2020"):
        evaluate("shim2020", cohort)
    with pytest.raises(InputError, match="There is no cohort moon"):
        evaluate("gross2024", cohort, compare=("", "moon"))


def test_files_that_are_not_there_or_no_text_are_named(tmp_path):
    with pytest.raises(FileMissing, match="nowhere"):
        read_cohort(tmp_path / "nowhere.csv")
    (tmp_path / "image.csv").write_bytes(b"\x1f\x8b\xff\xfe\x00")
    with pytest.raises(UnreadableImage, match="letters that are not in UTF-8"):
        read_cases_csv(tmp_path / "image.csv")


def test_a_semicolon_table_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "excel.csv").write_text("﻿Case;HD95 mm;DSC\n1;5.5;0.8\n", encoding="utf-8")
    cohort = read_cases_csv(tmp_path / "excel.csv")
    assert cohort.columns == ["hd95_mm", "dsc"]
    assert cohort.numbers("hd95_mm").tolist() == [5.5]


def test_a_cohort_that_is_written_reads_back_the_same(tmp_path):
    cohort = cohort_of(tmp_path, "case,cohort,dsc,failed\n1,a,0.8,\n2,b,,no labels\n")
    again = read_cases_csv(write_cases_csv(cohort, tmp_path / "again.csv"))
    assert again.cases == cohort.cases


def test_markdown_escapes_bars_and_keeps_the_notes():
    table = Table("t", "A table", ["a|b", "c"], notes=["n = 2"])
    table.add("x|y", 0.125)
    assert "| a\\|b | c |" in table.as_markdown()
    assert "| x\\|y | 0.13 |" in table.as_markdown()
    assert table.as_markdown().endswith("- n = 2\n")
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        table.add("x")


@pytest.mark.parametrize(
    ("value", "digits", "expected"), [(0.125, 2, 0.13), (-0.125, 2, -0.13), (0.575, 2, 0.58), (0.5749, 2, 0.57)]
)
def test_halves_are_rounded_away_from_zero(value, digits, expected):
    assert rounded(value, digits) == pytest.approx(expected)


def test_summaries_of_nothing_are_not_available():
    assert mean_sd([math.nan]) == "n/a"
    assert median_iqr([]) == "n/a"
    assert median_iqr([1, 2, 3, 4]) == "2.5 [1.8, 3.3]"


@pytest.mark.parametrize("paper", ["oh", "gross"])
def test_the_figures_are_drawn_with_every_case(paper, request):
    result = request.getfixturevalue(paper)
    for name, draw in result.figures.items():
        figure = draw()
        shown = sum(len(c.get_offsets()) for a in figure.axes for c in a.collections if hasattr(c, "get_offsets"))
        lines = sum(len(line.get_xdata()) > 1 for a in figure.axes for line in a.lines)
        assert shown + lines >= 12, name
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())
        assert (pixels[..., :3] < 128).any(), f"{name} is blank"


def test_a_figure_of_a_group_without_values_says_so(tmp_path):
    text = "case,dataset,dsc,hd95_mm\n1,a,0.8,5\n2,b,,\n"
    figure = evaluate("lin2024", cohort_of(tmp_path, text)).figures["lin2024_datasets"]()
    assert "n/a" in [t.get_text() for t in figure.axes[0].texts]


def all_text(result) -> str:
    return "\n".join([*(t.as_markdown() for t in result.tables), *result.statements])


def assert_defined(result) -> None:
    json.dumps(result.numbers, allow_nan=False)
    assert not re.search(r"\b(nan|inf)\b", all_text(result), re.IGNORECASE)
    for draw in result.figures.values():
        draw()


def test_a_structure_without_any_value_is_not_available_in_oh(tmp_path):
    head = "case,parenchyma,tumor,portal_vein,hepatic_vein,bile_duct,bile_duct_main,bile_duct_peripheral"
    for rows in ("a,0.95,0.8,0.7,0.7,,,\nb,0.9,0.7,0.6,0.6,,,\n", "a,0.95,0.8,0.7,0.7,0.5,0.5,0.5\n"):
        result = evaluate("oh2023", cohort_of(tmp_path, f"{head}\n{rows}"))
        assert_defined(result)
        assert result.numbers["implied_main_share"] == {"bile_duct": None}
        assert "BD n/a" in all_text(result)
        assert [t.name for t in result.tables] == ["oh2023_table2", "oh2023_table3"]


@pytest.mark.parametrize(
    "rows",
    [
        "a,0.9,0,0\nb,0.8,0,0\n",  # no volume at all: 0 of 0
        "a,0.9,0,0\nb,0.8,100,110\nc,0.8,100,120\n",
        "a,,100,100\nb,,100,100\n",
        "a,0.9,100,120\nb,0.9,120,100\n",  # no case differs from another: the mean of both is constant
        "a,0.9,100,\nb,0.9,,100\n",
        "a,#DIV/0!,100,101\nb,NaN,200,199\n",
    ],
)
def test_undefined_agreement_is_not_available_in_gross(tmp_path, rows):
    assert_defined(evaluate("gross2024", cohort_of(tmp_path, f"case,dice,manual_ml,automated_ml\n{rows}")))


@pytest.mark.parametrize("rows", ["a,,,,\nb,,,,\n", "a,0.5,3,0.5,3\nb,0.5,3,0.5,3\n", "a,0,,0.4,2\nb,0.2,3,,\n"])
def test_undefined_values_are_not_available_in_lin(tmp_path, rows):
    head = "case,dsc,hd95_mm,dsc_filtered,hd95_filtered_mm"
    assert_defined(evaluate("lin2024", cohort_of(tmp_path, f"{head}\n{rows}")))
