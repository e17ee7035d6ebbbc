"""A reader's process killed twenty times at random moments loses at most the answer that was being typed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from RotatorCuffCAMLib.readers.log import read_log
from RotatorCuffCAMLib.readers.session import answers_of
from RotatorCuffCAMLib.readers.study import StudyCase, create_study

READER = """
import random, sys, time
from RotatorCuffCAMLib.readers.session import Session
from RotatorCuffCAMLib.readers.study import load_study
session = Session(load_study(sys.argv[1]), "Kim", "specialist")
chance = random.Random(int(sys.argv[2]))
print("resumed", session.done, flush=True)
while session.current is not None:
    session.show()
    time.sleep(chance.uniform(0, 0.004))
    print("typing", session.done, flush=True)
    given = session.answer(chance.randrange(5), chance.randrange(1, 6))
    print("given", session.done, given.case, given.class_index, flush=True)
session.close()
"""
KILLS = 20


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_killing_the_process_twenty_times_loses_at_most_the_answer_being_typed(tmp_path):
    images = [StudyCase(f"{n:04d}", tmp_path / f"{n}.nii.gz") for n in range(4000)]
    study = create_study(tmp_path / "study", images)
    chance = random.Random(5)
    promised: list[tuple[str, int]] = []
    for kill in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", READER, str(study.folder), str(kill)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline().split() == ["resumed", str(len(promised))]
        time.sleep(chance.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        lines = [line.split() for line in process.stdout.read().splitlines()]
        process.wait()
        promised += [(case, int(c)) for _, _, case, c in (x for x in lines if x[0] == "given" and len(x) == 4)]
        kept = [(a.case, a.class_index) for a in answers_of(read_log(study.log_path("Kim")))]
        assert kept[: len(promised)] == promised  # nothing that was confirmed is lost
        assert len(kept) - len(promised) <= 1  # the one being typed may or may not be there
        promised = kept
    assert len(promised) > KILLS
    assert [c for c, _ in promised] == [c.case for c in study.order("Kim")][: len(promised)]
