"""Whole commands: how soon they start, and time and memory of a plan on a CT of clinical size.

The CT is the sample resampled to 512 x 512 x 200 voxels; the plan runs as the user starts it, in a process of its
own, and its memory is the operating system's own figure (maximum resident size).
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RESULT = Path(__file__).resolve().parent / "results" / "commands.json"
PREOP = [sys.executable, "-m", "preopreview.cli"]


def seconds(command: list[str], runs: int = 7) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def large_ct(folder: Path) -> Path:
    """The sample CT on a grid of 512 x 512 x 200."""
    from PreopReviewLib import images
    from PreopReviewLib.samples import sample_ct

    local = os.environ.get("PREOP_SHARED_DATA", str(REPOSITORY.parent / "shared" / "data"))
    older = Path(local) / "totalsegmentator" / "ct_3mm.nii.gz"  # what the figures were measured on
    image = images.read_image(older if older.is_file() else sample_ct().path)
    spacing = [n * s / m for n, s, m in zip(image.GetSize(), image.GetSpacing(), (512, 512, 200), strict=True)]
    import SimpleITK as sitk

    return images.write_image(
        sitk.Cast(images.resample_spacing(image, tuple(spacing)), sitk.sitkInt16), folder / "large.nii.gz"
    )


def plan(path: Path, out: Path, *options: str) -> dict:
    """Wall time and peak memory of one plan, and what it found."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    began = time.perf_counter()
    done = subprocess.run(
        [*PREOP, "liver", "plan", str(path), "-o", str(out), "-q", "--json", *options], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    answer = json.loads(done.stdout)
    return {
        "options": list(options),
        "seconds": round(took, 1),
        "peak_gb": round(peak, 2) if peak * 2**20 > before else f"below {before / 2**20:.2f}",
        "steps": answer["seconds"],
        "liver_ml": answer["volumes_ml"]["liver"],
    }


def main() -> None:
    """Prints and writes the figures."""
    bare = seconds([sys.executable, "-c", "pass"])
    libraries = "import preopreview, LiverPlannerLib.plan.files, PreopReviewLib.images"
    result = {
        "bare_python_seconds": round(bare, 3),
        "import_seconds": round(seconds([sys.executable, "-c", libraries]) - bare, 3),
        "import_monai_seconds": round(seconds([sys.executable, "-c", "import monai.networks.nets"], 2) - bare, 3),
        "help_seconds": round(seconds([*PREOP, "--help"]), 3),
        "plans": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = large_ct(Path(folder))
        # The smaller run first: the system keeps the largest memory of all children.
        for n, options in enumerate((("--no-lesions", "--no-structures"), ("--no-lesions",), ())):
            result["plans"].append(plan(path, Path(folder) / str(n), *options))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
