"""Models that others trained."""

from __future__ import annotations

import json
import os
import pickle
import re

import pytest

from PreopReviewLib.command.models import Foreign, import_
from PreopReviewLib.errors import FileMissing, ModelCorrupt, ModelError
from PreopReviewLib.models import networks
from PreopReviewLib.models.foreign import (
    VOLUMETRY_NET,
    ScriptedModel,
    import_bundle,
    import_volumetry_net,
    read_weights,
)
from PreopReviewLib.models.segmenter import segmenter

torch = pytest.importorskip("torch")


def lightning_checkpoint(path, seed=0):
    """A random checkpoint with the keys of MONAI 0.3 under Lightning."""
    torch.manual_seed(seed)
    network = networks.build("UNet", VOLUMETRY_NET)
    old = {}
    for key, value in network.state_dict().items():
        key = re.sub(r"\.adn\.N\.", ".norm.", key)
        old["_model." + re.sub(r"\.adn\.A\.", ".act.", key)] = value
    old["loss_function.weight"] = torch.ones(2)
    torch.save({"epoch": 5, "state_dict": old, "pytorch-lightning_version": "0.8.5"}, path)
    return network


def test_a_volumetry_net_checkpoint_gives_the_same_output_after_import(tmp_path):
    original = lightning_checkpoint(tmp_path / "last.ckpt").eval()
    package = import_volumetry_net(tmp_path / "last.ckpt", tmp_path / "package")
    image = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        assert torch.equal(original(image), package.load_network()(image))
    assert package.metadata["inference"]["classes"] == ["background", "liver"]


def test_an_imported_checkpoint_stands_behind_the_seam(tmp_path):
    lightning_checkpoint(tmp_path / "last.ckpt")
    import_(tmp_path / "last.ckpt", Foreign.volumetrynet, tmp_path / "package")
    model = segmenter(tmp_path / "package")
    assert model.structures == ("liver",)
    assert model.settings["intensity"] == {"kind": "quartiles"}


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    torch.save({"state_dict": {"_model.some.weight": torch.zeros(3)}}, tmp_path / "other.ckpt")
    with pytest.raises(ModelCorrupt, match="Volumetry-Net"):
        import_volumetry_net(tmp_path / "other.ckpt", tmp_path / "package")
    assert not (tmp_path / "package").exists()


class Hostile:
    def __init__(self, flag):
        self.flag = flag

    def __reduce__(self):
        return os.mkdir, (str(self.flag),)


@pytest.mark.parametrize("through", ["torch", "pickle"])
def test_nothing_in_a_hostile_pickle_runs(tmp_path, through):
    flag, file = tmp_path / "it-ran", tmp_path / "model.pt"
    if through == "torch":
        torch.save({"state_dict": Hostile(flag)}, file)
    else:
        file.write_bytes(pickle.dumps(Hostile(flag)))
    with pytest.raises(ModelCorrupt):
        read_weights(file)
    assert not flag.exists()


def bundle(folder, target="monai.networks.nets.UNet", **changes):
    arguments = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2]} | changes
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "metadata.json").write_text(json.dumps({"name": "tiny", "version": "0.1"}))
    (folder / "configs" / "inference.json").write_text(json.dumps({"network_def": {"_target_": target, **arguments}}))
    return arguments


def test_a_monai_bundle_becomes_a_package_with_the_same_weights(tmp_path):
    arguments = bundle(tmp_path / "bundle")
    network = networks.build("UNet", arguments)
    torch.save(network.state_dict(), tmp_path / "bundle" / "models" / "model.pt")
    package = import_bundle(tmp_path / "bundle", tmp_path / "package")
    for key, value in package.load_network().state_dict().items():
        assert torch.equal(value, network.state_dict()[key])


def test_a_bundle_with_an_unknown_network_or_an_expression_is_refused(tmp_path):
    bundle(tmp_path / "a", target="os.system")
    with pytest.raises(ModelError, match="system"):
        import_bundle(tmp_path / "a", tmp_path / "package")
    bundle(tmp_path / "b", dropout="$__import__('os').system('true')")
    with pytest.raises(ModelError, match="expression"):
        import_bundle(tmp_path / "b", tmp_path / "package")


def test_a_bundle_without_weights_says_so(tmp_path):
    bundle(tmp_path / "bundle")
    with pytest.raises(FileMissing, match=r"model\.pt"):
        import_bundle(tmp_path / "bundle", tmp_path / "package")


def test_a_torchscript_file_runs_as_it_did(tmp_path):
    network = torch.nn.Conv3d(1, 2, 3, padding=1).eval()
    torch.jit.save(torch.jit.script(network), str(tmp_path / "model.ts"))
    image = torch.randn(1, 1, 5, 5, 5)
    with torch.inference_mode():
        assert torch.equal(ScriptedModel(tmp_path / "model.ts").load_network()(image), network(image))
    (tmp_path / "bad.ts").write_bytes(b"no script")
    with pytest.raises(ModelCorrupt, match="TorchScript"):
        ScriptedModel(tmp_path / "bad.ts").load_network()
