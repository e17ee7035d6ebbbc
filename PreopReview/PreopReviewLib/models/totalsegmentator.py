"""TotalSegmentator, where it is installed, behind the seam for models: its liver tasks, run by its own code.

Its weights are looked for where it keeps them and are never fetched from here. They are loaded as tensors and plain
values only, its usage statistics stay off, and nothing is written to its own folder.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import ModelCorrupt, ModelError, ModelUnavailable
from PreopReviewLib.models.seam import PROGRAM_PREFIX, SegmenterResult
from PreopReviewLib.output import private_folder
from PreopReviewLib.progress import CancelToken, Progress, silent

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

NETWORK = "TotalSegmentator"
PREFIX = PROGRAM_PREFIX
_ORGANS = {
    "liver": "liver",
    "gallbladder": "gallbladder",
    "inferior_vena_cava": "inferior_vena_cava",
    "portal_vein_and_splenic_vein": "portal_vein",
}
_SEGMENTS = {f"liver_segment_{n}": f"segment_{n}" for n in range(1, 9)}
TASKS: dict[str, tuple[str, dict[str, str]]] = {
    "total": ("CT", _ORGANS),
    "total_mr": ("MR", _ORGANS),
    "liver_vessels": ("CT", {"liver_vessels": "liver_vessel", "liver_tumor": "tumor"}),
    "liver_segments": ("CT", _SEGMENTS),
    "liver_segments_mr": ("MR", _SEGMENTS),
    "liver_lesions": ("CT", {"liver_lesions": "tumor"}),
    "liver_lesions_mr": ("MR", {"liver_lesions": "tumor"}),
}
"""Modality, and what of its classes is which structure of ours; its other classes are left."""
PARTLY = {"total": ("portal_vein",), "total_mr": ("portal_vein",)}
"""The portal trunk with the splenic vein, not the branches in the liver."""
_CARD = """# {name} {version}

Task `{task}` of TotalSegmentator ({modality}): {structures}. Run by the installed package, with its own preparation.

## Known

- Code: Apache-2.0 (Wasserthal et al., Radiology: Artificial Intelligence 2023, doi 10.1148/ryai.230024).
- What it is asked for here: {drawn}. Its other classes are left out.
- Weights are loaded as tensors and numbers only; its usage statistics are switched off.

## Not known

- The license of the weights of this task: see TotalSegmentator's own page before you use them.
- How accurate it is on your images: nothing was measured here with its published weights.
"""


def installed() -> bool:
    """Whether the package is there; it is not imported for that."""
    return find_spec("totalsegmentator") is not None


def task_of(name: str) -> str | None:
    """The task that a model's name means, or None."""
    task = name.removeprefix(PREFIX)
    return task if name.startswith(PREFIX) and task in TASKS else None


def metadata(task: str) -> dict[str, Any]:
    """What there is to say of a task, in the form of a package's metadata."""
    modality, classes = TASKS[task]
    return {
        "name": PREFIX + task,
        "version": _version(),
        "task": "segmentation",
        "description": f"TotalSegmentator, task {task} ({modality})",
        "license": "code Apache-2.0; weights see the card",
        "intended_use": "As its authors state; not validated here",
        "network": {"name": NETWORK, "arguments": {}},
        "inference": {"classes": ["background", *dict.fromkeys(classes.values())], "modalities": [modality]},
        "training": {"data": "see TotalSegmentator's publications"},
    }


def all_metadata() -> dict[str, dict[str, Any]]:
    """Of every task by its model's name, where the package is installed."""
    return {PREFIX + task: metadata(task) for task in TASKS} if installed() else {}


def card(name: str) -> str:
    """The card of a task's model, Markdown."""
    task = task_of(name)
    assert task is not None
    modality, classes = TASKS[task]
    drawn = "; ".join(f"{theirs} → {ours}" for theirs, ours in classes.items())
    words = ", ".join(dict.fromkeys(classes.values()))
    return _CARD.format(name=name, version=_version(), task=task, modality=modality, structures=words, drawn=drawn)


def _version() -> str:
    try:
        return version("TotalSegmentator")
    except PackageNotFoundError:
        return ""


class TotalSegmentatorTask:
    """One task.

    Attributes:
        partly: structures of which it draws a part only, to which others' are added.

    Raises:
        ModelUnavailable: the package or the task's weights are not there; says how to get them.
    """

    needs_region = False

    def __init__(self, task: str) -> None:
        if not installed():
            raise ModelUnavailable(
                "TotalSegmentator is not installed", "Install the extra: pip install preopreview[totalsegmentator]"
            )
        self.task = task
        self.name = f"{PREFIX}{task} {_version()}"
        modality, classes = TASKS[task]
        self.structures = tuple(dict.fromkeys(classes.values()))
        self.modalities = (modality,)
        self.partly = PARTLY.get(task, ())
        missing = missing_weights(task)
        if missing:
            raise ModelUnavailable(
                f"TotalSegmentator has no weights for its task {task} in {_weights_folder()} ({', '.join(missing)})",
                f"Run totalseg_download_weights -t {task} where there is a network, or copy its folders there",
            )

    def segment(
        self,
        image: sitk.Image,
        region: sitk.Image | None = None,
        *,
        modality: str | None = None,
        device: str = "auto",
        progress: Progress = silent,
        cancel: CancelToken | None = None,
    ) -> SegmenterResult:
        """As `Segmenter.segment`; a region leaves out what is beyond it. It cannot be cancelled between windows."""
        from PreopReviewLib.inference.device import choose_device

        token = cancel or CancelToken()
        where = choose_device(device)
        progress(0.0, f"TotalSegmentator, {self.task}")
        predicted = self._run(image, where)
        token.raise_if_cancelled()
        values = {name: number for number, name in enumerate(self.structures, 1)}
        table = np.zeros(256, np.uint8)
        for number, theirs in _class_map(self.task).items():
            ours = TASKS[self.task][1].get(theirs)
            if ours is not None:
                table[number] = values[ours]
        labels = sitk.GetImageFromArray(np.ascontiguousarray(table[predicted]))
        labels.CopyInformation(image)
        if region is not None:
            labels = sitk.Mask(labels, sitk.Cast(region != 0, sitk.sitkUInt8))
        notes = []
        if modality and modality not in self.modalities:
            other = {"total": "total_mr", "total_mr": "total"}.get(self.task, f"{self.task}_mr")
            notes.append(f"{self.name} is for {self.modalities[0]}; this image is {modality}: see {PREFIX}{other}.")
        progress(1.0, "Done")
        return SegmenterResult(labels, values, self.name, notes, [], where)

    def _run(self, image: sitk.Image, device: str) -> np.ndarray:
        """uint8 (K, J, I) of its own values."""
        import torch

        from PreopReviewLib.models.nnunet.checkpoint import allowed
        from PreopReviewLib.models.nnunet.network import quiet

        with private_folder() as home, _settings(home), torch.serialization.safe_globals(allowed()), quiet():
            from totalsegmentator.python_api import totalsegmentator

            try:
                segmentation = totalsegmentator(
                    to_nibabel(image),
                    None,
                    ml=True,
                    task=self.task,
                    nr_thr_resamp=1,
                    nr_thr_saving=1,
                    quiet=True,
                    device={"cuda": "gpu"}.get(device, device),
                )
            except pickle.UnpicklingError as error:
                raise ModelCorrupt(
                    f"The weights of TotalSegmentator's task {self.task} hold more than weights; none of it was run",
                    f"Remove them from {_weights_folder()} and fetch them again",
                ) from error
        return np.asanyarray(segmentation.dataobj).astype(np.uint8).transpose(2, 1, 0)


def to_nibabel(image: sitk.Image) -> Nifti1Image:
    """The image as nibabel has it: axes I-J-K, RAS+ millimeters."""
    import nibabel

    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    converted = nibabel.Nifti1Image(array.astype(np.float32), np.diag([-1, -1, 1, 1]) @ affine)
    converted.header.set_xyzt_units("mm")
    return converted


def missing_weights(task: str) -> list[str]:
    """Folders of weights that a task needs, by TotalSegmentator's own tables, and that are not there."""
    from PreopReviewLib.models.nnunet.network import quiet

    try:
        with quiet():
            from totalsegmentator.map_tasks_config import TASK_CONFIGS, TASK_ID_WEIGHTS_CONFIGS
    except ImportError as error:
        raise ModelError(
            f"This version of TotalSegmentator ({_version()}) does not say which weights a task needs ({error})",
            "Install 2.18 or later",
        ) from error
    settings: Mapping[str, Any] = TASK_CONFIGS[task]
    settings = settings.get("sub_modes", {}).get("default", settings)
    wanted = settings["task_id"]
    wanted = [*wanted] if isinstance(wanted, list) else [wanted]
    if settings.get("crop") is not None:  # it looks for the liver first, coarsely
        wanted.append(852 if task.endswith("_mr") else 297 if settings.get("robust_crop") else 298)
    folders = [
        Path(TASK_ID_WEIGHTS_CONFIGS[w].get("rel_path") or "") / TASK_ID_WEIGHTS_CONFIGS[w]["foldername"]
        for w in wanted
    ]
    return [str(f) for f in folders if not (_weights_folder() / f).is_dir()]


def _class_map(task: str) -> dict[int, str]:
    from totalsegmentator.map_to_binary import class_map

    return class_map[task]


def _weights_folder() -> Path:
    """Where TotalSegmentator keeps its weights, by its own environment variables."""
    if chosen := os.environ.get("TOTALSEG_WEIGHTS_PATH"):
        return Path(chosen)
    home = os.environ.get("TOTALSEG_HOME_DIR")
    return (Path(home) if home else Path.home() / ".totalsegmentator") / "nnunet" / "results"


@contextmanager
def _settings(home: Path) -> Iterator[None]:
    """Its environment for one run: a home of its own where statistics are off, the weights as they lie, no pickles."""
    import torch

    config = {
        "totalseg_id": "none",
        "send_usage_stats": False,
        "prediction_counter": 0,
        "statistics_disclaimer_shown": True,
    }
    (home / "config.json").write_text(json.dumps(config), encoding="utf-8")
    wanted = {
        "TOTALSEG_WEIGHTS_PATH": str(_weights_folder()),
        "TOTALSEG_HOME_DIR": str(home),
        "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
    }
    names = [*wanted, "nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"]
    before = {name: os.environ.get(name) for name in names}
    threads = torch.get_num_threads()
    os.environ.update(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
