"""Our entries of the Sample Data module: a real liver in contrast and simulated ones; nothing is fetched for them."""

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
CONTRAST_CT = "LiverContrastCT"
MODALITY = {"hbp": "MR", "ct": "CT"}


def register(category: str) -> None:
    """Registers the samples under a category of the Sample Data module."""
    import SampleData

    icons = Path(__file__).resolve().parents[2] / "Resources" / "Icons"
    for name in (CONTRAST_CT, *SAMPLES):
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
        volume = add_contrast_ct() if name == CONTRAST_CT else add_sample(name)
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        return [volume]

    return download


def add_contrast_ct() -> Any:
    """The real CT with a whole liver in contrast, and the segments that others have drawn in it, hidden.

    Returns:
        vtkMRMLScalarVolumeNode.
    """
    from LiverPlannerLib.structures import SEGMENTS
    from LiverPlannerLib.terminology_files import terminology_entry
    from PreopReviewLib import images
    from PreopReviewLib.images.windows import gray_window
    from PreopReviewLib.samples import sample_ct
    from PreopReviewLib.scene import nodes

    sample = sample_ct()
    image = images.read_image(sample.path)
    volume = nodes.add_volume(slicer.mrmlScene, image, CONTRAST_CT, gray_window(image, "CT"))
    volume.SetDescription(sample.origin)
    specs = [nodes.SegmentSpec(s.key, s.name, s.color, (s.label,), terminology_entry(s)) for s in SEGMENTS]
    drawn = nodes.add_segmentation(
        slicer.mrmlScene, images.read_labels(sample.segments), specs, f"{CONTRAST_CT} Couinaud segments", volume
    )
    drawn.GetDisplayNode().SetVisibility(False)
    return volume


def add_sample(name: str, size: tuple[int, int, int] | None = None, spacing: float | None = None) -> Any:
    """Simulates a liver in the worker process and adds it to the scene; takes some seconds, Slicer stays responsive.

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
