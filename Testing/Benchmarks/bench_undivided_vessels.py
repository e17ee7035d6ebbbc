"""Vessels that another model draws undivided: how much of them gets the right name from the default model's veins.

Phantoms at 2 mm, portal-venous CT, from seeds that no training uses. Their true vessels, portal and hepatic together,
stand for the other model's; the shipped network names them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from LiverPlannerLib.segmentation.segmenters import InsideLiver
from LiverPlannerLib.structures import mask_of, structure
from LiverPlannerLib.vessels.undivided import portal_part
from PreopReviewLib import images
from PreopReviewLib.models.catalog import require_package
from PreopReviewLib.phantoms.liver import make_liver_phantom

SEEDS = range(700_000, 700_004)
SIZE = (112, 112, 112)
RESULT = Path(__file__).parent / "results" / "undivided_vessels.json"


def main() -> int:
    """Writes results/undivided_vessels.json: by seed, the share of vessel voxels with the right name."""
    model = InsideLiver(require_package("five-structures-synthetic"))
    rows = []
    for seed in SEEDS:
        phantom = make_liver_phantom(seed, "ct", SIZE, 2.0, slice_mm=0)
        truth = images.array_of(phantom.labels)
        liver = mask_of(phantom.labels, "liver")
        portal, hepatic = (truth == structure(k).label for k in ("portal_vein", "hepatic_vein"))
        voxels = images.array_of(model.segment(phantom.image, liver).labels)
        seen, others, cava = (
            voxels == structure(k).label for k in ("portal_vein", "hepatic_vein", "inferior_vena_cava")
        )
        vessel = portal | hepatic
        named = portal_part(vessel, seen, others, tuple(images.spacing_kji(phantom.image)), cava)
        right = float(np.mean(named[vessel] == portal[vessel])) if named is not None else 0.0
        alone = float(np.mean((seen & portal)[vessel] | (others & hepatic)[vessel]))
        rows.append({"seed": seed, "right": round(right, 3), "drawn_and_right_by_network_alone": round(alone, 3)})
        print(rows[-1], flush=True)
    mean = round(float(np.mean([r["right"] for r in rows])), 3)
    RESULT.write_text(json.dumps({"cases": rows, "mean_right": mean}, indent=1) + "\n", encoding="utf-8")
    print(f"mean {mean}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
