"""Prepared cases: made once, read by memory map, whole or absent; patches of them; memory that does not grow."""

from __future__ import annotations

import os
import resource
import signal
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from PreopReviewLib.datasets.layout import Case
from PreopReviewLib.errors import Cancelled, OutputError
from PreopReviewLib.phantoms.tissues import UNSCORED
from PreopReviewLib.progress import CancelToken
from PreopReviewLib.training.cache import CaseCache
from PreopReviewLib.training.image_data import ImageSource, cut_patch
from PreopReviewLib.training.recipe import load_recipe


def cases(folder: Path, count: int = 3) -> list[Case]:
    prepared = []
    for number in range(count):
        image, labels = folder / f"i{number}", folder / f"l{number}"
        image.write_text(str(number))
        labels.write_text("x")
        prepared.append(Case(f"c{number}", image, labels, f"p{number}"))
    return prepared


def arrays(case: Case, size: int = 20) -> dict[str, np.ndarray]:
    number = int(case.image.read_text())
    image = np.full((1, size, size, size), number, np.float16)
    target = np.zeros((size, size, size), np.uint8)
    target[5:9, 5:9, 5:9] = 1
    places = [np.flatnonzero(target == k) for k in (0, 1)]
    counts = np.array([len(p) for p in places])
    return {"image": image, "target": target, "places": np.concatenate(places), "counts": counts}


def test_a_case_is_prepared_once_and_again_when_it_has_changed(tmp_path):
    prepared: list[str] = []

    def prepare(case: Case) -> dict[str, np.ndarray]:
        prepared.append(case.name)
        return arrays(case)

    few = cases(tmp_path)
    for _ in range(2):
        CaseCache(tmp_path / "kept", {"spacing": 1}, prepare).fill(few)
    assert prepared == ["c0", "c1", "c2"]
    few[1].image.write_text("77")
    cache = CaseCache(tmp_path / "kept", {"spacing": 1}, prepare)
    cache.fill(few)
    assert prepared[3:] == ["c1"]
    assert cache.read(few[1])["image"][0, 0, 0, 0] == 77
    CaseCache(tmp_path / "kept", {"spacing": 2}, prepare).fill(few)
    assert prepared[4:] == ["c0", "c1", "c2"], "other settings are another folder"


def test_what_is_read_is_what_was_prepared_and_a_map(tmp_path):
    few = cases(tmp_path)
    cache = CaseCache(tmp_path / "kept", {}, arrays)
    cache.fill(few)
    for key, array in arrays(few[2]).items():
        read = cache.read(few[2])[key]
        assert isinstance(read, np.memmap)
        assert read.dtype == array.dtype
        assert np.array_equal(read, array)


def test_a_full_disk_is_one_sentence_and_what_was_prepared_stays(tmp_path):
    few = cases(tmp_path)
    sizes = {"c0": 8, "c1": 40, "c2": 8}
    cache = CaseCache(tmp_path / "kept", {}, lambda c: arrays(c, sizes[c.name]) if sizes[c.name] > 9 else arrays(c, 10))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        with pytest.raises(OutputError, match="no room for prepared cases") as full:
            cache.fill(few)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "1 of 3 are there" in full.value.problem
    assert str(full.value).count("\n") == 0
    assert cache.read(few[0])["image"].shape == (1, 10, 10, 10)
    assert not any("c1" in p.name and p.suffix == ".json" for p in cache.folder.iterdir())
    cache.fill(few)
    assert cache.read(few[1])["image"].shape == (1, 40, 40, 40)


def test_a_cancel_while_preparing_is_obeyed(tmp_path):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        CaseCache(tmp_path / "kept", {}, arrays).fill(cases(tmp_path), cancel=token)


def test_a_prepared_case_that_is_gone_is_said(tmp_path):
    few = cases(tmp_path)
    cache = CaseCache(tmp_path / "kept", {}, arrays)
    cache.fill(few)
    os.unlink(cache.folder / "c1.image.npy")
    with pytest.raises(OutputError, match="c1"):
        cache.read(few[1])


def recipe(**changes):
    return load_recipe("gross2024").changed(data__patch=[8, 8, 8], **changes)


def test_an_epoch_takes_every_case_in_an_order_of_its_own(tmp_path):
    many = cases(tmp_path, 6)
    cache = CaseCache(tmp_path / "kept", {}, arrays)
    cache.fill(many)
    source = ImageSource(recipe(), many, cache)
    assert source.samples_per_epoch == 12
    taken = [[int(source.sample(n)[0][0, 0, 0, 0]) for n in range(12 * e, 12 * (e + 1))] for e in range(3)]
    assert all(sorted(epoch) == sorted([*range(6), *range(6)]) for epoch in taken)
    assert all(epoch[::2] == epoch[1::2] for epoch in taken), "both patches of a case follow each other"
    assert taken[0] != taken[1]


@pytest.mark.parametrize(("foreground", "label"), [(1.0, 1), (0.0, 0)])
def test_patches_lie_round_the_class_that_the_recipe_asks_for(tmp_path, foreground, label):
    few = cases(tmp_path, 2)
    cache = CaseCache(tmp_path / "kept", {}, lambda c: arrays(c, 40))
    cache.fill(few)
    source = ImageSource(recipe(data__foreground=foreground).changed(data__patch=[1, 1, 1]), few, cache)
    assert {int(source.sample(n)[1].item()) for n in range(60)} == {label}


def test_a_patch_of_a_small_case_is_mirrored_and_not_scored_there():
    image, target = np.arange(27, dtype=np.float16).reshape(1, 3, 3, 3), np.ones((3, 3, 3), np.uint8)
    shown, labels = cut_patch(image, target, (5, 3, 3), (1, 1, 1))
    assert shown.shape == (1, 5, 3, 3)
    assert (labels[[0, 4]] == UNSCORED).all()
    assert np.array_equal(shown[0, 0], image[0, 0])


def test_memory_does_not_grow_with_the_number_of_cases_and_each_is_prepared_once(tmp_path):
    prepared = []

    def prepare(case: Case) -> dict[str, np.ndarray]:
        prepared.append(case)
        return arrays(case, 96)

    peaks = []
    for count in (2, 12):
        folder = tmp_path / str(count)
        folder.mkdir()
        many = cases(folder, count)
        cache = CaseCache(folder / "kept", {}, prepare)
        cache.fill(many)
        source = ImageSource(recipe(data__augmentation={}), many, cache)
        source.sample(0)
        tracemalloc.start()
        for number in range(2 * count):
            source.sample(number)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(prepared) == 2 + 12
    assert peaks[1] < 1.5 * peaks[0] + 1e5
    assert peaks[1] < 96**3, "a case is never in memory as a whole"
