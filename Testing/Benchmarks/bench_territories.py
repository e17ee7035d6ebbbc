"""Territories of interrupted veins: 6 mm are cut out of large branches one at a time.

For each branch with at least 3 % of the liver and a length of 15 mm, the territory that a click on it takes with the
whole vein is compared with what a click on what is left of it takes afterwards (or on the branch that this springs
from, where the gap left none of it): the share of the liver that differs. Beside it the time at 512x512x200.

    python -m Testing.Benchmarks territories [--quick]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "PreopReview"), str(ROOT / "LiverPlanner"), str(ROOT)]

from Testing.Benchmarks.anatomy_cases import labeled_livers  # noqa: E402

from LiverPlannerLib.liver_extent import inside_liver  # noqa: E402
from LiverPlannerLib.structures import mask_of, structure  # noqa: E402
from LiverPlannerLib.territories.areas import Territories, find_territories  # noqa: E402
from LiverPlannerLib.vessels.branches import VesselTree, split_branches  # noqa: E402
from PreopReviewLib import images  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "territories.json"
GAP_MM, LEAST_SHARE, LEAST_LENGTH_MM, MOST_BRANCHES = 6.0, 0.03, 15.0, 8
LIMIT = 0.05
COARSE_MM = 4.0


def tree_of(labels: sitk.Image, key: str) -> VesselTree:
    return split_branches(mask_of(labels, key), key, mask_of(labels, "liver"))


def interrupted(labels: sitk.Image, tree: VesselTree, branch: int) -> sitk.Image:
    """The labels without the vessel within 3 mm along the center line of the middle of a branch."""
    points = np.flatnonzero(tree.branch_of == branch)
    line = tree.points[points]
    middle = line[np.linalg.norm(line - line.mean(0), axis=1).argmin()]
    away = line[np.linalg.norm(line - middle, axis=1).argsort()[:12]]  # its own: other veins cross it elsewhere
    tangent = np.linalg.svd(away - away.mean(0))[2][0]
    radius = tree.branch(branch).radius_mm
    values = images.array_of(labels).copy()
    voxels = np.argwhere(values == structure(tree.structure).label)
    offset = images.kji_to_ras(voxels, labels) - middle
    along = offset @ tangent
    beside = np.linalg.norm(offset - along[:, None] * tangent, axis=1)
    gone = voxels[(np.abs(along) <= GAP_MM / 2) & (beside <= 2 * radius + 3)]
    values[tuple(gone.T)] = structure("liver").label
    return images.image_like(values, labels)


def along(tree: VesselTree, whole: VesselTree, branch: int) -> set[int]:
    """The branches of an interrupted tree that lie along a branch of the whole one."""
    line = whole.points[whole.branch_of == branch]
    near = np.linalg.norm(tree.points[:, None] - line[None], axis=2)
    branches = set(tree.branch_of[near.argmin(0)[near.min(0) <= max(3.0, near.min())]].tolist())
    return branches | {tree.branch(b).parent or b for b in branches}


def compare(labels: sitk.Image, key: str) -> list[dict]:
    """One row for each branch that is cut."""
    coarse = images.resample_spacing(labels, (COARSE_MM,) * 3, "nearest")  # enough to count; trees keep their own grid
    inside = inside_liver(coarse)
    whole = tree_of(labels, key)
    before = find_territories(coarse, whole, inside)
    large = [
        b
        for b in whole.branches
        if b.parent is not None and before.share(b.id) >= LEAST_SHARE and b.length_mm >= LEAST_LENGTH_MM
    ]
    rows = []
    for branch in sorted(large, key=lambda b: -before.share(b.id))[:MOST_BRANCHES]:
        tree = tree_of(interrupted(labels, whole, branch.id), key)
        after = find_territories(coarse, tree, inside)
        was = before.taken([branch.id])
        differ = min(np.count_nonzero(was != after.taken([n])) for n in along(tree, whole, branch.id)) / len(was)
        rows.append(
            {
                "tree": key,
                "branch": branch.id,
                "radius_mm": round(branch.radius_mm, 1),
                "share": round(before.share(branch.id), 3),
                "differs": round(float(differ), 4),
                "pieces": int(sum(b.generation < 0 for b in tree.branches)),
            }
        )
    return rows


def time_at_512() -> dict[str, float]:
    """Seconds of the owners of all liver voxels on a grid of 512x512x200."""
    from Testing.Benchmarks.bench_edit import make_case

    labels = make_case()
    started = time.perf_counter()
    inside = inside_liver(labels)
    extent = time.perf_counter() - started
    started = time.perf_counter()
    tree = tree_of(labels, "portal_vein")
    split = time.perf_counter() - started
    started = time.perf_counter()
    territories: Territories = find_territories(labels, tree, inside)
    timings = {
        "liver_voxels": len(territories.last),
        "extent_s": round(extent, 2),
        "branches_s": round(split, 2),
        "territories_s": round(time.perf_counter() - started, 2),
    }
    return timings | live_cut_at_512(labels, inside, tree)


def live_cut_at_512(labels: sitk.Image, inside: np.ndarray, tree: VesselTree) -> dict[str, float]:
    """Median seconds of volumes, supply lost and vessels crossed for a plane that is dragged: clock, and work."""
    from LiverPlannerLib.perfusion.model import PerfusionModel
    from LiverPlannerLib.resection.cutting import Plane
    from LiverPlannerLib.resection.live_cut import LiveCut
    from LiverPlannerLib.territories.liver import find_trees

    model = PerfusionModel(find_trees(labels, None, {"portal_vein": tree}, inside))
    live = LiveCut(labels)
    clock, work = [], []
    for n in range(9):
        plane = Plane(tuple(np.add(live.center_ras, (5.0 * (n - 4), 0, 0))), (1.0, 0.1 * n, 0.0))
        started, busy = time.perf_counter(), time.process_time()
        live.cut([plane])
        model.measure(live.taken([plane]))
        clock.append(time.perf_counter() - started)
        work.append(time.process_time() - busy)
    return {"live_cut_s": round(float(np.median(clock)), 3), "live_cut_work_s": round(float(np.median(work)), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one phantom, no timing")
    quick = parser.parse_args().quick
    table: dict[str, list[dict]] = {}
    for name, labels in labeled_livers(1 if quick else 4):
        rows = [row for key in ("portal_vein", "hepatic_vein") for row in compare(labels, key)]
        table[name] = rows
        worst = max((r["differs"] for r in rows), default=0.0)
        good = sum(r["differs"] <= LIMIT for r in rows)
        print(
            f"{name:14} {good} of {len(rows)} branches within {LIMIT:.0%} of the liver; worst {worst:.1%}", flush=True
        )
        for row in rows:
            if row["differs"] > LIMIT:
                print("   ", row)
    every = [row["differs"] for rows in table.values() for row in rows]
    summary = {
        "branches": len(every),
        "within_5_percent": sum(d <= LIMIT for d in every),
        "median": float(np.median(every)),
        "worst": max(every),
    }
    print(summary)
    if not quick:
        summary["time_512"] = time_at_512()
        print(summary["time_512"])
        RESULTS.write_text(json.dumps({"summary": summary, "cases": table}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
