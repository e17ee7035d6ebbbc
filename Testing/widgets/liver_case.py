"""A small liver for the tests of LiverPlanner's panel: a piece of a phantom, quick to segment."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

SEED = 7  # a tumor and cysts


@dataclass(frozen=True)
class Case:
    """A CT of a piece of a liver in air, and what is in it."""

    image: sitk.Image
    labels: sitk.Image


@cache
def small_case() -> Case:
    """About 25×25×20 voxels of liver with a tumor and a cyst, in a CT with air around."""
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    phantom = make_liver_phantom(SEED, "ct", size=(80, 72, 64), spacing=3.2, slice_mm=0)
    labels = images.array_of(phantom.labels)
    center = np.argwhere(labels == 3).mean(0).round().astype(int)
    start = np.clip(center - 14, 0, np.array(labels.shape) - 28)
    box = images.Box(tuple(start.tolist()), tuple((start + 28).tolist()))
    image, labels_image = images.crop(phantom.image, box), images.crop(phantom.labels, box)
    inside = np.isin(images.array_of(labels_image), [1, 2, 3, 4, 5, 6])
    values = np.where(inside, images.array_of(image), -1000)
    values[:3] = values[-3:] = values[:, :3] = values[:, -3:] = values[..., :3] = values[..., -3:] = -1000
    kept = np.where(values > -900, images.array_of(labels_image), 0).astype(np.uint8)
    return Case(images.image_like(values.astype(np.int16), image), images.image_like(kept, image))


@cache
def _parts() -> tuple[Any, ...]:
    """The true structures, once for all tests: a scene copies what it takes of them."""
    from LiverPlannerLib.plan.parts import parts_of

    return tuple(parts_of(small_case().labels))


def add_volume(name: str = "CT") -> Any:
    """The small CT as a volume node."""
    import slicer

    from PreopReviewLib.scene import nodes

    return nodes.add_volume(slicer.mrmlScene, small_case().image, name, (400.0, 40.0))


def add_liver(volume: Any, name: str = "Drawn") -> Any:
    """A segmentation with the liver drawn, for what is found inside it: no model of the liver is needed."""
    import slicer

    from LiverPlannerLib.scene.segments import segment_specs
    from PreopReviewLib.scene import nodes

    liver = (images.array_of(small_case().labels) > 0).astype(np.uint8)
    labels = images.image_like(liver, small_case().labels)
    node = nodes.add_segmentation(slicer.mrmlScene, labels, segment_specs()[:1], name, volume)
    node.GetDisplayNode().SetVisibility(False)
    return node


def add_plan(volume: Any) -> Any:
    """The true structures as a plan of the volume, without a run."""
    from LiverPlannerLib.scene import plan as scene_plan

    record = {
        "modality": "CT",
        "volumes_ml": {"liver": 300.0, "tumor": 5.0, "bile_duct": 0.0},
        "warnings": ["The liver reaches the superior border of the image."],
        "models": {"liver": "given"},
        "seconds": {"liver": 3.0},
        "device": "cpu",
    }
    return scene_plan.add_plan(volume, list(_parts()), record)


def scene_content() -> list[tuple[str, str]]:
    """Class and name of every node that a user would miss, in order."""
    import slicer

    kinds = (
        "VolumeNode",
        "SegmentationNode",
        "MRMLTableNode",
        "MRMLModelNode",
        "Markups",
        "TransformNode",
        "PlotChart",
    )
    scene = slicer.mrmlScene
    nodes = (scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes()))
    matching = [n for n in nodes if any(n.GetClassName().endswith(k) or f"MRML{k}" in n.GetClassName() for k in kinds)]
    of_views = re.compile(r"Volume Slice|(Slice|Red|Green|Yellow) Transform")
    return sorted((n.GetClassName(), n.GetName()) for n in matching if not of_views.search(n.GetName()))


def wait(host: Any, widget: Any, seconds: float = 240.0) -> None:
    """Until no job runs."""
    host.wait_until(lambda: not widget.context.busy, seconds)
    host.process_events(0.05)


def asked_of_the_worker(
    host: Any, widget: Any, press: Callable[[], None], monkeypatch: Any, folder: Path
) -> dict[str, Any]:
    """What a button asks the worker for a large volume, with the image it has written; the worker is not started.

    Fails where the event loop does not answer meanwhile.
    """
    import slicer

    from PreopReviewLib import worker_io
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.scene import nodes

    values = np.zeros((200, 512, 512), np.int16)
    values[:, 0, 0] = np.arange(200)
    large = nodes.add_volume(slicer.mrmlScene, sitk.GetImageFromArray(values), "Large", (400.0, 40.0))
    volume = widget.context.parameters.inputVolume
    if volume is None:
        widget.context.parameters.inputVolume = large
    else:  # another volume would put the plan away
        volume.SetAndObserveImageData(large.GetImageData())
        volume.CopyOrientation(large)
        volume.SetName("Large")
        slicer.mrmlScene.RemoveNode(large)
    host.process_events(0.1)
    asked: dict[str, Any] = {}
    folders: list[Path] = []

    def ask(_task: str, parameters: dict, work: Path, *_more: Any) -> None:
        asked.update(parameters)
        folders.append(work)
        (work / parameters["image"]["file"]).rename(folder / parameters["image"]["file"])
        raise InputError("Enough seen", "Go on")

    monkeypatch.setattr(widget.context, "_start", ask)
    press()
    assert widget.context.busy, host.messages
    turns = Turns(widget.context)
    wait(host, widget)
    assert turns.stop() > 10
    assert "Enough seen" in host.messages[-1].text
    image = worker_io.load_image(folder, asked["image"])
    assert image.GetSpacing() == (1.0, 1.0, 1.0)
    assert np.array_equal(images.array_of(image), values)
    assert not folders[0].exists()
    return asked


class Turns:
    """How often the event loop turned while the panel itself worked, in pieces, before and after the worker did.

    Turns, not seconds: how long a piece takes is measured in the application (`Testing/Application`), as a busy
    machine and the memory of a process that has run many tests stretch it.
    """

    def __init__(self, context: Any) -> None:
        import qt

        self.between_pieces = 0
        self._context = context
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._turn)
        self._timer.start()

    def _turn(self) -> None:
        self.between_pieces += self._context._pieces is not None

    def stop(self) -> int:
        """Ends the count and gives it."""
        self._timer.stop()
        return self.between_pieces
