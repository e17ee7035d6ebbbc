"""Class and activation map on the source grid of a 512×512×28 series: ours against a plain forward pass and MONAI.

All in one process, warm, on at most two threads, for the paper's two-block network (random weights do for the time) and
the packed light one. `seconds` is the best of several runs, `cpu_seconds` the processor time of all threads in the run
that took least of it: on a machine that others use, too, it says more.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from RotatorCuffCAMLib.network.activation import as_tensor, map_image, on_grid
from RotatorCuffCAMLib.network.activation_maps import exact_maps
from RotatorCuffCAMLib.network.classifier import load_network
from RotatorCuffCAMLib.network.vrn import VRN
from RotatorCuffCAMLib.region import cut_cube

RESULTS = Path(__file__).parent / "results" / "cam.json"


def series() -> sitk.Image:
    """Noise on the grid of a coronal series, 512×512×28, 0.31 × 0.31 × 4 mm."""
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.uniform(0, 800, (28, 512, 512)).astype(np.float32))
    image.SetSpacing((0.3125, 0.3125, 4.0))
    direction = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)
    image.SetDirection(direction.ravel().tolist())
    middle = direction @ (np.array([255.5, 255.5, 13.5]) * image.GetSpacing())
    image.SetOrigin((np.array([-150.0, 0, 0]) - middle).tolist())
    return image


def best_time(call: Callable[[], object], times: int = 12) -> dict[str, float]:
    """Least wall and least processor seconds after one warm-up."""
    call()
    wall, cpu = [], []
    for _ in range(times):
        start, used = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    return {"seconds": min(wall), "cpu_seconds": min(cpu)}


def main() -> None:
    """Prints a table and writes it."""
    from monai.visualize import GradCAM

    torch.set_num_threads(2)
    source, center = series(), (-150.0, 0.0, 0.0)
    seconds: dict[str, dict[str, float]] = {}
    for name, network, times in (("light", load_network(), 12), ("paper", VRN().eval(), 2)):
        network = network.to(memory_format=torch.channels_last_3d)

        def ours(network: VRN = network, dtype: torch.dtype | None = None) -> sitk.Image:
            cube = cut_cube(source, center)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=dtype is not None):
                features = network.features(as_tensor(cube.image, network))
            with torch.inference_mode():
                index = int(network.logits_of(features).argmax())
                heat = exact_maps(network, features)[0, index].numpy()
            return on_grid(map_image(heat, cube.image), source)

        seconds[f"{name}: cube, class and exact map on the source grid, fp32"] = best_time(ours, times)
        if torch.ops.mkldnn._is_mkldnn_bf16_supported():
            seconds[f"{name}: the same, bf16"] = best_time(lambda call=ours: call(dtype=torch.bfloat16), times)
        plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format).requires_grad_(True)
        cube = as_tensor(cut_cube(source, center).image, plain)

        def forward(plain: VRN = plain, cube: torch.Tensor = cube) -> object:
            with torch.inference_mode():
                return plain(cube)

        seconds[f"{name}: plain fp32 forward pass alone"] = best_time(forward, times)
        monai = GradCAM(plain, "last")
        seconds[f"{name}: MONAI Grad-CAM, on the cube only"] = best_time(
            lambda m=monai, c=cube: m(c, class_idx=1), times
        )
        del monai
    for key, took in seconds.items():
        print(f"{took['seconds']:8.3f} s, {took['cpu_seconds']:8.3f} s of processors  {key}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(seconds, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
