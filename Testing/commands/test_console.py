"""What all commands share: errors in one line, folders that are whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from PreopReviewLib import errors
from PreopReviewLib.command.console import run
from PreopReviewLib.output import output_folder
from PreopReviewLib.output_mark import MARK


def test_a_foreseen_error_is_one_line_and_its_own_exit_code(capsys):
    def command():
        raise errors.FileMissing("There is no file a.nii", "Check the path")

    with pytest.raises(SystemExit) as stop:
        run(command)
    assert stop.value.code == 11
    assert capsys.readouterr().err == "preop: There is no file a.nii. Check the path.\n"


def test_every_error_has_its_own_exit_code():
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.PreopError)]
    codes = [k.exit_code for k in kinds]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes
    assert 2 not in codes


def test_a_folder_appears_only_when_all_went_well(tmp_path):
    target = tmp_path / "deep" / "out"

    def fail_halfway():
        with output_folder(target) as folder:
            (folder / "half").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert list(tmp_path.iterdir()) == [], "nor do the folders above it"
    with output_folder(target) as folder:
        (folder / "whole").write_text("x")
        assert not target.exists()
    assert sorted(p.name for p in target.iterdir()) == [MARK, "whole"]


def test_results_are_kept_unless_told_otherwise(tmp_path):
    target = tmp_path / "out"
    with output_folder(target) as folder:
        (folder / "first").write_text("precious")
    with pytest.raises(errors.OutputExists, match="or replace it"), output_folder(target):
        pytest.fail("must not start")
    with pytest.raises(ZeroDivisionError), output_folder(target, overwrite=True):
        raise ZeroDivisionError
    assert (target / "first").read_text() == "precious", "a failed run leaves the earlier results"
    with output_folder(target, overwrite=True) as folder:
        (folder / "new").write_text("x")
    assert sorted(p.name for p in target.iterdir()) == [MARK, "new"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_file_in_the_place_of_the_folder_is_never_replaced(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(errors.OutputExists, match="is a file"), output_folder(tmp_path / "out", overwrite=True):
        pytest.fail("must not start")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(errors.OutputError, match="cannot be made"), output_folder(tmp_path / "out"):
        pytest.fail("must not start")


def test_a_path_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(errors.OutputError, match="is a file, not a folder"), output_folder(tmp_path / "file" / "out"):
        pytest.fail("must not start")


HEAVY = ("torch", "monai", "matplotlib", "skimage", "networkx", "scipy", "slicer", "vtk", "h5py", "pydicom")


@pytest.mark.parametrize(
    "statement",
    ["import preopreview.cli", "import preopreview", "import LiverPlannerLib.plan.files, PreopReviewLib.images"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(statement):
    code = f"{statement}; import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), RuntimeError("std::bad_alloc")],
    ids=str,
)
def test_memory_that_does_not_suffice_is_said_as_such(capsys, error):
    def command():
        raise error

    with pytest.raises(SystemExit) as stop:
        run(command)
    assert stop.value.code == 40
    assert "computer ran out of memory" in capsys.readouterr().err


def test_what_nobody_foresaw_says_that_it_is_a_bug_and_keeps_its_trace(capsys):
    def command():
        raise ZeroDivisionError("by zero")

    with pytest.raises(SystemExit) as stop:
        run(command)
    said = capsys.readouterr().err
    log = Path(said.split("with the file ")[1].strip().rstrip("."))
    assert stop.value.code == 1
    assert "This is a bug in PreopReview (ZeroDivisionError: by zero)" in said
    assert "Traceback" in log.read_text()
    log.unlink()


@pytest.mark.parametrize(
    "command", [["image", "info"], ["liver", "branches", "-o", "out"], ["predict", "-o", "out", "x"]]
)
def test_a_name_that_is_too_long_is_said_and_is_no_bug(preop, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    done = preop(*command, "é" * 300)
    assert 10 <= done.code < 32, done.err
    assert "bug" not in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["liver", "volumetry", "labels.nii.gz"], "--height"),
        (["liver", "truth", "add", "list", "a", "labels.nii.gz", "--annotator", "x"], "--seconds"),
        (["cuff", "study", "table.csv", "-o", "out"], "--idle"),
        (["phantom", "liver", "-o", "out"], "--spacing"),
    ],
    ids=["plain", "with a limit", "another group", "no input"],
)
def test_no_option_takes_nan_or_infinity(preop, tmp_path, monkeypatch, command, option, value):
    monkeypatch.chdir(tmp_path)
    done = preop(*command, f"{option}={value}")
    assert done.code in (2, 10), done.err
    assert option in done.err
    assert not list(tmp_path.iterdir())


def test_no_room_for_the_stack_of_a_thread_is_a_lack_of_memory():
    import threading

    from PreopReviewLib.memory_errors import is_out_of_memory

    resource = pytest.importorskip("resource")
    before, size = resource.getrlimit(resource.RLIMIT_AS), threading.stack_size(1 << 30)
    with open("/proc/self/statm") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    try:
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), before[1]))
        with pytest.raises(RuntimeError) as lack:
            threading.Thread(target=str).start()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        threading.stack_size(size)
    assert is_out_of_memory(lack.value)


def test_a_folder_that_was_deleted_under_the_command_is_named(preop, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = preop("phantom", "shoulder", "--seed", "1", "-o", "out")
    assert (done.code, done.err) == (20, "preop: The folder that you are in is gone. Change to another one.\n")


def test_messages_of_vtk_may_come_while_the_program_ends():
    """The thread that follows them must not find the list of their file emptied under its hands."""
    pytest.importorskip("vtk")
    code = (
        "import time\n"
        "from PreopReviewLib.scene import vtk_messages as messages\n"
        "messages.PAUSE_S = 0\n"
        "for _ in range(300):\n"
        "    messages.install(); time.sleep(0.001); messages._close()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
