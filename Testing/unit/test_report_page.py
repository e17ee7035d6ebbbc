"""The page of a report: self-contained, escaped, rounded for people, and whole or absent."""

from __future__ import annotations

import errno
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_samples import EVIL, a_page

from PreopReviewLib.errors import OutputError, OutputExists
from PreopReviewLib.reports import render, write_report
from PreopReviewLib.reports.page import cell


class Addresses(HTMLParser):
    """Everything that a page would fetch or lead to, and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        self.found += [v for k, v in attributes if k in ("src", "href", "action", "data", "poster", "srcset")]


def test_a_page_fetches_nothing_and_forbids_it():
    text = render(a_page())
    addresses = Addresses(text).found
    assert addresses
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert "default-src 'none'" in text
    assert "connect-src" not in text
    assert "url(" not in text.lower()
    assert "@import" not in text


def test_whatever_is_written_on_a_page_stays_text():
    text = render(a_page())
    assert Addresses(text).scripts == 3, "the meshes, the slices and the viewer"
    assert "<img src=https" not in text
    assert text.count(EVIL) == 0


def test_presets_keep_their_order():
    text = render(a_page())
    assert text.index('"Zebra"') < text.index('"All"')


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "n/a"), (1234.6, "1235"), (43.15, "43.1"), (0.0471, "0.0471"), (7, "7"), (True, "yes")]
)
def test_cells_are_rounded_for_people(value, shown):
    assert cell(value) == shown


def test_tables_are_saved_beside_the_page_unrounded(tmp_path):
    files = write_report(a_page(), tmp_path / "case.html")
    assert [f.name for f in files] == ["case.html", "case_volumes.csv"]
    assert "1234.5678" in files[1].read_text(encoding="utf-8")
    assert files[1].read_text(encoding="utf-8").splitlines()[2].endswith(",n/a")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["case.html", "case_volumes.csv"]


def test_a_report_that_is_there_is_not_replaced_unasked(tmp_path):
    (tmp_path / "case_volumes.csv").write_text("mine")
    with pytest.raises(OutputExists, match=r"case_volumes\.csv"):
        write_report(a_page(), tmp_path / "case.html")
    assert [p.name for p in tmp_path.iterdir()] == ["case_volumes.csv"]
    write_report(a_page(), tmp_path / "case.html", overwrite=True)
    assert (tmp_path / "case.html").is_file()


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    whole = Path.write_text

    def full(self, text, **more):
        if self.suffix == ".csv":
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self, text, **more)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left"):
        write_report(a_page(), tmp_path / "case.html")
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        write_report(a_page(), tmp_path / "file" / "case.html")


def test_a_page_must_be_named_as_one(tmp_path):
    with pytest.raises(OutputError, match=r"ends in \.html"):
        write_report(a_page(), tmp_path / "case.pdf")
