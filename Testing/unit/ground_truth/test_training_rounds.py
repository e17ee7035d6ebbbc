"""Training on finished cases: what is ready, what is held back, and a whole round in a process of its own."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from small_rounds import package, scan, work_list

from LiverPlannerLib.ground_truth import rounds
from LiverPlannerLib.ground_truth.annotation import Annotation, read_progress
from LiverPlannerLib.ground_truth.export import export_list
from LiverPlannerLib.ground_truth.training import launch, ranking, ready_cases, start_training, suggestion, trainable
from LiverPlannerLib.ground_truth.work_list import open_list
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, ModelError, NothingFound


def test_finished_cases_are_ready_and_once_one_is_reviewed_only_what_is_signed_off(tmp_path):
    work = work_list(tmp_path)
    assert ready_cases(work, "ab") == [f"c{n}" for n in range(8)]
    with Annotation(work, "ab") as theirs:
        theirs.review("c1", "boss", "signed off")
        theirs.review("c2", "boss", "sent back", "the tip of the left lobe is missing")
    assert ready_cases(work, "ab") == ["c1"]
    state = read_progress(work, "ab")[1]["c2"]
    assert (state.status["liver"], state.review, state.reviewer) == ("in progress", "sent back", "boss")
    with pytest.raises(NothingFound, match="Sent back by boss: the tip"):
        export_list(work_list_of(work, ["c2"]), "ab", tmp_path / "out")


def work_list_of(work, names):
    from dataclasses import replace

    return replace(work, cases=tuple(c for c in work.cases if c.name in names))


def test_a_review_needs_somebody_else_a_finished_case_and_a_word_when_it_is_sent_back(tmp_path):
    work = work_list(tmp_path)
    with Annotation(work, "ab") as theirs:
        for case, reviewer, verdict, comment, said in (
            ("c1", "ab", "signed off", "", "drew c1 and cannot review it"),
            ("c9", "boss", "signed off", "", "is not finished"),
            ("c1", "boss", "sent back", " ", "Nothing says what is wrong"),
            ("c1", "boss", "perhaps", "", "Unknown verdict"),
        ):
            with pytest.raises(InputError, match=said):
                theirs.review(case, reviewer, verdict, comment)


def test_labels_that_change_after_they_were_signed_off_must_be_looked_at_again(tmp_path):
    work = work_list(tmp_path)
    with Annotation(work, "ab") as theirs:
        theirs.review("c1", "boss", "signed off")
        theirs.save_labels("c1", scan(3)[1])
        assert theirs.state("c1").review == ""


def test_patients_held_back_stay_so_and_are_never_split(tmp_path):
    work = work_list(tmp_path)
    patients = [f"p{n}" for n in range(12)]
    first = rounds.held_back(work, patients, 0.25)
    assert len(first) == 3
    assert rounds.held_back(work, [*reversed(patients), "p99"], 0.25)[:3] == first
    with pytest.raises(InputError, match="too few"):
        rounds.held_back(work, ["x", "y"], 0.25)


def test_what_cannot_be_trained_is_refused_in_a_sentence(tmp_path):
    work = work_list(tmp_path, finished=5)
    with pytest.raises(InputError, match="5 cases of ab are ready, and 8 are needed"):
        start_training(work, "ab", str(package(tmp_path / "start")))
    with pytest.raises(InputError, match="no model of its own yet"):
        start_training(work, "ab", least=5)
    with pytest.raises(InputError, match="no annotator 'xy'"):
        start_training(work, "xy", least=5)
    with pytest.raises(ModelError, match="couinaud cannot be trained further here.* draws nothing in images"):
        start_training(work, "ab", "couinaud", least=5)
    veins = package(tmp_path / "veins", classes=["background", "portal_vein"])
    with pytest.raises(InputError, match="start draws portal_vein, and none of them is drawn in this list"):
        start_training(work, "ab", str(veins), least=5)
    with pytest.raises(ModelError, match="prepares images its own way"):
        trainable(package(tmp_path / "turned", orientation="RAS"))
    with pytest.raises(ModelError, match="TotalSegmentator cannot be trained"):
        trainable("totalsegmentator-total")
    assert not rounds.rounds(work)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A list with one round that a process of its own has run."""
    folder = tmp_path_factory.mktemp("round")
    work = work_list(folder)
    place = start_training(work, "ab", str(package(folder / "start")), minutes=0.25)
    end = time.monotonic() + 200
    while (state := rounds.read_state(place)).phase in ("waiting", "running") and time.monotonic() < end:
        time.sleep(0.5)
    return work, place, state


@pytest.mark.slow
def test_a_round_trains_measures_on_those_held_back_and_offers_the_better_model(trained):
    work, place, state = trained
    assert state.phase == "done", (state, (place / rounds.LOG).read_text())
    request = json.loads((place / rounds.REQUEST).read_text())
    assert not {work.case(n).patient for n in request["cases"]} & {work.case(n).patient for n in request["held_back"]}
    assert sorted(p.name for p in (place / "data" / "labelsTr").iterdir()) == [f"{n}.nii.gz" for n in request["cases"]]
    before, after = state.gain["liver"]
    assert after > before + 0.05
    assert state.offered
    assert rounds.current_model(work) == place / rounds.MODEL


@pytest.mark.slow
def test_its_gain_is_a_table_and_a_picture_and_open_cases_are_ranked_and_drawn(trained):
    work, place, _state = trained
    rows = (work.folder / rounds.FOLDER / rounds.CURVE).read_text().splitlines()
    assert rows[0] == ",".join(rounds.COLUMNS)
    assert (work.folder / rounds.FOLDER / rounds.PICTURE).read_bytes()[:4] == b"\x89PNG"
    ranked = ranking(work)
    assert {name for name, _ in ranked} == {"c8", "c9"}
    assert ranked[0][1] >= ranked[1][1]
    drawn = images.read_labels(suggestion(work, "c8"))
    assert images.same_grid(drawn, work.image("c8"))
    assert suggestion(work, "c0") is None
    assert (place / rounds.MODEL / "docs" / "README.md").is_file()


@pytest.mark.slow
def test_a_running_round_is_cancelled_from_outside_and_can_go_on(tmp_path):
    work = work_list(tmp_path)
    place = start_training(work, "ab", str(package(tmp_path / "start")), minutes=10)
    with pytest.raises(InputError, match="is still training"):
        start_training(work, "ab", str(tmp_path / "start"))
    rounds.ask_to_cancel(place)
    end = time.monotonic() + 120
    while (state := rounds.read_state(place)).phase in ("waiting", "running") and time.monotonic() < end:
        time.sleep(0.5)
    assert state.phase == "cancelled"
    request = json.loads((place / rounds.REQUEST).read_text())
    (place / rounds.REQUEST).write_text(json.dumps({**request, "minutes": 0.05}))
    launch(place, detached=False)
    assert rounds.read_state(place).phase == "done"


@pytest.mark.slow
def test_the_command_shows_the_round(trained, preop):
    work, place, _state = trained
    shown = preop("liver", "truth", "training", work.folder, "--json")
    assert shown.code == 0, shown.err
    said = json.loads(shown.out)
    assert (said["round"], said["phase"], said["offered"]) == (place.name, "done", True)
    assert said["next"][0][0] in ("c8", "c9")
    assert "Next: c" in preop("liver", "truth", "training", work.folder).out


def test_a_case_without_labels_opens_with_what_the_model_has_drawn(tmp_path):
    from LiverPlannerLib.ground_truth.tasks import switch
    from PreopReviewLib.progress import CancelToken, silent
    from PreopReviewLib.worker_io import load_image

    work = work_list(tmp_path)
    place = work.folder / rounds.FOLDER / "round_001"
    rounds.write_request(place, {"cases": [], "held_back": [], "minutes": 1})
    (place / rounds.SUGGESTIONS).mkdir()
    images.write_image(scan(8)[1], place / rounds.SUGGESTIONS / "c8.nii.gz")
    images.write_image(scan(9)[1], place / rounds.SUGGESTIONS / "c1.nii.gz")
    for name, seed in (("c8", 8), ("c1", 1)):
        load = {"path": str(work.image_path(name)), "series": None, "labels": str(work.label_path(name, "ab"))}
        load["suggested"] = str(suggestion(work, name))
        shown = switch({"save": None, "load": load}, tmp_path, silent, CancelToken())
        drawn = images.array_of(load_image(tmp_path, shown["labels"]))
        assert np.array_equal(drawn, images.array_of(scan(seed)[1]))


def test_labels_on_their_way_do_not_replace_what_was_saved_later(tmp_path):
    from LiverPlannerLib.ground_truth.tasks import switch, version_of
    from PreopReviewLib.progress import CancelToken, silent
    from PreopReviewLib.worker_io import save_image

    path, first, later = tmp_path / "c.nii.gz", scan(0)[1], scan(1)[1]
    grid = {key: getattr(first, f"Get{key.title()}")() for key in ("size", "spacing", "direction", "origin")}
    save = {"labels": save_image(first, tmp_path, "drawn"), "grid": grid, "path": str(path), "version": None}
    for kept in (first, later):
        switch({"save": save}, tmp_path, silent, CancelToken())
        assert np.array_equal(images.array_of(images.read_labels(path)), images.array_of(kept))
        save["version"] = version_of(path)
        images.write_image(later, path)


def test_a_round_whose_process_is_gone_is_broken_off(tmp_path):
    import os

    folder = tmp_path / "round_001"
    rounds.write_request(folder, {"cases": [], "held_back": [], "minutes": 1})
    rounds.write_state(folder, rounds.RoundState("running", 0.5))
    (folder / rounds.ALIVE).touch()
    assert rounds.read_state(folder).phase == "running"
    os.utime(folder / rounds.ALIVE, (1, 1))
    assert rounds.read_state(folder).phase == "broken off"


def test_the_list_command_and_the_export_say_reviews_and_numbering(tmp_path, preop):
    work = work_list(tmp_path)
    given = (work.folder, "c1", "--annotator", "ab", "--reviewer", "boss")
    assert preop("liver", "truth", "review", *given, "--verdict", "sign-off").code == 0
    rows = json.loads(preop("liver", "truth", "list", work.folder, "--json").out)["work"]
    assert rows[1]["state"] == "finished, signed off by boss"
    out = preop("liver", "truth", "export", work.folder, "-o", tmp_path / "out", "--from", "ab", "-q").out
    assert "Numbering: 0 background, 1 liver." in " ".join(out.split())


def test_the_patient_of_a_case_is_kept_in_the_list(tmp_path):
    work = work_list(tmp_path)
    assert open_list(work.folder).case("c3").patient == "p1"
