"""Activation maps: the exact map is the logit, and lies where the network looked."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from PreopReviewLib.errors import InputError, ModelError  # noqa: E402
from RotatorCuffCAMLib.network.activation import METHODS, activate, map_image, normalized, on_grid, peak_lps  # noqa: E402
from RotatorCuffCAMLib.network.activation_maps import exact_maps, folded_weights  # noqa: E402
from RotatorCuffCAMLib.network.vrn import VRN  # noqa: E402
from RotatorCuffCAMLib.region import Cube, cube_grid  # noqa: E402

LIGHT = {"stem_stride": 4, "units": 1}
WINDOWED = {**LIGHT, "window": (3, 15, 0, 9, 1, 12)}


def _network(**arguments) -> VRN:
    """A small network whose pooled batch norm has statistics that matter."""
    torch.manual_seed(3)
    network = VRN(width=4, **arguments).eval()
    for norm in [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm1d | torch.nn.BatchNorm3d)]:
        norm.running_mean.normal_(0, 0.3)
        norm.running_var.uniform_(0.5, 2)
        norm.weight.data.uniform_(0.5, 1.5)
        norm.bias.data.normal_(0, 0.3)
    return network.requires_grad_(False)


def _grids():
    tilted = sitk.Euler3DTransform((0, 0, 0), 0.25, -0.2, 0.6)
    direction = np.array(tilted.GetMatrix()).reshape(3, 3) @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    grid = sitk.Image([160, 160, 26], sitk.sitkFloat32)
    grid.SetSpacing([0.7, 0.7, 4.0])
    grid.SetDirection(direction.ravel().tolist())
    middle = direction @ (np.array([79.5, 79.5, 12.5]) * [0.7, 0.7, 4.0])
    for side, x in (("R", -120.0), ("L", 120.0)):
        placed = sitk.Image(grid)
        placed.SetOrigin((np.array([x, 5.0, 30.0]) - middle).tolist())
        yield side, placed, (x, 5.0, 30.0)


def _cube(side="R") -> Cube:
    rng = np.random.default_rng(0)
    for side_of_grid, grid, center in _grids():
        if side_of_grid == side:
            cube = cube_grid(grid, center, 90.0, side)
            image = sitk.GetImageFromArray(rng.uniform(0, 255, (64, 64, 64)).astype(np.float32))
            image.CopyInformation(cube)
            return Cube(image, center, 90.0, side, "coronal", 1.0, ())
    raise AssertionError(side)


@pytest.mark.parametrize("arguments", [{}, {"variant": "exact"}, {"stem_stride": 4}, {"blocks": 3}, WINDOWED])
def test_mean_of_the_exact_map_plus_bias_is_the_logit(arguments):
    network = _network(**arguments)
    cube = torch.rand(2, 1, 64, 64, 64) * 255
    with torch.inference_mode():
        features = network.features(cube)
        logits = network.logits_of(features)
        again = exact_maps(network, features).mean((2, 3, 4)) + folded_weights(network)[1]
    assert float((again - logits).abs().max()) < 1e-5 * max(1.0, float(logits.abs().max()))


def test_the_contrast_map_means_the_difference_to_no_tear():
    network, cube = _network(**LIGHT), _cube()
    with torch.inference_mode():
        logits = network(torch.from_numpy(sitk.GetArrayFromImage(cube.image))[None, None])[0]
    activation = activate(network, cube, 3, "contrast")
    mean = sitk.GetArrayFromImage(activation.image).mean()
    assert mean + activation.bias == pytest.approx(float(logits[3] - logits[0]), abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_map_on_the_cubes_frame(method):
    cube = _cube("L")
    activation = activate(_network(**LIGHT), cube, method=method)
    assert activation.image.GetSize() == (16, 16, 16)
    assert activation.image.GetOrigin() == cube.image.GetOrigin()
    assert activation.voxel_mm == pytest.approx(90 / 16)
    np.testing.assert_allclose(activation.image.GetDirection(), cube.image.GetDirection())


def test_hirescam_of_the_last_layer_is_the_positive_part_of_the_exact_map():
    network, cube = _network(**LIGHT), _cube()
    exact = sitk.GetArrayFromImage(activate(network, cube, 2, "exact").image)
    hires = sitk.GetArrayFromImage(activate(network, cube, 2, "hirescam").image)
    np.testing.assert_allclose(hires * 16**3, np.clip(exact, 0, None), rtol=1e-4, atol=1e-5)


def test_a_network_with_a_window_maps_nothing_outside_of_it():
    network, cube = _network(**WINDOWED), _cube("L")
    for method in METHODS:
        values = sitk.GetArrayFromImage(activate(network, cube, 1, method).image)
        assert values.shape == (16, 16, 16)
        inside = np.zeros(values.shape, bool)
        inside[3:15, 0:9, 1:12] = True
        assert not values[~inside].any()
        assert method in ("gradcam", "hirescam") or values[inside].any()
    with pytest.raises(InputError, match="last layer"):
        activate(network, cube, 1, "hirescam", layer="body.0")


def test_an_earlier_layer_gives_a_finer_map():
    activation = activate(_network(), _cube(), method="hirescam", layer="body.2")
    assert activation.image.GetSize() == (64, 64, 64)


def test_gradients_leave_the_network_as_it_was():
    network, cube = _network(**LIGHT), _cube()
    activate(network, cube, method="gradcam")
    assert all(not p.requires_grad and p.grad is None for p in network.parameters())


@pytest.mark.parametrize("side", ["R", "L"])
@pytest.mark.parametrize("at", [(8, 8, 8), (4, 11, 6), (13, 3, 10), (12, 4, 11)])
def test_a_planted_blob_peaks_within_half_a_map_voxel_on_the_source_grid(side, at):
    for side_of_grid, grid, center in _grids():
        if side_of_grid != side:
            continue
        cube = cube_grid(grid, center, 90.0, side)
        values = np.zeros((16, 16, 16), np.float32)
        values[at] = 1.0
        activation = map_image(values, cube)
        planted = cube.TransformIndexToPhysicalPoint([4 * v for v in at[::-1]])
        np.testing.assert_allclose(peak_lps(activation), planted, atol=1e-6)
        source = on_grid(activation, grid)
        off = np.linalg.norm(np.subtract(peak_lps(source), planted))
        assert off <= activation.GetSpacing()[0] / 2


def test_a_left_shoulder_lies_mirrored_and_in_its_own_place():
    (_, right, center_r), (_, left, center_l) = _grids()
    a, b = cube_grid(right, center_r, 90, "R"), cube_grid(left, center_l, 90, "L")
    assert np.linalg.det(np.array(a.GetDirection()).reshape(3, 3)) > 0
    assert np.linalg.det(np.array(b.GetDirection()).reshape(3, 3)) < 0
    lateral_r, lateral_l = (g.TransformIndexToPhysicalPoint((0, 32, 32)) for g in (a, b))
    assert lateral_r[0] < center_r[0]
    assert lateral_l[0] > center_l[0]


def test_outside_of_the_cube_the_map_is_zero():
    _, grid, center = next(_grids())
    cube = cube_grid(grid, center, 40.0, "R")
    source = sitk.GetArrayFromImage(on_grid(map_image(np.ones((16, 16, 16)), cube), grid))
    assert source[0, 0, 0] == 0
    assert source.max() == 1


def test_normalized_maps_reach_from_zero_to_one_and_survive_having_no_positive_value():
    cube = _cube().image
    values = np.linspace(-2, 4, 4096).reshape(16, 16, 16)
    assert sitk.GetArrayFromImage(normalized(map_image(values, cube))).max() == 1
    assert not sitk.GetArrayFromImage(normalized(map_image(-np.abs(values), cube))).any()


def test_unknown_method_class_and_layer_are_refused():
    network, cube = _network(**LIGHT), _cube()
    for arguments in ({"method": "other"}, {"class_index": 7}, {"method": "gradcam", "layer": "nowhere"}):
        with pytest.raises(InputError):
            activate(network, cube, **arguments)


def test_a_hidden_layer_has_no_exact_map():
    with pytest.raises(ModelError):
        activate(VRN(width=4, hidden=8).eval(), _cube())


@pytest.mark.parametrize("side", ["R", "L"])
def test_the_part_that_is_interpolated_is_all_that_a_whole_interpolation_gives(side):
    for side_of_grid, grid, center in _grids():
        if side_of_grid != side:
            continue
        raw = map_image(np.random.default_rng(1).normal(size=(16, 16, 16)), cube_grid(grid, center, 90.0, side))
        padded = sitk.ConstantPad(raw, [1, 1, 1], [1, 1, 1], 0.0)
        whole = sitk.Resample(padded, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
        part = on_grid(raw, grid)
        np.testing.assert_allclose(sitk.GetArrayFromImage(part), sitk.GetArrayFromImage(whole), atol=1e-6)
        away = sitk.Image(grid)
        away.SetOrigin((900.0, 900.0, 900.0))
        assert not sitk.GetArrayFromImage(on_grid(raw, away)).any()
