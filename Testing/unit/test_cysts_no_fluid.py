"""What is dark but not a cyst: fat, gas, calcium in fluid, necrosis inside a wall."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.cysts.filter import filter_cysts

SHAPE = (60, 60, 60)


def scan(*lesions, noise=8.0):
    """A portal-venous liver of 110 HU with balls ((k, j, i), radius, HU[, wall, HU of the wall]); image, labels."""
    k, j, i = np.indices(SHAPE)
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:56, 4:56, 4:56] = 1
    values = np.where(labels == 1, 110.0, -90.0)
    values[:2] = -1000
    for center, radius, level, *wall in lesions:
        distance = np.sqrt((k - center[0]) ** 2 + (j - center[1]) ** 2 + (i - center[2]) ** 2)
        labels[distance <= radius] = 2
        values[distance <= radius] = level
        if wall:
            values[(distance <= radius) & (distance > radius - wall[0])] = wall[1]
    values += np.random.default_rng(0).normal(0, noise, SHAPE)
    images = [sitk.GetImageFromArray(a) for a in (values.astype(np.int16), labels)]
    for image in images:
        image.SetSpacing((1.5, 1.5, 1.5))
    return images


@pytest.mark.parametrize(
    ("level", "decision", "words"),
    [
        (8, "cyst", "core median 8 HU"),
        (-5, "cyst", "core median"),
        (65, "tumor", "core median 65 HU"),
        (-40, "undecided", "holds fat"),
        (-70, "undecided", "holds fat"),
        (-110, "undecided", "holds fat"),
        (
            -400,
            "undecided",
            "but undecided: darker than fluid (-10 HU), so it holds gas",
        ),
        (-900, "undecided", "holds gas"),
        (350, "undecided", "calcified"),
        (900, "undecided", "calcified"),
    ],
)
def test_a_cyst_holds_water_and_nothing_else(level, decision, words):
    region = filter_cysts(*scan(((30, 30, 30), 6, level))).regions[0]
    assert region.decision == decision
    assert words in region.reason
    assert region.mean == pytest.approx(level, abs=1.5)
    assert region.median == pytest.approx(level, abs=1.5)


def test_gas_or_calcium_in_fluid_is_undecided():
    for level, name in ((-500, "gas"), (600, "calcium")):
        image, labels = scan(((30, 30, 30), 8, 10))
        array = sitk.GetArrayFromImage(image)
        array[29:32, 29:32, 24:36] = level
        changed = sitk.GetImageFromArray(array)
        changed.CopyInformation(image)
        region = filter_cysts(changed, labels).regions[0]
        assert region.decision == "undecided"
        assert f"it holds {name}" in region.reason


@pytest.mark.parametrize("wall", [2, 3, 4, 6])
@pytest.mark.parametrize("core", [5, 25])
@pytest.mark.parametrize("rim", [70, 95])
def test_a_necrotic_core_is_part_of_its_tumor(wall, core, rim):
    result = filter_cysts(*scan(((30, 30, 30), 12, core, wall, rim)))
    assert not sitk.GetArrayViewFromImage(result.cyst).any(), [r.reason for r in result.regions]
    assert len(result.regions) == 1


@pytest.mark.parametrize("radius", [4, 6, 10, 16])
def test_a_simple_cyst_of_any_size_has_no_rim(radius):
    assert filter_cysts(*scan(((30, 30, 30), radius, 8), noise=15)).regions[0].decision == "cyst"


def test_a_cyst_beside_a_tumor_is_still_told_from_it():
    result = filter_cysts(*scan(((30, 30, 22), 9, 70), ((30, 30, 38), 9, 8)))
    assert sorted(r.decision for r in result.regions) == ["cyst", "tumor"]


def test_the_rule_of_the_paper_says_that_fat_is_doubtful():
    region = filter_cysts(*scan(((30, 30, 30), 6, -70)), rule="lin2024").regions[0]
    assert "doubtful: darker than fluid" in region.reason
