"""Model packages: whole or refused, no code, weights that fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from PreopReviewLib import models
from PreopReviewLib.errors import ModelCorrupt, ModelError
from PreopReviewLib.models import networks
from PreopReviewLib.models.package import METADATA, WEIGHTS

ARGUMENTS = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2]}


def metadata(**changes: object) -> dict[str, object]:
    base = {
        "name": "small",
        "version": "1.0",
        "task": "test",
        "description": "A small network",
        "license": "Apache-2.0",
        "intended_use": "tests",
        "network": {"name": "UNet", "arguments": ARGUMENTS},
    }
    return {**base, **changes}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> models.ModelPackage:
    state = networks.build("UNet", ARGUMENTS).state_dict()
    return models.write_package(tmp_path_factory.mktemp("p") / "small", metadata(), state, "# small\n", "license")


@pytest.fixture
def copy(package: models.ModelPackage, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(package.folder, tmp_path / "copy"))


def test_weights_come_back_as_they_were_written(package: models.ModelPackage) -> None:
    import torch

    first = package.load_network()
    second = models.load_package(package.folder).load_network()
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not any(p.requires_grad for p in first.parameters())
    assert package.card == "# small\n"


def test_writing_leaves_only_the_package(package: models.ModelPackage) -> None:
    assert [p.name for p in package.folder.parent.iterdir()] == ["small"]


@pytest.mark.parametrize("part", [METADATA, WEIGHTS, "LICENSE", "docs/README.md"])
def test_a_missing_part_is_named(copy: Path, part: str) -> None:
    (copy / part).unlink()
    with pytest.raises(ModelError, match=part):
        models.load_package(copy)


def test_truncated_weights_are_corrupt(copy: Path) -> None:
    weights = copy / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelCorrupt):
        models.load_package(copy).load_network()


def test_metadata_that_is_no_json_is_corrupt(copy: Path) -> None:
    (copy / METADATA).write_text("{")
    with pytest.raises(ModelCorrupt):
        models.load_package(copy)


@pytest.mark.parametrize("key", ["name", "license", "network"])
def test_a_missing_key_is_named(copy: Path, key: str) -> None:
    data = metadata()
    del data[key]
    (copy / METADATA).write_text(json.dumps(data))
    with pytest.raises(ModelError, match=key):
        models.load_package(copy)


@pytest.mark.parametrize("name", ["os.system", "torch.load", "", "builtins.eval"])
def test_a_network_that_is_not_allowed_is_refused(copy: Path, name: str) -> None:
    (copy / METADATA).write_text(json.dumps(metadata(network={"name": name, "arguments": {}})))
    with pytest.raises(ModelError):
        models.load_package(copy)


def test_arguments_that_do_not_fit_are_model_errors() -> None:
    with pytest.raises(ModelError, match="no argument wrong"):
        networks.build("UNet", {**ARGUMENTS, "wrong": 1})
    with pytest.raises(ModelError, match="cannot be built"):
        networks.build("UNet", {**ARGUMENTS, "strides": []})


def test_weights_of_another_network_do_not_fit(copy: Path) -> None:
    other = {**ARGUMENTS, "channels": [8, 16]}
    (copy / METADATA).write_text(json.dumps(metadata(network={"name": "UNet", "arguments": other})))
    with pytest.raises(ModelCorrupt, match="do not fit"):
        models.load_package(copy).load_network()
