"""The cube around the humeral head."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("torch")

from PreopReviewLib.errors import InputError, UnsupportedImage
from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom
from RotatorCuffCAMLib.head import find_head
from RotatorCuffCAMLib.region import (
    cut_cube,
    require_shoulder_series,
    series_plane,
    side_of,
)


@pytest.fixture(scope="module", params=["R", "L"])
def shoulder(request):
    return make_shoulder_phantom(11, 3, side=request.param, size=(96, 96, 24))


def _ramp(image: sitk.Image) -> sitk.Image:
    """The patient's own coordinates as intensities: x + 10 y + 100 z."""
    steps = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    index = np.moveaxis(np.indices(image.GetSize()[::-1], dtype=float)[::-1], 0, -1)
    points = np.array(image.GetOrigin()) + index @ steps.T
    ramp = sitk.GetImageFromArray((points @ [1.0, 10.0, 100.0]).astype(np.float32))
    ramp.CopyInformation(image)
    return ramp


def test_a_cube_voxel_is_the_patients_point_that_its_grid_says(shoulder):
    # Shifted and scaled intensities grow linearly with the true ones, wherever they were not clipped.
    ramp = sitk.Abs(_ramp(shoulder.image)) + 10_000
    cube = cut_cube(ramp, shoulder.head_center_lps, 60.0, side=shoulder.side)
    values = sitk.GetArrayViewFromImage(cube.image)
    inner = np.argwhere((values > 20) & (values < 235))[::997]
    points = np.array([cube.image.TransformIndexToPhysicalPoint([int(v) for v in p[::-1]]) for p in inner])
    true = np.abs(points @ [1.0, 10.0, 100.0])
    fit = np.polyfit(true, values[tuple(inner.T)], 1)
    assert np.abs(np.polyval(fit, true) - values[tuple(inner.T)]).max() < 1.5


def test_i_goes_medially_j_down_and_k_back_on_either_side(shoulder):
    cube = cut_cube(shoulder.image, shoulder.head_center_lps).image
    first, i, j, k = (
        np.array(cube.TransformIndexToPhysicalPoint(p)) for p in ((0, 0, 0), (63, 0, 0), (0, 63, 0), (0, 0, 63))
    )
    medially = 1 if shoulder.side == "R" else -1
    assert (i - first)[0] * medially > 40
    assert (j - first)[2] < -40
    assert (k - first)[1] > 40


def test_the_torn_side_is_in_the_lateral_upper_quarter_of_the_cube(shoulder):
    cube = cut_cube(shoulder.image, shoulder.head_center_lps).image
    i, j, _ = cube.TransformPhysicalPointToContinuousIndex(shoulder.tear_center_lps)
    assert i < 32
    assert j < 32


def test_the_side_is_told_from_the_place_and_from_dicom(shoulder):
    assert side_of(shoulder.image, shoulder.head_center_lps) == shoulder.side
    told = sitk.Image(shoulder.image)
    told.SetMetaData("0020|0060", "L")
    assert side_of(told, shoulder.head_center_lps) == "L"


def test_the_head_is_found_within_twelve_millimeters(shoulder):
    guess = find_head(shoulder.image)
    assert np.linalg.norm(np.subtract(guess.center_lps, shoulder.head_center_lps)) < 12
    assert 0 <= guess.confidence <= 1


@pytest.mark.parametrize("plane", ["coronal", "axial", "sagittal"])
def test_planes_are_told_apart_and_only_coronal_series_taken(plane):
    phantom = make_shoulder_phantom(3, plane=plane, size=(32, 32, 12))
    assert series_plane(phantom.image)[0] == plane
    if plane == "coronal":
        require_shoulder_series(phantom.image)
    else:
        with pytest.raises(UnsupportedImage, match=plane):
            require_shoulder_series(phantom.image)
        assert require_shoulder_series(phantom.image, any_plane=True)


def test_localizers_cts_and_cubes_outside_are_refused(shoulder):
    with pytest.raises(UnsupportedImage, match="3 slices"):
        require_shoulder_series(shoulder.image[:, :, :3])
    ct = sitk.Image(shoulder.image) - 1000
    with pytest.raises(UnsupportedImage, match="CT"):
        require_shoulder_series(ct)
    with pytest.raises(InputError, match="lies in"):
        cut_cube(shoulder.image, (500.0, 0.0, 0.0))
    with pytest.raises(InputError, match="contrast"):
        cut_cube(shoulder.image * 0 + 5, shoulder.head_center_lps)
