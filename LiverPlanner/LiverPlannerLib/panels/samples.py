"""Our entries of the Sample Data module: livers simulated on this machine, so that nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from PreopReviewLib.phantoms import SIMULATED_SEED

SAMPLES: dict[str, dict[str, Any]] = {
    "SimulatedLiverMRI": {"seed": SIMULATED_SEED, "contrast": "hbp", "size": (128, 128, 128), "spacing": 2.0},
    "SimulatedLiverCT": {"seed": SIMULATED_SEED, "contrast": "ct", "size": (128, 128, 128), "spacing": 2.0},
}
"""Name to the parameters of `tasks.simulate`."""
MODALITY = {"hbp": "MR", "ct": "CT"}


def register(category: str) -> None:
    """Registers the samples under a category of the Sample Data module."""
    import SampleData

    icons = Path(__file__).resolve().parents[2] / "Resources" / "Icons"
    for name in SAMPLES:
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=category,
            sampleName=name,
            uris="",
            fileNames="",
            nodeNames=name,
            thumbnailFileName=str(icons / f"{name}.png"),
            customDownloader=_downloader(name),
        )


def _downloader(name: str) -> Callable[[Any], list[Any]]:
    def download(_source: Any) -> list[Any]:
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        volume = add_sample(name)
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        return [volume]

    return download


def add_sample(name: str, size: tuple[int, int, int] | None = None, spacing: float | None = None) -> Any:
    """Simulates a liver in the worker process and adds it to the scene; takes some seconds, Slicer stays alive.

    Args:
        name: a key of `SAMPLES`.
        size, spacing: other ones than the sample's.

    Returns:
        vtkMRMLScalarVolumeNode.

    Raises:
        JobError: it failed.
    """
    import tempfile
    import time

    from PreopReviewLib import jobs
    from PreopReviewLib.images.windows import gray_window
    from PreopReviewLib.scene.nodes import add_volume
    from PreopReviewLib.worker_io import load_image

    wanted = dict(SAMPLES[name])
    wanted |= {k: v for k, v in (("size", size), ("spacing", spacing)) if v is not None}
    runner = jobs.JobRunner()
    with tempfile.TemporaryDirectory(prefix="preopreview-", dir=slicer.app.temporaryPath) as folder:
        try:
            job = runner.start("LiverPlannerLib.tasks:simulate", wanted, Path(folder), on_failed=_raise)
            while job.running:
                runner.poll()
                slicer.app.processEvents()
                time.sleep(0.02)
        finally:
            runner.close()
        image = load_image(Path(folder), job.result["image"])
    return add_volume(slicer.mrmlScene, image, name, gray_window(image, MODALITY[wanted["contrast"]]))


def _raise(error: Exception) -> None:
    raise error
