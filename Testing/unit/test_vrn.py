"""The Voxception-ResNet: parameter counts, shapes, where its features see the cube, variants."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from RotatorCuffCAMLib.network.vrn import VRN, parameter_count  # noqa: E402


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ({"variant": "exact"}, 843_949),
        ({"variant": "corrected"}, 843_509),
        ({"variant": "corrected", "stochastic_depth": True}, 843_509),
        ({"variant": "exact", "blocks": 3}, 3_446_157),
        ({"variant": "exact", "blocks": 4}, 13_846_349),
    ],
)
def test_parameters_are_those_of_the_guide(arguments, count):
    assert parameter_count(VRN(**arguments)) == count


def test_each_layer_has_the_parameters_of_the_guides_table():
    network = VRN(variant="exact")
    body = [parameter_count(m) for m in network.body]
    assert body == [12_648] * 3 + [42_240] + [50_256] * 3 + [168_448]
    assert parameter_count(network.first) == 896
    assert parameter_count(network.last) == 442_496 + 256
    assert parameter_count(network.pooled_norm) == 256
    assert parameter_count(network.head) == 645


@pytest.mark.parametrize(("blocks", "edge"), [(2, 16), (3, 8)])
def test_features_have_the_edge_that_the_blocks_leave(blocks, edge):
    network = VRN(blocks, width=4).eval()
    with torch.inference_mode():
        features = network.features(torch.zeros(1, 1, 64, 64, 64))
    assert features.shape == (1, 4 * 2**blocks, edge, edge, edge)
    assert network.stride == 64 // edge


@pytest.mark.parametrize(
    "arguments",
    [{"width": 4}, {"width": 4, "stem_stride": 4}, {"width": 4, "stem_stride": 4, "window": (2, 15, 1, 14, 2, 16)}],
)
def test_a_feature_sees_the_cube_symmetrically_around_four_times_its_index(arguments):
    torch.manual_seed(0)
    centers = []
    for _ in range(arguments.get("stem_stride", 2)):
        network = VRN(**arguments).eval()
        # Noise, as among equal values a maximum's gradient goes to the first of them.
        cube = (torch.rand(1, 1, 64, 64, 64) * 255).requires_grad_()
        network.features(cube)[0, :, 8, 7, 9].pow(2).sum().backward()
        weight = cube.grad[0, 0].abs().numpy()
        centers.append([np.average(g, weights=weight) for g in np.indices(weight.shape)])
    np.testing.assert_allclose(np.mean(centers, axis=0), [32, 28, 36], atol=0.75)


def test_stochastic_depth_changes_answers_only_where_it_samples():
    torch.manual_seed(1)
    network = VRN(width=4, stem_stride=4, stochastic_depth=True).eval()
    cube = torch.rand(1, 1, 64, 64, 64) * 255
    with torch.inference_mode():
        assert torch.equal(network(cube), network(cube))
        network.sample_depth(True)
        sampled = [network(cube) for _ in range(6)]
        assert any(not torch.equal(sampled[0], other) for other in sampled[1:])
        network.sample_depth(False)
        assert torch.equal(network(cube), network(cube))


@pytest.mark.parametrize(
    "arguments",
    [
        {"variant": "other"},
        {"blocks": 1},
        {"width": 6},
        {"variant": "exact", "stochastic_depth": True},
        {"window": (0, 17, 0, 4, 0, 4)},
        {"window": (4, 4, 0, 4, 0, 4)},
        {"units": 4},
    ],
)
def test_impossible_networks_are_refused(arguments):
    with pytest.raises(ValueError):
        VRN(**arguments)


def test_the_variants_differ_in_order_and_scaling_but_not_in_shape():
    exact, corrected = VRN(width=4, variant="exact").eval(), VRN(width=4).eval()
    cube = torch.rand(2, 1, 64, 64, 64) * 255
    with torch.inference_mode():
        assert exact(cube).shape == corrected(cube).shape == (2, 5)
