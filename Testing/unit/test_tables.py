"""Tables as people's programs save them: read rightly, or refused by line."""

from __future__ import annotations

import math

import pytest

from PreopReviewLib.errors import InputError, UnreadableImage
from PreopReviewLib.tables import read_lines, read_table

TEXT = "Case,DSC\ncafé,0.5\nb,0.75\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_every_unicode_encoding_gives_the_same_table(tmp_path, encoding):
    raw = b"\xff\xfe" + TEXT.encode("utf-16-le") if encoding == "utf-16-le-bom" else TEXT.encode(encoding)
    (tmp_path / "t.csv").write_bytes(raw)
    table = read_table(tmp_path / "t.csv", ("case",))
    assert [(r.line, r.get("case"), table.number(r, "dsc")) for r in table.rows] == [(2, "café", 0.5), (3, "b", 0.75)]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_numbers_where_the_comma_separates_nothing(tmp_path, separator):
    lines = [("case", "dsc", "note"), ("1", "0,93", "a, b"), ("2", "1", ""), ("3", "n/a", "1,5 cm")]
    (tmp_path / "t.csv").write_text("\r\n".join(separator.join(row) for row in lines))
    table = read_table(tmp_path / "t.csv")
    numbers = [table.number(r, "dsc") for r in table.rows]
    assert numbers[:2] == [0.93, 1.0]
    assert math.isnan(numbers[2])
    assert [r.get("note") for r in table.rows] == ["a, b", "", "1,5 cm"]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (TEXT.encode("latin-1"), 2),
        (TEXT.replace("é", "e").encode("utf-16-le"), 1),
        (b'case,dsc\na,1\nb,"2\nc,3\n', 3),
        (b'case,dsc\n"a"x,1\n', 2),
        (b'case,dsc\na,"1\nb",2\n', 2),
        (b"case,dsc\na,1\n" + b"A" * 200_000 + b",1\n", 3),
        (b"case,dsc\na,1\0\n", 2),
    ],
)
def test_what_cannot_be_known_is_refused_by_line(tmp_path, raw, line):
    (tmp_path / "t.csv").write_bytes(raw)
    with pytest.raises(UnreadableImage, match=f"line {line} "):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,dsc\na,1\n\nb,0,93\n", "line 4 has 3 cells, not 2"),
        ("case,dsc\na\n", "line 2 has 1 cell, not 2"),
        ("case,Case\na,b\n", "'?case'? twice"),
        ("case;dsc\na;0,5\nb;0.5\n", "decimal points and with decimal commas"),
        ("case,dsc\n", "no row"),
        ("", "empty"),
        ("name\na\n", "lacks the column case"),
    ],
)
def test_tables_without_sense_are_refused(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_table(tmp_path / "t.csv", ("case",))


@pytest.mark.parametrize("cell", ["inf", "-inf", "1_000", "x", "1e999"])
def test_a_number_is_a_finite_one(tmp_path, cell):
    (tmp_path / "t.csv").write_text(f"case,dsc\na,{cell}\n")
    table = read_table(tmp_path / "t.csv")
    with pytest.raises(InputError, match="line 2: dsc is .* not a number"):
        table.number(table.rows[0], "dsc")


@pytest.mark.parametrize("cell", ["=1+1", "-Anna", "@x", "+a", "-", "'quoted", "'", "-0.5", "−1", "a", "'=1+1"])
def test_what_was_written_is_read_again(tmp_path, cell):
    from PreopReviewLib.csv_text import csv_text

    (tmp_path / "t.csv").write_text(csv_text([["case", "n"], [cell, 1]]), encoding="utf-8")
    assert [row.get("case") for row in read_table(tmp_path / "t.csv").rows] == [cell]


@pytest.mark.parametrize(
    ("line", "cells"),
    [('"4""",0.5', ['4"', "0.5"]), ('"a,""b""",0.5', ['a,"b"', "0.5"]), ('"",""""', ["", '"'])],
    ids=["a mark", "a word in marks", "nothing but a mark"],
)
def test_quotation_marks_that_belong_to_the_text_are_doubled_in_quoted_cells(tmp_path, line, cells):
    path = tmp_path / "t.csv"
    path.write_text(f"case,value\n{line}\n")
    assert read_lines(path)[1] == (2, cells)


@pytest.mark.parametrize("line", ['4",0.5', 'a"b",0.5', ' "4",0.5', '"a,b",0."5'])
def test_a_quotation_mark_that_stands_alone_is_not_taken_for_a_letter(tmp_path, line):
    path = tmp_path / "t.csv"
    path.write_text(f"case,value\n{line}\n")
    with pytest.raises(UnreadableImage, match=r"t\.csv, line 2 has a quotation mark .* stands alone"):
        read_lines(path)
