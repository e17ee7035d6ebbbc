"""Couinaud segments: the pieces around the network."""

from __future__ import annotations

import json

import cc3d
import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.couinaud.augmentation import bent_map, on_network_grid
from LiverPlannerLib.couinaud.channels import MARGIN, liver_channels, padded
from LiverPlannerLib.couinaud.checks import doubts, rightward
from LiverPlannerLib.couinaud.maps import SegmentMap, fill_nearest, folds_of, odd_maps, read_map
from LiverPlannerLib.couinaud.measuring import border_distance, segment_dice
from LiverPlannerLib.couinaud.training import Training, run_fold
from LiverPlannerLib.couinaud.volumes import segment_volumes, segments_of_lesions
from LiverPlannerLib.couinaud.whole_segments import fill_unreached, whole_segments
from PreopReviewLib.errors import InputError


def slabs(depth: int = 40, height: int = 36, width: int = 64) -> np.ndarray:
    """Eight segments as slabs of a box whose left part is flat, as a left lobe is."""
    labels = np.zeros((depth, height, width), np.uint8)
    labels[:] = 8 - np.arange(width) // (width // 8)
    labels[:10, :, width // 2 :] = 0
    labels[-14:, :, width // 2 :] = 0
    return labels


def test_every_segment_becomes_one_piece_and_nothing_is_lost():
    labels = slabs()
    rng = np.random.default_rng(3)
    inside = labels > 0
    places = np.argwhere(inside)[rng.integers(0, inside.sum(), 400)]
    noisy = labels.copy()
    noisy[tuple(places.T)] = rng.integers(1, 9, len(places))
    joined = whole_segments(noisy)
    assert (joined > 0).tolist() == inside.tolist()
    for n in range(1, 9):
        assert cc3d.connected_components(joined == n, connectivity=6).max() == 1
    assert np.mean(joined == labels) > 0.99


def test_a_left_over_piece_joins_whole_the_segment_that_it_touches_most():
    labels = np.ones((4, 6, 12), np.uint8)
    labels[..., 6:] = 2
    labels[0, 1:3, 1:4] = 2  # inside 1 alone
    assert set(np.unique(whole_segments(labels)[..., :6])) == {1}


def test_loose_parts_of_a_liver_go_to_the_nearest_segment_in_mm():
    labels = np.zeros((9, 3, 9), np.uint8)
    labels[0], labels[:, :, 8] = 1, 2
    inside = labels > 0
    inside[4, 1, 4] = True
    assert fill_unreached(labels, inside, np.array([1.0, 1, 3]))[4, 1, 4] == 1
    assert fill_unreached(labels, inside, np.array([3.0, 1, 1]))[4, 1, 4] == 2


def test_channels_are_in_the_livers_own_frame():
    mask = np.zeros((20, 24, 30), bool)
    mask[4:15, 5:18, 6:27] = True
    channels = liver_channels(mask)
    assert channels.shape == (8, 20, 24, 30)
    assert channels.dtype == np.float32
    assert channels[2, 4, 0, 0] == -1
    assert channels[2, 14, 0, 0] == 1
    assert channels[4, 0, 0, 6] == -1
    assert channels[1][mask].min() > 0 > channels[1][~mask].max()
    moved = liver_channels(np.roll(mask, 2, 1))
    assert np.allclose(moved[:, :, 7:20], channels[:, :, 5:18])
    assert padded(channels, 16).shape == (8, 32, 32, 32)


def test_a_bent_map_stays_a_liver_of_eight_segments():
    labels, rng = slabs(), np.random.default_rng(0)
    plain = on_network_grid(labels)
    assert abs((plain > 0).sum() * 8 / (labels > 0).sum() - 1) < 0.1
    for _ in range(5):
        bent = bent_map(labels, rng)
        assert set(np.unique(bent)) == set(range(9))
        assert not bent[:MARGIN].any()
        assert 0.3 < (bent > 0).sum() / (plain > 0).sum() < 3


def test_doubts_name_what_is_wrong():
    labels = slabs()
    shape = np.pad(labels > 0, 2)
    usual = [(0.04, 0.3)] * 8
    box = tuple(slice(2, 2 + n) for n in labels.shape)
    assert rightward(shape) > 0.037
    assert doubts(shape, labels, shape.shape, box, usual) == []
    assert "border of the image" in doubts(shape, labels, (42, 60, 80), box, usual)[0]
    assert "patient's right" in doubts(shape[..., ::-1], labels, shape.shape, box, usual)[0]
    small = labels.copy()
    small[small == 3] = 2
    small[20, 20, 50] = 3
    said = doubts(shape, small, shape.shape, box, usual)
    assert len(said) == 1
    assert "segment 3" in said[0]
    assert "was not found" in doubts(shape, np.where(labels == 3, 2, labels), shape.shape, box, usual)[0]


def test_lesions_are_named_by_the_segments_that_hold_them():
    segments = np.ones((10, 10, 20), np.uint8) * 5
    segments[..., 10:] = 8
    labels = np.ones_like(segments)
    labels[2:5, 2:5, 8:12], labels[7, 7, 2:4], labels[7, 2, 15] = 2, 2, 3
    a, b = sitk.GetImageFromArray(labels), sitk.GetImageFromArray(segments)
    assert segments_of_lesions(a, b) == {("tumor", 1): "S5/S8", ("tumor", 2): "S5", ("cyst", 1): "S8"}
    b.SetSpacing((1, 1, 2))
    volumes = segment_volumes(b)
    assert [v.voxels for v in volumes] == [0, 0, 0, 0, 1000, 0, 0, 1000]
    assert volumes[4].ml == 2.0
    assert volumes[4].share == 0.5


def test_dice_and_border_distance():
    labels = slabs()
    moved = np.where(labels > 0, np.roll(labels, 2, 2), 0)
    assert segment_dice(labels, labels) == [1.0] * 8
    assert border_distance(labels, labels) == 0
    assert 2 <= border_distance(labels, np.where(moved == 0, labels, moved)) <= 4
    assert np.isnan(segment_dice(np.zeros(3), np.zeros(3))).all()


def test_maps_are_read_in_any_orientation_with_vessels_given_to_the_nearest(tmp_path):
    labels = slabs()
    labels[20, 10:20, 3:6] = 9
    image = sitk.GetImageFromArray(np.pad(labels, 1))
    image.SetSpacing((2, 2, 2))
    flipped = sitk.DICOMOrient(image, "RSA")
    sitk.WriteImage(flipped, str(tmp_path / "a.nii.gz"))
    read = read_map(tmp_path / "a.nii.gz")
    assert (read.labels == fill_nearest(labels, labels == 9)).all()
    sitk.WriteImage(image * 30, str(tmp_path / "b.nii.gz"))
    with pytest.raises(InputError, match=r"b\.nii\.gz holds other values"):
        read_map(tmp_path / "b.nii.gz")


def test_maps_with_a_missing_or_displaced_segment_are_odd():
    rng = np.random.default_rng(1)
    cases = [SegmentMap(f"c{n}", slabs(40 + int(rng.integers(-4, 5)), 36, 64)) for n in range(12)]
    lost = slabs()
    lost[lost == 3] = 2
    cases.append(SegmentMap("lost", lost))
    assert odd_maps(cases).keys() == {"lost"}
    parts = folds_of([c.name for c in cases], 5)
    assert sorted(n for p in parts for n in p) == sorted(c.name for c in cases)
    assert parts == folds_of([c.name for c in cases], 5)


def test_one_command_trains_packs_and_measures(tmp_path):
    from LiverPlannerLib.couinaud.training import Given
    from PreopReviewLib.models.package import load_package

    rng = np.random.default_rng(2)
    cases = [SegmentMap(f"c{n}", slabs(38 + int(rng.integers(0, 5)), 36, 64)) for n in range(6)]
    settings = Training(steps=12, widths=(4, 8), rate=1e-2, threads=1)
    figures = run_fold(cases, 3, 0, settings, Given(tmp_path, "the command"))
    assert len(figures.names) == 2
    package = load_package(tmp_path / "fold0" / "couinaud")
    assert package.metadata["training"]["maps"] == 4
    assert package.metadata["figures"]["mean"] == pytest.approx(np.nanmean(figures.dice), abs=1e-3)
    assert "no image and no vessel" in package.card
    assert json.loads((tmp_path / "fold0" / "figures.json").read_text())["cases"] == 2
    with pytest.raises(InputError, match="no fold 3"):
        run_fold(cases, 3, 3, settings, Given(tmp_path, ""))


def test_all_folds_give_their_figures_to_a_network_of_all_patients(tmp_path):
    from LiverPlannerLib.couinaud.training import Given, run_all
    from PreopReviewLib.models.package import load_package

    cases = [SegmentMap(f"c{n}", slabs(38 + n)) for n in range(4)]
    settings = Training(steps=2, widths=(4, 8), threads=1)
    figures = run_all(cases, 2, settings, Given(tmp_path, "the command"))
    assert sorted(figures.names) == ["c0", "c1", "c2", "c3"]
    metadata = load_package(tmp_path / "all" / "couinaud").metadata
    assert metadata["training"]["maps"] == 4
    assert metadata["figures"]["cases"] == 4
    assert metadata["figures"]["what"].startswith("2 folds")


def test_an_interrupted_training_ends_at_the_same_network(tmp_path):
    import torch

    from LiverPlannerLib.couinaud.training import STATE, Run, Samples, train
    from PreopReviewLib.errors import TrainingError
    from PreopReviewLib.training.checkpoint import read_checkpoint

    rng = np.random.default_rng(2)
    cases = [SegmentMap(f"c{n}", slabs(38 + int(rng.integers(0, 5)), 36, 64)) for n in range(5)]
    settings = Training(steps=6, widths=(4, 8), threads=1)
    whole = train(cases, settings, tmp_path / "whole").state_dict()

    run = Run(settings, tmp_path / "two" / STATE)
    samples = Samples(cases, settings, 0)
    for _ in range(3):
        run.learn(*samples.next())
    samples.close()
    run.save(7.0)
    again = train(cases, settings, tmp_path / "two").state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert read_checkpoint(tmp_path / "two" / STATE)["minutes"] > 7 / 60
    with pytest.raises(TrainingError, match="other settings"):
        train(cases, Training(steps=7, widths=(4, 8), threads=1), tmp_path / "two")
