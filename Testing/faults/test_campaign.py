"""A bounded selection of the campaign, and the campaign's own judgment: it must see what it is there to see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .campaign import Wanted
from .generators import WITHOUT_NETWORKS
from .judge import REFUSED, SUCCEEDED, Verdict, judge, snapshot
from .ledger import Entry
from .trial import Ran, Trial

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the campaign forks")
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("runs", [19, pytest.param(80, marks=pytest.mark.slow)])
def test_a_selection_of_hostile_runs_leaves_nothing_to_say(tmp_path, runs):
    kinds = [word for kind in WITHOUT_NETWORKS for word in ("--kind", kind)]
    command = [sys.executable, "-m", "Testing.faults", "--runs", str(runs), "--seed", "7"]
    command += ["--json", str(tmp_path / "f.json")]
    ended = subprocess.run([*command, *kinds], cwd=REPOSITORY, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads((tmp_path / "f.json").read_text()) == []


def test_a_campaign_goes_on_where_it_was_stopped(tmp_path):
    wanted = Wanted(3, tmp_path, seed=7, kinds=["tables"])
    trial = Trial("a word", ["x"])
    for number, verdict in enumerate((Verdict(SUCCEEDED), Verdict("hang", "after 120 s"))):
        Entry.of(7, "tables", number, trial, verdict).write(tmp_path / "job-0-11.jsonl")
    Entry.of(7, "tables", 0, trial, Verdict(REFUSED)).write(tmp_path / "job-1-12.jsonl")
    with open(tmp_path / "job-1-12.jsonl", "a") as cut:
        cut.write('{"seed": 7, "kind": "ta')  # as a kill in the middle of writing leaves it
    assert wanted.left() == [("tables", 2)]
    campaign = wanted.campaign()
    assert "| tables | 2 | 1 | 0 | 1 |" in campaign.table()
    assert [f.verdict.seen for f in campaign.failures] == ["after 120 s"]
    with pytest.raises(ValueError, match=f"{tmp_path} holds runs of seed 7, not of 8"):
        Wanted(3, tmp_path, seed=8).left()


RUN = Trial("a run", ["x"], outputs=("out",))
CLEAN = "preop: x is damaged. Copy it again.\n"


@pytest.mark.parametrize(
    ("ran", "made", "outcome"),
    [
        (Ran(14, "", CLEAN, 1.0), (), "refused cleanly"),
        (Ran(0, "", "", 1.0), ("out/a",), "succeeded"),
        (Ran(1, "", "Traceback (most recent call last):\n  x\nKeyError", 1.0), (), "traceback"),
        (Ran(1, "", "preop: This is a bug in PreopReview (KeyError: x).\n", 1.0), (), "traceback"),
        (Ran(-11, "", "", 1.0), (), "crash"),
        (Ran(-9, "", "", 120.0, hung=True), (), "hang"),
        (Ran(14, "", CLEAN, 1.0), ("out/a",), "partial output"),
        (Ran(14, "", CLEAN, 1.0), ("beside",), "partial output"),
        (Ran(14, "", CLEAN, 1.0), (".home/tmp/left",), "partial output"),
        (Ran(14, "", CLEAN, 1.0, outside=("/etc/x",)), (), "outside its folder"),
        (Ran(77, "", CLEAN, 1.0), (), "unclear refusal"),
        (Ran(14, "", "what?\n", 1.0), (), "unclear refusal"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_every_failure_is_seen(tmp_path, ran, made, outcome):
    (tmp_path / "given").write_text("x")
    before = snapshot(tmp_path)
    for name in made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("y")
    assert judge(RUN, ran, tmp_path, before).outcome == outcome


def test_a_changed_input_a_half_output_and_a_wrong_number_are_seen(tmp_path):
    (tmp_path / "given").write_text("x")
    before = snapshot(tmp_path)
    (tmp_path / "given").write_text("changed")
    assert judge(RUN, Ran(0, "", "", 1.0), tmp_path, before).outcome == "partial output"
    (tmp_path / "given").write_text("x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".preop-output.json").write_text('{"files": ["a", "b"]}')
    (tmp_path / "out" / "a").write_text("1")
    assert judge(RUN, Ran(0, "", "", 1.0), tmp_path, before).outcome == "partial output"
    (tmp_path / "out" / "b").write_text("2")
    assert judge(RUN, Ran(0, "", "", 1.0), tmp_path, before).outcome == "succeeded"
    wrong = Trial("a run", ["x"], lambda _ran, _folder: "another number", ("out",))
    assert judge(wrong, Ran(0, "", "", 1.0), tmp_path, before).outcome == "wrong success"


def test_a_stop_is_not_a_failure_but_what_it_leaves_is(tmp_path):
    stopped = Trial("a run", ["x"], outputs=("out",), signal=(int(signal.SIGTERM), 0.5))
    words = "preop: cancelled; nothing was written.\n"
    before = snapshot(tmp_path)
    assert judge(stopped, Ran(143, "", words, 1.0), tmp_path, before).outcome == "refused cleanly"
    (tmp_path / ".preop-room").mkdir()
    assert judge(stopped, Ran(143, "", words, 1.0), tmp_path, before).outcome == "partial output"


def test_what_is_written_elsewhere_is_seen():
    code = (
        "from pathlib import Path; from Testing.faults.forked import _watch_writes; import os, sys\n"
        "reading, writing = os.pipe(); _watch_writes(Path(sys.argv[1]) / 'in', writing)\n"
        "os.chdir(Path(sys.argv[1]) / 'in'); open('a', 'w'); open('../b', 'w')\n"
        "os.rename('a', '../c'); os.remove('../b')\n"
        "open('../c').close(); os.close(writing); print(os.read(reading, 9999).decode())"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "in").mkdir()
        ended = subprocess.run([sys.executable, "-c", code, place], cwd=REPOSITORY, capture_output=True, text=True)
        seen = [Path(line).name for line in ended.stdout.split()]
    assert seen == ["b", "c", "b"], ended.stderr
