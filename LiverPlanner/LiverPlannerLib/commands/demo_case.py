"""The demonstration behind `make demo`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LiverPlannerLib.commands.plan_case import plan_liver
from LiverPlannerLib.plan.pipeline import LiverPlan, PlanOptions
from PreopReviewLib import images
from PreopReviewLib.output import private_folder
from PreopReviewLib.phantoms import SIMULATED_SEED
from PreopReviewLib.progress import Progress, silent, within
from PreopReviewLib.samples import sample_ct

SIMULATED_MRI = "simulated_mri"


def run_demo(
    out: Path,
    case: Path | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> LiverPlan:
    """The liver plan on a case of the user's own; or on the sample CT and on a simulated hepatobiliary MRI.

    The sample CT is a real patient's, in the portal-venous phase; the bile ducts are seen in the simulated MRI only.

    Args:
        out: folder to make; the simulated MRI gets a folder in it.
        case: an image or DICOM folder; None is the sample.
    """
    if case is not None:
        return plan_liver(case, out, overwrite=overwrite, origin="your own image", progress=progress)
    sample = sample_ct()
    plan = plan_liver(
        sample.path,
        out,
        overwrite=overwrite,
        title="Sample CT",
        origin=sample.origin,
        progress=within(progress, 0.0, 0.85),
    )
    _simulated_mri(out / SIMULATED_MRI, within(progress, 0.85, 1.0))
    return plan


def _simulated_mri(out: Path, progress: Progress) -> None:
    """Five structures in a simulated hepatobiliary MRI, inside the liver that the simulation knows."""
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    progress(0.0, "Simulating a hepatobiliary MRI")
    phantom = make_liver_phantom(SIMULATED_SEED, "hbp", slice_mm=0)
    with private_folder() as folder:
        image = images.write_image(phantom.image, folder / "simulated_mri.nii.gz")
        inside = images.image_like(phantom.anatomy.liver.astype(np.uint8), phantom.image)
        liver = images.write_image(inside, folder / "liver.nii.gz")
        plan_liver(
            image,
            out,
            PlanOptions("MR", lesions=False),
            liver=liver,
            title="Simulated hepatobiliary MRI",
            origin=f"SIMULATED from phantom {SIMULATED_SEED}; the liver is the phantom's own",
            progress=progress,
        )
        images.write_image(phantom.image, out / "image.nii.gz")
        images.write_image(phantom.labels, out / "truth.nii.gz")
