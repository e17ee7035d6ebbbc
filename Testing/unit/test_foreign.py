"""Models that others trained."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib.command.models import Foreign, import_
from PreopReviewLib.errors import FileMissing, ModelCorrupt, ModelError
from PreopReviewLib.models import networks
from PreopReviewLib.models.adapters.monai import import_bundle
from PreopReviewLib.models.adapters.torchscript import read_checked
from PreopReviewLib.models.adapters.volumetrynet import VOLUMETRY_NET, import_volumetry_net
from PreopReviewLib.models.foreign import read_weights
from PreopReviewLib.models.importing import ImportOptions, import_model
from PreopReviewLib.models.package import load_package
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


TRANSFORMS = [
    {"_target_": "LoadImaged", "keys": "image"},
    {"_target_": "EnsureChannelFirstd", "keys": "image"},
    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
    {"_target_": "Spacingd", "keys": "image", "pixdim": [2.0, 2.0, 2.0], "mode": "bilinear"},
    {
        "_target_": "ScaleIntensityRanged",
        "keys": "image",
        "a_min": -100,
        "a_max": 200,
        "b_min": 0.0,
        "b_max": 1.0,
        "clip": True,
    },
    {"_target_": "EnsureTyped", "keys": "image", "device": "@device"},
]


def bundle(folder, target="monai.networks.nets.UNet", transforms=None, config=None, named=None, **changes):
    """A MONAI bundle without weights, as the model zoo's look: references and expressions in it."""
    arguments = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2]} | changes
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    channels = named or {"0": "background", "1": "Liver"}
    about = {"name": "tiny", "version": "0.1", "network_data_format": {"outputs": {"pred": {"channel_def": channels}}}}
    (folder / "configs" / "metadata.json").write_text(json.dumps(about))
    said = {
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "window": [16, 16, 16],
        "network_def": {"_target_": target, **arguments},
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": TRANSFORMS if transforms is None else transforms},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": "@window", "overlap": 0.5},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "softmax": True},
                {"_target_": "KeepLargestConnectedComponentd"},
            ],
        },
        **(config or {}),
    }
    (folder / "configs" / "inference.json").write_text(json.dumps(said))
    return arguments


def test_a_monai_bundle_becomes_a_package_with_the_same_weights(tmp_path):
    arguments = bundle(tmp_path / "bundle")
    network = networks.build("UNet", arguments)
    torch.save(network.state_dict(), tmp_path / "bundle" / "models" / "model.pt")
    package = import_bundle(tmp_path / "bundle", tmp_path / "package")
    for key, value in package.load_network().state_dict().items():
        assert torch.equal(value, network.state_dict()[key])
    assert package.metadata["inference"]["classes"] == ["background", "liver"]
    assert "KeepLargestConnectedComponentd is not applied" in package.card


def scan(direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    waves = [np.sin(np.arange(n) / n * turns) for n, turns in ((20, 3), (30, 5), (40, 8))]
    values = 50 + 100 * waves[0][:, None, None] * waves[1][:, None] + 60 * waves[2]
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetDirection(direction)
    image.SetOrigin((3.0, -7.0, 11.0))
    return image


def undecided(name, arguments):
    """Random weights with which both classes are found in values from 0 to 1."""
    values = torch.linspace(0, 1, 16**3).reshape(1, 1, 16, 16, 16)
    for seed in range(100):
        torch.manual_seed(seed)
        network = networks.build(name, arguments)
        with torch.inference_mode():
            share = float(network(values).argmax(1).float().mean())
        if 0.3 < share < 0.7:
            return network
    raise AssertionError("no such weights in a hundred")


@pytest.mark.parametrize(
    "direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 0, 1, 1, 0, 0, 0, -1, 0)], ids=["axial", "sagittal"]
)
def test_a_bundle_gives_what_monai_gives_with_its_transforms_and_inferer(tmp_path, direction):
    from monai.inferers import SlidingWindowInferer
    from monai.transforms import (
        Compose,
        EnsureChannelFirstd,
        Invertd,
        LoadImaged,
        Orientationd,
        ScaleIntensityRanged,
        Spacingd,
    )

    network = undecided("UNet", bundle(tmp_path / "bundle", norm="BATCH"))
    torch.save(network.state_dict(), tmp_path / "bundle" / "models" / "model.pt")
    package = import_bundle(tmp_path / "bundle", tmp_path / "package")
    image = scan(direction)
    sitk.WriteImage(image, str(tmp_path / "scan.nii.gz"))
    before = Compose(
        [
            LoadImaged("image"),
            EnsureChannelFirstd("image"),
            Orientationd("image", "RAS", labels=None),
            Spacingd("image", (2.0, 2.0, 2.0), mode="bilinear"),
            ScaleIntensityRanged("image", -100, 200, 0.0, 1.0, clip=True),
        ]
    )
    data = before({"image": str(tmp_path / "scan.nii.gz")})
    with torch.inference_mode():
        data["pred"] = SlidingWindowInferer([16, 16, 16], overlap=0.5, mode="gaussian")(data["image"][None], network)[0]
    data["pred"] = data["pred"].softmax(0)
    back = Invertd("pred", before, orig_keys="image", nearest_interp=False)(data)["pred"].argmax(0).numpy()
    drawn = sitk.GetArrayFromImage(segmenter(package).segment(image, device="cpu").labels)
    assert 0.05 < drawn.mean() < 0.95
    assert np.mean(drawn == back.transpose(2, 1, 0)) > 0.99  # probabilities are kept in half precision


def test_a_bundle_with_an_unknown_network_or_an_expression_is_refused(tmp_path):
    bundle(tmp_path / "a", target="os.system")
    with pytest.raises(ModelError, match="system"):
        import_bundle(tmp_path / "a", tmp_path / "package")
    bundle(tmp_path / "b", dropout="$__import__('os').system('true')")
    with pytest.raises(ModelError, match="expression"):
        import_bundle(tmp_path / "b", tmp_path / "package")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"transforms": [{"_target_": "Lambdad", "keys": "image", "func": "$lambda x: x"}]}, "transform Lambdad"),
        ({"transforms": [{"_target_": "scripts.mine.Secretd", "keys": "image"}]}, "transform Secretd"),
        ({"transforms": TRANSFORMS[:3]}, "spacing_mm, intensity"),
        ({"config": {"inferer": {"_target_": "scripts.MyInferer"}}}, "inferer MyInferer"),
        ({"config": {"window": "$[16] * 3"}}, "expression"),
        (
            {"config": {"postprocessing": {"transforms": [{"_target_": "Activationsd", "sigmoid": True}]}}},
            "channels overlap",
        ),
        ({"named": {"0": "background", "2": "liver"}}, "output channels mean"),
    ],
    ids=["lambda", "script", "no spacing", "inferer", "window", "sigmoid", "channels"],
)
def test_what_a_bundle_needs_beyond_the_lists_is_named_before_its_weights_are_opened(tmp_path, changes, said):
    bundle(tmp_path / "bundle", **changes)
    (tmp_path / "bundle" / "models" / "model.pt").write_bytes(pickle.dumps(Hostile(tmp_path / "it-ran")))
    with pytest.raises(ModelError, match=said):
        import_bundle(tmp_path / "bundle", tmp_path / "package")
    assert not (tmp_path / "it-ran").exists()
    assert not (tmp_path / "package").exists()


def test_a_bundle_without_weights_says_so(tmp_path):
    bundle(tmp_path / "bundle")
    with pytest.raises(FileMissing, match=r"model\.pt"):
        import_bundle(tmp_path / "bundle", tmp_path / "package")


SETTINGS = {"spacing_mm": 2.0, "window": [16, 16, 16], "intensity": {"kind": "zscore"}}


def scripted(path, how=torch.jit.script):
    torch.manual_seed(0)
    network = networks.build("UNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": 2} | SMALL)
    torch.jit.save(how(network), str(path))
    return network


SMALL = {"channels": [4, 8], "strides": [2]}


@pytest.mark.parametrize("how", ["script", "trace"])
def test_a_torchscript_file_runs_as_it_did(tmp_path, how):
    make = torch.jit.script if how == "script" else lambda n: torch.jit.trace(n, torch.zeros(1, 1, 16, 16, 16))
    network = scripted(tmp_path / "model.ts", make)
    options = ImportOptions("mine", "MIT", {1: "Liver"}, settings=SETTINGS)
    package = import_model("torchscript", tmp_path / "model.ts", tmp_path / "package", options)
    image = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(package.load_network()(image), network(image), atol=1e-6)
    segmented = segmenter(package).segment(scan(), device="cpu")
    assert segmented.values == {"liver": 1}
    assert "MIT" in package.card


class ReadsFiles(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file("/etc/hostname", False, 1)


class Saves(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "/tmp/never-written")
        return x


@pytest.mark.parametrize(("network", "said"), [(ReadsFiles, "torch.from_file"), (Saves, "torch.save")])
def test_a_torchscript_file_whose_code_does_more_than_arithmetic_is_refused_unread(tmp_path, network, said):
    torch.jit.save(torch.jit.script(network()), str(tmp_path / "model.ts"))
    options = ImportOptions(structures={1: "liver"}, settings=SETTINGS)
    with pytest.raises(ModelError, match=said):
        import_model("torchscript", tmp_path / "model.ts", tmp_path / "package", options)
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ('getattr(torch, "from_file")("/etc/hostname", False, 1)', "torch by itself"),
        ('getattr(torch.nn, "functional")', "torch.nn"),
        ("ops.aten.from_file('/etc/hostname')", "ops.aten.from_file"),
        ("__torch__.torch.classes.mine.Box()", "__torch__.torch.classes.mine.Box"),
        ("torch.load('/etc/hostname')", "torch.load"),
        ("torch._C.anything()", "torch._C.anything"),
    ],
    ids=["getattr", "getattr of a part", "namespace", "class", "load", "internal"],
)
def test_no_way_round_the_list_of_operations(tmp_path, code, said):
    scripted(tmp_path / "model.ts")
    with zipfile.ZipFile(tmp_path / "model.ts") as whole, zipfile.ZipFile(tmp_path / "changed.ts", "w") as changed:
        for name in whole.namelist():
            content = whole.read(name)
            if name.endswith("nets/unet.py"):
                content += f"\ndef more() -> int:\n  x = {code}\n  return 1\n".encode()
            changed.writestr(name, content)
    with pytest.raises(ModelError, match=re.escape(said)):
        read_checked(tmp_path / "changed.ts")


def test_a_package_whose_torchscript_was_changed_is_refused_when_it_is_loaded(tmp_path):
    from safetensors.torch import save_file

    scripted(tmp_path / "model.ts")
    options = ImportOptions(structures={1: "liver"}, settings=SETTINGS)
    package = import_model("torchscript", tmp_path / "model.ts", tmp_path / "package", options)
    torch.jit.save(torch.jit.script(ReadsFiles()), str(tmp_path / "other.ts"))
    content = torch.frombuffer(bytearray((tmp_path / "other.ts").read_bytes()), dtype=torch.uint8)
    save_file({"archive": content}, package.weights)
    metadata = json.loads((package.folder / "configs" / "metadata.json").read_text())
    metadata["network"]["arguments"]["size"] = len(content)
    (package.folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(ModelError, match="from_file"):
        load_package(package.folder).load_network()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ImportOptions(settings=SETTINGS), "what its output channels mean"),
        (ImportOptions(structures={1: "liver"}), "does not say its spacing_mm, window, intensity"),
        (ImportOptions(structures={2: "liver"}, settings=SETTINGS), "not numbered from 1"),
        (ImportOptions(structures={1: "liver"}, settings={**SETTINGS, "window": [0, 1, 2]}), "window"),
        (ImportOptions(structures={1: "liver"}, settings={**SETTINGS, "intensity": {"kind": "magic"}}), "magic"),
        (ImportOptions(structures={1: "liver"}, settings={**SETTINGS, "orientation": "LLS"}), "orientation"),
        (ImportOptions(structures={1: "liver"}, settings={**SETTINGS, "speed": 9}), "speed"),
    ],
    ids=["channels", "nothing said", "numbers", "window", "intensity", "orientation", "unknown"],
)
def test_what_a_torchscript_file_does_not_say_must_be_said(tmp_path, options, said):
    scripted(tmp_path / "model.ts")
    with pytest.raises(ModelError, match=said):
        import_model("torchscript", tmp_path / "model.ts", tmp_path / "package", options)


def test_other_files_are_not_torchscript(tmp_path):
    (tmp_path / "bad.ts").write_bytes(b"no script")
    torch.save({"a": torch.zeros(1)}, tmp_path / "weights.pt")
    for name in ("bad.ts", "weights.pt"):
        with pytest.raises(ModelCorrupt, match="not a TorchScript file"):
            read_checked(tmp_path / name)
    with pytest.raises(FileMissing):
        read_checked(tmp_path / "none.ts")


def test_the_command_imports_and_installs_by_name(tmp_path, preop, monkeypatch):
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path / "models"))
    scripted(tmp_path / "model.ts")
    (tmp_path / "settings.yaml").write_text("spacing_mm: 2.0\nwindow: [16, 16, 16]\nintensity: {kind: zscore}\n")
    ran = preop(
        *("models", "import", tmp_path / "model.ts", "--as", "torchscript", "--name", "mine"),
        *("--structures", "liver=1", "--settings", tmp_path / "settings.yaml"),
    )
    assert ran.code == 0, ran.err
    assert "mine draws liver; use it with preop liver plan --model mine" in " ".join(ran.out.split())
    assert segmenter("mine").structures == ("liver",)
