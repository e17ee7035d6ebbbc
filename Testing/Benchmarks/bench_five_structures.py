"""Time and memory of the five-structure network, against the obvious way of running it.

On a 512x512x200 CT, from the file's grid and back: the obvious way is to resample the whole scan, MONAI's
SlidingWindowInferer with its defaults, argmax, and to resample back. On 256x256x96 voxels of the network's own grid:
the network alone, the same weights in float32, windows of the training patch (and of 96 voxels) over the whole field
against one pass over the liver's box, and the Dice of each structure that either way gives. The images are phantoms.

Run: python Testing/Benchmarks/bench_five_structures.py
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

if TYPE_CHECKING:
    from PreopReviewLib.images import Box


def large_case() -> tuple[sitk.Image, sitk.Image]:
    """A phantom CT on 512x512x200 voxels of 0.75x0.75x1.25 mm and its liver mask."""
    from PreopReviewLib import images
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    phantom = make_liver_phantom(31, "ct", (192, 192, 125), 2.0, 0)
    mask = images.image_like(phantom.anatomy.liver.astype(np.uint8), phantom.image)
    frame = sitk.Image(512, 512, 200, sitk.sitkUInt8)
    frame.SetSpacing([0.75, 0.75, 1.25])
    frame.SetOrigin(phantom.image.GetOrigin())
    image = sitk.Resample(phantom.image, frame, sitk.Transform(), sitk.sitkLinear, -1000.0)
    return image, sitk.Resample(mask, frame, sitk.Transform(), sitk.sitkNearestNeighbor)


def obvious_way(package, image: sitk.Image, mask: sitk.Image) -> np.ndarray:
    import torch
    from monai.inferers import SlidingWindowInferer

    from PreopReviewLib import images
    from PreopReviewLib.models.liver_channels import liver_channels

    small = images.resample_spacing(image, (2.0, 2.0, 2.0), "linear")
    small_mask = images.resample_to(mask, small, "nearest")
    shown = liver_channels(images.array_of(small).astype(np.float32), images.array_of(small_mask) > 0, 2.0)
    network = package.load_network()
    with torch.inference_mode():
        logits = SlidingWindowInferer((64, 64, 64), overlap=0.25)(torch.from_numpy(shown)[None], network)
    predicted = images.image_like(logits[0].argmax(0).numpy().astype(np.uint8), small)
    return images.array_of(images.resample_to(predicted, image, "nearest"))


def window_pass(network, case: NetworkCase, edge: int, batch: int) -> np.ndarray:
    """Labels (K, J, I) by MONAI's windows over the whole field, with its default overlap and blending."""
    import torch
    from monai.inferers import SlidingWindowInferer

    from PreopReviewLib.models.liver_channels import liver_channels

    shown = liver_channels(case.image, case.liver, 2.0)
    with torch.inference_mode():
        inferer = SlidingWindowInferer((edge,) * 3, sw_batch_size=batch)
        return inferer(torch.from_numpy(shown)[None], network)[0].argmax(0).numpy()


def box_pass(package, case: NetworkCase) -> np.ndarray:
    """The same by one pass over the liver's box; loads the network too."""
    from LiverPlannerLib.segmentation.five_structures import class_probabilities

    labels = np.zeros(case.labels.shape, np.uint8)
    part = case.box.slices
    labels[part] = class_probabilities(package, case.image[part], case.liver[part], shifts=(0,)).argmax(0)
    return labels


def bench_network(
    package, size: tuple[int, int, int] = (256, 256, 96), seeds: Sequence[int] = (31, 32, 33, 34)
) -> dict:
    """Seconds (wall, processor) of each way on the first phantom, mean Dice of each structure over all of them."""
    network = package.load_network()
    ways = {
        "windows of 64 (the training's)": lambda case: window_pass(network, case, 64, 1),
        "windows of 96, four at a time": lambda case: window_pass(network, case, 96, 4),
        "liver box, one pass": lambda case: box_pass(package, case),
    }
    rows: dict = {name: {"dice": []} for name in ways}
    for seed in seeds:
        case = network_case(seed, size)
        for name, run in ways.items():
            rows[name]["dice"].append(structure_dice(package, run(case), case))
    case = network_case(seeds[0], size)
    for _ in range(2):  # in turns, so that other load on the machine meets all of them
        for name, run in ways.items():
            times = timed(lambda run=run, case=case: run(case), 4 if name.startswith("liver") else 1)
            rows[name].update({k: min(v, rows[name].get(k, v)) for k, v in times.items()})
    ours = rows["liver box, one pass"]
    for row in rows.values():
        row["dice"] = {k: round(float(np.mean([d[k] for d in row["dice"] if k in d])), 4) for k in row["dice"][0]}
        row["mean dice"] = round(float(np.mean(list(row["dice"].values()))), 4)
        row["times as long as ours"] = [row[k] / ours[k] for k in ("seconds", "processor seconds")]
    return {"size": size, "liver box": case.box.shape[::-1], "phantoms": len(seeds), **rows}


@dataclass
class NetworkCase:
    """A phantom on the network's grid: image and labels (K, J, I), the liver, and its box with a margin."""

    image: np.ndarray
    labels: np.ndarray
    liver: np.ndarray
    box: Box


def network_case(seed: int, size: tuple[int, int, int]) -> NetworkCase:
    from LiverPlannerLib.segmentation.five_structures import MARGIN_MM
    from PreopReviewLib import images
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    phantom = make_liver_phantom(seed, "ct", size, 2.0, 0)
    liver = phantom.anatomy.liver
    box = images.bounding_box(images.image_like(liver.astype(np.uint8), phantom.image), MARGIN_MM)
    values = images.array_of(phantom.image).astype(np.float32)
    return NetworkCase(values, images.array_of(phantom.labels), liver, box)


def timed(run: Callable[[], object], repeats: int) -> dict[str, float]:
    """Least wall and processor seconds."""
    times = []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        times.append((time.perf_counter() - wall, time.process_time() - processor))
    return dict(zip(("seconds", "processor seconds"), map(float, np.min(times, axis=0)), strict=True))


def structure_dice(package, predicted: np.ndarray, case: NetworkCase) -> dict[str, float]:
    """Dice of each structure of the network that the phantom has, inside the liver."""
    from LiverPlannerLib.structures import structure

    result = {}
    for index, name in enumerate(package.metadata["inference"]["classes"]):
        real = (case.labels == structure(name).label) & case.liver if index else np.zeros(1, bool)
        if real.any():
            own = (predicted == index) & case.liver
            result[name] = float(2 * (own & real).sum() / (own.sum() + real.sum()))
    return result


def main() -> None:
    import torch

    from LiverPlannerLib.segmentation.five_structures import segment_structures, shipped_package

    torch.set_num_threads(2)
    package = shipped_package()
    image, mask = large_case()
    rows = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    segment_structures(image, mask, package)
    rows["ours, s"] = timed(lambda: segment_structures(image, mask, package), 3)["seconds"]
    rows["ours, peak memory above the start, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    started = time.perf_counter()
    obvious_way(package, image, mask)
    rows["whole scan in windows, s"] = time.perf_counter() - started
    rows["ratio"] = rows["whole scan in windows, s"] / rows["ours, s"]
    for name, value in rows.items():
        print(f"{name:45s} {value:8.2f}")
    network = bench_network(package)
    print(json.dumps(network, indent=2))
    output = Path(__file__).parent / "results" / "five_structures.json"
    output.parent.mkdir(exist_ok=True)
    data = {**{k: round(v, 3) for k, v in rows.items()}, "network on 256x256x96": network}
    output.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
