"""How well a five-structure model does on simulated images whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.segmentation.five_structures import segment_structures
from LiverPlannerLib.segmentation.morphology import closed
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.phantoms.anatomy import Anatomy
from PreopReviewLib.phantoms.contrast import draw_appearance, paint
from PreopReviewLib.phantoms.liver import make_liver_phantom
from PreopReviewLib.phantoms.tissues import VESSELS, Tissue
from PreopReviewLib.progress import Progress, silent
from PreopReviewLib.training.phantom_data import imperfect_mask

if TYPE_CHECKING:
    from PreopReviewLib.models.package import ModelPackage

KEYS = ("tumor", "hepatic_vein", "portal_vein", "bile_duct", "cyst")
TREES = ("hepatic_vein", "portal_vein", "bile_duct")
HELD_OUT = 780_000
PAINTINGS = range(3, 8)
HULL_MM = 6.0
Figures = dict[str, dict[str, dict[str, float]]]


def evaluate_five_structures(
    package: ModelPackage,
    cases: int,
    contrasts: Sequence[str],
    anatomy: Path | None = None,
    progress: Progress = silent,
) -> Figures:
    """Dice by test and structure: mean, SD and number of cases in which the structure is present.

    Args:
        cases: held-out phantoms of each contrast; the liver given to the model is made imperfect, as a network's is.
        anatomy: label file of a real anatomy (values as `data/liver_anatomy`), painted five times per contrast.
    """
    figures: Figures = {}
    total = len(contrasts) * (cases + (len(PAINTINGS) if anatomy is not None else 0))
    done = 0
    for contrast in contrasts:
        rows = []
        for number in range(cases):
            phantom = make_liver_phantom(HELD_OUT + number, contrast)
            given = imperfect_mask(np.random.default_rng(number), phantom.anatomy)
            mask = images.image_like(given.astype(np.uint8), phantom.image)
            rows.append(case_scores(package, phantom.image, mask, phantom.labels, phantom.order))
            done += 1
            progress(done / total, f"{contrast} {number + 1} of {cases}")
        figures[f"{cases} held-out phantoms, {contrast}"] = summary(rows)
        if anatomy is not None:
            rows = []
            for seed in PAINTINGS:
                image, mask, truth = painted_anatomy(anatomy, contrast, seed)
                rows.append(case_scores(package, image, mask, truth, real_anatomy=True))
                done += 1
                progress(done / total, f"{contrast} real anatomy, painting {len(rows)}")
            figures[f"real anatomy, {len(rows)} paintings, {contrast}"] = summary(rows)
    return figures


def case_scores(
    package: ModelPackage,
    image: sitk.Image,
    mask: sitk.Image,
    truth: sitk.Image,
    order: sitk.Image | None = None,
    real_anatomy: bool = False,
) -> dict[str, float]:
    """Dice of each structure, of PV and HV as one, and of main branches; NaN where the truth has none.

    Args:
        order: main (1) and peripheral (2) vessel voxels of the truth.
        real_anatomy: the truth counts the vena cava as hepatic vein, so the prediction does too; and it ends with
            the liver, so the prediction is judged inside it.
    """
    predicted = images.array_of(segment_structures(image, mask, package).labels)
    if real_anatomy:
        predicted = np.where(images.array_of(mask) > 0, predicted, 0)
        cava = predicted == structure("inferior_vena_cava").label
        predicted = np.where(cava, structure("hepatic_vein").label, predicted)
    real = images.array_of(truth)
    scores = {key: _dice(predicted == structure(key).label, real == structure(key).label) for key in KEYS}
    trees = [structure(key).label for key in ("portal_vein", "hepatic_vein")]
    scores["portal or hepatic vein"] = _dice(np.isin(predicted, trees), np.isin(real, trees))
    if order is not None:
        main = images.array_of(order) == 1
        for key in TREES:
            scores[f"{key}, main"] = _main_dice(predicted, real, main, structure(key).label)
    return scores


def _main_dice(predicted: np.ndarray, real: np.ndarray, main: np.ndarray, label: int) -> float:
    """Dice of main branches with one partition: predicted voxels take the order of the nearest true voxel."""
    from scipy import ndimage

    truth = real == label
    if not (truth & main).any():
        return float("nan")
    index = ndimage.distance_transform_edt(~truth, return_distances=False, return_indices=True)
    return _dice((predicted == label) & main[tuple(index)], truth & main)


def summary(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean, sample SD and count over the cases that have a value."""
    out = {}
    for key in rows[0]:
        values = np.array([row[key] for row in rows if np.isfinite(row[key])])
        if len(values):
            deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
            out[key] = {"mean": round(float(values.mean()), 4), "sd": round(deviation, 4), "cases": len(values)}
    return out


def painted_anatomy(labels: Path, contrast: str, seed: int = 3) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """A real anatomy as a simulated image: image, liver mask and truth in the table's values.

    Its hepatic veins hold the vena cava: their thickest part has a radius of 12.9 mm. Veins are painted wherever they
    run, but mask and truth hold them only in the liver, as a surgeon's mask does: where a closing of the parenchyma by
    6 mm reaches.

    Args:
        labels: 1 liver, 3 hepatic veins, 4 portal vein, 5 and 6 arteries or duct, 7 gallbladder, 8 cysts, 9 tumor.
    """
    source = sitk.DICOMOrient(images.read_labels(labels), "LPS")
    values = images.array_of(source)
    coding, spacing = _anatomy_coding(labels), float(source.GetSpacing()[0])
    solid = np.isin(values, [coding[k] for k in ("liver", "cyst", "tumor")])
    veins = np.isin(values, [coding[k] for k in ("hepatic_vein", "portal_vein")])
    liver = solid | (veins & closed(solid, HULL_MM, [spacing] * 3))
    tissues = np.full(values.shape, Tissue.FAT, np.uint8)
    tissues[liver] = Tissue.LIVER
    for key, tissue in (("tumor", Tissue.TUMOR), ("cyst", Tissue.CYST), ("gallbladder", Tissue.GALLBLADDER)):
        tissues[values == coding[key]] = tissue
    fractions = np.zeros((len(VESSELS), *values.shape), np.uint8)
    for channel, key in enumerate(VESSELS[:2]):
        fractions[channel] = (values == coding[key]) * 255
    anatomy = Anatomy(tissues, fractions, np.zeros(values.shape, bool), liver, spacing)
    rng = np.random.default_rng(seed)
    image = images.image_like(paint(rng, anatomy, draw_appearance(rng, contrast)), source)
    truth = np.where(liver, structure("liver").label, 0).astype(np.uint8)
    for key in ("tumor", "cyst", "hepatic_vein", "portal_vein"):
        truth[liver & (values == coding[key])] = structure(key).label
    mask = images.image_like(liver.astype(np.uint8), source)
    return image, mask, images.image_like(truth, source)


def _anatomy_coding(labels: Path) -> dict[str, int]:
    """Label values of the real anatomy, from its volumes: see the data's own description."""
    coding = {"liver": 1, "hepatic_vein": 3, "portal_vein": 4, "gallbladder": 7, "cyst": 8, "tumor": 9}
    present = set(np.unique(images.array_of(images.read_labels(labels))).tolist())
    if not set(coding.values()) <= present:
        raise InputError(f"{labels} is not a labeled liver anatomy of the known coding", "Give labels_1.5mm.nii.gz")
    return coding


@contextmanager
def package_of(path: Path) -> Iterator[ModelPackage]:
    """A package, or a run packed into one that is there for the time of the block."""
    from PreopReviewLib.models.package import load_package
    from PreopReviewLib.output import private_folder
    from PreopReviewLib.training.pack import pack_run

    if (path / "configs").is_dir():
        yield load_package(path)
        return
    with private_folder() as folder:
        yield pack_run(path, folder / "package", checkpoint="last")


def _dice(predicted: np.ndarray, truth: np.ndarray) -> float:
    if not truth.any():
        return float("nan")
    return float(2 * np.count_nonzero(predicted & truth) / (np.count_nonzero(predicted) + np.count_nonzero(truth)))
