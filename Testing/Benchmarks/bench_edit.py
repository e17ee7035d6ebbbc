"""What an edit of one segment costs until volumes, Dice and its surface are there again.

One run on one segmentation of 512x512x200 voxels: LiverPlanner's way (what has changed is read in place and compared in
its box) against what Slicer gives a script: every segment exported to the reference grid and counted, as its module
Segment Statistics does, every pair of segments compared on that grid, and all surfaces made again by Slicer's own rule.

    python Testing/Benchmarks/bench_edit.py
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

HERE = Path(__file__).resolve().parent
SIZE, SPACING = (512, 512, 200), (0.75, 0.75, 1.25)
RUNS, RUNS_INSTEAD = 7, 3


def make_case() -> sitk.Image:
    """Labels of a simulated liver, enlarged to the grid of a CT."""
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    phantom = make_liver_phantom(3, "ct", (128, 128, 128), 2.0, slice_mm=0)
    grid = sitk.Image(list(SIZE), sitk.sitkUInt8)
    grid.SetSpacing(SPACING)
    center = phantom.labels.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in phantom.labels.GetSize()])
    grid.SetOrigin([c - (n - 1) / 2 * s for c, n, s in zip(center, SIZE, SPACING, strict=True)])
    return sitk.Resample(phantom.labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)


def timed(action: Callable[[], Any], before: Callable[[], Any], runs: int) -> dict[str, float]:
    """Median seconds of an action, each time after something was changed: of the clock, and of work (all threads).

    On a busy machine the clock counts the others' work, too.
    """
    clock, work = [], []
    for _ in range(runs):
        before()
        start, busy = time.perf_counter(), time.process_time()
        action()
        clock.append(time.perf_counter() - start)
        work.append(time.process_time() - busy)
    return {"clock_s": statistics.median(clock), "work_s": statistics.median(work)}


class Case:
    """A plan, its untouched model output, and a brush."""

    def __init__(self, scene: Any, labels: sitk.Image) -> None:
        from LiverPlannerLib.scene.measures import LiveMeasures
        from LiverPlannerLib.scene.segments import segment_specs
        from PreopReviewLib.scene import nodes

        self.labels = labels
        self.plan = nodes.add_segmentation(scene, labels, segment_specs(), "plan")
        self.model = nodes.add_segmentation(scene, labels, segment_specs(), "model output")
        self.keys = nodes.segment_keys(self.plan)
        self.live = LiveMeasures(self.plan, self.model)
        self._painted = 0
        self._where = np.argwhere(sitk.GetArrayViewFromImage(labels) == 2).mean(axis=0).astype(int)

    def paint(self) -> None:
        """A ball of 8 mm radius added to the tumor, each time elsewhere."""
        import slicer

        from PreopReviewLib.images.vtk_images import fill, ijk_to_ras

        reach = np.ceil(8.0 / np.array(SPACING[::-1])).astype(int)
        grid = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1) * SPACING[::-1]
        ball = (np.linalg.norm(grid, axis=-1) <= 8.0).astype(np.uint8)
        self._painted += 1
        start = self._where - reach + [0, 5 * (self._painted // 8), 6 * (self._painted % 8)]
        content = fill(slicer.vtkOrientedImageData(), ball, start[::-1].tolist())
        content.SetGeometryFromImageToWorldMatrix(ijk_to_ras(self.labels))
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        if not logic.SetBinaryLabelmapToSegment(content, self.plan, "tumor", logic.MODE_MERGE_MAX):
            raise RuntimeError("the segment could not be painted")

    def ours(self) -> dict[str, tuple[float, float | None]]:
        """Volumes and Dice as the panel gets them after a stroke."""
        self.live.update()
        return {c.key: (c.now_ml, c.dsc) for c in self.live.changes}

    def whole(self) -> dict[str, tuple[float, float]]:
        """The same by exporting every segment of both to the reference grid."""
        from PreopReviewLib import images
        from PreopReviewLib.scene import nodes

        measured = {}
        both = (nodes.read_segments(self.plan), nodes.read_segments(self.model))
        for now, was in zip(*both, strict=True):
            a, b = (images.array_of(s.mask) > 0 for s in (now, was))
            total = int(a.sum()) + int(b.sum())
            dsc = 2.0 * int((a & b).sum()) / total
            measured[now.key] = (float(a.sum()) * images.voxel_ml(now.mask), dsc)
        return measured

    def surface(self) -> None:
        """The edited structure's surface."""
        if self.live.refresh_surfaces(self.live.update()) != ["tumor"]:
            raise RuntimeError("another surface was made")

    def all_surfaces(self) -> None:
        """Every surface by Slicer's own rule."""
        self.plan.GetSegmentation().RemoveRepresentation("Closed surface")
        self.plan.CreateClosedSurfaceRepresentation()


def agree(a: dict[str, tuple[float, float]], b: dict[str, tuple[float, float]]) -> float:
    """The largest difference of the two ways in ml or Dice; the liver is a union in ours and a segment in the other."""
    return max(abs(a[key][n] - b[key][n]) for key in b if key != "liver" for n in (0, 1))


def main() -> int:
    """Prints the table and writes results/edit.json."""
    sys.path[:0] = [str(HERE.parents[1] / name) for name in ("PreopReview", "LiverPlanner")]
    from PreopReviewLib.scene import host, nodes

    labels = make_case()
    with host.fresh_scene() as scene:
        case = Case(scene, labels)
        ours, whole = timed(case.ours, case.paint, RUNS), timed(case.whole, case.paint, RUNS_INSTEAD)
        case.live.update()
        difference = agree(case.ours(), case.whole())
        nodes.make_surfaces(case.plan)
        case.live.refresh_surfaces(case.keys)
        one, every = timed(case.surface, case.paint, RUNS), timed(case.all_surfaces, case.paint, RUNS_INSTEAD)
    rows = [
        {"what": "volumes and Dice after an edit", "ours": ours, "instead": whole, "goal_s": 0.2},
        {"what": "surface of the edited structure", "ours": one, "instead": every, "goal_s": 1.0},
    ]
    for row in rows:
        row["times_faster"] = row["instead"]["work_s"] / row["ours"]["work_s"]
        print(
            f"{row['what']:32} work {row['ours']['work_s']:.3f} s (clock {row['ours']['clock_s']:.3f})   "
            f"instead {row['instead']['work_s']:.2f} s (clock {row['instead']['clock_s']:.2f})   "
            f"{row['times_faster']:.0f} times faster   goal {row['goal_s']} s"
        )
    print(f"largest difference of the two ways: {difference:.2g} (ml, Dice); load {os.getloadavg()[0]:.1f}")
    result = {"size": SIZE, "spacing_mm": SPACING, "rows": rows, "largest_difference": difference}
    result |= {"load": round(os.getloadavg()[0], 1), "cores": os.cpu_count()}
    (HERE / "results" / "edit.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
