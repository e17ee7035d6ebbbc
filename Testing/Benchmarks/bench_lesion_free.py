"""Livers without lesions: what a plan calls tumor, cyst and candidate in them.

Phantoms from seeds that no training uses, in three contrasts, with real liver shapes where `shared/data` is there.
Their lesions are turned back into parenchyma before they are painted, so that uneven perfusion, streaks, shading,
focal fat and thick slices are what is left to mistake. The liver is given, so that only the lesions are measured.
Images of patients of `shared/data` follow; nobody has said that these are free of lesions: they are listed, not judged.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.couinaud.maps import read_map
from LiverPlannerLib.plan.pipeline import PlanOptions, make_plan
from PreopReviewLib import images
from PreopReviewLib.phantoms.contrast import draw_appearance, paint, thick_slices
from PreopReviewLib.phantoms.liver import make_liver_phantom
from PreopReviewLib.phantoms.tissues import Tissue

SEEDS = range(710_000, 710_004)
CONTRASTS = ("ct", "pv_mr", "hbp")
LESIONS = (Tissue.TUMOR, Tissue.TUMOR_CORE, Tissue.TUMOR_RIM, Tissue.CYST)
LIMIT_ML, LIMIT_REGIONS = 0.5, 1
RESULT = Path(__file__).parent / "results" / "lesion_free.json"
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = (
    "ct_contrast/lits000_ct.nii.gz",
    "totalsegmentator/ct_3mm.nii.gz",
    "totalsegmentator/ct_dicom",
    "totalsegmentator/mr_3mm_slab.nii.gz",
)
KEYS = ("tumor", "candidate", "cyst")


def shapes() -> list[tuple[np.ndarray, float]]:
    """Real liver masks with their spacing; none without `shared/data`."""
    files = sorted((DATA / "couinaud").glob("lits_*.nii.gz"))[: len(SEEDS)]
    return [(read_map(f).labels > 0, 2.0) for f in files]


def healthy(seed: int, contrast: str) -> tuple[sitk.Image, sitk.Image]:
    """Image and liver mask of a phantom without lesions."""
    phantom = make_liver_phantom(seed, contrast, (144, 144, 128), 2.0, shapes=shapes())
    anatomy = phantom.anatomy
    tissues = np.where(np.isin(anatomy.tissues, LESIONS), Tissue.LIVER, anatomy.tissues).astype(anatomy.tissues.dtype)
    anatomy = replace(anatomy, tissues=tissues, lesions=[])
    rng = np.random.default_rng([seed, CONTRASTS.index(contrast), 1])
    image = paint(rng, anatomy, draw_appearance(rng, contrast))
    if rng.random() < 0.4:
        image = thick_slices(rng, image, anatomy.spacing)
    liver = images.image_like(anatomy.liver.astype(np.uint8), phantom.labels)
    return images.image_like(image, phantom.labels), liver


def row_of(name: str, image: sitk.Image, liver: sitk.Image | None, modality: str) -> dict[str, Any]:
    """What a plan finds: ml and number of regions of each kind of lesion."""
    plan = make_plan(image, PlanOptions(modality=modality, segments=False), liver_mask=liver)
    row: dict[str, Any] = {"case": name, "modality": modality}
    for key in KEYS:
        found = [r for r in plan.regions if r.structure == key]
        row |= {f"{key}_ml": round(sum(r.ml for r in found), 2), f"{key}_regions": len(found)}
    print(*(f"{k} {v}" for k, v in row.items()), sep="  ", flush=True)
    return row


def main() -> int:
    """Writes results/lesion_free.json; phantoms are judged, patients listed."""
    rows = []
    for contrast in CONTRASTS:
        modality = "CT" if contrast == "ct" else "MR"
        rows += [row_of(f"{contrast} {seed}", *healthy(seed, contrast), modality) for seed in SEEDS]
    kept = [r for r in rows if r["tumor_ml"] <= LIMIT_ML and r["tumor_regions"] <= LIMIT_REGIONS]
    patients = []
    for path in REAL:
        if (DATA / path).exists():
            image = images.read_image(DATA / path)
            patients.append(row_of(path, image, None, images.guess_modality(image)))
    data = {"phantoms": rows, "within_limits": len(kept), "of": len(rows), "patients": patients}
    RESULT.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"{len(kept)} of {len(rows)} phantoms have at most {LIMIT_ML} ml of tumor in {LIMIT_REGIONS} region")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
