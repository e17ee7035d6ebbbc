"""The reader study: blinded orders, the clock, undo, pause, resume, and logs of other studies."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from PreopReviewLib.errors import FileMissing, InputError, OutputExists, UnreadableImage
from RotatorCuffCAMLib.readers.log import ReaderLog, read_log
from RotatorCuffCAMLib.readers.session import Session, answers_of
from RotatorCuffCAMLib.readers.study import create_study, load_study, read_study_cases


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def cases(tmp_path):
    lines = ["case,image,class,r,a,s"]
    for n in range(12):
        (tmp_path / f"{n}.nii.gz").write_bytes(b"x")
        lines.append(f"C{n:02d},{n}.nii.gz,medium,{n},0,1.5" if n else "C00,0.nii.gz,none,,,")
    (tmp_path / "cases.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "cases.csv"


@pytest.fixture
def study(cases, tmp_path):
    return create_study(tmp_path / "study", read_study_cases(cases), "Shoulders", seed=7, idle_seconds=60)


def test_the_study_holds_no_diagnosis_and_comes_back_as_it_was_made(study):
    text = (study.folder / "study.json").read_text(encoding="utf-8")
    assert "medium" not in text
    assert "class" not in text
    assert load_study(study.folder) == study
    assert load_study(study.folder / "study.json").cases[1].center_ras == (1.0, 0.0, 1.5)


def test_a_study_is_not_made_where_a_link_leads(cases, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputExists, match="link is a link"):
        create_study(tmp_path / "link", read_study_cases(cases))
    assert not any((tmp_path / "elsewhere").iterdir())


def test_every_reader_and_pass_has_an_order_of_its_own_that_stays(study):
    orders = [[c.case for c in study.order(r, p)] for r, p in (("Kim", 1), ("Yoon", 1), ("Kim", 2), (" kim ", 1))]
    assert orders[0] == orders[3]
    assert len({tuple(o) for o in orders}) == 3
    assert all(sorted(o) == sorted(c.case for c in study.cases) for o in orders)
    with Held(study, "Kim") as session:
        header = session.log.events()[0]
    assert header["order"] == orders[0]
    assert header["seed"] == 7


class Held:
    def __init__(self, study, reader="Kim", **options):
        self.session = Session(study, reader, "specialist", **options)

    def __enter__(self):
        return self.session

    def __exit__(self, *_):
        self.session.close()


def test_the_clock_counts_only_the_time_that_a_case_is_shown(study):
    clock = Clock()
    with Held(study, clock=clock) as session:
        clock.now += 50
        session.show()
        clock.now += 7
        session.pause()
        clock.now += 1000
        with pytest.raises(InputError, match="paused"):
            session.answer(1)
        session.resume()
        clock.now += 3
        given = session.answer(3, confidence=4)
    assert (given.seconds, given.paused_seconds, given.confidence) == (10.0, 1000.0, 4)


def test_the_clock_stops_by_itself_where_the_last_key_was(study):
    clock = Clock()
    with Held(study, clock=clock) as session:
        session.show()
        clock.now += 5
        session.touch()
        for _ in range(30):
            clock.now += 4
            session.tick()
        assert session.paused
        assert session.seconds == pytest.approx(5)
        session.resume()
        clock.now += 2
        assert session.answer(0).seconds == pytest.approx(7)


def test_undo_brings_the_case_back_with_its_clock(study):
    clock = Clock()
    with Held(study, clock=clock) as session:
        first = session.current
        session.show()
        clock.now += 6
        session.answer(2)
        session.show()
        assert session.undo().class_index == 2
        assert session.current == first
        session.show()
        clock.now += 4
        assert session.answer(3).seconds == pytest.approx(10)
        assert [a.class_index for a in session.answers] == [3]
        session.undo()
        assert session.undo() is None


def test_a_new_session_goes_on_after_the_last_answer_and_keeps_most_of_the_clock(study):
    clock = Clock()
    lost = Session(study, "Kim", "specialist", clock=clock)
    for n in range(3):
        lost.show()
        clock.now += 2
        lost.answer(n)
    lost.show()
    for _ in range(3):
        clock.now += 4
        lost.touch()
        lost.tick()
    lost.log.close()  # as a crash leaves it: no pause, no close
    with Held(study, clock=clock) as session:
        assert (session.done, session.group) == (3, "specialist")
        assert session.seconds == pytest.approx(8)  # of 12, 8 had been noted
        session.show()
        clock.now += 1
        given = session.answer(4)
    assert given.seconds == pytest.approx(9)
    assert given.interruptions == 1


def test_a_line_cut_short_is_dropped_and_the_rest_stands(study):
    with Held(study) as session:
        session.show()
        session.answer(1)
        path = session.log.path
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "answer", "case": "C0')
    assert len(read_log(path)) == whole.count(b"\n")
    with Held(study) as session:
        assert session.done == 1
    assert path.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def test_only_one_process_writes_a_log(study):
    with Held(study) as session:
        with pytest.raises(InputError, match="another window"):
            Session(study, "Kim")
        code = (
            "import sys; from RotatorCuffCAMLib.readers.log import ReaderLog\n"
            "try: ReaderLog(sys.argv[1])\nexcept Exception as e: print(type(e).__name__)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, str(session.log.path)], capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == "InputError"


def test_a_log_of_another_study_is_refused(study, cases, tmp_path):
    with Held(study) as session:
        path = session.log.path
    other = create_study(tmp_path / "other", read_study_cases(cases), "Shoulders", seed=8)
    other.log_path("Kim").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="another study"):
        Session(other, "Kim")
    ReaderLog(other.log_path("Kim")).close()  # and the file is not left locked


def test_a_log_whose_order_was_changed_is_refused(study):
    with Held(study) as session:
        path = session.log.path
    lines = path.read_text(encoding="utf-8").splitlines()
    header = json.loads(lines[0])
    header["order"] = sorted(header["order"])
    path.write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n")
    with pytest.raises(InputError, match="order"):
        Session(study, "Kim")


def test_a_damaged_line_is_named(study):
    with Held(study) as session:
        path = session.log.path
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], "nonsense", *lines[1:]]) + "\n")
    with pytest.raises(UnreadableImage, match="Line 2"):
        Session(study, "Kim")


def test_the_second_look_asks_again_and_keeps_both_answers(cases, tmp_path):
    table = read_study_cases(cases)
    with pytest.raises(InputError, match="second look"):
        create_study(tmp_path / "study", table, second_look=True)
    for case in table:
        (tmp_path / "model" / case.case).mkdir(parents=True)
        if case.case != "C11":
            (tmp_path / "model" / case.case / "probabilities.json").write_text("{}")
    with pytest.raises(FileMissing, match="C11"):
        create_study(tmp_path / "study", table, second_look=True, model=tmp_path / "model")
    (tmp_path / "model" / "C11" / "probabilities.json").write_text("{}")
    created = create_study(tmp_path / "study", table, second_look=True, model=tmp_path / "model")
    with Held(load_study(created.folder)) as session:
        first = session.current
        for look in (1, 2):
            assert (session.look, session.current) == (look, first)
            session.show()
            session.answer(look)
        assert (session.done, session.look) == (1, 1)
        session.undo()
        assert session.look == 2
        log = session.log.path
    assert [(a.look, a.class_index) for a in answers_of(read_log(log))] == [(1, 1)]


def test_the_end_is_the_end(study):
    with Held(study) as session:
        for _ in range(session.total):
            session.show()
            session.answer(0)
        assert session.current is None
        with pytest.raises(InputError, match="All cases"):
            session.show()
        with pytest.raises(InputError):
            session.answer(0)


@pytest.mark.parametrize(("index", "confidence"), [(5, None), (-1, None), (0, 0), (0, 6)])
def test_answers_that_are_none_are_refused_and_not_written(study, index, confidence):
    with Held(study) as session:
        session.show()
        before = session.log.path.read_bytes()
        with pytest.raises(InputError):
            session.answer(index, confidence)
        assert session.log.path.read_bytes() == before


def test_a_study_cannot_be_made_twice_in_one_folder(study):
    with pytest.raises(OutputExists):
        create_study(study.folder, study.cases)


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ("case\nC1\n", "column image"),
        ("case,image\nC1,none.nii.gz\n", "no image"),
        ("case,image,r,a,s\nC1,0.nii.gz,1,x,2\n", "not a point"),
    ],
)
def test_tables_that_cannot_be_used_are_named(cases, table, error):
    cases.write_text(table)
    with pytest.raises(InputError, match=error):
        read_study_cases(cases)


def test_a_case_twice_and_no_case_and_a_nameless_reader_are_refused(study, tmp_path):
    for wrong in ([study.cases[0]] * 2, []):
        with pytest.raises(InputError):
            create_study(tmp_path / "wrong", wrong)
    with pytest.raises(InputError, match="name"):
        study.log_path(" - ")
    with pytest.raises(InputError, match="pass"):
        Session(study, "Kim", reading=0)
    with pytest.raises(FileMissing):
        load_study(tmp_path)
