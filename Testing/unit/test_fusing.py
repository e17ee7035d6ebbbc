"""Batch norm folded into convolutions."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")


def as_if_trained(network: torch.nn.Module) -> None:
    """Batch norms that do something, in evaluation mode."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.normal_(1, 0.2)
            module.bias.data.normal_()
    network.eval()


@pytest.mark.parametrize("detail", [0, 3])
def test_the_fused_network_says_the_same_without_batch_norms(detail: int) -> None:
    from PreopReviewLib.inference.fusing import fused
    from PreopReviewLib.models.residual_unet import ResidualUNet3D

    torch.manual_seed(0)
    network = ResidualUNet3D(2, 3, (4, 6, 8), 2, detail)
    if detail:
        network.detail.correct.weight.data.normal_()
    as_if_trained(network)
    faster = fused(network)
    assert not [m for m in faster.modules() if isinstance(m, torch.nn.BatchNorm3d)]
    assert [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm3d)]
    image = torch.randn(1, 2, 16, 24, 8)
    with torch.inference_mode():
        assert torch.allclose(faster(image), network(image), atol=1e-4)


def test_a_batch_norm_after_something_else_stays() -> None:
    from PreopReviewLib.inference.fusing import fused

    network = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.ReLU(), torch.nn.BatchNorm3d(2)).eval()
    faster = fused(network)
    assert isinstance(faster[2], torch.nn.BatchNorm3d)
    image = torch.randn(1, 1, 5, 5, 5)
    with torch.inference_mode():
        assert torch.allclose(faster(image), network(image), atol=1e-6)


def test_batch_norms_inside_the_blocks_of_monai_are_folded_after_transposed_convolutions_too() -> None:
    from monai.networks.nets import UNet

    from PreopReviewLib.inference.fusing import fused

    torch.manual_seed(0)
    network = UNet(3, 1, 3, (4, 8, 16), (2, 2), num_res_units=2, norm="BATCH")
    as_if_trained(network)
    faster = fused(network)
    assert not [m for m in faster.modules() if isinstance(m, torch.nn.BatchNorm3d)]
    image = torch.randn(1, 1, 16, 24, 8)
    with torch.inference_mode():
        assert torch.allclose(faster(image), network(image), atol=1e-4)
