"""Time and memory of the five-structure network on a 512x512x200 CT, against the obvious way of running it.

The obvious way: resample the whole scan, MONAI's SlidingWindowInferer with its defaults, argmax, resample back.

Run: python Testing/Benchmarks/bench_five_structures.py
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk


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
    found = images.image_like(logits[0].argmax(0).numpy().astype(np.uint8), small)
    return images.array_of(images.resample_to(found, image, "nearest"))


def main() -> None:
    import torch

    from LiverPlannerLib.five_structures import segment_structures, shipped_package

    torch.set_num_threads(2)
    package = shipped_package()
    image, mask = large_case()
    rows = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    segment_structures(image, mask, package)
    started = time.perf_counter()
    segment_structures(image, mask, package)
    rows["ours, s"] = time.perf_counter() - started
    rows["ours, peak memory above the start, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    started = time.perf_counter()
    obvious_way(package, image, mask)
    rows["whole scan in windows, s"] = time.perf_counter() - started
    rows["ratio"] = rows["whole scan in windows, s"] / rows["ours, s"]
    for name, value in rows.items():
        print(f"{name:45s} {value:8.2f}")
    output = Path(__file__).parent / "results" / "five_structures.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps({k: round(v, 3) for k, v in rows.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
