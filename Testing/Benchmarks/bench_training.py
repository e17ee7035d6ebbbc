"""Speed of the phantom generator and of a training step; what data echoing and the coarse network save.

Run: python Testing/Benchmarks/bench_training.py
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

REPEATS = 5


def timed(action, repeats: int = REPEATS) -> float:
    """Median seconds of one core."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return statistics.median(times)


def training_step(network, batch: int, edge: int, loss) -> float:
    import torch

    optimizer = torch.optim.AdamW(network.parameters())
    images = torch.randn(batch, 2, edge, edge, edge).contiguous(memory_format=torch.channels_last_3d)
    target = torch.randint(0, 7, (batch, edge, edge, edge), dtype=torch.uint8)
    network = network.train().requires_grad_(True).to(memory_format=torch.channels_last_3d)

    def step() -> None:
        optimizer.zero_grad()
        loss(network(images), target).backward()
        optimizer.step()

    step()
    return timed(step, 3) / batch


def main() -> None:
    import torch

    from PreopReviewLib.models import networks
    from PreopReviewLib.phantoms.liver import make_liver_phantom
    from PreopReviewLib.training.losses import build_loss
    from PreopReviewLib.training.phantom_data import PhantomSource
    from PreopReviewLib.training.recipe import load_recipe

    torch.set_num_threads(1)
    recipe = load_recipe("five-structures")
    seeds = iter(range(1000))
    rows = {"phantom of 128^3 at 2 mm, s": timed(lambda: make_liver_phantom(next(seeds), "ct"))}
    with tempfile.TemporaryDirectory() as folder:
        source = PhantomSource(1, tuple(recipe["data.patch"]), 2.0, recipe["data.contrasts"], 6, Path(folder))
        numbers = iter(range(0, 600, 6))
        rows["sample with a new anatomy, s"] = timed(lambda: source.sample(next(numbers)))
        again = iter(n for n in range(1, 25) if n % 6)
        rows["sample of an anatomy in the pool, s"] = timed(lambda: source.sample(next(again)))
    loss = build_loss(recipe["loss.name"], recipe["loss.arguments"])
    edge = recipe["data.patch"][0]
    ours = networks.build(recipe["network.name"], recipe["network.arguments"])
    rows["training step for one sample, ours, s"] = training_step(ours, 2, edge, loss)
    monai = networks.build(
        "UNet",
        {
            "spatial_dims": 3,
            "in_channels": 2,
            "out_channels": 7,
            "channels": [24, 48, 96, 160],
            "strides": [2, 2, 2],
            "num_res_units": 2,
            "norm": "BATCH",
        },
    )
    rows["training step for one sample, MONAI UNet of the same widths, s"] = training_step(monai, 2, edge, loss)
    full = networks.build(recipe["network.name"], {**recipe["network.arguments"], "block": 1, "widths": [24, 48, 96]})
    rows["training step for one sample, ours at full resolution, s"] = training_step(full, 2, edge // 2, loss) * 8
    for name, value in rows.items():
        print(f"{name:70s} {value:8.3f}")
    own = rows["training step for one sample, ours, s"]
    for name in list(rows)[-2:]:
        print(f"{'ratio ' + name.split(', ')[1]:70s} {rows[name] / own:8.1f}")
    output = Path(__file__).parent / "results" / "training.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps({k: round(float(np.float64(v)), 4) for k, v in rows.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
