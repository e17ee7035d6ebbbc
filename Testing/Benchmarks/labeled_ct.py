"""The whole plan on CTs whose structures were labeled by hand. You give the data, so `make bench` leaves it out.

    python -m Testing.Benchmarks.labeled_ct 3Dircadb1.17 [...]

A case is a folder of 3D-IRCADb-01 (ircad.fr, CC BY-NC-ND; PATIENT_DICOM and MASKS_DICOM unpacked in it), or
IMAGE:LABELS with the labels of this project (liver 1, tumor 2, hepatic vein 4, portal vein 5), or IMAGE:LABELS:LIVER
where labeled vessels go on outside the liver. Dice are taken inside the labeled liver, because there the labels of
3D-IRCADb hold the trees as far as the aorta and the legs. Its hepatic veins hold the part of the vena cava that is
drawn in the liver; the plan's do not. Beside Dice: the share of rightly found vessel voxels that have the right name,
and the shares of found and of labeled vessel voxels within 2 mm of the other.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.plan.pipeline import make_plan
from LiverPlannerLib.segmentation.five_structures import segment_structures
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.evaluation.overlap import dice

PARTS = {"tumor": "livertumor*", "hepatic_vein": "venoussystem", "portal_vein": "portalvein"}


def read_case(given: str) -> tuple[sitk.Image, np.ndarray, np.ndarray]:
    """Image, labels (K, J, I) in the table's values, and the labeled liver (bool)."""
    if not Path(given).is_dir():
        image, labels, *liver = given.split(":")
        values = images.array_of(images.read_labels(labels))
        inside = images.array_of(images.read_labels(liver[0])) > 0 if liver else values > 0
        return images.read_image(image), values, inside
    folder = Path(given)
    image = images.read_image(folder / "PATIENT_DICOM")
    masks = folder / "MASKS_DICOM"
    inside = images.array_of(images.read_image(masks / "liver")) > 0
    values = np.where(inside, structure("liver").label, 0).astype(np.uint8)
    for key in ("hepatic_vein", "portal_vein", "tumor"):
        for part in sorted(masks.glob(PARTS[key])):
            values[images.array_of(images.read_image(part)) > 0] = structure(key).label
    return image, values, inside


def agreement(predicted: np.ndarray, truth: np.ndarray, veins: list[int], spacing: list[float]) -> dict[str, float]:
    """Right names, and what lies within 2 mm, of label arrays (K, J, I)."""
    import edt

    drawn, labeled = np.isin(predicted, veins), np.isin(truth, veins)
    both = drawn & labeled
    to_drawn, to_labeled = (edt.edt((~m).view(np.uint8), anisotropy=tuple(spacing)) for m in (drawn, labeled))
    shares = {
        "right name": (predicted == truth)[both],
        "found within 2 mm": to_labeled[drawn] <= 2,
        "labeled within 2 mm": to_drawn[labeled] <= 2,
    }
    return {key: round(float(share.mean()), 3) if share.size else 0.0 for key, share in shares.items()}


def scores(labels: sitk.Image, truth: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    predicted = np.where(inside, images.array_of(labels), 0)
    truth = np.where(inside, truth, 0)
    out = {key: round(dice(predicted == structure(key).label, truth == structure(key).label), 3) for key in PARTS}
    veins = [structure(key).label for key in ("hepatic_vein", "portal_vein")]
    out["any vessel"] = round(dice(np.isin(predicted, veins), np.isin(truth, veins)), 3)
    return out | agreement(predicted, truth, veins, images.spacing_kji(labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+")
    table = {}
    for given in parser.parse_args().cases:
        image, truth, inside = read_case(given)
        plan = make_plan(image)
        whole = {"liver": round(dice(images.array_of(plan.labels) > 0, inside), 3)} | scores(plan.labels, truth, inside)
        liver = images.image_like(inside.astype(np.uint8), image)
        alone = scores(segment_structures(image, liver).labels, truth, inside)
        name = Path(given.split(":")[0]).resolve()
        name = name.name if name.is_dir() else name.parent.name
        table[name] = {"whole plan": whole, "five structures in the labeled liver": alone}
        print(name, *table[name].items(), *plan.warnings, sep="\n  ")
    result = Path(__file__).parent / "results" / "labeled_ct.json"
    result.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
