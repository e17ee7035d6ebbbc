"""The oh2023 network on a whole scan, and patches of a LiTS-size case from the cache.

Whole scan: processor seconds of MONAI's SlidingWindowInferer with its defaults and windows of the training patch,
against `models.scan_windows` as `preop predict` uses it (one pass), with the same weights in one process, and how far
the two agree (Dice of each class). The weights are random: this says how fast and how equal they are, not how good.
Cache: processor seconds for a training patch of a case of 512x512x400 voxels.

Run: python Testing/Benchmarks/bench_own_data.py [K J I]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    """Processor seconds of one call, and what it gave."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def whole_scan(shape: tuple[int, int, int]) -> dict[str, float]:
    """Processor seconds of both ways and the least Dice between them."""
    import torch
    from monai.inferers import SlidingWindowInferer

    from PreopReviewLib.inference import Predictor
    from PreopReviewLib.inference.device import Placement
    from PreopReviewLib.inference.fusing import fused
    from PreopReviewLib.models import networks
    from PreopReviewLib.models.scan_windows import Windows, logits_in_slabs
    from PreopReviewLib.progress import CancelToken, silent
    from PreopReviewLib.training.applied import inference_settings
    from PreopReviewLib.training.recipe import load_recipe

    recipe = load_recipe("oh2023")
    torch.manual_seed(0)
    network = networks.build(recipe["network.name"], recipe["network.arguments"]).eval().requires_grad_(False)
    settings, classes = inference_settings(recipe), len(recipe["data.classes"])
    values = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)
    predictor = Predictor(fused(network), Placement("cpu", "float32"))

    def ours() -> np.ndarray:
        labels = np.empty(shape, np.uint8)
        windows = Windows.of(settings)
        for slab, logits in logits_in_slabs(predictor, values, classes, windows, silent, CancelToken()):
            labels[slab] = logits.argmax(0).numpy()
        return labels

    def usual() -> np.ndarray:
        with torch.inference_mode():
            inferer = SlidingWindowInferer(tuple(recipe["data.patch"]))
            return inferer(torch.from_numpy(values)[None], network)[0].argmax(0).numpy()

    monai, other = seconds(usual)  # first: ours leaves settings of the C library behind
    own, one = seconds(ours)
    pairs = [(one == k, other == k) for k in range(classes)]
    dice = [2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1) for a, b in pairs]
    one_pass, windows = gigaflops(network, shape), gigaflops(network, recipe["data.patch"])
    with_windows = windows * len(usual_windows(shape, recipe["data.patch"]))
    possible = monai / (one_pass / peak_gigaflops())
    return {
        "predict, s": own,
        "MONAI's default inferer, s": monai,
        "ratio": monai / own,
        "least Dice": min(dice),
        "arithmetic of one pass, GFLOP": one_pass,
        "arithmetic of MONAI's windows, GFLOP": with_windows,
        "ratio if the pass ran like a matrix product": possible,
    }


def gigaflops(network: object, shape: tuple[int, int, int]) -> float:
    """What one pass over a volume (K, J, I) costs."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, *shape))  # type: ignore[operator]
    return counter.get_total_flops() / 1e9


def usual_windows(shape: tuple[int, int, int], patch: tuple[int, int, int]) -> list[object]:
    """Where MONAI's inferer looks with its default overlap of a quarter; a smaller image is continued to a patch."""
    from monai.inferers.utils import dense_patch_slices

    whole = [max(n, p) for n, p in zip(shape, patch, strict=True)]
    steps = [p if p == n else int(0.75 * p) for n, p in zip(whole, patch, strict=True)]
    return list(dense_patch_slices(whole, patch, steps))


def peak_gigaflops(side: int = 1024, times: int = 40) -> float:
    """A second, of a float32 matrix product: about the most that this core can do."""
    import torch

    a = torch.randn(side, side)
    took, _ = seconds(lambda: [a @ a for _ in range(times)])
    return times * 2 * side**3 / 1e9 / took


def cache(shape: tuple[int, int, int] = (400, 512, 512), patches: int = 20) -> dict[str, float]:
    """Processor seconds for a patch of 128x128x128 of a case in the cache, without augmentation."""
    from PreopReviewLib.datasets.layout import Case
    from PreopReviewLib.training.cache import CaseCache
    from PreopReviewLib.training.image_data import ImageSource
    from PreopReviewLib.training.recipe import load_recipe

    def prepare(_: Case) -> dict[str, np.ndarray]:
        target = np.zeros(shape, np.uint8)
        target[shape[0] // 3 : shape[0] // 2, 100:300, 100:300] = 1
        places = [np.flatnonzero(target.ravel()[::997] == k) * 997 for k in (0, 1, 2)]
        image = np.zeros((1, *shape), np.float16)
        return {
            "image": image,
            "target": target,
            "places": np.concatenate(places),
            "counts": np.array([len(p) for p in places]),
        }

    with tempfile.TemporaryDirectory() as folder:
        case = Case("c", Path(__file__), Path(__file__))
        kept = CaseCache(Path(folder), {}, prepare)
        kept.fill([case])
        source = ImageSource(load_recipe("lin2024").changed(data__augmentation={}), [case], kept)
        source.sample(0)  # imports what augments
        took, _ = seconds(lambda: [source.sample(n) for n in range(patches)])
    return {"patch of a LiTS-size case, s": took / patches}


def main() -> None:
    """Prints both and writes results/own_data.json."""
    import torch

    torch.set_num_threads(1)
    given = tuple(int(v) for v in sys.argv[1:4])
    rows = {**cache(), **whole_scan(given if len(given) == 3 else (96, 256, 256))}
    for name, value in rows.items():
        print(f"{name:40s} {value:9.4f}")
    output = Path(__file__).parent / "results" / "own_data.json"
    if not given:
        output.parent.mkdir(exist_ok=True)
        output.write_text(json.dumps({k: round(float(v), 4) for k, v in rows.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
