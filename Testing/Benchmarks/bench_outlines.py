"""The liver's outline against hand-drawn livers: the network's own answer, and what a plan starts from.

    python -m Testing.Benchmarks outlines
    python Testing/Benchmarks/bench_outlines.py FOLDER [IMAGE:LABELS:VALUES ...] [-o FOLDER] [--worst 3] [--grids]

Without cases, those of `shared/data`. Folders are read as CHAOS, 3D-IRCADb-01 and LiTS are published
(`labeled_livers`). Writes `outlines.csv`, a row for each case (Dice, HD95 as the larger directed 95th percentile of
surface voxels, ASSD, ml, seconds), a picture of the worst cases with both outlines on every few slices, and
`results/outlines.json`. With `--grids` every case is also measured on other grids, turned by five degrees and noisier:
what a network says of the same patient should not depend on them (`outlines_grids.csv` and `.json`).
Pictures of MRIs whose license forbids it are not to be published.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DATA = ROOT.parent / "shared" / "data"
sys.path[:0] = [str(ROOT), str(ROOT / "PreopReview"), str(ROOT / "LiverPlanner")]

from Testing.Benchmarks.labeled_livers import LabeledLiver, labeled_livers  # noqa: E402

from LiverPlannerLib.plan.pipeline import plausible_liver  # noqa: E402
from LiverPlannerLib.segmentation.liver import THRESHOLD, segment_liver, to_source  # noqa: E402
from PreopReviewLib import images  # noqa: E402
from PreopReviewLib.errors import NothingFound  # noqa: E402
from PreopReviewLib.evaluation.overlap import dice  # noqa: E402
from PreopReviewLib.evaluation.surfaces import surface_distances  # noqa: E402

OURS = (
    "{0}/totalsegmentator/ct_3mm.nii.gz:{0}/totalsegmentator/ct_3mm_seg117.nii.gz:5",
    "{0}/totalsegmentator/ct_dicom:{0}/totalsegmentator/ct_dicom_seg117.nii.gz:5",
    "{0}/ct_contrast/lits000_ct.nii.gz:{0}/ct_contrast/lits000_couinaud.nii.gz:1-8",
    "{0}/totalsegmentator/mr_3mm_slab.nii.gz:{0}/totalsegmentator/mr_3mm_slab_seg.nii.gz:5",
    "{0}/mr_t2spir",
)
COLUMNS = 8
SLAB_SLICES = 40
GRIDS = {
    "fine": ((0.7, 0.7, 1.0), 0.0, 0.0),
    "coarse": ((1.5, 1.5, 2.5), 0.0, 0.0),
    "turned": (None, 5.0, 0.0),
    "noisy": (None, 0.0, 25.0),
}
"""Spacing in mm (None: its own), degrees about the patient's axis, SD of the noise (a CT's HU)."""


def on_grid(image: sitk.Image, spacing: Sequence[float] | None, degrees: float, nearest: bool = False) -> sitk.Image:
    """The image over the same field of view with another spacing, turned about its center."""
    wanted = np.array(spacing or image.GetSpacing())
    size = np.maximum(1, np.round(np.array(image.GetSize()) * image.GetSpacing() / wanted).astype(int))
    grid = sitk.Image(size.tolist(), image.GetPixelID())
    grid.SetSpacing(wanted.tolist())
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(((wanted / image.GetSpacing() - 1) / 2).tolist()))
    turn = sitk.Euler3DTransform()
    turn.SetCenter(image.TransformContinuousIndexToPhysicalPoint(((np.array(image.GetSize()) - 1) / 2).tolist()))
    turn.SetRotation(0.0, 0.0, float(np.deg2rad(degrees)))
    if nearest:
        return sitk.Resample(image, grid, turn, sitk.sitkNearestNeighbor, 0)
    lowest = float(images.array_of(image).min())
    return sitk.Resample(sitk.ZeroFluxNeumannPad(image, [1] * 3, [1] * 3), grid, turn, sitk.sitkLinear, lowest)


def on_other_grids(case: LabeledLiver) -> Iterator[LabeledLiver]:
    """The case as it would be on each of `GRIDS`; slabs keep their slices, and only a CT gets noise."""

    def read(spacing: Sequence[float] | None, degrees: float, noise: float) -> tuple[sitk.Image, sitk.Image]:
        image, liver = case.read()
        if spacing is not None and image.GetSize()[2] < SLAB_SLICES:
            spacing = (*spacing[:2], image.GetSpacing()[2])
        image, liver = on_grid(image, spacing, degrees), on_grid(liver, spacing, degrees, nearest=True)
        if noise:
            array = images.array_of(image)
            array = array + np.random.default_rng(1).normal(0, noise, array.shape)
            image = images.image_like(array.astype(np.int16), image)
        return image, liver

    for name, (spacing, degrees, noise) in GRIDS.items():
        if case.modality == "CT" or not noise:
            yield LabeledLiver(f"{case.name} {name}", case.modality, partial(read, spacing, degrees, noise))


def largest(mask: np.ndarray) -> np.ndarray:
    import cc3d

    return cc3d.largest_k(np.ascontiguousarray(mask), k=1, connectivity=6) > 0 if mask.any() else mask


def scored(predicted: sitk.Image | None, liver: sitk.Image) -> dict[str, float | None]:
    """Dice, HD95, ASSD and ml of one answer; nothing found has a Dice of 0 and no distances."""
    if predicted is None:
        return {"dice": 0.0, "hd95": None, "assd": None, "ml": 0.0}
    a, b = images.array_of(predicted) > 0, images.array_of(liver) > 0
    far = surface_distances(a, b, images.spacing_kji(liver))
    rounded = {"hd95": far.hd95, "assd": far.assd, "ml": float(a.sum()) * images.voxel_ml(liver)}
    return {"dice": round(dice(a, b), 4)} | {k: None if v is None else round(v, 2) for k, v in rounded.items()}


def measured(case: LabeledLiver) -> tuple[dict[str, Any], tuple[sitk.Image, sitk.Image, sitk.Image | None]]:
    """The row of a case; and its image, hand-drawn liver and outline."""
    image, liver = case.read()
    own = final = None
    start = time.perf_counter()
    try:
        segmented = segment_liver(image, case.modality)
        final = plausible_liver(segmented.mask)
        raw = segmented.raw
        if raw is not None:
            kept = np.where(largest(images.array_of(raw) > THRESHOLD), images.array_of(raw), 0)
            own = to_source(images.image_like(kept, raw), image) if kept.any() else None
    except NothingFound:
        pass
    row: dict[str, Any] = {"case": case.name, "modality": case.modality}
    row["reference_ml"] = round(float(images.array_of(liver).sum()) * images.voxel_ml(liver), 1)
    for name, mask in (("network", own), ("outline", final)):
        row |= {f"{name}_{key}": value for key, value in scored(mask, liver).items()}
    row["seconds"] = round(time.perf_counter() - start, 1)
    return row, (image, liver, final)


def picture(path: Path, title: str, image: sitk.Image, liver: sitk.Image, predicted: sitk.Image | None) -> None:
    """Slices through both livers: hand-drawn green, ours red."""
    from matplotlib.figure import Figure

    volume, drawn = images.array_of(image), images.array_of(liver) > 0
    ours = images.array_of(predicted) > 0 if predicted is not None else np.zeros_like(drawn)
    seen = np.flatnonzero((drawn | ours).any((1, 2)))
    chosen = seen[np.linspace(0, len(seen) - 1, min(len(seen), 3 * COLUMNS)).astype(int)]
    box = tuple(
        slice(max(0, w[0] - 10), w[-1] + 10)
        for w in (np.flatnonzero((drawn | ours).any(axis)) for axis in ((0, 2), (0, 1)))
    )
    inside = volume[drawn] if drawn.any() else volume.ravel()
    middle, width = float(np.median(inside)), max(float(np.ptp(np.percentile(inside, [5, 95]))), 1.0)
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS, 2.4 * rows))
    for index, k in enumerate(chosen):
        axes = figure.add_subplot(rows, COLUMNS, index + 1)
        axes.imshow(volume[k][box], cmap="gray", vmin=middle - 2 * width, vmax=middle + 2 * width)
        for mask, color in ((drawn, "lime"), (ours, "red")):
            if mask[k][box].any():
                axes.contour(mask[k][box], [0.5], colors=color, linewidths=0.7)
        axes.set_title(f"slice {k}", fontsize=7)
        axes.axis("off")
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def csv_text(rows: list[dict[str, Any]]) -> str:
    from PreopReviewLib.csv_text import csv_of_dicts

    return csv_of_dicts(rows, list(rows[0]))


def ours() -> list[str]:
    return [g.format(DATA) for g in OURS if Path(g.format(DATA).split(":")[0]).exists()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("-o", "--output", type=Path, default=Path("outlines"))
    parser.add_argument("--worst", type=int, default=3, help="of how many cases pictures are made")
    parser.add_argument("--grids", action="store_true", help="each case on other grids, too")
    given = parser.parse_args()
    wanted = given.cases or ours()
    if not wanted:
        print(f"skipped: {DATA} is not on this machine")
        return
    given.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    worst: list[tuple[float, str, tuple]] = []
    cases = [c for g in wanted for c in labeled_livers(g)]
    name = "outlines_grids" if given.grids else "outlines"
    for case in [v for c in cases for v in (c, *(on_other_grids(c) if given.grids else ()))]:
        row, seen = measured(case)
        rows.append(row)
        print(*(f"{k} {v}" for k, v in row.items()), sep="  ", flush=True)
        worst = sorted([*worst, (row["outline_dice"], case.name, seen)], key=lambda w: w[:2])[: given.worst]
        (given.output / f"{name}.csv").write_text(csv_text(rows), encoding="utf-8", newline="")
    for score, which, seen in worst:
        picture(given.output / f"{which}.png", f"{which}: Dice {score:.3f}; drawn by hand green, ours red", *seen)
    means = {
        modality: {
            f"{answer}_{key}": round(float(np.mean([r[f"{answer}_{key}"] for r in part])), 4)
            for answer in ("network", "outline")
            for key in ("dice", "hd95", "assd")
            if all(r[f"{answer}_{key}"] is not None for r in part)
        }
        | {"cases": len(part), "worst_dice": min(r["outline_dice"] for r in part)}
        for modality in ("CT", "MR")
        if (part := [r for r in rows if r["modality"] == modality])
    }
    print(json.dumps(means, indent=2))
    if not given.cases:
        (HERE / "results").mkdir(exist_ok=True)
        text = json.dumps({"cases": rows, "means": means}, indent=2)
        (HERE / "results" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
