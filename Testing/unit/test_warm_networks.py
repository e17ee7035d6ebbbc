"""Networks kept between runs, where that was asked for."""

from __future__ import annotations

import pytest

from PreopReviewLib.inference import Predictor, predictor, warm
from PreopReviewLib.inference.device import Placement
from PreopReviewLib.models import load_package, write_package


@pytest.fixture
def package(tmp_path):
    """A package with the smallest network there is."""
    from PreopReviewLib.models import networks

    network = {
        "name": "UNet",
        "arguments": {"spatial_dims": 3, "in_channels": 1, "out_channels": 1, "channels": [4, 8], "strides": [2]},
    }
    metadata = {
        "name": "small",
        "version": "1",
        "task": "test",
        "description": "x",
        "license": "x",
        "intended_use": "x",
        "network": network,
    }
    built = networks.build(network["name"], network["arguments"])
    return write_package(tmp_path / "small", metadata, built.state_dict(), "card", "license")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(predictor, "place", lambda network, model, requested: Placement("cpu", "float32"))
    yield
    warm.keep(0)


def test_nothing_is_kept_unless_asked_for(package):
    assert Predictor.of(package, "cpu").network is not Predictor.of(package, "cpu").network


def test_a_kept_network_comes_back_without_old_notes(package):
    warm.keep(2)
    first = Predictor.of(package, "cpu")
    notes = first.notes
    notes.append("something happened")
    second = Predictor.of(package, "cpu")
    assert second.network is first.network
    assert second.notes == []
    assert notes == ["something happened"], "a result may hold the old ones"
    assert Predictor.of(package, "auto").network is not first.network


def test_a_package_that_was_installed_anew_is_loaded_anew(package):
    warm.keep(2)
    first = Predictor.of(package, "cpu")
    package.weights.write_bytes(package.weights.read_bytes())
    assert Predictor.of(load_package(package.folder), "cpu").network is not first.network


def test_only_the_latest_are_kept(package):
    warm.keep(1)
    first = Predictor.of(package, "cpu").network
    Predictor.of(package, "auto")
    assert Predictor.of(package, "cpu").network is not first


def test_one_that_had_to_leave_its_device_is_not_kept(package):
    warm.keep(2)
    first = Predictor.of(package, "cpu")
    first._fall_back()
    assert Predictor.of(package, "cpu").network is not first.network
