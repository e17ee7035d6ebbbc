"""Images between the panel and the worker: written in steps, read as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import images, worker_io


def oblique(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-10.0, 20.5, 7.0))
    image.SetDirection((0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    return image


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32])
def test_an_image_saved_in_steps_is_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    monkeypatch.setattr(worker_io, "STEP_BYTES", 200)
    values = np.random.default_rng(3).integers(0, 100, (7, 5, 6)).astype(kind)
    request = {"image": worker_io.unsaved(oblique(values), "image"), "options": {"threshold": 45.0}}
    steps = worker_io.save_steps(request, tmp_path)
    count = 0
    while True:
        try:
            next(steps)
            count += 1
        except StopIteration as done:
            saved = done.value
            break
    assert count >= 2
    assert saved["options"] == {"threshold": 45.0}
    again = worker_io.load_image(tmp_path, saved["image"])
    assert again.GetPixelID() == oblique(values).GetPixelID()
    assert np.array_equal(images.array_of(again), values)
    assert images.same_grid(again, oblique(values), 1e-9)


def test_a_request_without_images_needs_no_step(tmp_path: Path) -> None:
    with pytest.raises(StopIteration) as done:
        next(worker_io.save_steps({"source": "CT"}, tmp_path))
    assert done.value.value == {"source": "CT"}


def test_an_unsaved_image_lives_until_it_is_written(tmp_path: Path) -> None:
    values = np.arange(64**3, dtype=np.int32).reshape(64, 64, 64)
    steps = worker_io.save_steps({"image": worker_io.unsaved(oblique(values), "image")}, tmp_path)
    others = [sitk.Image(64, 64, 64, sitk.sitkInt32) + n for n in range(1, 9)]  # take the memory if it is free
    for _step in steps:
        pass
    assert np.array_equal(np.load(tmp_path / "image.npy"), values)
    assert len(others) == 8
