"""`preop liver couinaud`: labels in, segments and volumes out."""

from __future__ import annotations

import csv
import json

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels import read_labels, read_segments
from PreopReviewLib import images


def labels(path, lesion: bool = True):
    k, j, i = np.indices((70, 75, 100)) * 2.5
    right = ((i - 85) / 68) ** 2 + ((j - 98) / 72) ** 2 + ((k - 92) / 78) ** 2 < 1
    left = ((i - 145) / 75) ** 2 + ((j - 65) / 35) ** 2 + ((k - 120) / 32) ** 2 < 1
    array = (right | left).astype(np.uint8)
    if lesion:
        array[((i - 60) ** 2 + (j - 90) ** 2 + (k - 110) ** 2) < 18**2] = 2
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2.5, 2.5, 2.5))
    return images.write_image(image, path)


def test_a_label_file_is_divided_measured_and_its_lesions_are_placed(preop, tmp_path):
    ran = preop("liver", "couinaud", labels(tmp_path / "labels.nii.gz"), "-o", tmp_path / "out", "-q")
    assert ran.code == 0, ran.err
    segments = images.read_labels(tmp_path / "out" / "segments.nii.gz")
    given = images.read_labels(tmp_path / "labels.nii.gz")
    assert images.same_grid(segments, given)
    array = images.array_of(segments)
    assert ((array > 0) == (images.array_of(given) > 0)).all()
    with (tmp_path / "out" / "couinaud.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(r["voxels"]) for r in rows] == np.bincount(array.ravel(), minlength=9)[1:].tolist()
    assert abs(sum(float(r["percent_of_liver"]) for r in rows) - 100) < 0.1
    told = json.loads((tmp_path / "out" / "couinaud.json").read_text())
    held = np.bincount(array[images.array_of(given) == 2], minlength=9)
    named = "/".join(f"S{n}" for n in range(1, 9) if held[n] >= 0.05 * held.sum())
    assert [(x["lesion"], x["segments"]) for x in told["lesions"]] == [("tumor 1", named)]
    assert named in ran.out
    assert "shape of the liver alone" in ran.out
    assert np.array_equal(images.array_of(read_segments(tmp_path / "out" / "segments.nii.gz")), array)
    assert read_labels(tmp_path / "out" / "segments.nii.gz").sentences == [
        "The structures of segments.nii.gz are known by the names in its header."
    ]


def test_bad_input_is_told_in_a_sentence_and_leaves_nothing(preop, tmp_path):
    empty = images.write_image(sitk.Image(20, 20, 20, sitk.sitkUInt8), tmp_path / "empty.nii.gz")
    ran = preop("liver", "couinaud", empty, "-o", tmp_path / "out", "-q")
    assert ran.code == 3
    assert "empty" in ran.err
    assert not (tmp_path / "out").exists()
    ran = preop("liver", "couinaud", tmp_path / "none.nii.gz", "-o", tmp_path / "out", "-q")
    assert ran.code == 11
    good = labels(tmp_path / "labels.nii.gz", lesion=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    ran = preop("liver", "couinaud", good, "-o", tmp_path / "out", "-q")
    assert ran.code == 21
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
