"""Every structure of the table, and one more, survives the whole way from labels to the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from LiverPlannerLib.structures import STRUCTURES

KEYS = [s.key for s in STRUCTURES]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict:
    script = Path(__file__).with_name("structure_tour.py")
    folder = tmp_path_factory.mktemp("tour")
    ran = subprocess.run(
        [sys.executable, str(script), str(folder), "extra"], capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("key", [*KEYS, "hilar_node"])
def test_a_structure_survives_scene_bundle_files_and_report(stages: dict, key: str) -> None:
    drawn = stages["labels"][key]
    assert drawn > 0
    for stage in ("scene", "mrb", "seg.nrrd", "SEG"):
        assert stages[stage][key] == drawn, stage
    if key != "liver":  # the report's liver is everything in it
        assert stages["report"][key] == drawn


def test_nothing_is_unknown_and_everything_is_named(stages: dict) -> None:
    names = [s.name for s in STRUCTURES] + ["Hilar lymph node"]
    assert stages["unknown"] == []
    assert list(stages["legend"]) == names
    assert [row.split(" (with")[0] for row in stages["rows"]] == names
    assert stages["report"]["liver"] > stages["labels"]["liver"]
