"""No trial is told to leave the folder that it owns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .fence import STRANGER, fenced, own_of, placed, strays
from .judge import snapshot
from .trial import Trial

REPOSITORY = Path(__file__).resolve().parents[2]
MADE = """
import os, sys
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
import shutil
from pathlib import Path
import numpy as np
from Testing.faults import forked
from Testing.faults.campaign import prepare
from Testing.faults.fence import fenced, strays
from Testing.faults.generators import KINDS

forked.preload()
place = Path(sys.argv[1])
sound = prepare(place)
for number, (kind, generate) in enumerate(KINDS.items()):
    for turn in range(40):
        work = fenced(place / "trial")
        trial = generate(np.random.default_rng([99, number, turn]), work, sound)
        if out := strays(trial, work):
            print(kind, turn, out)
        shutil.rmtree(place / "trial")
print("made")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the campaign forks")
def test_no_generated_trial_names_a_path_outside_its_folder(tmp_path):
    ended = subprocess.run([sys.executable, "-c", MADE, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.stdout == "made\n", ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "words",
    [["-o", "/etc/passwd"], ["--out=/etc/passwd"], ["a,,../../../x"], ["../../../x"], ["--log=~root/../../../../x"]],
    ids=lambda words: words[-1],
)
def test_a_word_that_leads_outside_is_seen(tmp_path, words):
    work = fenced(tmp_path / "own")
    assert strays(Trial("x", words), work) == words[-1:]


def test_links_and_files_that_lead_outside_are_seen(tmp_path):
    work = fenced(tmp_path / "own")
    (work / "link").symlink_to("/etc")
    (work / "list.txt").write_text("images/a.nii.gz\n/etc/passwd\n")
    (work / "x.nrrd").write_text("data file: ../../../x\n")
    assert sorted(strays(Trial("x", []), work)) == [str(work / "link"), "list.txt: /etc/passwd", "x.nrrd: ../../../"]


def test_the_file_of_a_stranger_and_two_folders_above_are_the_trials_own(tmp_path):
    work = fenced(tmp_path / "own")
    stranger = Path(str(placed(STRANGER, work)))
    assert stranger.read_text()
    assert stranger.is_relative_to(own_of(work))
    assert placed("x", work) == "x"
    (work / "link").symlink_to(stranger)
    (work / "list.txt").write_text(f"{stranger}\n../..{STRANGER}\n")
    assert not strays(Trial("x", ["-o", str(stranger), "../../x", "--out=~/x", "$HOME"]), work)
    before = snapshot(own_of(work), skipped=work)
    (work / "a").write_text("x")
    assert snapshot(own_of(work), skipped=work) == before
    (work.parent / "a").write_text("x")
    assert set(snapshot(own_of(work), skipped=work)) - set(before) == {"above/a"}
