"""`preop dicom find|fetch|store` against a real Orthanc."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

pytest.importorskip("dicomweb_client")
pytest.importorskip("pynetdicom")

from Testing.patients import write_series

from LiverPlannerLib.commands.plan_case import coded_mask
from LiverPlannerLib.labels import read_labels
from LiverPlannerLib.plan.files import RECORD
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.images import dicom_source, write_dicom_segmentation
from Testing import orthanc


def picture(value=0):
    array = np.zeros((6, 20, 24), np.float32) + value
    array[1:5, 4:16, 4:20] = 100
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((3, 3, 5))
    return image


def series_of_study(folder):
    """One study of an MRI: a localizer, two phases; and a CT of another patient."""
    files = write_series(picture(), folder / "hbp", "P1", "MR", "T1 VIBE HBP 20 min", 5)
    files += write_series(picture(1), folder / "pv", "P1", "MR", "T1 VIBE portal venous", 4)
    files += write_series(picture(2)[:, :, :2], folder / "loc", "P1", "MR", "Localizer", 1)
    files += write_series(picture(3), folder / "ct", "P2", "CT", "Abdomen PV 70s", 2)
    return files


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = orthanc.start(tmp_path_factory.mktemp("orthanc"))
    running.upload(*series_of_study(tmp_path_factory.mktemp("files")))
    yield running
    running.stop()


@pytest.fixture
def dicom(preop, server):
    return lambda command, *words: preop("dicom", command, *words, "--config", server.connections)


@pytest.fixture
def plan(dicom, tmp_path):
    """A folder as `preop liver plan` writes it, made of a series that was fetched, without running networks."""
    assert dicom("fetch", "web", "-o", tmp_path / "in", "--phase", "hepatobiliary", "-q").code == 0
    source = dicom_source(tmp_path / "in" / "case-001", None)
    image = images.read_image(tmp_path / "in" / "case-001")
    folder = tmp_path / "plan"
    folder.mkdir()
    array = np.zeros((6, 20, 24), np.uint8)
    array[1:5, 4:16, 4:20] = structure("liver").label
    array[2:4, 6:9, 6:9] = structure("tumor").label
    array[2:4, 6:9, 12:14] = structure("portal_vein").label
    labels = images.image_like(array, image)
    images.write_image(labels, folder / "labels.nii.gz")
    keys = ("liver", "tumor", "portal_vein")
    masks = [
        coded_mask(structure(k), labels == structure(k).label if k != "liver" else labels > 0, "a-model") for k in keys
    ]
    write_dicom_segmentation(masks, source, folder / "segmentation.dcm")
    record = {
        "volumes_ml": {"liver": 34.56, "tumor": 0.81, "portal_vein": 0.54},
        "models": dict.fromkeys(keys, "a-model"),
        "regions": [{"number": 1, "structure": "tumor", "ml": 0.81, "diameter_mm": 9.0}],
    }
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")
    (folder / "summary.txt").write_text("PreopReview liver plan\nImage      /home/Doe^Jane\nVolumes", encoding="utf-8")
    from matplotlib.image import imsave

    imsave(folder / "slices.png", np.random.default_rng(0).random((40, 60, 3)))
    return folder


@pytest.mark.parametrize("connection", ["web", "dimse"])
def test_series_are_found_and_chosen_by_modality_phase_and_name(dicom, connection):
    answer = json.loads(dicom("find", connection, "--json").out)
    assert {s["description"]: s["instances"] for s in answer} == {
        "T1 VIBE HBP 20 min": 6,
        "T1 VIBE portal venous": 6,
        "Localizer": 2,
        "Abdomen PV 70s": 6,
    }
    words = ("--modality", "mr", "--phase", "portal-venous", "--phase", "hepatobiliary", "--one", "--json")
    taken = [s["description"] for s in json.loads(dicom("find", connection, *words).out) if s["taken"]]
    assert len(taken) == 1
    assert taken[0].startswith("T1 VIBE")
    words = ("--patient", "P1", "--not-name", "loc|portal", "--json")
    decided = {s["description"]: s["reason"] for s in json.loads(dicom("find", connection, *words).out)}
    assert decided["T1 VIBE HBP 20 min"] == ""
    assert decided["Localizer"] == "name excluded by loc|portal"
    assert "Abdomen PV 70s" not in decided


@pytest.mark.parametrize("connection", ["web", "dimse", "move"])
def test_a_series_comes_whole_with_a_table_for_a_cohort(dicom, tmp_path, connection):
    ran = dicom("fetch", connection, "-o", tmp_path / "in", "--phase", "hepatobiliary", "--modality", "MR")
    assert ran.code == 0, ran.err
    with (tmp_path / "in" / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["case"], r["description"]) for r in rows] == [("case-001", "T1 VIBE HBP 20 min")]
    image = images.read_image(tmp_path / "in" / rows[0]["image"])
    np.testing.assert_array_equal(images.array_of(image), images.array_of(picture()))


def test_the_results_of_a_plan_go_back_once_and_are_read_by_others(dicom, server, plan, tmp_path):
    before = server.count()
    ran = dicom("store", "web", plan)
    assert ran.code == 0, ran.err
    assert "segmentation.dcm, report.dcm, page.dcm" in ran.out
    assert server.count() == before + 3
    again = dicom("store", "web", plan, "--json")
    assert json.loads(again.out)[0]["sent"] == []
    assert server.count() == before + 3
    assert {"SEG", "SR", "DOC"} <= set(server.modalities())
    assert dicom("store", "dimse", plan, "--page", "capture").code == 0
    assert server.count() == before + 4


def test_what_a_reader_corrected_goes_back_in_the_place_of_the_plans_own(plan, tmp_path):
    from PreopReviewLib.pacs.objects import Correction, objects_of

    labels = images.read_labels(plan / "labels.nii.gz")
    array = images.array_of(labels).copy()
    array[array == structure("tumor").label] = structure("liver").label
    array[3, 10:14, 6:9] = structure("tumor").label
    images.write_image(images.image_like(array, labels), tmp_path / "Anna.nii.gz")
    record = json.loads((plan / RECORD).read_text(encoding="utf-8"))
    record["image"] = {"path": str(tmp_path / "in" / "case-001")}
    (plan / RECORD).write_text(json.dumps(record), encoding="utf-8")
    files = objects_of(plan, tmp_path / "made", correction=Correction(tmp_path / "Anna.nii.gz", "Anna"))
    assert [f.name for f in files] == ["corrected.dcm", "report.dcm", "page.dcm"]
    back = read_labels(files[0])
    assert (images.array_of(back.labels) == structure("tumor").label).sum() == 12
    segment = pydicom.dcmread(files[0]).SegmentSequence[0]
    assert segment.SegmentAlgorithmType == "MANUAL"


def test_the_structured_report_holds_volumes_and_margins_of_coded_segments(plan, tmp_path):
    import highdicom as hd

    from PreopReviewLib.pacs.objects import objects_of

    files = objects_of(plan, tmp_path / "made")
    report = hd.sr.Comprehensive3DSR.from_dataset(pydicom.dcmread(tmp_path / "made" / "report.dcm"))
    groups = report.content.get_volumetric_roi_measurement_groups()
    by_name = {g.tracking_identifier: {m.name.meaning: m.value for m in g.get_measurements()} for g in groups}
    assert by_name["Liver"] == {"Volume": 34.56}
    assert by_name["Liver tumor 1"] == {"Volume": 0.81, "Diameter": 9.0, "Distance to portal vein": 9.0}
    assert groups[0].finding_type.value == "10200004"
    page = pydicom.dcmread(tmp_path / "made" / "page.dcm")
    assert page.EncapsulatedDocument.startswith(b"%PDF")
    assert b"Doe" not in page.EncapsulatedDocument
    source = pydicom.dcmread(plan / "segmentation.dcm")
    assert {(d.PatientID, d.StudyInstanceUID) for d in map(pydicom.dcmread, files)} == {
        (source.PatientID, source.StudyInstanceUID)
    }


def test_objects_hold_what_their_standard_asks_for(plan, tmp_path):
    if shutil.which("dcmdump") is None or shutil.which("dsrdump") is None:
        pytest.skip("dcmtk is not installed (Debian: apt-get install dcmtk)")
    from PreopReviewLib.pacs.objects import objects_of

    objects_of(plan, tmp_path / "made")
    checked = subprocess.run(["dsrdump", str(tmp_path / "made" / "report.dcm")], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "Comprehensive 3D SR" in checked.stdout
    assert "E:" not in checked.stderr
    page = subprocess.run(["dcmdump", str(tmp_path / "made" / "page.dcm")], capture_output=True, text=True)
    assert "EncapsulatedPDFStorage" in page.stdout


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ("away", "cannot be reached"),
        ("away-dimse", "cannot be reached"),
        ("stranger", "refuses our user (401)"),
        ("misnamed", "rejected us (called ae title not recognised)"),
        ("tls", "requires TLS"),
        ("nothing", "no connection 'nothing'"),
    ],
)
def test_a_server_that_cannot_be_asked_is_one_sentence_and_nothing_is_written(dicom, tmp_path, connection, words):
    ran = dicom("fetch", connection, "-o", tmp_path / "in", "-q")
    assert ran.code in (10, 60)
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "in").exists()


def test_a_server_that_hangs_up_as_it_rejects_us_still_counts_as_one_that_rejects(server):
    from PreopReviewLib.pacs.connecting import connect
    from PreopReviewLib.pacs.connections import find_connection
    from PreopReviewLib.pacs.server import ServerError

    for _ in range(60):  # before: about one in fifteen was taken for a server that cannot be reached
        with (
            pytest.raises(ServerError, match="rejected us"),
            connect(find_connection("misnamed", server.connections)) as it,
        ):
            it.find_series({})


def test_half_a_series_is_refused_and_nothing_is_written(dicom, tmp_path, server):
    one = server.ask("/series")[0]
    uid = server.ask(f"/series/{one}")["MainDicomTags"]["SeriesInstanceUID"]
    from PreopReviewLib.errors import PreopError
    from PreopReviewLib.pacs.connecting import connect
    from PreopReviewLib.pacs.connections import find_connection
    from PreopReviewLib.pacs.exchange import fetch

    with connect(find_connection("web", server.connections)) as web:
        series = next(s for s in web.find_series({}) if s.series == uid)
        listed = [type(series)(**{**series.__dict__, "instances": (series.instances or 0) + 3})]
        with pytest.raises(PreopError, match=r"only \d+ came; nothing was written"):
            fetch(web, listed, tmp_path / "in")
    assert not (tmp_path / "in").exists()


class KeepsNothing(BaseHTTPRequestHandler):
    """A server that has the study, answers 200 to a store, and keeps nothing; or refuses."""

    refuses = False

    def do_GET(self) -> None:
        study = {"0020000D": {"vr": "UI", "Value": [self.path.split("StudyInstanceUID=")[-1].split("&")[0]]}}
        self._answer(200, json.dumps([] if "instances" in self.path else [study]).encode(), "application/dicom+json")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))  # a chunked request has none, and would fail here
        self._answer(*((507, b"full", "text/plain") if self.refuses else (200, b"{}", "application/dicom+json")))

    def _answer(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize(
    ("refuses", "words"), [(False, "not found when checked afterwards"), (True, "refused the request (507")]
)
def test_a_store_counts_only_when_the_server_has_it(preop, plan, tmp_path, monkeypatch, refuses, words):
    monkeypatch.setattr(KeepsNothing, "refuses", refuses)
    listening = HTTPServer(("127.0.0.1", 0), KeepsNothing)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    config = tmp_path / "pacs.yaml"
    config.write_text(
        f"liar: {{protocol: dicomweb, url: 'http://127.0.0.1:{listening.server_port}'}}", encoding="utf-8"
    )
    ran = preop("dicom", "store", "liar", plan, "--config", config)
    listening.shutdown()
    listening.server_close()
    assert ran.code == 60
    assert words in ran.err


def test_results_do_not_go_to_a_server_without_their_study(dicom, tmp_path, server):
    files = write_series(picture(), tmp_path / "other", "P9", "MR", "elsewhere", 3)
    before = server.count()
    ran = dicom("store", "web", files[0])
    assert ran.code == 10
    assert "has no study" in ran.err
    assert server.count() == before


def test_a_certificate_that_nobody_vouches_for_is_refused_and_a_named_authority_accepted(preop, tmp_path, server):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, to make a certificate")
    with orthanc.behind_tls(server, tmp_path / "tls") as port:
        settings = f"protocol: dicomweb, url: 'https://localhost:{port}/dicom-web', user: {orthanc.USER}"
        settings += f", password_file: {server.folder / 'password'}"
        config = tmp_path / "tls" / "pacs.yaml"
        text = f"stranger: {{{settings}}}\nvouched: {{{settings}, ca_file: certificate.pem}}\n"
        config.write_text(text, encoding="utf-8")
        refused = preop("dicom", "find", "stranger", "--config", config)
        taken = preop("dicom", "find", "vouched", "--config", config, "--patient", "P2", "--json")
    assert refused.code == 60
    assert "certificate of stranger is not accepted" in refused.err
    assert [s["patient_id"] for s in json.loads(taken.out)] == ["P2"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no connections"),
        ("a: {protocol: ftp}", "has the protocol 'ftp'"),
        ("a: {protocol: dicomweb, url: x, password: hunter2}", "holds a password"),
        ("a: {protocol: dicomweb}", "lacks url"),
        ("a: {protocol: dimse, host: h, port: 104}", "lacks called_ae"),
        ("a: {protocol: dimse, host: h, port: 104, called_ae: X, retrieve: move}", "without a receive_port"),
        ("a: {protocol: dicomweb, url: x, colour: red}", "unknown setting colour"),
        ("a: {protocol: dicomweb, url: 'http://localhost:9', user: u, password_env: PREOP_NOT_SET}", "is not set"),
    ],
)
def test_a_file_of_connections_is_checked_before_anything_is_asked(preop, tmp_path, text, problem):
    (tmp_path / "pacs.yaml").write_text(text, encoding="utf-8")
    ran = preop("dicom", "find", "a", "--config", tmp_path / "pacs.yaml")
    assert ran.code == 10
    assert problem in ran.err
    assert "hunter2" not in ran.err
