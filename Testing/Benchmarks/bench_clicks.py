"""Vessels renamed by simulated clicks: Dice of portal and hepatic vein after 0, 3, 6, 12 clicks; seconds of a click.

Cases are perfectly found vessels with wrong names, as networks give them: whole branches with all downstream of them,
and stretches in the middle of branches, carry the other tree's name (seeded, four times a case). Each click goes to the
largest wrong piece: of all that lights up there under the mouse (each branch, or it with all downstream), to what puts
most right.
"Perfect naming" is Dice 1 here, since nothing is missing. The time is measured on a grid of 512x512x200.

    python -m Testing.Benchmarks clicks [--quick]
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

from LiverPlannerLib.structures import structure, structure_of_label  # noqa: E402
from LiverPlannerLib.vessels import edit  # noqa: E402
from LiverPlannerLib.vessels.edit.network import VesselNetwork  # noqa: E402
from PreopReviewLib import images  # noqa: E402
from PreopReviewLib.errors import InputError  # noqa: E402
from PreopReviewLib.evaluation.overlap import dice  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "clicks.json"
PORTAL, HEPATIC = structure("portal_vein").label, structure("hepatic_vein").label
OTHER = {PORTAL: HEPATIC, HEPATIC: PORTAL}
CLICKS = (0, 3, 6, 12)
LIMIT, NAMINGS = 0.03, 4


def with_wrong_names(labels: sitk.Image, seed: int, branches: int = 5, stretches: int = 3) -> np.ndarray:
    """Labels (K, J, I) in which branches with all downstream, and stretches of 15 mm, have the other tree's name."""
    rng = np.random.default_rng(seed)
    network = VesselNetwork(labels)
    array = network.array.copy().reshape(-1)
    whole = np.bincount(network.value[network.owner], minlength=256)
    veins = np.flatnonzero(np.isin(network.value, (PORTAL, HEPATIC)))
    renamed = 0
    while renamed < branches:
        picked = network.pick_point(int(rng.choice(veins)))
        index = network.voxels_of(picked.downstream)
        if 0.02 * whole[picked.value] < len(index) < 0.35 * whole[picked.value]:
            array[index] = OTHER[picked.value]
            renamed += 1
    for _ in range(stretches):
        point = int(rng.choice(veins))
        near = veins[np.linalg.norm((network.points[veins] - network.points[point]) * network.mm, axis=1) <= 7.5]
        index = network.voxels_of(near[network.value[near] == network.value[point]])
        array[index] = OTHER[int(network.value[point])]
    return array.reshape(network.array.shape)


Click = tuple[np.ndarray, str, bool]


def best_click(network: VesselNetwork, truth: np.ndarray) -> Click | None:
    """Where to click, what to name it, and whether with all downstream; None where nothing is wrong."""
    import cc3d

    wrong = (network.array != truth) & np.isin(truth, (PORTAL, HEPATIC))
    if not wrong.any():
        return None
    pieces = cc3d.connected_components(wrong * network.array, connectivity=26)
    largest = np.bincount(pieces.ravel())[1:].argmax() + 1
    piece = np.flatnonzero(pieces == largest)
    right = truth.reshape(-1)
    value, named = int(right[piece[0]]), int(network.array.reshape(-1)[piece[0]])
    owner = network.owner[np.searchsorted(network.index, piece)]
    best, gain, seen = None, 0, np.zeros(len(network.value), bool)
    for point in np.unique(owner):
        if seen[point] or network.value[point] != named:
            continue
        picked = network.pick_point(int(point))
        seen[picked.branch] = True
        for downstream in (True, False):
            index = network.voxels_of(picked.downstream if downstream else picked.branch)
            now = int((right[index] == value).sum()) - int((right[index] == named).sum())
            if now > gain:
                place = np.array(np.unravel_index(piece[owner == point][0], truth.shape))
                best, gain = (place, structure_of_label(value).key, downstream), now
    return best


def run(labels: sitk.Image, seed: int) -> dict[str, dict[str, float]]:
    """Dice by number of clicks."""
    truth = images.array_of(labels)
    network = VesselNetwork(images.image_like(with_wrong_names(labels, seed), labels))
    table = {}
    for n in range(max(CLICKS) + 1):
        if n in CLICKS:
            table[str(n)] = {
                "portal_vein": dice(network.array == PORTAL, truth == PORTAL),
                "hepatic_vein": dice(network.array == HEPATIC, truth == HEPATIC),
            }
        click = best_click(network, truth)
        if click is not None:
            place, name, downstream = click
            at = images.kji_to_ras(place[None].astype(float), network.grid)[0]
            edit.apply(network, edit.rename(network, at, name, downstream))
    return table


def time_at_512() -> dict[str, float]:
    """Median seconds of a click with its consequences, by kind, and of finding the center lines once."""
    from Testing.Benchmarks.bench_edit import make_case

    labels = make_case()
    image = images.image_like(np.where(images.array_of(labels) > 1, 160, 100).astype(np.float32), labels)
    started = time.perf_counter()
    network = VesselNetwork(labels)
    network.tree(PORTAL), network.tree(HEPATIC)
    timings = {"center_lines_once_s": time.perf_counter() - started}
    rng = np.random.default_rng(0)
    points = np.flatnonzero(np.isin(network.value, (PORTAL, HEPATIC)))
    kinds = {
        "light_up": lambda at, value: network.pick(at),
        "rename": lambda at, value: edit.rename(network, at, structure_of_label(OTHER[value]).key),
        "remove": lambda at, value: edit.remove(network, at, "branch"),
        "cut": lambda at, value: edit.cut(network, at),
        "grow": lambda at, value: edit.grow(network, at, None),
        "extend": lambda at, value: edit.extend(network, at + [12, 0, 0], structure_of_label(value).key, image),
    }
    for kind, call in kinds.items():
        clock, work = [], []
        while len(clock) < 5:
            point = int(rng.choice(points[points < len(network.value)]))
            value = int(network.value[point])
            at = images.kji_to_ras(network.points[point][None], network.grid)[0]
            start, busy = time.perf_counter(), time.process_time()
            try:
                change = call(at, value)
                if kind != "light_up":
                    edit.apply(network, change)
                    network.pick_point(min(point, len(network.value) - 1))
            except InputError:
                continue  # a place where this click means nothing, e.g. an extension that ends in the vessel
            clock.append(time.perf_counter() - start)
            work.append(time.process_time() - busy)
        timings[f"{kind}_s"], timings[f"{kind}_work_s"] = float(np.median(clock)), float(np.median(work))
    return {key: round(value, 3) for key, value in timings.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one phantom and no patient, no timing")
    quick = parser.parse_args().quick
    cases = [c for c in labeled_livers(1 if quick else 4) if not quick or c[0].startswith("phantom")]
    tables = {}
    for number, (name, labels) in enumerate(cases):
        for naming in range(1 if quick else NAMINGS):
            table = tables[f"{name}, naming {naming + 1}"] = run(labels, number + 100 * naming)
            words = "   ".join(f"{n} clicks: {t['portal_vein']:.3f} {t['hepatic_vein']:.3f}" for n, t in table.items())
            print(f"{name:14} portal, hepatic Dice after {words}", flush=True)
    worse = {n: [min(t[n].values()) for t in tables.values()] for n in map(str, CLICKS)}
    data = {
        "cases": tables,
        "worst": {n: min(v) for n, v in worse.items()},
        "mean_of_the_worse_vein": {n: float(np.mean(v)) for n, v in worse.items()},
        "within_limit_after_6": f"{sum(d >= 1 - LIMIT for d in worse['6'])} of {len(tables)}",
    }
    print({key: value for key, value in data.items() if key != "cases"})
    if not quick:
        data["time_512"] = time_at_512()
        print(data["time_512"])
        RESULTS.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
