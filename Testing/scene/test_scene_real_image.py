"""A real CT (122 x 101 x 112 voxels of 3 mm) as a scene."""

from __future__ import annotations

import numpy as np
import pytest

from LiverPlannerLib.scene.results import save_results
from PreopReviewLib import images
from PreopReviewLib.scene import files, host, nodes


def test_a_real_ct_goes_into_a_scene_and_comes_back(shared_data, pictures_possible, tmp_path):
    import matplotlib.image

    image = images.read_image(shared_data / "totalsegmentator" / "ct_3mm.nii.gz")
    known = images.read_labels(shared_data / "totalsegmentator" / "ct_3mm_seg117.nii.gz")
    values = images.array_of(known)
    labels = images.image_like(np.where(values == 5, 1, np.where(values == 4, 8, 0)).astype(np.uint8), known)
    ml = float((values == 5).sum()) * images.voxel_ml(known)
    save_results(image, labels, {"volumes_ml": {"liver": ml, "gallbladder": 36.0}, "modality": "CT"}, tmp_path, "CT")
    with host.fresh_scene() as scene:
        files.read_bundle(scene, tmp_path / "scene.mrb")
        segments = nodes.read_segments(scene.GetFirstNodeByClass("vtkMRMLSegmentationNode"))
        volume = nodes.image_of_volume(scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
    assert [s.key for s in segments] == ["liver", "gallbladder"]
    assert np.array_equal(images.array_of(segments[0].mask) > 0, values == 5)
    assert np.array_equal(images.array_of(volume), images.array_of(image))
    reconstruction = matplotlib.image.imread(tmp_path / "reconstruction.png")
    covered = (reconstruction[:, :1140, :3] < 0.96).any(axis=-1).mean()
    assert 0.2 < covered < 0.8
    slices = matplotlib.image.imread(tmp_path / "slices.png")[..., :3]
    assert slices.shape[1] == 1800
    assert (slices.max(axis=-1) > 0.2).mean() == pytest.approx(0.45, abs=0.3)
