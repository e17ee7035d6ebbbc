"""Two small cases to draw on, and what an annotator does with them in the section Ground truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

SHAPE = (20, 28, 30)


def gray() -> sitk.Image:
    array = np.random.default_rng(1).normal(70, 8, SHAPE).astype(np.float32)
    array[:, :4] = -1000
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((3, 3, 3))
    image.SetOrigin((-40, 20, 100))
    return image


def drawn(shift: int = 0) -> sitk.Image:
    array = np.zeros(SHAPE, np.uint8)
    array[4:15, 8:22, 5 + shift : 22 + shift] = 1
    array[6:9, 10:13, 8 + shift : 12 + shift] = 2
    return images.image_like(array, gray())


def done(host: Any, widget: Any) -> None:
    host.wait_until(lambda: not widget.context.busy, 60)
    host.process_events(0.1)


def as_annotator(host: Any, truth: Any, name: str = "ab") -> None:
    truth.ui.annotatorEdit.text = name
    truth.ui.annotatorEdit.editingFinished.emit()
    host.process_events(0.05)


def draw(truth: Any, labels: sitk.Image) -> None:
    """Fills the segments of the open case, as the Segment Editor does."""
    import slicer

    from PreopReviewLib.scene import nodes

    content = truth.open_case.nodes.segmentation.GetSegmentation()
    for key, values in (("liver", (1, 2)), ("tumor", (2,))):
        content.GetSegment(key).AddRepresentation("Binary labelmap", nodes._labelmap(labels, values))
        content.GetSegment(key).SetLabelValue(1)
    content.InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)


def set_status(host: Any, truth: Any, key: str, index: int) -> None:
    box = truth.open_case._boxes[key]
    box.setCurrentIndex(index)
    box.activated.emit(index)
    host.process_events(0.05)


def saved(tmp_path: Path, annotator: str = "ab") -> dict[str, Any]:
    return json.loads((tmp_path / "list" / annotator / "progress.json").read_text())["cases"]


def draw_all(listed: Any) -> None:
    for name in ("one", "two"):
        listed.mine.save_labels(name, drawn())
        for key in ("liver", "tumor"):
            listed.mine.set_status(name, key, "done")
    listed.refresh()
