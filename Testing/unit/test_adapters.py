"""Kinds of models that others trained: one file in the folder of adapters each."""

from __future__ import annotations

import sys
from importlib import reload
from pkgutil import resolve_name

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib.command import models as models_command
from PreopReviewLib.models import adapters as folder
from PreopReviewLib.models.adapter import adapters
from PreopReviewLib.models.segmenter import segmenter

pytest.importorskip("torch")

THRESHOLD = '''
"""Models that are one number in a text file: what is brighter is liver."""

from pathlib import Path

from PreopReviewLib.models.adapter import Adapter

ADAPTER = Adapter(
    f"{__name__}:read_threshold",
    networks={"Threshold": f"{__name__}:network"},
    segmenters={"Threshold": f"{__name__}:ThresholdSegmenter"},
)


def network():
    import torch

    return torch.nn.BatchNorm1d(1, affine=False, track_running_stats=True)


def read_threshold(given, folder, options, overwrite=False):
    import torch

    from PreopReviewLib.models.package import write_package

    weights = network().state_dict() | {"running_mean": torch.tensor([float(Path(given).read_text())])}
    metadata = {
        "name": options.name or "threshold",
        "version": "imported",
        "task": "segmentation",
        "description": "One threshold",
        "license": "CC0-1.0",
        "intended_use": "Tests",
        "network": {"name": "Threshold", "arguments": {}},
        "inference": {"classes": ["background", "liver"]},
    }
    return write_package(folder, metadata, weights, "# Threshold", "CC0-1.0", overwrite)


class ThresholdSegmenter:
    needs_region = False
    structures = ("liver",)
    modalities = ()

    def __init__(self, package):
        self.name = package.name
        self.threshold = float(package.load_network().running_mean)

    def segment(self, image, region=None, **_):
        from PreopReviewLib.models.seam import SegmenterResult

        return SegmenterResult(image > self.threshold, {"liver": 1}, self.name)
'''


@pytest.fixture
def threshold_adapter(tmp_path, monkeypatch):
    """The folder of adapters with one more file, which is gone after the test."""
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "threshold.py").write_text(THRESHOLD, encoding="utf-8")
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path / "adapters")])
    yield
    sys.modules.pop(f"{folder.__name__}.threshold", None)
    folder.__dict__.pop("threshold", None)
    monkeypatch.undo()
    reload(models_command)


def test_a_file_in_the_folder_is_all_that_a_new_kind_of_model_needs(threshold_adapter, tmp_path):
    command = reload(models_command)
    (tmp_path / "model.txt").write_text("100", encoding="utf-8")

    command.import_(tmp_path / "model.txt", command.Foreign.threshold, tmp_path / "package")

    image = sitk.GetImageFromArray(np.array([[[50, 150], [250, 100]]], np.int16))
    labels = segmenter(tmp_path / "package").segment(image).labels
    assert sitk.GetArrayFromImage(labels).tolist() == [[[0, 1], [1, 0]]]


@pytest.mark.parametrize("kind", sorted(adapters()))
def test_an_adapter_names_what_there_is(kind):
    adapter = adapters()[kind]
    for where in (adapter.importer, *adapter.networks.values(), *adapter.segmenters.values()):
        assert callable(resolve_name(where))
