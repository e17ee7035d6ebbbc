"""DSC, HD, HD95, ASSD and NSD of one liver pair: ours against MONAI's functions and DeepMind's surface-distance.

    python Testing/Benchmarks/bench_surfaces.py [--repeats N]

The pair is drawn (3.9 million voxels each at 512×512×200, 0.75×0.75×1 mm, DSC about 0.97). Every competitor computes
all five numbers, in its own convention, and ours is run in that convention for the comparison of values. DeepMind's
package (pip install --no-deps surface-distance; 0.1 on PyPI) is left out if it is not installed; it uses `np.Inf`,
which NumPy 2 no longer has, so the name is put back before it is called.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "PreopReview")]

SHAPE, SPACING, VOXELS, TOLERANCE = (200, 512, 512), (1.0, 0.75, 0.75), 3.9e6, 2.0
NAMES = ("dsc", "hd", "hd95", "assd", "nsd")


def liver_pair(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two lumpy, liver-like masks: the second is the first with a wavy surface."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    k, j, i = np.meshgrid(
        *((np.arange(n) - n / 2) * s for n, s in zip(SHAPE, SPACING, strict=True)), indexing="ij", sparse=True
    )

    def waves(grid: tuple[int, int, int]) -> np.ndarray:
        small = ndimage.zoom(rng.normal(size=grid), [n / 4 / g for n, g in zip(SHAPE, grid, strict=True)], order=3)
        return ndimage.zoom(small, [n / s for n, s in zip(SHAPE, small.shape, strict=True)], order=1)

    right = (k / 70) ** 2 + (j / 75) ** 2 + ((i + 30) / 75) ** 2
    left = ((k - 15) / 45) ** 2 + ((j + 15) / 50) ** 2 + ((i - 40) / 85) ** 2
    field = np.minimum(right, left) + 0.12 * waves((6, 10, 10))
    level = np.quantile(field[::4, ::4, ::4], VOXELS / field.size)
    return field < level, field + 0.06 * waves((12, 24, 24)) < level


def ours(prediction: np.ndarray, reference: np.ndarray, convention: str) -> dict[str, float]:
    from PreopReviewLib.evaluation.overlap import dice
    from PreopReviewLib.evaluation.surfaces import surface_distances

    d = surface_distances(prediction, reference, SPACING, tolerance=TOLERANCE, convention=convention)
    return {"dsc": dice(prediction, reference), "hd": d.hd, "hd95": d.hd95, "assd": d.assd, "nsd": d.nsd}


def monai(prediction: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """The five functions of MONAI, on one-hot tensors, as its documentation shows."""
    import torch
    from monai.metrics import (
        compute_average_surface_distance,
        compute_dice,
        compute_hausdorff_distance,
        compute_surface_dice,
    )

    p, r = (torch.from_numpy(m[None, None].astype(np.uint8)) for m in (prediction, reference))
    options: dict[str, Any] = {"include_background": True, "spacing": SPACING}
    return {
        "dsc": float(compute_dice(p, r, include_background=True)),
        "hd": float(compute_hausdorff_distance(p, r, **options)),
        "hd95": float(compute_hausdorff_distance(p, r, percentile=95, **options)),
        "assd": float(compute_average_surface_distance(p, r, symmetric=True, **options)),
        "nsd": float(compute_surface_dice(p, r, [TOLERANCE], **options)),
    }


def deepmind(prediction: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """All of DeepMind's metrics from one pass; its two directed means are pooled by surface area for one ASSD."""
    import surface_distance

    distances = surface_distance.compute_surface_distances(reference, prediction, SPACING)
    areas = distances["surfel_areas_gt"].sum(), distances["surfel_areas_pred"].sum()
    means = surface_distance.compute_average_surface_distance(distances)
    return {
        "dsc": float(surface_distance.compute_dice_coefficient(reference, prediction)),
        "hd": float(surface_distance.compute_robust_hausdorff(distances, 100)),
        "hd95": float(surface_distance.compute_robust_hausdorff(distances, 95)),
        "assd": float(np.average(means, weights=areas)),
        "nsd": float(surface_distance.compute_surface_dice_at_tolerance(distances, TOLERANCE)),
    }


def has_deepmind() -> bool:
    if not hasattr(np, "Inf"):
        np.Inf = np.inf  # noqa: NPY201 - the package still asks for it
    try:
        import surface_distance  # noqa: F401
    except ImportError:
        return False
    return True


def best_of(repeats: int, call: Callable[[], dict[str, float]]) -> tuple[float, dict[str, float]]:
    seconds, values = [], {}
    for _ in range(repeats):
        start = time.perf_counter()
        values = call()
        seconds.append(time.perf_counter() - start)
    return min(seconds), values


def measure(repeats: int) -> dict[str, Any]:
    a, b = liver_pair()
    small = (slice(90, 110), slice(200, 260), slice(200, 260))
    ours(a[small], b[small], "area-weighted")  # imports are not what is measured
    monai(a[small], b[small])
    rows: dict[str, Any] = {}
    for convention in ("max-of-two", "pooled", "area-weighted"):
        rows[f"ours, {convention}"] = best_of(repeats, lambda c=convention: ours(a, b, c))
    rows["MONAI"] = best_of(max(repeats // 3, 1), lambda: monai(a, b))
    if has_deepmind():
        rows["DeepMind surface-distance"] = best_of(max(repeats // 3, 1), lambda: deepmind(a, b))
    shifted = np.roll(b, 60, axis=1)  # 45 mm
    rows["ours, shifted by 45 mm"] = best_of(max(repeats // 3, 1), lambda: ours(a, shifted, "max-of-two"))
    return {name: {"seconds": seconds, **values} for name, (seconds, values) in rows.items()} | {
        "voxels": [int(a.sum()), int(b.sum())]
    }


def worst_difference(a: dict[str, float], b: dict[str, float]) -> float:
    """Largest relative difference among the five numbers."""
    return max(abs(a[n] - b[n]) / max(abs(b[n]), 1e-12) for n in NAMES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=6)
    warnings.simplefilter("ignore")
    rows = measure(parser.parse_args().repeats)
    voxels = rows.pop("voxels")
    print(f"{voxels[0]:,} and {voxels[1]:,} voxels at 512×512×200, spacing 0.75×0.75×1 mm, NSD at {TOLERANCE:g} mm")
    for name, row in rows.items():
        print(f"{name:28s} {row['seconds']:7.3f} s   " + "  ".join(f"{n} {row[n]:.4f}" for n in NAMES))
    result: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "voxels": voxels, "rows": rows}
    pairs = {"MONAI": "ours, max-of-two", "DeepMind surface-distance": "ours, area-weighted"}
    for other, same in pairs.items():
        if other not in rows:
            print(f"{other}: not installed, not compared")
            continue
        ratio = rows[other]["seconds"] / rows["ours, max-of-two"]["seconds"]
        alike = rows[other]["seconds"] / rows[same]["seconds"]
        off = worst_difference(rows[same], rows[other])
        result[other] = {"times_faster": ratio, "times_faster_same_convention": alike, "worst_relative_difference": off}
        print(f"{other}: {ratio:.1f} × as long as ours ({alike:.1f} × in its convention), values within {off:.1e}")
    target = Path(__file__).parent / "results" / "surfaces.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
