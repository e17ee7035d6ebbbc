"""Lesion candidates: what is set aside, accepted and dismissed, and what counts meanwhile."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib import candidates
from LiverPlannerLib.plan.measures import find_regions, measure_volumes
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

BIG, SMALL, SEEN = np.s_[4:8, 4:8, 4:8], np.s_[14:16, 14:16, 14:16], np.s_[4:8, 4:8, 14:17]


def labels() -> sitk.Image:
    array = np.ones((20, 20, 20), np.uint8)
    for part in (BIG, SMALL, SEEN):
        array[part] = structure("tumor").label
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((5.0, 5.0, 5.0))
    return image


def confirmed() -> np.ndarray:
    seen = np.zeros((20, 20, 20), bool)
    seen[5, 5, 15] = True
    return seen


def values_in(image: sitk.Image, part: tuple) -> set[int]:
    return set(np.unique(images.array_of(image)[part]).tolist())


def test_only_what_no_network_trained_on_patients_saw_is_set_aside_and_it_counts_as_liver_alone() -> None:
    given = labels()
    aside = candidates.set_aside(given, confirmed())
    assert values_in(aside, SEEN) == {structure("tumor").label}
    assert values_in(aside, BIG) == values_in(aside, SMALL) == {structure("candidate").label}
    before, after = (measure_volumes(i, {"tumor"}) for i in (given, aside))
    assert after["liver"] == before["liver"]
    assert after["tumor"] == pytest.approx(48 * 0.125)
    assert "candidate" not in after
    assert [(r.structure, r.number, r.voxels) for r in find_regions(aside)] == [
        ("tumor", 1, 48),
        ("candidate", 1, 64),
        ("candidate", 2, 8),
    ]


def test_on_an_mri_a_lesion_needs_two_networks_and_is_no_vessel() -> None:
    array = np.ones((20, 20, 20), np.uint8)
    array[10:12] = structure("hepatic_vein").label
    given = sitk.GetImageFromArray(array)
    lesions, other = np.zeros(array.shape, bool), np.zeros(array.shape, bool)
    lesions[9:12, 5:9, 5:9] = lesions[2:5, 2:5, 2:5] = True
    other[4:7, 2:5, 2:5] = True
    kept, confirmed = candidates.on_mri(lesions, given, {"other": other})
    assert kept.sum() == 16 + 27
    assert np.argwhere(confirmed).min(0).tolist() == [4, 2, 2]
    assert confirmed.sum() == 9
    assert not candidates.on_mri(lesions, given, {})[1].any()


def test_an_accepted_candidate_is_a_tumor_a_dismissed_one_liver_and_the_rest_stays() -> None:
    aside = candidates.set_aside(labels(), np.zeros((20, 20, 20), bool))
    decided = candidates.decided(aside, accepted=[1], dismissed=[3])
    assert values_in(decided, BIG) == {structure("tumor").label}
    assert values_in(decided, SMALL) == {structure("liver").label}
    assert values_in(decided, SEEN) == {structure("candidate").label}
    with pytest.raises(InputError, match="both accepted and dismissed"):
        candidates.decided(aside, [1], [1])
    with pytest.raises(InputError, match="no candidate 4: there are 1 to 3"):
        candidates.decided(aside, [4])
    with pytest.raises(InputError, match="there are none"):
        candidates.decided(labels(), [1])


def test_each_lesion_says_which_model_saw_it_and_how_sure_the_lesion_network_was() -> None:
    aside = candidates.set_aside(labels(), confirmed())
    share = np.zeros((20, 20, 20), np.float32)
    share[5, 5, 15], share[5, 5, 5] = 0.9, 0.3
    simulated = images.array_of(labels()) == structure("tumor").label
    lesions = candidates.with_sources(
        find_regions(aside), aside, {"five": simulated, "lesion": confirmed()}, images.image_like(share, aside)
    )
    assert [(r.seen_by, r.sureness) for r in lesions] == [(("five", "lesion"), 0.9), (("five",), 0.3), (("five",), 0.0)]
    assert candidates.warning(lesions).startswith("2 lesion candidates (9.0 ml)")
    assert candidates.warning([]) is None


def test_the_command_lists_and_decides(preop, tmp_path) -> None:
    path, out = tmp_path / "labels.nii.gz", tmp_path / "decided.nii.gz"
    images.write_image(candidates.set_aside(labels(), confirmed()), path)
    listed = preop("liver", "candidates", path, "--json")
    assert [(r["number"], r["decision"]) for r in json.loads(listed.out)["candidates"]] == [(1, "open"), (2, "open")]
    refused = preop("liver", "candidates", path, "--accept", "1")
    assert refused.code != 0
    assert "Give a file" in refused.err
    done = preop("liver", "candidates", path, "--accept", "1", "--dismiss", "2", "-o", out)
    assert done.code == 0
    assert "accepted" in done.out
    written = images.resample_to(images.read_labels(out), labels(), "label")
    assert values_in(written, BIG) == {structure("tumor").label}
    assert values_in(written, SMALL) == {structure("liver").label}
