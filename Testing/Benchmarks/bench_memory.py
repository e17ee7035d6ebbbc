"""Time and memory on a scan of 512 x 512 x 600 voxels: a plan with a given liver, and the measures of 200 lesions.

Each runs as the user starts it, in a process of its own; its memory is the operating system's own figure (the largest
resident size), taken by a waiting process that starts nothing else. The scan is drawn: an ellipsoid of 2 l with vessels
and 200 balls of 6 to 12 mm, in noise, 0.7 x 0.7 x 1 mm. `--liters 5.7` draws a liver as large as no patient has.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

RESULT = Path(__file__).resolve().parent / "results" / "memory.json"
SIZE, SPACING, LESIONS = (600, 512, 512), (0.7, 0.7, 1.0), 200
WAIT = (
    "import json, os, subprocess, sys\n"
    "ended = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
    "import resource\n"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
    "print(json.dumps([ended.returncode, used.ru_maxrss, used.ru_utime + used.ru_stime, ended.stderr[-500:]]))"
)
LIMITS = {"plan": (2.0, None), "measure": (3.0, 60.0)}
"""GB and seconds."""


def draw(folder: Path, liters: float = 2.0) -> dict[str, Path]:
    """The scan, its liver alone, and its labels with vessels and lesions."""
    k, j, i = (np.arange(n, dtype=np.float32) for n in SIZE)
    radii = np.array([110, 150, 170]) * (liters * 1e6 / (4 / 3 * np.pi * 110 * 150 * 170 * np.prod(SPACING))) ** (1 / 3)
    across = ((j[:, None] - 256) / radii[1]) ** 2 + ((i - 230) / radii[2]) ** 2
    liver = across[None] + (((k - 300) / radii[0]) ** 2)[:, None, None] < 1
    labels = liver.astype(np.uint8)
    for at in range(6):  # branches from the middle outwards
        angle = at * np.pi / 3
        for step in np.linspace(0, 0.9 * radii[0], 400):
            middle = (300 + 0.4 * step, 256 + step * np.sin(angle), 230 + step * np.cos(angle))
            _ball(labels, liver, middle, 4 - 2 * step / radii[0], 5 if at % 2 else 4)
    rng = np.random.default_rng(1)
    inside = np.argwhere(liver[::8, ::8, ::8]) * 8
    for middle in inside[rng.choice(len(inside), LESIONS, replace=False)]:
        _ball(labels, liver, tuple(middle), float(rng.uniform(3, 6)), 2)
    image = rng.normal(0, 12, SIZE).astype(np.float32)
    image += np.array([-900, 105, 60, 0, 150, 160], np.float32)[labels]
    paths = {name: folder / f"{name}.nii.gz" for name in ("image", "liver", "labels")}
    for name, array in (("image", image.astype(np.int16)), ("liver", liver.astype(np.uint8)), ("labels", labels)):
        image_of_array = sitk.GetImageFromArray(array)
        image_of_array.SetSpacing(SPACING)
        sitk.WriteImage(image_of_array, str(paths[name]), True, 1)
    return paths


def _ball(labels: np.ndarray, liver: np.ndarray, middle: tuple[float, ...], radius: float, value: int) -> None:
    low = [max(0, int(c - radius / s) - 1) for c, s in zip(middle, SPACING[::-1], strict=True)]
    high = [int(c + radius / s) + 2 for c, s in zip(middle, SPACING[::-1], strict=True)]
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    at = np.ogrid[box]
    distance = sum(((a - c) * s) ** 2 for a, c, s in zip(at, middle, SPACING[::-1], strict=True))
    labels[box][(distance <= radius**2) & liver[box]] = value


def measured(name: str, *words: object) -> dict[str, object]:
    """Seconds and GB of a command."""
    command = [sys.executable, "-m", "preopreview.cli", *map(str, words)]
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", WAIT, *command], capture_output=True, text=True, check=True)
    took = time.perf_counter() - began
    code, peak, processor, words_of = json.loads(ended.stdout)
    if code:
        raise SystemExit(f"{name} ended with {code}: {words_of}")
    gigabytes, seconds = peak / 2**20, LIMITS[name][1]
    within = gigabytes <= LIMITS[name][0] and (seconds is None or took <= seconds)
    times = {"seconds": round(took, 1), "processor_seconds": round(processor, 1)}
    return {**times, "peak_gb": round(gigabytes, 2), "limits": LIMITS[name], "within": within}


def main() -> None:
    """Prints and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--liters", type=float, default=2.0, help="of the liver")
    liters = parser.parse_args().liters
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = draw(folder, liters)
        without = ("--no-lesions", "--no-structures", "-q")
        result = {
            "liver_l": liters,
            "plan": measured(
                "plan", "liver", "plan", paths["image"], "--liver", paths["liver"], "-o", folder / "p", *without
            ),
            "measure": measured("measure", "liver", "measure", paths["image"], paths["labels"], "-o", folder / "m"),
        }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
