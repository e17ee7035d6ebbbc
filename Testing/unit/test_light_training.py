"""The light training: shards, a few steps, resuming, and the window."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PreopReviewLib.errors import TrainingError  # noqa: E402
from RotatorCuffCAMLib.network.vrn import VRN  # noqa: E402
from RotatorCuffCAMLib.training import light as training_light  # noqa: E402
from RotatorCuffCAMLib.training import package as package_synthetic  # noqa: E402
from RotatorCuffCAMLib.training.light import LOCAL, LightTraining, Shards, train_light, with_window  # noqa: E402

SMALL = LightTraining(seconds=0.5, batch=4, width=4)


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cubes")
    rng = np.random.default_rng(0)
    torn = np.zeros((12, 16, 16, 16), np.float32)
    classes = np.arange(12) % 5
    torn[classes > 0, 8, 4, 6] = 0.5
    bytes_ = rng.integers(0, 200, (12, 64, 64, 64), dtype=np.uint8)
    np.savez(folder / "001-00000.npz", cubes=bytes_, torn=torn, classes=classes)
    return folder


def test_training_writes_what_can_be_packed_and_resumed(cubes, tmp_path):
    network = train_light(SMALL, cubes, tmp_path)
    assert all(torch.isfinite(p).all() for p in network.parameters())
    longer = LightTraining(seconds=1.0, batch=4, width=4)
    train_light(longer, cubes, tmp_path, resume=True)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["at"][0] >= 1.0
    packed = package_synthetic.package(tmp_path / "model.safetensors", tmp_path / "package", cases=5)
    assert packed.load_network().window == (3, 15, 0, 9, 1, 12)
    assert "told where the planted tear lies" in packed.card


def test_nothing_to_train_on_or_to_resume_is_said(cubes, tmp_path):
    with pytest.raises(TrainingError, match="holds 0 cubes"):
        train_light(SMALL, tmp_path, tmp_path)
    with pytest.raises(TrainingError, match="There is no checkpoint"):
        train_light(SMALL, cubes, tmp_path, resume=True)


def test_a_local_batch_holds_the_window_and_its_tears(cubes):
    shards = Shards(cubes, 0)
    shards.look()
    x, torn, classes = shards.batch(6, local=True)
    assert x.shape[0] == 6
    assert x.shape[2:] == tuple(4 * n for n in torn.shape[1:])
    assert ((torn.flatten(1).amax(1) > 0) == (classes > 0)).all()
    whole = shards.batch(6, local=False)
    assert whole[0].shape == (6, 1, 64, 64, 64)


def test_the_network_with_a_window_answers_as_the_one_trained_on_the_part():
    torch.manual_seed(0)
    settings = LightTraining(width=4)
    trained = VRN(2, width=4, stem_stride=4, units=1).eval()
    trained.pooled_norm.running_var.uniform_(1e-4, 2.0)
    trained.pooled_norm.running_mean.normal_()
    cube = torch.rand(2, 1, 64, 64, 64) * 255
    part = cube[(slice(None), slice(None), *(slice(4 * p.start, 4 * p.stop) for p in LOCAL))]
    with torch.inference_mode():
        torch.testing.assert_close(with_window(trained, settings)(cube), trained(part), atol=1e-4, rtol=1e-4)


def test_the_guidance_of_a_map_that_is_negative_everywhere_is_a_number():
    from RotatorCuffCAMLib.training.synthetic import guidance_loss

    network = VRN(2, width=4, stem_stride=4, units=1).eval()
    torch.nn.init.constant_(network.head.weight, -1.0)
    torn = torch.zeros(1, 16, 16, 16)
    torn[0, 8, 4, 6] = 0.5
    features = torch.full((1, 4, 16, 16, 16), 500.0, requires_grad=True)
    loss = guidance_loss(network, features, torch.tensor([2]), torn)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(features.grad).all()


def test_refitting_the_head_separates_what_can_be_separated():
    network = VRN(2, width=4, stem_stride=4, units=1).eval()
    classes = torch.arange(200) % 5
    means = torch.stack([classes, classes**2, (classes == 2), torch.zeros(200)], 1).float() + 0.01 * torch.randn(200, 4)
    training_light.refit_head(network, means, classes)
    with torch.inference_mode():
        logits = network.head(network.pooled_norm(means))
    assert (logits.argmax(1) == classes).all()


def test_rendering_and_training_in_one_go(tmp_path, monkeypatch):
    drawn = []

    def draw(folder, seed, shards):
        folder.mkdir(parents=True, exist_ok=True)
        drawn.append(seed)
        zeros = np.zeros((8, 64, 64, 64), np.uint8)
        np.savez(
            folder / f"{seed}.npz", cubes=zeros + 7, torn=np.zeros((8, 16, 16, 16), np.float32), classes=[0, 1] * 4
        )

    monkeypatch.setattr(training_light, "render_shards", draw)
    training_light.render_and_train(0.6, tmp_path, settings=SMALL)
    assert len(drawn) >= 2
    assert len(set(drawn)) == len(drawn)
    assert (tmp_path / "model.safetensors").is_file()
