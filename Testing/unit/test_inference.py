"""Device, precision, memory and windows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from PreopReviewLib.errors import Cancelled, InputError, OutOfMemory
from PreopReviewLib.inference import Placement, Predictor, choose_device, place, predict_logits
from PreopReviewLib.inference import device as device_module
from PreopReviewLib.inference.memory import available_bytes, fitting_window, peak_bytes
from PreopReviewLib.inference.resampling import zoom_kji, zoom_matrix
from PreopReviewLib.progress import CancelToken

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def small() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Conv3d(1, 2, 3, padding=1).eval()


def test_an_unknown_or_absent_device_is_an_input_error() -> None:
    with pytest.raises(InputError, match="Unknown device"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="not available"):
            choose_device("cuda")


def test_the_measurement_is_made_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(device_module, "measure", lambda n: calls.append(1) or {"float32": 1.0, "bfloat16": 0.4})
    assert place(small(), "m 1", "cpu").precision == "bfloat16"
    assert place(small(), "m 1", "cpu").precision == "bfloat16"
    assert len(calls) == 1
    place(small(), "m 2", "cpu")
    assert len(calls) == 2


def test_bfloat16_is_not_used_where_it_gains_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "measure", lambda n: {"float32": 1.0, "bfloat16": 0.9})
    assert place(small(), "m", "cpu").precision == "float32"


def test_a_damaged_cache_is_measured_again(cache: Path) -> None:
    cache.mkdir()
    (cache / "precision.json").write_text("{broken")
    assert place(small(), "m", "cpu").measured["float32"] > 0


def test_a_window_is_halved_until_it_fits() -> None:
    net = small()
    whole = peak_bytes(net, (96, 96, 96))
    assert fitting_window(net, (96, 96, 96), whole) == (96, 96, 96)
    assert fitting_window(net, (96, 96, 96), whole // 2 + 1) == (48, 96, 96)
    assert fitting_window(net, (96, 96, 96), 10) is None
    assert available_bytes() > 0


def test_windows_and_one_pass_agree_for_a_local_network() -> None:
    net = small()
    image = torch.rand(1, 26, 20, 18)
    with torch.inference_mode():
        plain = net(image[None])[0]
    one = predict_logits(Predictor(net, Placement("cpu", "float32")), image, window=(16, 16, 16), one_pass=True)
    many = predict_logits(Predictor(net, Placement("cpu", "float32")), image, window=(16, 16, 16), classes=2)
    inner = (slice(None), *[slice(1, -1)] * 3)
    assert one.shape == many.shape == plain.shape
    assert torch.allclose(one[inner], plain[inner], atol=1e-5)
    assert (many[inner] - plain[inner]).abs().median() < 1e-3  # Gaussian weights favor the middle of windows


def test_progress_rises_to_one_and_cancel_stops() -> None:
    seen: list[float] = []
    token = CancelToken()
    predictor = Predictor(small(), Placement("cpu", "float32"))
    image = torch.rand(1, 48, 32, 32)
    predict_logits(predictor, image, window=(16, 16, 16), progress=lambda f, w: seen.append(f))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    token.cancel()
    with pytest.raises(Cancelled):
        predict_logits(predictor, image, window=(16, 16, 16), cancel=token)


class Hungry(torch.nn.Module):
    """Runs out of memory above a size."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.inner, self.limit = small(), limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x[0, 0].numel() > self.limit:
            raise RuntimeError("CUDA out of memory")
        return self.inner(x)


def test_running_out_of_memory_takes_smaller_windows_and_says_so() -> None:
    predictor = Predictor(Hungry(16**3), Placement("cpu", "float32"))
    out = predict_logits(predictor, torch.rand(1, 32, 32, 32), window=(32, 32, 32), classes=2)
    assert out.shape == (2, 32, 32, 32)
    assert "smaller" in predictor.notes[0]


def test_no_window_that_fits_is_an_error_of_its_own() -> None:
    with pytest.raises(OutOfMemory):
        predict_logits(Predictor(Hungry(0), Placement("cpu", "float32")), torch.rand(1, 16, 16, 16), window=(16,) * 3)


def test_a_device_without_memory_gives_way_to_the_cpu() -> None:
    predictor = Predictor(small(), Placement("cuda", "float32"))

    def compute(network: torch.nn.Module, placement: Placement) -> str:
        if placement.device == "cuda":
            raise RuntimeError("CUDA out of memory. Tried to allocate")
        return placement.device

    assert predictor.run(compute) == "cpu"
    assert "cuda" in predictor.notes[0]


def test_other_errors_are_not_swallowed() -> None:
    def compute(network: torch.nn.Module, placement: Placement) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        Predictor(small(), Placement("cpu", "float32")).run(compute)


@pytest.mark.parametrize("zoom", [0.31, 0.5, 1.0, 1.7, 2.0])
def test_zooming_keeps_a_constant_and_the_center_of_mass(zoom: float) -> None:
    assert np.allclose(zoom_matrix(40, zoom).sum(1), 1)
    ramp = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 6, 5)).astype(np.int16)
    out = zoom_kji(ramp, (zoom, 1, 1))
    assert out.mean() == pytest.approx(19.5, abs=0.02)
    assert out.shape[1:] == (6, 5)


def test_halving_is_the_mean_of_pairs() -> None:
    array = np.random.default_rng(0).normal(size=(8, 6, 4)).astype(np.float32)
    expected = array.reshape(4, 2, 3, 2, 2, 2).mean((1, 3, 5))
    assert np.allclose(zoom_kji(array, (0.5,) * 3), expected, atol=1e-6)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the kernel does not tell how much memory is held")
def test_memory_is_kept_between_layers_and_given_back_at_the_end() -> None:
    # In a process of its own: one that has run other tests has memory of theirs to give.
    code = """
from pathlib import Path
import numpy as np
from PreopReviewLib.inference.memory import kept_memory

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20  # MiB

def layers():
    for _ in range(3):
        np.ones(100 * 2**20, np.uint8)

layers()
before = held()
with kept_memory():
    with kept_memory():
        layers()
    inside = held()
print(inside - before, held() - before)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert int(said[0]) > 80, "an inner one gives nothing back"
    assert int(said[1]) < 20
