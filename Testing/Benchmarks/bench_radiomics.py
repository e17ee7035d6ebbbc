"""Radiomics libraries against pyradiomics 3.0.1, which no wheel installs: conformity and time.

    python Testing/Benchmarks/bench_radiomics.py --python pyradiomics=/path/to/python --python fastrad=… …

Candidates that do not fit into one environment are given an interpreter of their own, in which this file runs itself
as a worker. The oracle: `pip install "numpy<2" setuptools cython versioneer SimpleITK PyWavelets pykwalify six`, then
`pip install --no-build-isolation --no-deps pyradiomics==3.0.1`. Every candidate gets the same resampled images and
masks; a feature counts as equal within a relative 1e-5. Data: shared/data/totalsegmentator.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results" / "radiomics.json"
TEXTURES = ("glcm", "glrlm", "glszm", "gldm", "ngtdm")
ORACLE = "pyradiomics"
SECONDS = 45

Features = dict[str, float]


def _mirp(folder: Path, width: float) -> Features:
    import SimpleITK as sitk

    sys.path[:0] = [str(REPOSITORY / "PreopReview"), str(REPOSITORY / "LiverPlanner")]
    from LiverPlannerLib.radiomics.by_mirp import features_by_mirp
    from LiverPlannerLib.radiomics.names import PYRADIOMICS
    from LiverPlannerLib.radiomics.settings import RadiomicsSettings

    settings = RadiomicsSettings("bench", normalize=False, bin_width=width)
    image, mask = (sitk.ReadImage(str(folder / f"{n}.nii")) for n in ("image", "mask"))
    by_mirp = features_by_mirp(image, mask, settings)
    return {PYRADIOMICS[n]: v for n, v in by_mirp.items() if n in PYRADIOMICS}


def _pyradiomics(folder: Path, width: float) -> Features:
    import radiomics
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    radiomics.setVerbosity(50)
    features = RadiomicsFeatureExtractor(binWidth=width).execute(str(folder / "image.nii"), str(folder / "mask.nii"))
    return {k.removeprefix("original_"): float(v) for k, v in features.items() if k.startswith("original_")}


def _numpyradiomics(folder: Path, width: float) -> Features:
    import numpyradiomics as library

    data = np.load(folder / "arrays.npz")
    image, mask = data["image"].astype(float), data["mask"]
    by_name = {f"firstorder_{k}": v for k, v in library.firstorder(image, mask, 8.0, binWidth=width).items()}
    by_name |= {f"shape_{k}": v for k, v in library.shape(mask, (2.0, 2.0, 2.0)).items()}
    for name in TEXTURES:
        by_name |= {f"{name}_{k}": v for k, v in getattr(library, name)(image, mask, binWidth=width).items()}
    return {k: float(v) for k, v in by_name.items()}


def _fastrad(folder: Path, width: float) -> Features:
    import torch
    from fastrad import FeatureExtractor, FeatureSettings, Mask, MedicalImage

    torch.set_num_threads(2)
    data = np.load(folder / "arrays.npz")
    image = MedicalImage(torch.tensor(data["image"].astype(float)), (2.0, 2.0, 2.0))
    mask = Mask(torch.tensor(data["mask"]), (2.0, 2.0, 2.0))
    settings = FeatureSettings(feature_classes=["firstorder", "shape", *TEXTURES], bin_width=width, device="cpu")
    return {k: float(v) for k, v in FeatureExtractor(settings).extract(image, mask).items()}


def _pysera(folder: Path, width: float) -> Features:
    import pysera

    sys.path[:0] = [str(REPOSITORY / "PreopReview"), str(REPOSITORY / "LiverPlanner")]
    from LiverPlannerLib.radiomics.names import PYRADIOMICS

    data = np.load(folder / "arrays.npz")
    levels = np.floor(data["image"] / width) - math.floor(data["image"][data["mask"] > 0].min() / width) + 1
    table = pysera.process_batch(
        image_input=levels,
        mask_input=data["mask"].astype(float),
        output_path=tempfile.mkdtemp(dir=folder),
        apply_preprocessing=False,
        enable_parallelism=False,
        categories="glcm,glrlm,glszm,ngtdm,ngldm",
        dimensions="3d",
        bin_size=1,
        report="none",
    )["features_extracted"]
    short = {"glcm": "cm", "glrlm": "rlm", "szm": "szm", "ngl": "ngl", "ngtdm": "ngt"}
    features = {}
    for column in table.columns:
        family, _, rest = re.sub(r"_3D(_avg)?$", "", column).partition("_")
        name = PYRADIOMICS.get(f"{short.get(family)}_{rest}")
        if name and not column.endswith("_comb"):
            features[name] = float(table[column].iloc[0])
    return features


CANDIDATES: dict[str, Callable[[Path, float], Features]] = {
    ORACLE: _pyradiomics,
    "mirp": _mirp,
    "numpyradiomics": _numpyradiomics,
    "fastrad": _fastrad,
    "pysera": _pysera,
}


def _prepare(folder: Path, data: Path) -> list[dict[str, Any]]:
    """Three regions on 2 mm grids: a whole liver on CT, a lesion-sized ball in it, a liver on a slab of MR."""
    import SimpleITK as sitk

    from LiverPlannerLib.radiomics import features as radiomics
    from LiverPlannerLib.radiomics.settings import CT, MR
    from PreopReviewLib import images

    cases = []
    for name, image, labels, settings, ball, width in (
        ("CT liver", "ct_3mm", "ct_3mm_seg117", CT, False, 25.0),
        ("CT ball of 6 voxels' radius", "ct_3mm", "ct_3mm_seg117", CT, True, 5.0),
        ("MR liver (slab)", "mr_3mm_slab", "mr_3mm_slab_seg", MR, False, 5.0),
    ):
        loaded = sitk.ReadImage(str(data / f"{image}.nii.gz"))
        liver = sitk.Cast(sitk.ReadImage(str(data / f"{labels}.nii.gz")) == 5, sitk.sitkUInt8)
        grid = radiomics._grid(loaded, 2.0)
        resampled = radiomics._resampled(radiomics._normalized(loaded, settings), grid, sitk.sitkBSpline)
        mask = radiomics._resampled(liver, grid, sitk.sitkNearestNeighbor)
        if ball:
            array = images.array_of(mask)
            middle = np.argwhere(array).mean(0)
            near = sum((a - m) ** 2 for a, m in zip(np.indices(array.shape), middle, strict=True)) <= 36
            mask = images.image_like((array * near).astype(np.uint8), mask)
        box = images.bounding_box(mask, margin_mm=6)
        resampled, mask = sitk.Cast(images.crop(resampled, box), sitk.sitkFloat32), images.crop(mask, box)
        place = folder / f"case{len(cases)}"
        place.mkdir()
        sitk.WriteImage(resampled, str(place / "image.nii"))
        sitk.WriteImage(mask, str(place / "mask.nii"))
        np.savez(place / "arrays.npz", image=images.array_of(resampled), mask=images.array_of(mask))
        cases.append({"name": name, "folder": place, "width": width, "voxels": int(images.array_of(mask).sum())})
    return cases


def _work(name: str, folder: Path, width: float) -> None:
    """In the candidate's interpreter: twice, so that the second time is without imports."""
    CANDIDATES[name](folder, width)
    start = time.perf_counter()
    features = CANDIDATES[name](folder, width)
    seconds = time.perf_counter() - start
    (folder / f"{name}.json").write_text(json.dumps({"seconds": seconds, "features": features}))


def _ask(name: str, python: str, case: dict[str, Any]) -> dict[str, Any]:
    command = [python, __file__, "--worker", name, str(case["folder"]), str(case["width"])]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {SECONDS} s"}
    written = case["folder"] / f"{name}.json"
    if ran.returncode or not written.is_file():
        lines = ran.stderr.strip().splitlines()
        return {"error": lines[-1][:160] if lines else f"ended with {ran.returncode}"}
    return json.loads(written.read_text())


def _plain(name: str) -> str:
    """Feature names differ in case, underscores and a few words between the libraries."""
    plain = name.lower().replace("_", "").replace(":", "").replace("th", "")
    for theirs, ours in (
        ("graylevelrunemphasis", "graylevelemphasis"),
        ("zonesizenonuniformity", "sizezonenonuniformity"),
    ):
        if "highgraylevelrun" not in theirs and plain.startswith(("glrlmshort", "glrlmlong", "glszm")):
            plain = plain.replace(theirs, ours)
    return plain.replace("runlengthvariance", "runvariance").replace("zonesizevariance", "zonevariance")


def compare(features: Features, oracle: Features) -> dict[str, Any]:
    """How many of the oracle's features are there, how many equal, and which are furthest off."""
    theirs = {_plain(k): v for k, v in features.items()}
    differences = {}
    for name, value in oracle.items():
        other = theirs.get(_plain(name))
        if other is not None:
            off = abs(other - value) / max(abs(value), 1e-12)
            differences[name] = off if math.isfinite(off) else math.inf
    off = {n: d for n, d in differences.items() if d > 1e-5}
    worst = sorted(off, key=lambda n: -off[n])
    return {
        "features_compared": len(differences),
        "features_of_the_oracle": len(oracle),
        "equal_1e-5": len(differences) - len(off),
        "families_off": sorted({n.split("_")[0] for n in off}),
        "largest_difference": max(off.values(), default=0.0)
        if not math.isinf(max(off.values(), default=0.0))
        else None,
        "differing": worst,
    }


def main() -> None:
    """Runs every candidate on every region and prints and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--worker", nargs=3, metavar=("NAME", "FOLDER", "WIDTH"))
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data" / "totalsegmentator")
    arguments = parser.parse_args()
    if arguments.worker:
        name, folder, width = arguments.worker
        _work(name, Path(folder), float(width))
        return
    pythons = {"mirp": sys.executable, **dict(p.split("=", 1) for p in arguments.python)}
    if ORACLE not in pythons or not arguments.data.is_dir():
        print("Skipped: needs --python pyradiomics=PATH and the shared data; see the head of this file.")
        return
    sys.path[:0] = [str(REPOSITORY / "PreopReview"), str(REPOSITORY / "LiverPlanner")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in _prepare(Path(folder), arguments.data):
            oracle = _ask(ORACLE, pythons[ORACLE], case)
            for name in [n for n in CANDIDATES if n in pythons]:
                answer = oracle if name == ORACLE else _ask(name, pythons[name], case)
                row = {"region": case["name"], "voxels": case["voxels"], "bin_width": case["width"], "library": name}
                if "error" in answer:
                    row["error"] = answer["error"]
                else:
                    row |= {"seconds": answer["seconds"]}
                    row |= {"times_pyradiomics": answer["seconds"] / oracle["seconds"]}
                    row |= compare(answer["features"], oracle["features"])
                rows.append(row)
                _print(row)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"oracle": "pyradiomics 3.0.1", "rows": rows}, indent=2) + "\n")
    print(f"Written to {RESULTS}")


def _print(row: dict[str, Any]) -> None:
    head = f"{row['region']:<28} {row['voxels']:>7} {row['library']:<15}"
    if "error" in row:
        print(f"{head} {row['error']}", flush=True)
        return
    equal = f"{row['equal_1e-5']}/{row['features_compared']} equal"
    print(
        f"{head} {equal:>15} {row['seconds']:7.2f} s ({row['times_pyradiomics']:.1f} × pyradiomics)"
        f"  off: {', '.join(row['families_off']) or '-'}",
        flush=True,
    )


if __name__ == "__main__":
    main()
