"""Outputs: whole or absent on every end of the program, and nobody else's files replaced."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from PreopReviewLib import stopping, workroom
from PreopReviewLib.csv_text import csv_text
from PreopReviewLib.errors import OutputError, OutputExists
from PreopReviewLib.output import output_file, output_files, output_folder, private_folder, protect, whole_file
from PreopReviewLib.owner import is_dead, owner
from PreopReviewLib.shown import shown


def made(folder: Path, kind: str = "a", **files: str) -> Path:
    with output_folder(folder, True, kind) as work:
        for name, text in files.items():
            (work / name).write_text(text)
    return folder


@pytest.fixture
def given():
    yield protect
    protect([])


def test_a_foreign_file_an_input_or_another_kind_is_never_replaced(tmp_path, given):
    out = made(tmp_path / "out", one="1")
    with pytest.raises(OutputExists, match="made by preop a"), output_folder(out, True, "b"):
        pytest.fail("must not start")
    given([str(out / "one"), str(out)])
    with pytest.raises(OutputExists, match="which this run reads"), output_folder(out, True, "a"):
        pytest.fail("must not start")
    given([])
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputExists, match=r"notes\.txt"), output_folder(out, True, "a"):
        pytest.fail("must not start")
    assert (out / "one").read_text() == "1"


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_appears_during_the_run_stays(tmp_path, overwrite):
    with pytest.raises(OutputExists), output_folder(tmp_path / "out", overwrite) as work:
        (work / "new").write_text("x")
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "precious").write_text("mine")
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "precious"]


def test_pipes_devices_and_links_are_no_targets(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("pipe", "link"):
        for opened in (output_folder, output_file, whole_file):
            with pytest.raises(OutputExists), opened(tmp_path / name):
                pytest.fail("must not start")
    with output_file("/dev/null") as work:
        work.write_text("x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_file_is_no_folder_for_outputs(tmp_path):
    (tmp_path / "notes").write_text("mine")
    for writing in (output_files(tmp_path / "notes", names=["a"]), output_folder(tmp_path / "notes" / "a")):
        with pytest.raises(OutputError, match="notes is a file, not a folder"), writing:
            raise AssertionError("the work must not begin")
    assert (tmp_path / "notes").read_text() == "mine"


def test_several_files_are_all_new_or_all_old(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "z").mkdir()
    with pytest.raises(OutputExists), output_files(tmp_path, True) as work:
        (work / "a").write_text("new")
        (work / "z").write_text("new")
    assert (tmp_path / "a").read_text() == "old"
    (tmp_path / "z").rmdir()
    with output_files(tmp_path, True) as work:
        (work / "a").write_text("new")
        (work / "z").write_text("new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "new", "z": "new"}


def test_an_interrupted_change_of_names_is_undone_by_the_next_run(tmp_path):
    """As a kill between two renames leaves it: the first file new, the second one gone, both old ones kept."""
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    computer = owner().split(".")[0]
    room = tmp_path / f".preop-{computer}.{ended.pid}.0-abc"
    for part in ("new", "old"):
        (room / part).mkdir(parents=True)
    (tmp_path / "a").write_text("new")
    (room / "old" / "a").write_text("old")
    (room / "old" / "b").write_text("old")
    (room / "new" / "b").write_text("new")
    (room / workroom.JOURNAL).write_text(json.dumps([["a", "a"], ["b", "b"]]))
    assert is_dead(f"{computer}.{ended.pid}.0")
    with output_file(tmp_path / "c") as work:
        work.write_text("x")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "old", "b": "old", "c": "x"}


LOOP = """
import sys
from PreopReviewLib.output import output_folder, output_files
place, n = sys.argv[1], 0
while True:
    n += 1
    with output_folder(place + "/out", True, "a") as work:
        for name in "xyz":
            (work / name).write_text(str(n))
    with output_files(place + "/pages", True) as work:
        for name in "xyz":
            (work / name).write_text(str(n))
"""


def test_a_kill_at_any_moment_leaves_one_whole_result(tmp_path):
    rng = random.Random(3)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", LOOP, str(tmp_path)])
        while not (tmp_path / "pages" / "z").exists() and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.wait()
        workroom.sweep(tmp_path)
        workroom.sweep(tmp_path / "pages")
        for folder in ("out", "pages"):
            assert len({(tmp_path / folder / n).read_text() for n in "xyz"}) == 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "pages"]
        assert len(list((tmp_path / "pages").iterdir())) == 3


FULL = """
import resource, signal, sys
from PreopReviewLib.output import output_folder, output_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
opened = {"folder": output_folder, "file": output_file}[sys.argv[1]]
with opened(sys.argv[2], True) as work:
    (work / "big" if sys.argv[1] == "folder" else work).write_bytes(bytes(99999))
"""


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_full_disk_leaves_the_earlier_result(tmp_path, what):
    target = tmp_path / "out"
    made(target, big="old") if what == "folder" else target.write_text("old")
    ran = subprocess.run([sys.executable, "-c", FULL, what, str(target)], capture_output=True, text=True, check=False)
    assert OutputError.__name__ in ran.stderr
    assert ((target / "big") if what == "folder" else target).read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


STOPPED = """
import sys, time
from PreopReviewLib.command.console import run
from PreopReviewLib.output import output_folder, temporary_folder
def command():
    kept = temporary_folder()
    with output_folder(sys.argv[1]) as work:
        (work / "image").write_text("a patient")
        print("ready", flush=True)
        time.sleep(60)
run(command)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_stopped_command_cleans_up_and_says_so(tmp_path, number, code):
    (tmp_path / "t").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "t")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, words = process.communicate(timeout=30)
    assert (process.returncode, words) == (code, "preop: cancelled; nothing was written.\n")
    assert [p.name for p in tmp_path.rglob("*")] == ["t"]


@pytest.mark.parametrize(
    ("mask", "file", "folder"), [(0o027, 0o640, 0o750), (0o022, 0o640, 0o750), (0o077, 0o600, 0o700)]
)
def test_a_file_keeps_its_permissions_and_a_new_one_is_nobodys_beyond_the_group(tmp_path, mask, file, folder):
    (tmp_path / "old").write_text("x")
    (tmp_path / "old").chmod(0o600)
    before = os.umask(mask)
    try:
        for name in ("old", "new"):
            with output_file(tmp_path / name, True) as work:
                work.write_text("y")
        made(tmp_path / "out", x="1")
        with output_folder(tmp_path / "model", public=True) as work:
            (work / "weights").write_text("w")
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert modes == {"old": 0o600, "new": file, "out": folder, "model": 0o777 & ~mask}


def test_formulas_are_text_and_numbers_stay_numbers():
    cells = ["=1+1", "+cmd|x", "-2+3", "@A1", "\t=1", "-1.5", "+2", "-0.3 (-0.5 to 0.1)", "plain", "-", -4, None]
    first = csv_text([[c] for c in cells]).replace('"', "").split("\n")
    assert first[:5] == ["'=1+1", "'+cmd|x", "'-2+3", "'@A1", "'\t=1"]
    assert first[5:12] == ["-1.5", "+2", "-0.3 (-0.5 to 0.1)", "plain", "-", "-4", ""]


def test_control_sequences_and_foreign_bytes_are_written_out():
    assert shown("a\x1b[2Jb") == "a\\x1b[2Jb"
    assert shown(os.fsdecode(b"\xff.nii")) == "\\xff.nii"
    assert shown("ü ± [/red]") == "ü ± [/red]"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_room_is_being_made_leaves_no_room(tmp_path, monkeypatch, number):
    make = tempfile.mkdtemp

    def told_to_stop(*where, **named):
        folder = make(*where, **named)
        os.kill(os.getpid(), number)
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", told_to_stop)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    for place in (output_folder(tmp_path / "out"), whole_file(tmp_path / "out.csv"), private_folder()):
        with pytest.raises(stopping.Stopped), stopping.listening(), place:
            pytest.fail("the signal came before the block")
    assert [p.name for p in tmp_path.rglob("*")] == ["temporary"]
    monkeypatch.undo()
    with output_files(tmp_path / "next") as work:  # what one run was told does not stop the next
        (work / "a.txt").write_text("a")
    assert (tmp_path / "next" / "a.txt").read_text() == "a"


@pytest.mark.skipif(sys.platform == "win32", reason="the signals are POSIX")
def test_a_stop_that_comes_in_a_finalizer_prints_no_trace_and_still_stops_the_run(tmp_path):
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "from PreopReviewLib import stopping\n"
        "from PreopReviewLib.output import output_folder\n"
        "class Finalized:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGHUP)\n"
        "        for _ in range(10): pass\n"
        "class Broken:\n"
        "    def __del__(self): raise ValueError('ours')\n"
        "with stopping.listening():\n"
        "    try:\n"
        "        with output_folder(sys.argv[1]) as work:\n"
        "            (work / 'new').write_text('x')\n"
        "            Finalized(); Broken()\n"
        "    except stopping.Stopped:\n"
        "        print('stopped', stopping.asked() == signal.SIGHUP)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], capture_output=True, text=True)
    assert ran.stdout == "stopped True\n"
    assert "Stopped" not in ran.stderr
    assert "ValueError: ours" in ran.stderr
    assert not list(tmp_path.iterdir())
