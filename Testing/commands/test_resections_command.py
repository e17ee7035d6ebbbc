"""`preop liver resections` and `preop liver territories`: files, page, options, and bad input with its exit code."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from PreopReviewLib import images

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))
from vessel_blocks import PLACE, block

CUT = "-79,50,40,1,0,0"


@pytest.fixture
def labels(tmp_path):
    """A liver block of 0.7 l with a portal vein and a tumor."""
    image = block()
    array = images.array_of(image).copy()
    array[(np.linalg.norm(PLACE - (110, 70, 40), axis=-1) <= 8) & (array == 1)] = 2
    return images.write_image(images.image_like(array, image), tmp_path / "labels.nii.gz")


def test_two_planes_are_compared_in_files_and_on_a_page(preop, labels, tmp_path):
    pytest.importorskip("vtk")
    out = tmp_path / "out"
    code = preop(
        "liver", "resections", labels, "-o", out, "--plane", CUT, "--sparing", "5", "--image", labels,
        "--recipient-weight", "60", "--print", "3mf",
    ).code  # fmt: skip
    assert code == 0
    rows = list(csv.DictReader((out / "resections.csv").open(encoding="utf-8")))
    assert [r["resection"] for r in rows] == ["Plane 1", "Margin of 5 mm"]
    assert float(rows[0]["resected_percent"]) == pytest.approx(50, abs=3)
    assert float(rows[1]["smallest_margin_mm"]) >= 5
    assert (out / "Plane_1_supply.nii.gz").is_file()
    assert (out / "Margin_of_5_mm.3mf").is_file()
    page = (out / "resections.html").read_text(encoding="utf-8")
    assert "Side by side" in page
    assert "not a measurement" in page
    assert json.loads((out / "resections.json").read_text())["vessels_crossed"]


def test_segments_that_were_corrected_are_believed(preop, labels, tmp_path):
    image = images.read_labels(labels)
    liver = images.array_of(image) > 0
    slabs = np.where(PLACE[..., 0] < np.median(PLACE[..., 0]), 7, 3).astype(np.uint8)
    corrected = images.write_image(
        images.image_like(np.where(liver, slabs, 0).astype(np.uint8), image), tmp_path / "c.nii.gz"
    )
    out = tmp_path / "out"
    ran = preop("liver", "resections", labels, "-o", out, "--segments", "7", "--couinaud", corrected)
    assert ran.code == 0, ran.err
    rows = list(csv.DictReader((out / "resections.csv").open(encoding="utf-8")))
    assert "The Couinaud segments are those of c.nii.gz." in ran.out
    assert "has no segment 1, 2, 4, 5, 6, 8." in ran.out
    share = 100 * (liver & (slabs == 7)).sum() / liver.sum()
    assert float(rows[0]["resected_percent"]) == pytest.approx(share, abs=1)  # veins at the border stay
    ran = preop("liver", "resections", labels, "-o", tmp_path / "no", "--segments", "7", "--couinaud", labels)
    assert ran.code == 10
    assert "does not hold Couinaud segments" in ran.err
    assert not (tmp_path / "no").exists()


def test_what_cannot_be_made_has_its_code_and_leaves_nothing(preop, labels, tmp_path):
    out = tmp_path / "out"
    for arguments, code, words in (
        ((), 10, "no resection to compare"),
        (("--plane", "500,0,0,1,0,0"), 10, "Plane 1: The resection by one plane"),
        (("--preset", "whipple"), 10, "no resection called 'whipple'"),
        (("--plane", CUT, "--bands", "10,5"), 10, "Safety bands"),
        (("--plans", str(tmp_path / "none.yaml")), 11, "none.yaml"),
        (("--plane", CUT, "--recipient-weight", "0.1"), 10, "recipient"),
    ):
        ran = preop("liver", "resections", labels, "-o", out, *arguments)
        assert ran.code == code
        assert words in " ".join(ran.err.split())
        assert not out.exists()


def test_territories_are_written_by_number_and_add_up(preop, labels, tmp_path):
    out = tmp_path / "out"
    ran = preop("liver", "territories", labels, "-o", out, "--no-segments")
    assert ran.code == 0
    rows = list(csv.DictReader((out / "territories.csv").open(encoding="utf-8")))
    assert sum(float(r["percent"]) for r in rows) == pytest.approx(100, abs=0.1)
    image = images.array_of(images.read_labels(out / "portal_vein_named.nii.gz"))
    assert set(np.unique(image)) == {0, 1, 2}
    assert preop("liver", "territories", labels, "-o", tmp_path / "no", "--depth", "-1").code == 10


def test_a_liver_without_veins_has_no_territories(preop, tmp_path):
    path = images.write_image(block(()), tmp_path / "bare.nii.gz")
    ran = preop("liver", "territories", path, "-o", tmp_path / "out", "--no-segments")
    assert ran.code == 3
    assert "neither a portal nor a hepatic vein" in " ".join(ran.err.split())
