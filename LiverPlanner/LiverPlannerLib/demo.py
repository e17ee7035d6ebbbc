"""The demonstration behind `make demo`."""

from __future__ import annotations

from pathlib import Path

from LiverPlannerLib.plan import LiverPlan
from LiverPlannerLib.plan_files import plan_liver
from PreopReviewLib.progress import Progress, silent
from PreopReviewLib.samples import Sample, sample_ct


def run_demo(
    out: Path,
    case: Path | None = None,
    samples: Path | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> LiverPlan:
    """The liver plan on a case of the user's own or on the sample CT.

    Args:
        out: folder to make.
        case: an image or DICOM folder; None is the sample.
        samples: a folder that may hold the sample already.
    """
    sample = Sample(case, "your own image") if case else sample_ct(samples, progress)
    title = None if case else "Sample CT"
    return plan_liver(sample.path, out, overwrite=overwrite, title=title, origin=sample.origin, progress=progress)
