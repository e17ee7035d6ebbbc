"""The whole way: phantoms in a PACS, through two Dask workers, into a browser, accepted, and back as SEG and SR."""

from __future__ import annotations

import csv
import json

import pytest

pytest.importorskip("distributed")
pytest.importorskip("dicomweb_client")

from Testing.patients import write_series
from Testing.review.pages import reading, require_browser, serving

from PreopReviewLib import images
from PreopReviewLib.phantoms.liver import make_liver_phantom
from Testing import orthanc

pytestmark = pytest.mark.slow


def test_a_cohort_goes_from_the_pacs_through_workers_and_a_reader_back_to_the_pacs(preop, tmp_path):
    require_browser()
    server = orthanc.start(tmp_path / "orthanc")
    try:
        livers = {}
        for seed in (7, 8):
            phantom = make_liver_phantom(seed, "hbp", (56, 56, 56), 4.0, slice_mm=0)
            files = write_series(phantom.image, tmp_path / f"series{seed}", f"P{seed}", description="T1 HBP 20 min")
            server.upload(*files)
            livers[f"P{seed}"] = tmp_path / f"liver{seed}.nii.gz"
            images.write_image(phantom.labels, livers[f"P{seed}"])
        config = ("--config", server.connections)
        assert (
            preop("dicom", "fetch", "web", "-o", tmp_path / "in", "--phase", "hepatobiliary", "-q", *config).code == 0
        )
        table = with_livers(tmp_path / "in", livers)
        words = ("--set", "lesions=no", "--set", "segments=no", "--set", "device=cpu", "--workers", 2, "--json")
        ran = preop("cohort", "run", "plan", table, "-o", tmp_path / "plans", *words)
        assert json.loads(ran.out)["done"] == 2, ran.err
        with serving(tmp_path / "plans") as review, reading() as reader:
            reader.enter(review.address, "Anna")
            reader.click("#accepted")
            reader.until("document.querySelector('#said').innerText.startsWith('Saved')")
        assert server.modalities() == ["MR", "MR"]
        stored = preop("dicom", "store", "web", tmp_path / "plans", "--accepted", "--json", *config)
        assert stored.code == 0, stored.err
        assert "case-002: not accepted, left out" in stored.err
        assert server.modalities() == ["DOC", "MR", "MR", "SEG", "SR"]
    finally:
        server.stop()


def with_livers(folder, livers):
    """The table of a fetch with a column of liver masks, so that no network has to find the liver."""
    with (folder / "cases.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    import pydicom

    for row in rows:
        header = pydicom.dcmread(next((folder / row["image"]).iterdir()), stop_before_pixels=True)
        row["liver"] = livers[header.PatientID]
    with (folder / "with-livers.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "with-livers.csv"
