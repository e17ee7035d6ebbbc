"""Pictures of what the models make of the real scans beside the checkout: python -m Testing.Pictures.real_scans

The scans are test files of wasserth/TotalSegmentator (Apache-2.0): a CT slab with contrast, a CT without, and a T1 MRI
slab.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from LiverPlannerLib.plan.pipeline import make_plan
from LiverPlannerLib.structures import STRUCTURES, mask_of
from PreopReviewLib import images
from PreopReviewLib.images.windows import gray_window
from PreopReviewLib.reports.slice_pictures import Outline, axial_series

ROOT = Path(__file__).resolve().parents[2]
SCANS = {"real_ct_contrast": "ct_dicom", "real_ct_plain": "ct_3mm.nii.gz", "real_mr": "mr_3mm_slab.nii.gz"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "totalsegmentator")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "Resources" / "Screenshots")
    given = parser.parse_args()
    for name, file in SCANS.items():
        plan = make_plan(images.read_image(given.data / file))
        outlines = [
            Outline(mask_of(plan.labels, s.key), s.color) for s in STRUCTURES if plan.volumes_ml.get(s.key, 0) > 0
        ]
        figure = axial_series(plan.image, outlines, gray_window(plan.image, plan.modality), 8)
        figure.savefig(given.out / f"{name}.png", dpi=80, facecolor="black")
        print(name, {key: round(ml, 1) for key, ml in plan.volumes_ml.items()}, *plan.warnings, sep="\n  ")


if __name__ == "__main__":
    main()
